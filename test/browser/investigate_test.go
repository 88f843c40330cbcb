//go:build browser

package browser_test

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/security/sample"
)

// waitEvents waits until the hub has so many events of a kind.
func (h *harness) waitEvents(c *client.Client, name string, least int) {
	h.t.Helper()
	eventually(h.t, fmt.Sprintf("%d events %s", least, name), func() bool {
		n := 0
		for _, err := range c.Events(h.t.Context(), client.EventFilter{Names: []string{name}}, client.Paging{}, true) {
			if err != nil {
				h.t.Fatal(err)
			}
			n++
		}
		return n >= least
	})
}

// types types a text where the focus is.
func (p *page) types(text string) {
	p.t.Helper()
	p.press(text)
}

// investigated is a hub with a device that was attacked, and one that was not.
func investigated(t *testing.T) (*harness, *client.Client) {
	t.Helper()
	h := start(t, nil)
	owner := h.Hub.Client()
	h.device(owner, "pump-1", `{"site":"lund"}`, 1)
	h.device(owner, "pump-2", `{"site":"kiruna"}`, 2)
	h.attack(owner, "pump-1", "reverse-shell-connection")
	h.attack(owner, "pump-1", "brute-force-failed")
	h.attack(owner, "pump-1", "malicious-file")
	h.waitEvents(owner, "ConnectionCreate", 1)
	h.waitEvents(owner, "Login", 1)
	return h, owner
}

// TestInvestigateEvents: from all events to one, by keys and by links, and back.
func TestInvestigateEvents(t *testing.T) {
	t.Parallel()
	h, owner := investigated(t)
	p := h.open(t, "/console/investigate")
	p.axe()
	p.press("j")
	p.wait("tr.cursor")
	p.leave(func() { p.press("o") })
	p.wait(".detail")
	p.axe()
	p.leave(func() { p.click(".detail .acts a") })
	p.wait(".chip")
	if p.count(".detail") != 0 {
		t.Error("a filter leaves another event open")
	}
	if !strings.Contains(p.at(), "where=") {
		t.Errorf("the filter is not in the address: %s", p.at())
	}
	p.leave(func() { p.click(".chip a") })
	p.gone(".chip:not(.add)")

	// What comes is counted, and shown only to whoever follows.
	first := p.text("#rows tbody tr")
	h.sends(owner, "pump-2", sample.New(3).Message("pump-2", 3, time.Now()))
	p.waitText("#newer", "new event")
	if got := p.text("#rows tbody tr"); got != first {
		t.Errorf("the list has moved: %q became %q", first, got)
	}
	p.goTo("/console/investigate?device=pump-2&follow=1")
	p.waitText("#newer", "Following")
	p.click("button[data-pause]")
	p.waitText("#live", "Paused")
	before := p.count("#rows tbody tr")
	h.sends(owner, "pump-2", sample.New(4).Message("pump-2", 3, time.Now()))
	p.click("button[data-pause]")
	p.waitText("#newer", "came since")
	p.until("rows to come", `document.querySelectorAll("#rows tbody tr").length > `+strconv.Itoa(before))
	p.axe()
	p.clean()
}

// TestInvestigateAnswers: a mark in the tree leads to its alert, and pages fit
// the narrowest window.
func TestInvestigateAnswers(t *testing.T) {
	t.Parallel()
	h, _ := investigated(t)
	p := h.open(t, "/console/investigate/processes?device=pump-1", small, dark)
	for _, path := range []string{"processes?device=pump-1", "connections", "logins", "ports"} {
		p.goTo("/console/investigate/" + path)
		if wide := eval[bool](p, `document.documentElement.scrollWidth > innerWidth`); wide {
			t.Errorf("%s is wider than its window", path)
		}
	}
	p.goTo("/console/investigate/processes?device=pump-1")
	p.axe()
	p.follow(".mark-alert")
	if !strings.HasPrefix(p.at(), "/console/alerts/") {
		t.Errorf("the mark leads to %s", p.at())
	}
	p.clean()
}

// TestQueryPage: a query is completed, run, refused at its place, explained.
func TestQueryPage(t *testing.T) {
	t.Parallel()
	h, _ := investigated(t)
	p := h.open(t, "/console/query")
	p.axe()
	p.until("the editor", `!!document.querySelector("query-editor").shadowRoot?.querySelector(".cm-content")`)
	eval[bool](p, `(document.querySelector("#q").focus(), true)`)
	p.types("SELECT deviceId FROM devices WHERE tags.si")
	p.until("the member to be offered", `[...document.querySelector("query-editor").shadowRoot.querySelectorAll(".cm-completionLabel")].some((e) => e.textContent === "tags.site")`)
	p.types("te = 'lu")
	p.until("the value to be offered", `[...document.querySelector("query-editor").shadowRoot.querySelectorAll(".cm-completionLabel")].some((e) => e.textContent === "lund")`)
	p.press("\x1b")
	p.types("nd'")
	p.leave(func() { eval[bool](p, `(document.querySelector("#q").form.requestSubmit(), true)`) })
	if got := p.texts(".table.rows tbody td"); len(got) != 1 || got[0] != "pump-1" {
		t.Errorf("the query finds %q", got)
	}
	p.axe()
	p.goTo("/console/query?" + url.Values{"q": {"SELECT * FROM devices WHERE tags.site ="}}.Encode())
	p.waitText("#problem", "line 1, column")
	p.axe()
	p.goTo("/console/query?explain=1&" + url.Values{"q": {"SELECT * FROM devices WHERE tags.site = 'lund'"}}.Encode())
	p.waitText("#how", "How the hub answers")
	p.axe()
	p.clean()
}

// TestQueryLive: rows enter, change and leave in place.
func TestQueryLive(t *testing.T) {
	t.Parallel()
	h, owner := investigated(t)
	p := h.open(t, "/console/query?live=1&"+url.Values{"q": {"SELECT deviceId, tags.line FROM devices WHERE tags.site = 'lund'"}}.Encode())
	p.waitText("#live-rows", "pump-1")
	change(t, owner, tvilling.Device("pump-2"), `{"site":"lund"}`, "")
	p.waitText("#live-rows", "pump-2")
	change(t, owner, tvilling.Device("pump-1"), `{"line":"seven"}`, "")
	p.waitText("#live-rows", "seven")
	p.axe()
	change(t, owner, tvilling.Device("pump-1"), `{"site":"kiruna"}`, "")
	p.gone("#live-pump-1")
	counts := p.texts("#live-counts dd")
	if len(counts) < 4 || counts[0] != "1" || counts[1] != "1" || counts[2] != "1" || counts[3] != "1" {
		t.Errorf("rows now, entered, changed, left: %q", counts)
	}
	p.click("button[data-pause]")
	p.waitText("#live", "Paused")
	p.clean()
}

// TestInvestigateWithoutScript: everything but what changes by itself.
func TestInvestigateWithoutScript(t *testing.T) {
	t.Parallel()
	h, _ := investigated(t)
	for path, want := range map[string]string{
		"/console/investigate?device=pump-1&range=7d":                                                         "What happened",
		"/console/investigate?wf=UserName&wo=contains&wv=root":                                                "UserName contains",
		"/console/investigate/processes?device=pump-1":                                                        "Command",
		"/console/query?q=" + url.QueryEscape("SELECT deviceId FROM devices WHERE tags.site = 'lund'"):        "pump-1",
		"/console/query?live=1&q=" + url.QueryEscape("SELECT deviceId FROM devices WHERE tags.site = 'lund'"): "Following needs the page's script",
	} {
		p := h.open(t, path, noScript)
		if got := p.text("main"); !strings.Contains(got, want) {
			t.Errorf("%s lacks %q:\n%s", path, want, got)
		}
		p.clean()
	}
}
