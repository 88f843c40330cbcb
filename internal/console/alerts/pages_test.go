package alerts_test

import (
	"context"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/alerts"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/account"
	"github.com/tvilling/tvilling/internal/security/alert"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/investigate"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/store/securitymem"
)

// bench is the pages over a real ledger in memory.
type bench struct {
	*testing.T
	store   *securitymem.Store
	ledger  *ledger.Ledger
	service *alert.Service
	site    *web.Site
	user    string
	role    account.Role
	n       int
}

func (b *bench) Session(context.Context, string) (account.Session, error) {
	return account.Session{ID: "session-" + b.user, User: b.user, Role: b.role, Expires: time.Now().Add(time.Hour)}, nil
}
func (b *bench) Record(context.Context, string, string, string) error { return nil }

// Rule knows one detection.
func (b *bench) Rule(id string) (alert.Rule, bool) {
	return alert.Rule{ID: id, Title: "Reverse shell", Version: "v1", Description: "A shell joined to a connection", Remediation: []string{"Take it off."}, Techniques: []string{"T1059.004"}}, id == "reverse-shell"
}

type noEvents struct{}

func (noEvents) Page(context.Context, event.Query, investigate.Where, int, func() bool) (investigate.Page, error) {
	return investigate.Page{}, nil
}

func (noEvents) Tree(context.Context, investigate.Scope, func() bool) (*investigate.Tree, error) {
	return &investigate.Tree{Complete: true}, nil
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{T: t, store: securitymem.New(), user: "anna", role: account.Operator}
	b.ledger = ledger.NewLedger(b.store)
	b.service = alert.New(b.ledger, b)
	b.site = web.New(web.Options{
		Accounts: b, Status: func() web.Status { return web.Status{Hub: "test"} }, Logger: slog.New(slog.DiscardHandler),
		Routes: alerts.Routes(alerts.Options{
			Ledger: b.store, Alerts: b.service, Events: noEvents{}, Changed: b.ledger.Changed,
			Detections: func() []alerts.Detection {
				return []alerts.Detection{{Type: "IoT_ReverseShell", Title: "Reverse shell"}}
			},
			Registered: func(context.Context, tvilling.DeviceID) (bool, error) { return true, nil },
		}),
	})
	return b
}

// raise makes an alert about a device.
func (b *bench) raise(device, command string) *ledger.Alert {
	b.Helper()
	b.n++
	var out *ledger.Alert
	err := b.ledger.Do(context.Background(), func(tx *ledger.Tx) error {
		a, err := alert.Raise(tx, alert.Raised{
			Key: ledger.Key{Device: tvilling.DeviceID(device), Type: "IoT_ReverseShell", Cause: command}, Title: "Reverse shell", Severity: ledger.High,
			Rule: "reverse-shell", RuleVersion: "v1", Hits: 1, Time: time.Now(),
			Evidence: ledger.Evidence{
				Sequence: uint64(b.n), Event: fmt.Sprint("e", b.n), Name: "ProcessCreate", Time: time.Now(), Received: time.Now(),
				Matched: []ledger.Match{{Selection: "s", Field: "CommandLine", Value: command, Pattern: "contains: /dev/tcp"}},
				Item:    fmt.Appendf(nil, `{"CommandLine":%q,"ProcessId":7}`, "x"),
			},
		})
		out = a
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return b.alert(out.ID)
}

func (b *bench) alert(id string) *ledger.Alert {
	b.Helper()
	a, err := b.store.Alert(context.Background(), id)
	if err != nil || a == nil {
		b.Fatalf("alert %s: %v, %v", id, a, err)
	}
	return a
}

// get returns a page, and demands its status.
func (b *bench) get(address string, status int) string {
	b.Helper()
	return b.do(httptest.NewRequestWithContext(context.Background(), http.MethodGet, address, nil), status).Body.String()
}

func (b *bench) do(r *http.Request, status int) *httptest.ResponseRecorder {
	b.Helper()
	r.AddCookie(&http.Cookie{Name: web.Cookie, Value: "token"})
	w := httptest.NewRecorder()
	b.site.ServeHTTP(w, r)
	if w.Code != status {
		b.Fatalf("%s %s: status %d, want %d:\n%s", r.Method, r.URL, w.Code, status, w.Body)
	}
	return w
}

// post sends a form and returns where that leads, and the page.
func (b *bench) post(address string, form url.Values, status int) (location, page string) {
	b.Helper()
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, address, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := b.do(r, status)
	return w.Header().Get("Location"), w.Body.String()
}

// seen are the fields of a page's form that say what was seen.
func (b *bench) seen(page, act string) url.Values {
	b.Helper()
	form := regexp.MustCompile(`(?s)<form[^>]*action="[^"]*/` + act + `[^"]*".*?</form>`).FindString(page)
	out := url.Values{}
	for _, m := range regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`).FindAllStringSubmatch(form, -1) {
		out.Add(m[1], html.UnescapeString(m[2]))
	}
	if out.Get("tag") == "" && out.Get("token") == "" {
		b.Fatalf("the page has no form for %s", act)
	}
	return out
}

// TestTriage goes from the list to an act, to the next alert, and undoes it.
func TestTriage(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	older := b.raise("pump-1", "sh >& /dev/tcp/1")
	newer := b.raise("pump-2", "sh >& /dev/tcp/2")
	page := b.get("/console/alerts/"+newer.ID+"?severity=high", 200)
	for _, want := range []string{"2 alerts", "A shell joined to a connection.", "<mark>", "Unix shell", "Take it off.", "counted in silence", "pump-1"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	to, _ := b.post("/console/alerts/"+newer.ID+"/acknowledge?severity=high", b.seen(page, "acknowledge"), 303)
	if want := "/console/alerts/" + older.ID + "?severity=high"; to != want {
		t.Errorf("after the act: %s, want the next alert, %s", to, want)
	}
	if a := b.alert(newer.ID); a.Status != ledger.Acknowledged {
		t.Fatalf("the alert is %s", a.Status)
	}
	page = b.get(to, 200)
	if !strings.Contains(page, "Acknowledged: Reverse shell on pump-2.") || !strings.Contains(page, "makes it new again") {
		t.Error("the next page does not say what was done and how to undo it")
	}
	undo := b.seen(page, "undo")
	b.post("/console/alerts/undo", url.Values{"token": {"another"}}, 409)
	b.post("/console/alerts/undo", undo, 303)
	if a := b.alert(newer.ID); a.Status != ledger.New {
		t.Errorf("after undo the alert is %s", a.Status)
	}
	b.post("/console/alerts/undo", undo, 409)
}

// TestUndoEnds: after its time an act stays.
func TestUndoEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		a := b.raise("pump-1", "sh")
		page := b.get("/console/alerts/"+a.ID, 200)
		to, _ := b.post("/console/alerts/"+a.ID+"/start", b.seen(page, "start"), 303)
		undo := b.seen(b.get(to, 200), "undo")
		<-time.After(11 * time.Second)
		if strings.Contains(b.get(to, 200), "data-undo") {
			t.Error("the page still offers to undo after 11 s")
		}
		<-time.After(5 * time.Second)
		b.post("/console/alerts/undo", undo, 409)
		if got := b.alert(a.ID).Status; got != ledger.InProgress {
			t.Errorf("the alert is %s", got)
		}
	})
}

// TestConflict: two operators at once meet; nothing is overwritten unless the
// second says so, having seen what the first did.
func TestConflict(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	a := b.raise("pump-1", "sh")
	form := b.seen(b.get("/console/alerts/"+a.ID, 200), "dismiss")
	b.raise("pump-1", "sh") // evidence holds nobody up
	if _, err := b.service.Act(t.Context(), []alert.Target{{ID: a.ID}}, alert.Change{Status: new(ledger.InProgress), Note: new("I look at it")}, "user:bob"); err != nil {
		t.Fatal(err)
	}
	form.Set("reason", "benign")
	form.Set("note", "mine & <b>")
	_, page := b.post("/console/alerts/"+a.ID+"/dismiss", form, 409)
	for _, want := range []string{"Somebody else changed this alert", "Work started", "bob", "I look at it", "mine &amp; &lt;b&gt;", "Leave it as it is now"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if got := b.alert(a.ID); got.Status != ledger.InProgress || got.Note != "I look at it" {
		t.Fatalf("the first one's work is overwritten: %+v", got)
	}
	again := b.seen(page, "dismiss")
	again.Set("reason", "benign")
	b.post("/console/alerts/"+a.ID+"/dismiss", again, 303)
	if got := b.alert(a.ID); got.Status != ledger.Dismissed || got.Reason != "benign" {
		t.Errorf("all the same: %+v", got)
	}
}

// TestRefusals: what is wrong with a form is said beside what was typed.
func TestRefusals(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	a := b.raise("pump-1", "sh")
	form := b.seen(b.get("/console/alerts/"+a.ID, 200), "dismiss")
	form.Set("reason", "benign")
	form.Set("for", "at")
	form.Set("until", "2001-01-01T00:00")
	form.Set("note", "typed")
	_, page := b.post("/console/alerts/"+a.ID+"/dismiss", form, 400)
	if !strings.Contains(page, "ends in the future") || !strings.Contains(page, "typed") || !strings.Contains(page, `aria-invalid="true" aria-describedby="dismiss-problem"`) {
		t.Errorf("the page does not say what is wrong where:\n%s", page)
	}
	form.Del("reason")
	form.Del("for")
	if _, page = b.post("/console/alerts/"+a.ID+"/dismiss", form, 400); !strings.Contains(page, "for a reason") {
		t.Error("a dismissal without reason is not refused in words")
	}
	b.get("/console/alerts/none", 404)
	b.get("/console/alerts/"+a.ID+"/explode", 404)
	b.get("/console/alerts?from=tomorrow", 400)
	b.role = account.Viewer
	b.post("/console/alerts/"+a.ID+"/acknowledge", form, 403)
	if page := b.get("/console/alerts/"+a.ID, 200); strings.Contains(page, "<form method=\"post\"") {
		t.Error("a viewer is shown what a viewer may not do")
	}
}

// TestMany: an act on several alerts tells of each, and leaves alone what
// somebody changed or what came since.
func TestMany(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var list []*ledger.Alert
	var targets []string
	for i := range 5 {
		a := b.raise(fmt.Sprint("pump-", i), "sh")
		list = append(list, a)
		targets = append(targets, a.ID+"."+alert.StateOf(a).Tag())
	}
	if _, err := b.service.Act(t.Context(), []alert.Target{{ID: list[0].ID}}, alert.Change{Owner: new("bob")}, "user:bob"); err != nil {
		t.Fatal(err)
	}
	page := b.get("/console/alerts/many?"+url.Values{"act": {"resolve"}, "t": targets[:3]}.Encode(), 200)
	if !strings.Contains(page, "3 alerts") || !strings.Contains(page, "pump-2") {
		t.Error("the page does not say which alerts")
	}
	b.post("/console/alerts/many", url.Values{"act": {"resolve"}, "t": targets[:3]}, 400) // no reason
	to, _ := b.post("/console/alerts/many", url.Values{"act": {"resolve"}, "reason": {"mitigated"}, "t": targets[:3]}, 303)
	page = b.get(to, 200)
	if !strings.Contains(page, "Resolved: 2 alerts; 1 refused.") || !strings.Contains(page, "Somebody else has changed the alert") {
		t.Errorf("the page does not tell the outcomes")
	}
	b.post("/console/alerts/undo", b.seen(page, "undo"), 303)
	if got := b.alert(list[1].ID).Status; got != ledger.New {
		t.Errorf("after undo: %s", got)
	}
	seen := time.Now()
	late := b.raise("late", "sh")
	b.post("/console/alerts/many?severity=high", url.Values{"act": {"acknowledge"}, "all": {"1"}, "seen": {seen.UTC().Format(time.RFC3339Nano)}}, 303)
	for _, a := range list {
		if got := b.alert(a.ID).Status; got != ledger.Acknowledged {
			t.Errorf("%s is %s", a.Device, got)
		}
	}
	if got := b.alert(late.ID).Status; got != ledger.New {
		t.Errorf("what nobody has seen is %s", got)
	}
}

// TestPages: the list is whole and without repetition across its pages, forth
// and back.
func TestPages(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const total = 95
	for i := range total {
		b.raise(fmt.Sprintf("pump-%03d", i), "sh")
	}
	row := regexp.MustCompile(`<li id="alert-([0-9a-f-]+)"`)
	next := regexp.MustCompile(`rel="next" href="([^"]*)"`)
	previous := regexp.MustCompile(`rel="prev" href="([^"]*)"`)
	seen := make(map[string]bool)
	at, pages := "/console/alerts?severity=high", []string{}
	for at != "" {
		page := b.get(at, 200)
		pages = append(pages, at)
		for _, m := range row.FindAllStringSubmatch(page, -1) {
			if seen[m[1]] {
				t.Errorf("%s is on two pages", m[1])
			}
			seen[m[1]] = true
		}
		if m := previous.FindStringSubmatch(page); len(pages) > 1 && (m == nil || row.FindString(b.get(html.UnescapeString(m[1]), 200)) != row.FindString(b.get(pages[len(pages)-2], 200))) {
			t.Errorf("back from %s does not lead to the page before", at)
		}
		m := next.FindStringSubmatch(page)
		at = ""
		if m != nil {
			at = html.UnescapeString(m[1])
		}
	}
	if len(seen) != total || len(pages) != 3 {
		t.Errorf("%d alerts on %d pages, want %d on 3", len(seen), len(pages), total)
	}
	if page := b.get("/console/alerts?text=PUMP-0", 200); !strings.Contains(page, "None of the 95") && !strings.Contains(page, "No alert matches") {
		t.Error("the text is looked for in the device's id, which the page does not say")
	}
	if page := b.get("/console/alerts?text=reverse", 200); !strings.Contains(page, "searched by text") || len(row.FindAllString(page, -1)) != 40 {
		t.Error("a search for text finds nothing")
	}
}

// TestHostile: whatever a device sent, it is text.
func TestHostile(t *testing.T) {
	t.Parallel()
	for _, hostile := range []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, "\u202egnp.exe\u202c", "a\x00b\x1b[31m", `{{template "frame"}}`, strings.Repeat("<b>", 11_000),
		`javascript:alert(1)`, "\xff\xfe",
	} {
		b := newBench(t)
		a := b.raise("pump-1", hostile)
		for _, address := range []string{"/console/alerts", "/console/alerts/" + a.ID, "/console/alerts/" + a.ID + "/note"} {
			// What is not seen stands in an element that lets nothing out.
			page := regexp.MustCompile(`(?s)<span class="ctl-char">.{1,8}?</span>`).ReplaceAllString(b.get(address, 200), "")
			for _, bad := range []string{"<script>alert", "<img src=x", "\u202e", "\x00", "\x1b", "<b><b>", `href="javascript`} {
				if strings.Contains(page, bad) {
					i := strings.Index(page, bad)
					t.Errorf("%s with %.20q has %q in %q", address, hostile, bad, page[max(0, i-80):min(len(page), i+40)])
				}
			}
		}
	}
}
