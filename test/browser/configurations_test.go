//go:build browser

package browser_test

import (
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/app"
)

// TestRollout makes a configuration with steps in the browser, sees it halt by
// its health condition, and takes it back.
func TestRollout(t *testing.T) {
	h := start(t, nil)
	owner := h.Hub.Client()
	for i := range 4 {
		id := tvilling.DeviceID(fmt.Sprintf("pump-%d", i))
		h.Hub.Register(owner, id)
		change(t, owner, tvilling.Device(id), `{"site":"lab"}`, "")
		h.reports(tvilling.Device(id), `{"failed":true}`)
	}
	p := h.open(t, "/console/configurations/new")
	p.fill("#id", "fw-5")
	p.fill("#content", `{"properties.desired.firmware": 5}`)
	p.fill("#target", "tags.site = 'lab'")
	p.fill("#steps", "25%, 50%")
	p.fill("#wait", "1h")
	p.fill("#unhealthy", "properties.reported.failed = true")
	p.follow("button[value=count]")
	if got := p.text("#matches"); !strings.Contains(got, "4 twins match") {
		t.Errorf("matches = %q, want 4 twins", got)
	}
	p.follow("button[value=preview]")
	if got := p.count(".plan > li"); got != 4 {
		t.Fatalf("%d twins in the preview, want 4", got)
	}
	if got := p.text(".plan .add"); !strings.Contains(got, "firmware 5") {
		t.Errorf("edit = %q, want firmware 5", got)
	}
	p.follow("button[value=save]")
	if p.at() != "/console/configurations/fw-5" {
		t.Fatalf("at %s after it was made", p.at())
	}
	p.waitText("#head", "Halted")
	p.waitText("#standing", "1 of 3")
	p.axe()
	p.follow(`#head a[href$="/rollback"]`)
	p.follow("main form button")
	p.waitText("#head", "Rolled back")
	tw, err := owner.Twin(t.Context(), tvilling.Device("pump-0"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(tw.Raw), `"firmware"`) {
		t.Errorf("the twin still has what was taken back: %s", tw.Raw)
	}
	p.follow(`#head a[href$="/delete"]`)
	p.follow("main form button")
	if p.at() != "/console/configurations" || p.count("tbody tr") != 0 {
		t.Errorf("at %s with %d rows after it was deleted", p.at(), p.count("tbody tr"))
	}
	p.clean()
}

// TestConfigurationConflict: two who edit at once meet, and nothing is lost.
func TestConfigurationConflict(t *testing.T) {
	h := start(t, nil)
	a := h.open(t, "/console/configurations/new")
	a.fill("#id", "both")
	a.fill("#content", `{"properties.desired.a": 1}`)
	a.follow("button[value=preview]")
	a.follow("button[value=save]")
	a.goTo("/console/configurations/both/edit")
	b := h.open(t, "/console/configurations/both/edit")
	b.fill("#priority", "50")
	b.follow("button[value=preview]")
	b.follow("button[value=save]")
	a.fill("#labels", "owner=ann")
	a.follow("button[value=preview]")
	a.follow("button[value=save]")
	if got := a.text("h1"); !strings.Contains(got, "changed meanwhile") {
		t.Fatalf("h1 = %q, want the conflict", got)
	}
	a.axe()
	a.follow("button[value=back]")
	a.follow("button[value=preview]")
	a.follow("button[value=save]")
	got, err := h.Hub.Client().Configuration(t.Context(), "both")
	if err != nil {
		t.Fatal(err)
	}
	if got.Priority != 50 || got.Labels["owner"] != "ann" {
		t.Errorf("priority %d, labels %v; want both changes", got.Priority, got.Labels)
	}
}

// TestSinkTest: the button sends a test to a real receiver, and says what came
// of it, bad and good.
func TestSinkTest(t *testing.T) {
	var well atomic.Bool
	var got atomic.Value
	receiver := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got.Store(string(b))
		if !well.Load() {
			http.Error(w, "not today", http.StatusServiceUnavailable)
		}
	}))
	defer receiver.Close()
	dir := t.TempDir()
	secret, ca := filepath.Join(dir, "secret"), filepath.Join(dir, "ca.pem")
	cert := receiver.Certificate()
	for path, text := range map[string][]byte{secret: []byte(strings.Repeat("k", 32)), ca: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h := start(t, func(o *app.Options) {
		o.Sinks = []app.Sink{{Kind: app.Webhook, Name: "soc", Target: receiver.URL + "/secret-token", SecretFile: secret, CAFile: ca}}
	})
	p := h.open(t, "/console/settings/sinks")
	if text := p.text("main"); strings.Contains(text, "secret-token") {
		t.Error("the page shows the path of a webhook, which may be secret")
	}
	p.follow(`form[action$="/test"] button`)
	p.waitText("main .banner", "did not take the test: The receiver answered 503")
	well.Store(true)
	p.follow(`form[action$="/test"] button`)
	p.waitText("main .banner", "soc took the test")
	if body, _ := got.Load().(string); !strings.Contains(body, `"subject":"test"`) || !strings.Contains(body, "Nothing has happened") {
		t.Errorf("the receiver got %s", body)
	}
	p.axe()
	p.clean()
}

// TestOwnRule: a rule that is wrong is pointed at, one that is right is tried,
// put in force, and deleted.
func TestOwnRule(t *testing.T) {
	h := start(t, nil)
	p := h.open(t, "/console/settings/rules/new")
	p.fill("#name", "own-curl")
	text := "title: T\nlogsource: {category: process_creation, product: linux}\ndetection:\n  selection:\n    ComandLine: x\n  condition: selection\nlevel: low\n"
	p.fill("#text", text)
	p.follow("button[value=check]")
	if got := p.text("main"); !strings.Contains(got, "Line 5") || !strings.Contains(got, "CommandLine") {
		t.Errorf("the page does not say what is wrong in line 5: %s", got)
	}
	p.fill("#text", strings.Replace(text, "ComandLine", "CommandLine", 1))
	p.follow("button[value=try]")
	p.waitText("main", "It would have found 0 events")
	p.axe()
	p.follow("button[value=put]")
	if p.at() != "/console/settings/detections/own-curl" {
		t.Fatalf("at %s after the rule was put", p.at())
	}
	p.follow(`a[href$="/own-curl/delete"]`)
	p.follow("main form button")
	if got := p.text("main"); strings.Contains(got, "own-curl") && !strings.Contains(got, "is deleted") {
		t.Error("the rule is still there")
	}
	p.clean()
}
