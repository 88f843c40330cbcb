//go:build browser

package browser_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/console/ui"
)

// TestDeviceIsRegistered goes from the list over the form to the keys, with an
// id that addresses and pages could stumble over.
func TestDeviceIsRegistered(t *testing.T) {
	h := start(t, nil)
	for _, id := range []tvilling.DeviceID{"..", "%2F", "a'#;?=@$!(),*+:._-", "new", tvilling.DeviceID(strings.Repeat("x", 128))} {
		p := h.open(t, "/console/devices")
		p.press("n")
		p.waitAt("/console/devices/new")
		p.fill("#n-id", string(id))
		p.fill("#n-tags", "site=lab line=3")
		p.follow("form[action='/console/devices/new'] button.primary")
		p.waitText("h1", string(id))
		p.follow("form[action$='/identity/keys#keys'] button")
		if c := p.text("#key-c"); !strings.Contains(c, "DeviceId="+string(id)+";SharedAccessKey=") {
			t.Errorf("%s: the connection string is %q", id, c)
		}
		p.clean()
		p.goTo(ui.URL("devices", id))
		p.waitText("h1", string(id))
		p.waitText("#device-tags", "lab")
		p.goTo(ui.URL("devices", id, "timeline"))
		p.waitText("main", "Device registered")
		p.clean()
	}
	for _, path := range []string{"", "/timeline", "/alerts", "/recommendations", "/identity", "/tags"} {
		h.open(t, ui.URL("devices", tvilling.DeviceID("new"))+path).axe()
	}
	p := h.open(t, "/console/devices/new")
	p.fill("#n-id", "%2F")
	p.follow("form[action='/console/devices/new'] button.primary")
	p.waitText("#n-problem", "Open the device that has this ID")
	p.axe()
}

// TestDeviceListIsLive changes devices while their list is open.
func TestDeviceListIsLive(t *testing.T) {
	h := start(t, nil)
	c := h.Hub.Client()
	h.Hub.Register(c, "pump-1")
	h.Hub.Register(c, "pump-2")
	p := h.open(t, "/console/devices?q=tags.site+%3D+%27lab%27")
	p.waitText("main", "No device matches")
	for _, d := range []tvilling.DeviceID{"pump-1", "pump-2"} {
		tag(t, h, d, "lab")
	}
	p.goTo("/console/devices?q=tags.site+%3D+%27lab%27")
	p.waitText(".chips", "Tag site is lab")
	p.waitText("#live", "Live")
	tag(t, h, "pump-2", `<b>x</b>`)
	p.waitText("tr[data-href$='pump-2']", "no longer matches")
	p.waitText("tr[data-href$='pump-2']", "<b>x</b>")
	h.Hub.Register(c, "pump-3")
	tag(t, h, "pump-3", "lab")
	p.clean()
	p.axe()
	p.goTo("/console/devices?q=tags.site+%3D")
	p.waitText("#q-problem", "column 12")
	p.axe()
}

// TestManyDevicesAtOnce ticks devices and has something done to them.
func TestManyDevicesAtOnce(t *testing.T) {
	h := start(t, nil)
	c := h.Hub.Client()
	for i := range 3 {
		h.Hub.Register(c, tvilling.DeviceID(fmt.Sprintf("pump-%d", i)))
	}
	p := h.open(t, "/console/devices", noScript)
	p.click("input[value='pump-0']")
	p.click("input[value='pump-2']")
	p.follow("button[value='tag']")
	p.waitText("h1", "Set a tag on 2 devices")
	p.fill("#b-tag", "site")
	p.fill("#b-value", "lab")
	p.follow("form[action='/console/bulk/run'] button")
	p.waitText("main", "Done for 2 of 2 devices")
	p.goTo("/console/devices?q=tags.site+%3D+%27lab%27")
	if n := p.count("tbody tr"); n != 2 {
		t.Errorf("%d devices have the tag, want 2", n)
	}
	p.click("input[value='pump-0']")
	p.follow("button[value='delete']")
	p.fill("#b-confirm", "7")
	p.follow("form[action='/console/bulk/run'] button")
	p.waitText("#b-problem", "Nothing was deleted")
	p.fill("#b-confirm", "1")
	p.follow("form[action='/console/bulk/run'] button")
	p.waitText("main", "Done for 1 of 1 device")
}

// TestTagsMeet has two people change the tags of a device.
func TestTagsMeet(t *testing.T) {
	h := start(t, nil)
	h.Hub.Register(h.Hub.Client(), "pump")
	tag(t, h, "pump", "lab")
	p := h.open(t, "/console/devices/pump/tags")
	tag(t, h, "pump", "theirs")
	p.fill("input[name='value']", "mine")
	p.follow("form[action$='/tags'] button.primary")
	p.waitText("#conflict-title", "Somebody else")
	p.waitText("table", "theirs")
	p.axe()
	p.follow("form[action$='/tags'] button.primary")
	p.waitText("#device-tags", "mine")
}

func tag(t *testing.T, h *harness, d tvilling.DeviceID, site string) {
	t.Helper()
	if _, err := h.Hub.Client().PatchTwin(t.Context(), tvilling.Device(d), client.TwinPatch{Tags: fmt.Appendf(nil, `{"site":%q}`, site)}, tvilling.Match{}); err != nil {
		t.Fatal(err)
	}
}
