//go:build browser

package browser_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

// triaged is a hub with devices on which several things happened.
func triaged(t *testing.T) (*harness, *client.Client) {
	t.Helper()
	h := start(t, nil)
	owner := h.Hub.Client()
	for id, name := range map[tvilling.DeviceID]string{"pump-1": "reverse-shell", "pump-2": "malicious-file", "pump-3": "brute-force-failed"} {
		h.device(owner, id, `{"site":"lund"}`, -1)
		h.attack(owner, id, name)
	}
	h.alerts(owner, 3)
	return h, owner
}

// alerts waits until there are so many alerts, and returns them.
func (h *harness) alerts(owner *client.Client, n int) []*client.Alert {
	h.t.Helper()
	var list []*client.Alert
	eventually(h.t, fmt.Sprintf("%d alerts", n), func() bool {
		var err error
		if list, _, err = owner.AlertPage(h.t.Context(), client.AlertFilter{}, client.Paging{}); err != nil {
			h.t.Fatal(err)
		}
		return len(list) >= n
	})
	return list
}

func (h *harness) alertNow(owner *client.Client, id string) *client.Alert {
	h.t.Helper()
	a, err := owner.Alert(h.t.Context(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	return a
}

// current is the id of the alert that a page shows.
func current(p *page) string {
	return strings.TrimSpace(p.text("#alert-id"))
}

// TestAlertsByKeyboard goes from the list to an alert that is dismissed with a
// reason, and undoes one act on the way, without a mouse.
func TestAlertsByKeyboard(t *testing.T) {
	h, owner := triaged(t)
	p := h.open(t, "/console/alerts")
	first := current(p)
	p.leave(func() { p.press("j") })
	second := current(p)
	if second == first {
		t.Fatal("j does not lead to the next alert")
	}
	p.leave(func() { p.press("k") })
	if got := current(p); got != first {
		t.Fatalf("k leads to %s, want %s", got, first)
	}
	p.axe()
	p.leave(func() { p.press("a") })
	if got := current(p); got != second {
		t.Errorf("after an act the cursor is on %s, want the next alert %s", got, second)
	}
	p.waitText(".said", "Acknowledged")
	if a := h.alertNow(owner, first); a.Status != "acknowledged" {
		t.Fatalf("the alert is %s", a.Status)
	}
	p.leave(func() { p.press("u") })
	if a := h.alertNow(owner, first); a.Status != "new" || current(p) != first {
		t.Errorf("after undo the alert is %s, and the page shows %s", a.Status, current(p))
	}
	p.press("d")
	p.wait("dialog[open] input[name=reason]")
	p.axe()
	p.press(" ")          // the first reason has the focus
	p.press(kb.ArrowDown) // the second: false positive
	p.leave(func() { p.press(kb.Enter) })
	p.waitText(".said", "Dismissed")
	if a := h.alertNow(owner, first); a.Status != "dismissed" || a.Reason != "falsePositive" {
		t.Errorf("the alert is %s for %q", a.Status, a.Reason)
	}
	// Two are ticked and acknowledged together.
	p.goTo("/console/alerts")
	p.press("x")
	p.leave(func() { p.press("j") })
	p.goTo("/console/alerts")
	eval[bool](p, `(() => { for (const b of [...document.querySelectorAll("[data-rows] input[type=checkbox]")].slice(0, 2)) b.click(); return true })()`)
	p.waitText("[data-bulk]", "2")
	p.leave(func() { p.click("[data-bulk] button[value=acknowledge]") })
	p.waitText(".said", "Acknowledged: 2 alerts")
	p.clean()
}

// TestAlertsWithoutScript does the same by links and forms.
func TestAlertsWithoutScript(t *testing.T) {
	h, owner := triaged(t)
	list := h.alerts(owner, 3)
	p := h.open(t, "/console/alerts", noScript)
	p.follow(`#alert-` + list[1].ID + ` > a`)
	p.follow(`#alert-acts form[action*="/start"] button`)
	if a := h.alertNow(owner, list[1].ID); a.Status != "inProgress" {
		t.Errorf("the alert is %s", a.Status)
	}
	p.follow(`.said .undo button`)
	if a := h.alertNow(owner, list[1].ID); a.Status != "new" {
		t.Errorf("after undo the alert is %s", a.Status)
	}
	p.follow(`#alert-acts a[href*="/dismiss"]`)
	p.click(`input[value=benign]`)
	p.follow(`main form button.primary`)
	if a := h.alertNow(owner, list[1].ID); a.Status != "dismissed" || a.Reason != "benign" {
		t.Errorf("the alert is %s for %q", a.Status, a.Reason)
	}
	p.goTo("/console/alerts?status=all&text=shell")
	if n := p.count("[data-rows] > li"); n == 0 || n > 3 {
		t.Errorf("the search for a text finds %d", n)
	}
	p.clean()
}

// TestTwoOperators: the second of two at once is told what the first did.
func TestTwoOperators(t *testing.T) {
	h, owner := triaged(t)
	id := h.alerts(owner, 3)[0].ID
	anna := h.open(t, "/console/alerts/"+id)
	bob := h.open(t, "/console/alerts/"+id, asRole("operator"))
	anna.press("d")
	anna.wait("dialog[open] input[name=reason]")
	anna.click("dialog[open] input[value=benign]")
	anna.fill("dialog[open] textarea", "I know it")
	bob.leave(func() { bob.press("s") })
	// What anna typed stays, though the page behind has changed.
	anna.waitText("#alert-standing", "In progress")
	anna.follow("dialog[open] button.primary")
	anna.waitText("h1", "Somebody else changed this alert")
	if got := anna.text("main"); !strings.Contains(got, "Work started by") || !strings.Contains(got, "operator") {
		t.Errorf("the page does not say what the other did: %s", got)
	}
	if got := eval[string](anna, `document.querySelector("textarea").value`); got != "I know it" {
		t.Errorf("what was typed is lost: %q", got)
	}
	if a := h.alertNow(owner, id); a.Status != "inProgress" {
		t.Fatalf("the alert is %s", a.Status)
	}
	anna.axe()
	anna.follow("main form button")
	if a := h.alertNow(owner, id); a.Status != "dismissed" || a.Note != "I know it" {
		t.Errorf("all the same: %s", a.Raw)
	}
	anna.clean()
	bob.clean()
}

// TestAlertsLive: new alerts are counted, and not pushed in.
func TestAlertsLive(t *testing.T) {
	h, owner := triaged(t)
	h.device(owner, "pump-4", `{}`, -1)
	p := h.open(t, "/console/alerts")
	p.waitText("#live", "Live")
	before := p.texts("[data-rows] > li .t")
	h.attack(owner, "pump-4", "history-cleared")
	h.alerts(owner, 4)
	p.waitText("#alerts-new", "1 new alert")
	if got := p.texts("[data-rows] > li .t"); !slices.Equal(got, before) {
		t.Errorf("the list changed under the reader: %q", got)
	}
	p.follow("#alerts-new a")
	if got := p.count("[data-rows] > li"); got != len(before)+1 {
		t.Errorf("%d alerts, want %d", got, len(before)+1)
	}
	p.clean()
}

// TestReadyPatch previews a ready patch and writes it, and refuses to when the
// twin has changed since.
func TestReadyPatch(t *testing.T) {
	h := start(t, nil)
	owner := h.Hub.Client()
	h.device(owner, "pump-1", `{}`, -1)
	module := tvilling.Identity{Device: "pump-1", Module: tvilling.SecurityModule}
	set := func(value string) {
		t.Helper()
		_, err := owner.PatchTwin(t.Context(), module, client.TwinPatch{Desired: []byte(`{"ms_iotn:urn_azureiot_Security_SecurityAgentConfiguration":{"maxMessageSizeInBytes":{"value":` + value + `}}}`)}, tvilling.Match{})
		if err != nil {
			t.Fatal(err)
		}
	}
	set("5000")
	const typ = "IoT_AgentConfigurationNotOptimal"
	eventually(t, "a ready patch", func() bool {
		r, err := owner.Recommendation(t.Context(), typ, "pump-1")
		return err == nil && len(r.Patch) > 0
	})
	p := h.open(t, "/console/recommendations")
	p.axe()
	p.follow(`#kind-` + typ + ` th a`)
	p.follow(`#device-pump-1 .fill a`)
	p.waitText(".changes", "maxMessageSizeInBytes")
	p.axe()
	set("5001") // the twin is another one now
	p.follow("main form button.primary")
	p.waitText("h1", "The patch was not applied")
	p.goTo("/console/recommendations/" + typ + "/pump-1")
	p.waitText(".changes", "5001")
	p.follow("main form button.primary")
	p.waitText(".banner", "The patch is in the twin")
	twin, err := owner.Twin(t.Context(), module)
	if err != nil || strings.Contains(string(twin.Raw), "5001") {
		t.Errorf("the twin is %s, %v", twin.Raw, err)
	}
	p.clean()
}
