//go:build browser

package browser_test

import (
	"strings"
	"testing"
	"time"
)

// TestFirstAlert: from an empty hub to the first alert, by clicks alone, within
// a minute.
func TestFirstAlert(t *testing.T) {
	h := start(t, nil)
	begin := time.Now()
	p := h.open(t, "/console/overview")
	p.waitAt("/console/start") // a hub without devices has nothing to show
	p.fill("#device", "pump-1")
	p.leave(func() { p.click("#device + button") })
	p.waitText("#progress", "Device registered")
	p.waitText("#progress", "It has never been connected.")
	p.follow("#keys button")
	if got := p.text("#agent-line"); !strings.Contains(got, "DeviceId=pump-1;SharedAccessSignature=") || !strings.Contains(got, "curl -fsS -k --pinnedpubkey") {
		t.Errorf("the line that installs the agent is %s", got)
	}
	if got := p.text("#connection-string"); !strings.Contains(got, ";DeviceId=pump-1;SharedAccessKey=") {
		t.Error("the connection string is not shown")
	}
	p.leave(func() { p.click("#attack ~ .row button") })
	p.wait("#open-alert")
	p.leave(func() { p.click("#open-alert") })
	p.waitText("main", "Reverse shell")
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("it took %s", took)
	}
	p.goTo("/console/overview")
	p.waitText("#affected", "pump-1")
	p.waitText("#frequent-alerts", "Reverse shell")
	p.axe()
	p.clean()
}

// TestFirstAlertWithoutScript: the same, on a device that is made for it.
func TestFirstAlertWithoutScript(t *testing.T) {
	h := start(t, nil)
	p := h.open(t, "/console/start?sdk=mosquitto", noScript)
	if got := p.text("#snippet"); !strings.Contains(got, "mosquitto_pub -h localhost") && !strings.Contains(got, "mosquitto_pub -h 127.0.0.1") {
		t.Errorf("the command is %s", got)
	}
	p.leave(func() { p.click("#attack ~ .row button") })
	p.waitText("#progress", "simulated-device")
	for begin := time.Now(); p.count("#open-alert") == 0; p.goTo(p.at()) {
		if time.Since(begin) > patience {
			t.Fatal("there is no alert")
		}
	}
	p.clean()
}

// TestStartAsViewer: who may only look sees the steps, and no secrets.
func TestStartAsViewer(t *testing.T) {
	h := start(t, nil)
	h.Hub.Register(h.Hub.Client(), "pump-1")
	p := h.open(t, "/console/start?device=pump-1", asRole("viewer"))
	p.waitText("#progress", "Device registered")
	if n := p.count("form[method=post], #connection-string, #agent-line"); n > 0 {
		t.Errorf("a viewer is offered %d things that need more", n)
	}
	p.axe()
	p.clean()
}

// TestOverviewFollows: figures change in place while the page is open.
func TestOverviewFollows(t *testing.T) {
	h := start(t, nil)
	c := h.Hub.Client()
	h.Hub.Register(c, "pump-1")
	p := h.open(t, "/console/overview")
	p.waitText("#fleet", "1 device")
	p.click("#raised-table summary")
	h.Hub.Register(c, "pump-2")
	p.waitText("#fleet", "2 devices")
	if n := p.count("#raised-table[open]"); n != 1 {
		t.Error("what was opened is closed by the change")
	}
	p.clean()
}
