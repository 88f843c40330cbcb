package investigate_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func shell(line string, pid, parent int) string {
	return fmt.Sprintf(`[{"Executable":"/bin/sh","CommandLine":%q,"UserName":"root","ProcessId":%d,"ParentProcessId":%d}]`, line, pid, parent)
}

func TestEvents(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add("pump", "ProcessCreate", shell("wget http://203.0.113.77/x", 7, 1))
	s.add("gate", "Login", `[{"UserName":"root","Result":"Fail","Executable":"sshd","RemoteAddress":"203.0.113.77"}]`)
	s.add("gate", "ListeningPorts", `[]`).Event.Empty = true

	page := s.page("/investigate")
	has(t, page, "Failed login of ", "wget http://203.0.113.77/x", "Nothing listens on any port", "3 events on this page", `data-live="/console/live/investigate?`)
	page = s.page("/investigate?device=pump&name=ProcessCreate&where=CommandLine+contains+WGET")
	has(t, page, "1 event on this page", "<b><bdi class=\"inert\">WGET", `href="/console/investigate?device=pump&amp;name=ProcessCreate"`, "format=csv")
	hasNot(t, page, "Failed login")
	page = s.page("/investigate?where=CommandLine+contains+nonsense")
	has(t, page, "No event matches")
	page = s.page("/investigate?open=1.0&device=pump")
	has(t, page, "Payload as JSON", url.Values{"device": {"pump"}, "where": {"UserName = root"}}.Encode(), url.Values{"device": {"pump"}, "where": {"UserName != root"}}.Encode(), "5 min around this")
	page = s.page("/investigate?open=99.0")
	has(t, page, "is not kept any more")
}

func TestConditionOfThreeFields(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a := s.get("/investigate?" + url.Values{"device": {"pump"}, "wf": {"CommandLine"}, "wo": {"contains"}, "wv": {` a "b" `}}.Encode())
	_ = a.Body.Close()
	want := "/console/investigate?" + url.Values{"device": {"pump"}, "where": {`CommandLine contains " a \"b\" "`}}.Encode()
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != want {
		t.Errorf("got %s to %s, want %s", a.Status, a.Header.Get("Location"), want)
	}
	page := s.answer("/investigate?wf=Colour&wo=%3D&wv=red", http.StatusBadRequest)
	has(t, page, `There is no member &#34;Colour&#34;`, `value="Colour"`, `aria-invalid="true"`)
	page = s.answer("/investigate?wf=UserName&wo=%3D&wv="+strings.Repeat("x", 2000), http.StatusBadRequest)
	has(t, page, "at most 1024 bytes")
	for _, path := range []string{"?where=x", "?from=yesterday", "?type=Odd", "?range=5y", "?from=2026-01-02T00:00&to=2026-01-01T00:00"} {
		has(t, s.answer("/investigate"+path, http.StatusBadRequest), `role="alert"`)
	}
}

// TestHostileEvents: what a device wrote does nothing to the page.
func TestHostileEvents(t *testing.T) {
	t.Parallel()
	evil := `<script>alert(1)</script>"'` + "\u202e\u0000\u001b[31m\n" + strings.Repeat("A", 32<<10)
	s := newSite(t)
	s.add("pump", "ProcessCreate", shell(evil, 7, 1))
	s.add("pump", "<img src=x onerror=alert(1)>", `[1]`)
	s.add("pump", "Login", fmt.Sprintf(`[{"UserName":%q,"Result":"Fail","Executable":"sshd","RemoteAddress":%q}]`, evil[:200], evil[:200]))
	s.add("pump", "ConnectionCreate", fmt.Sprintf(`[{"Direction":"Out","Protocol":%q,"RemoteAddress":%q,"RemotePort":"1"}]`, evil[:60], evil[:60]))
	for _, path := range []string{"/investigate", "/investigate?open=1.0", "/investigate?open=2.0", "/investigate/processes?device=pump", "/investigate/processes", "/investigate/logins", "/investigate/connections"} {
		page := s.page(path)
		hasNot(t, page, "<script>alert", "<img src=x", "onerror=alert(1)>\"")
		for _, r := range page {
			if r == 0 || r == 0x1b {
				t.Errorf("%s: the page has the character %U", path, r)
				break
			}
		}
		if n := strings.Count(page, "\u202e"); n != strings.Count(page, "<span class=\"ctl-char\">\u202e</span>") {
			t.Errorf("%s: a mark that turns text stands alone, %d in all", path, n)
		}
		if len(page) > 200<<10 {
			t.Errorf("%s: %d bytes", path, len(page))
		}
	}
}

func TestPagesOfEvents(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i := range 120 {
		s.add("pump", "ProcessCreate", shell(fmt.Sprintf("command-%03d.", i), i+2, 1))
	}
	page := s.page("/investigate?device=pump")
	has(t, page, "command-119.", "command-070.", "50 events on this page", `rel="next"`)
	hasNot(t, page, "command-069.")
	_, next, _ := strings.Cut(page, `rel="next" href="/console`)
	next, _, _ = strings.Cut(next, `"`)
	page = s.page(strings.ReplaceAll(next, "&amp;", "&"))
	has(t, page, "command-069.", "command-020.", `rel="prev"`)
	hasNot(t, page, "command-070.", "data-live")
}

// TestLookingHasAnEnd: a search that takes too long says how far it came, and the
// next page goes on there.
func TestLookingHasAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		for i := range 20 {
			s.add("pump", "ProcessCreate", shell(fmt.Sprintf("command-%03d.", i), i+2, 1))
		}
		s.wait = 500 * time.Millisecond
		page := s.page("/investigate?where=CommandLine+contains+command-000")
		has(t, page, "Nothing was found so far", "nothing older was looked at", "Go on from there")
		page = s.page("/investigate/processes?device=pump")
		has(t, page, "This tree is made of the newest 5 events", "What was before")
		page = s.page("/investigate/connections")
		has(t, page, "No connection is known")
		page = s.page("/investigate/processes")
		has(t, page, "The hub looked for 2 s and came as far as", "What came after that")
	})
}

func TestExportOfEvents(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.add("=cmd", "Login", `[{"UserName":"root","Result":"Fail","Executable":"sshd"}]`)
	s.add("pump", "Login", `[{"UserName":"eve","Result":"Fail","Executable":"sshd"}]`)
	file := s.page("/investigate/export?format=csv&where=UserName+%3D+root")
	has(t, file, "TimeGenerated,", ",'=cmd,")
	hasNot(t, file, "eve")
	file = s.page("/investigate/export?format=jsonl")
	if n := strings.Count(file, "\n"); n != 2 {
		t.Errorf("%d lines:\n%s", n, file)
	}
	s.answer("/investigate/export?format=xml", http.StatusBadRequest)
}
