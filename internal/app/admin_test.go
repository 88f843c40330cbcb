package app_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/app"
	"github.com/tvilling/tvilling/internal/app/apptest"
)

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := new(http.Client).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(b)
}

func TestAdmin(t *testing.T) {
	h := apptest.Start(t, nil)
	h.Register(h.Client(), "d")
	for _, path := range []string{"/healthz", "/readyz", "/debug/pprof/"} {
		if status, body := get(t, "http://"+h.Admin()+path); status != http.StatusOK {
			t.Errorf("GET %s: %d %s", path, status, body)
		}
	}
	_, body := get(t, "http://"+h.Admin()+"/metrics")
	for _, want := range []string{
		"tvilling_commit_seconds_count ",
		"tvilling_connected 0",
		"tvilling_live_queries 0",
		`tvilling_mqtt_refused_total{reason="unauthorized"} 0`,
		`tvilling_messages_taken_total{kind="security"} 0`,
		"tvilling_journal_bytes ",
		`tvilling_http_request_seconds_count{route="PUT /devices/{device}",status="200"} 1`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the metrics lack %q", want)
		}
	}
}

func TestDataDirectoryIsClosedToOthers(t *testing.T) {
	h := apptest.Start(t, func(o *app.Options) {
		if err := os.MkdirAll(o.Data, 0o755); err != nil {
			t.Fatal(err)
		}
	})
	info, err := os.Stat(h.Data)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o700 {
		t.Errorf("the data directory has mode %o, want 700", got)
	}
	for _, secret := range []string{"hub.key", "ca.key", "server.key", "owner.connection-string"} {
		info, err := os.Stat(filepath.Join(h.Data, secret))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o600 {
			t.Errorf("%s has mode %o, want 600", secret, got)
		}
	}
}

func TestMissingHubKeyIsTold(t *testing.T) {
	h := apptest.Start(t, nil)
	h.Register(h.Client(), "d")
	h.Stop()
	if err := os.Remove(filepath.Join(h.Data, "hub.key")); err != nil {
		t.Fatal(err)
	}
	if err := h.Fail(); !strings.Contains(err.Error(), "put the key file back") {
		t.Errorf("start without the hub's key: %v", err)
	}
}

func TestKeysOutliveARestart(t *testing.T) {
	h := apptest.Start(t, nil)
	key := h.Register(h.Client(), "d")
	owner := h.OwnerConnectionString()
	h.Restart()
	if got := h.OwnerConnectionString(); got != owner {
		t.Error("a restart changed the owner's key")
	}
	d, err := h.Client().Device(t.Context(), tvilling.DeviceID("d"))
	if err != nil {
		t.Fatal(err)
	}
	if d.Authentication.SymmetricKey.Primary != key {
		t.Error("a restart changed the device's key")
	}
}

func TestBadOptionsAreRefused(t *testing.T) {
	for name, change := range map[string]func(*app.Options){
		"half a certificate": func(o *app.Options) { o.KeyFile = "k" },
		"a log too small":    func(o *app.Options) { o.Security.MaxBytes = 1 },
		"a negative cache":   func(o *app.Options) { o.CacheBytes = -1 },
		"no address":         func(o *app.Options) { o.Admin = "256.0.0.1:1" },
	} {
		t.Run(name, func(t *testing.T) {
			o := app.Options{Data: t.TempDir(), MQTT: "127.0.0.1:0", HTTPS: []string{"127.0.0.1:0"}, Admin: "127.0.0.1:0"}
			change(&o)
			a, err := app.New(t.Context(), o)
			if err == nil {
				t.Errorf("accepted (closed: %v)", a.Close())
			}
		})
	}
}
