//go:build browser

package browser_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/console/gallery"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/device"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

const twinOf = "/console/devices/pump-1/twin"

// twins is a hub with one device that has a twin.
func twins(t *testing.T) (*harness, *client.Client) {
	t.Helper()
	h := start(t, nil)
	owner := h.Hub.Client()
	h.Hub.Register(owner, "pump-1")
	change(t, owner, tvilling.Device("pump-1"), `{"site":"lab"}`, `{"fps":30,"limits":{"high":80,"low":10}}`)
	return h, owner
}

// change patches a twin; "" leaves a section alone.
func change(t *testing.T, c *client.Client, id tvilling.Identity, tags, desired string) {
	t.Helper()
	var p client.TwinPatch
	if tags != "" {
		p.Tags = json.RawMessage(tags)
	}
	if desired != "" {
		p.Desired = json.RawMessage(desired)
	}
	if _, err := c.PatchTwin(t.Context(), id, p, tvilling.Match{}); err != nil {
		t.Fatal(err)
	}
}

// reports has a device report.
func (h *harness) reports(id tvilling.Identity, body string) {
	h.t.Helper()
	owner := h.Hub.Client()
	key := ""
	if id.Module == "" {
		d, err := owner.Device(h.t.Context(), id.Device)
		if err != nil {
			h.t.Fatal(err)
		}
		key = d.Authentication.SymmetricKey.Primary
	} else {
		m, err := owner.Module(h.t.Context(), id)
		if err != nil {
			h.t.Fatal(err)
		}
		key = m.Authentication.SymmetricKey.Primary
	}
	c, err := device.Dial(h.t.Context(), device.Options{Addr: h.Hub.MQTT(), TLS: h.Hub.TLS(), HostName: "localhost", ID: id, Key: key, Clean: true})
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = c.Close() }() // it was acknowledged
	if _, err := c.Report(h.t.Context(), []byte(body)); err != nil {
		h.t.Fatal(err)
	}
}

// TestTwinFollowsTheDevice: desired stands beside reported, with who set it,
// and changes in place.
func TestTwinFollowsTheDevice(t *testing.T) {
	h, owner := twins(t)
	p := h.open(t, twinOf)
	p.waitText("#twin-values", "Not reported")
	if got := p.text(".twin tbody tr th"); got != "fps" {
		t.Errorf("the first property is %q", got)
	}
	p.waitText(".twin .src", "iothubowner")
	p.wait(`#live[data-state="live"]`)
	h.reports(tvilling.Device("pump-1"), `{"fps":25,"limits":{"high":80},"model":"x"}`)
	p.waitText(".twin .differs", "25")
	p.waitText(".twin", "it did not take it")
	p.waitText("#twin-values .chips", "Differs")
	p.follow(`#twin-values .chip[href*="differs"]`)
	if n := p.count(".twin tr:not(.explain):not(.group)"); n != 2 { // with the head
		t.Errorf("%d rows differ", n)
	}
	p.clean()
	p.axe()
	// What a configuration holds says so, and who would be next.
	if _, err := owner.PutConfiguration(t.Context(), client.ConfigurationSpec{ID: "fast", Priority: 1, TargetCondition: "*", Content: json.RawMessage(`{"deviceContent":{"properties.desired.fps":60}}`)}, tvilling.Match{}); err != nil {
		t.Fatal(err)
	}
	p.goTo(twinOf)
	p.waitText(".twin .src a", "fast")
	p.waitText(".twin .explain", "Configuration fast holds it")
	p.waitText("#twin-hub", "Applied")
	p.goTo(twinOf + "?view=json")
	p.waitText("#twin-json", `"$lastUpdated"`)
	p.clean()
	p.axe()
}

// TestTwinValueInPlace: one property is changed, refused and removed in its row.
func TestTwinValueInPlace(t *testing.T) {
	h, _ := twins(t)
	p := h.open(t, twinOf)
	p.follow(`.twin a[href*="high"]`)
	p.fill("#one-value", "eighty")
	p.follow(`.one button[value="save"]`)
	p.waitText(".one .err", "malformed")
	if got := eval[string](p, `document.querySelector("#one-value").value`); got != "eighty" {
		t.Errorf("what was typed is gone: %q", got)
	}
	p.axe()
	p.fill("#one-value", "81")
	p.follow(`.one button[value="save"]`)
	p.waitText(".banner", "properties.desired.limits.high is saved")
	p.waitText(".twin", "81")
	p.waitText(".twin .src", "anna")
	p.follow(`.twin a[href*="fps"]`)
	p.follow(`.one button[value="remove"]`)
	p.waitText(".banner", "is removed")
	p.follow(`#twin-tags a`)
	p.fill("#one-value", `"field"`)
	p.follow(`.one button[value="save"]`)
	p.waitText("#twin-tags", "field")
	p.clean()
	v := h.open(t, twinOf, asRole("viewer"))
	v.wait(".twin")
	if n := v.count(`.twin th a, #twin-tags a, a[href$="/edit"]`); n > 0 {
		t.Errorf("a viewer is offered %d changes", n)
	}
	v.goTo(twinOf + "/edit")
	v.waitText("main", "role operator")
}

// TestTwinEdit: what is typed is checked, previewed and saved; with the editor,
// and without a script.
func TestTwinEdit(t *testing.T) {
	h, owner := twins(t)
	for name, script := range map[string]bool{"with the editor": true, "without a script": false} {
		t.Run(name, func(t *testing.T) {
			var options []option
			if !script {
				options = append(options, noScript)
			}
			p := h.open(t, twinOf+"/edit", options...)
			set := func(text string) {
				if script {
					eval[bool](p, `(document.querySelector("json-editor").set(`+quote(text)+`), true)`)
				} else {
					p.fill("#text", text)
				}
			}
			if script {
				p.until("the editor", `!!document.querySelector("json-editor").shadowRoot?.querySelector(".cm-content")`)
				p.axe()
			}
			set("{\n  \"fps\": 31,\n  \"x\": {\"a.b\": 1}\n}")
			p.follow(`button[value="preview"]`)
			p.waitText(".refused", "Line 3")
			p.waitText(".refused", "contains invalid character '.'")
			set(`{"fps": 31, "limits": {"high": 80}, "new": [1, {"a": null}]}`)
			p.follow(`button[value="preview"]`)
			p.waitText(".refused", "null")
			set(`{"fps": 31, "limits": {"high": 80}, "new": [1]}`)
			p.follow(`button[value="preview"]`)
			p.waitText("#preview-h", "3 changes to save")
			p.waitText(".edits", "properties.desired.limits.low")
			p.waitText("details pre", `"low": null`)
			if script {
				p.axe()
			}
			p.follow(`.table-foot button[value="save"]`)
			p.waitAt(twinOf)
			p.waitText(".banner", "Saved")
			twin, err := owner.Twin(t.Context(), tvilling.Device("pump-1"))
			if err != nil || !strings.Contains(string(twin.Properties.Desired), `"new":[1]`) || strings.Contains(string(twin.Properties.Desired), `"low":10`) {
				t.Errorf("the twin is %s, %v", twin.Properties.Desired, err)
			}
			p.clean()
			change(t, owner, tvilling.Device("pump-1"), "", `{"fps":30,"new":null,"limits":{"low":10}}`)
		})
	}
}

// TestTwinEditorIsTypedInto: the keys of a keyboard reach the form.
func TestTwinEditorIsTypedInto(t *testing.T) {
	h, _ := twins(t)
	p := h.open(t, twinOf+"/edit?part=tags")
	p.until("the editor", `!!document.querySelector("json-editor").shadowRoot?.querySelector(".cm-content")`)
	p.click("json-editor")
	eval[bool](p, `(document.querySelector("json-editor").set(""), true)`)
	p.press(`{"a": 1`)
	p.until("the field to follow", `document.querySelector("#text").value.startsWith('{"a": 1')`)
	p.clean()
}

// TestTwinConflict: of two who edit at once, the second one chooses, and nothing
// is overwritten unseen.
func TestTwinConflict(t *testing.T) {
	h, owner := twins(t)
	edit := func(p *page, text string) {
		p.until("the editor", `!!document.querySelector("json-editor").shadowRoot?.querySelector(".cm-content")`)
		eval[bool](p, `(document.querySelector("json-editor").set(`+quote(text)+`), true)`)
		p.follow(`button[value="preview"]`)
	}
	desired := func() string {
		twin, err := owner.Twin(t.Context(), tvilling.Device("pump-1"))
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := json.Unmarshal(twin.Properties.Desired, &m); err != nil {
			t.Fatal(err)
		}
		delete(m, "$metadata")
		delete(m, "$version")
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	a, b := h.open(t, twinOf+"/edit"), h.open(t, twinOf+"/edit", asRole("operator"))
	edit(a, `{"fps":60,"limits":{"high":90,"low":10}}`)
	edit(b, `{"fps":45,"limits":{"high":80,"low":5}}`)
	a.follow(`.table-foot button[value="save"]`)
	b.follow(`.table-foot button[value="save"]`)
	b.waitText("h2", "nothing was overwritten")
	b.waitText(".card", "anna")
	b.waitText(".edits .differs", "45")
	if n := b.count("input[name=choice]:checked"); n != 0 {
		t.Errorf("%d choices are preset", n)
	}
	b.axe()
	if got, want := desired(), `{"fps":60,"limits":{"high":90,"low":10}}`; got != want {
		t.Fatalf("the twin is %s, want %s", got, want)
	}
	b.click(`input[value="merge"]`)
	b.follow(`button[value="resolve"]`)
	b.waitText("#preview-h", "1 change to save")
	b.waitText(".edits", "properties.desired.limits.low")
	// Somebody is faster once more, elsewhere in the twin: that does not meet.
	change(t, owner, tvilling.Device("pump-1"), `{"line":1}`, "")
	b.follow(`.table-foot button[value="save"]`)
	b.waitText("#preview-h", "1 change to save")
	b.follow(`.table-foot button[value="save"]`)
	b.waitAt(twinOf)
	if got, want := desired(), `{"fps":60,"limits":{"high":90,"low":5}}`; got != want {
		t.Errorf("the twin is %s, want %s", got, want)
	}
	// Overwriting is a choice, too, and is seen before it is done.
	a.goTo(twinOf + "/edit")
	edit(a, `{"fps":1}`)
	change(t, owner, tvilling.Device("pump-1"), "", `{"fps":2}`)
	a.follow(`.table-foot button[value="save"]`)
	a.click(`input[value="mine"]`)
	a.follow(`button[value="resolve"]`)
	a.waitText("#preview-h", "2 changes to save")
	a.follow(`.table-foot button[value="save"]`)
	a.waitAt(twinOf)
	if got := desired(); got != `{"fps":1}` {
		t.Errorf("the twin is %s", got)
	}
	a.clean()
	b.clean()
}

// TestTwinHistory: versions are told with who and why, page by page, and a twin
// is put back to one.
func TestTwinHistory(t *testing.T) {
	h, owner := twins(t)
	for i := range 50 {
		change(t, owner, tvilling.Device("pump-1"), "", fmt.Sprintf(`{"fps":%d}`, 100+i))
	}
	p := h.open(t, twinOf+"/history")
	p.waitText(".versions li", "149")
	if n := p.count(".versions > li"); n != 40 {
		t.Errorf("a page has %d versions", n)
	}
	p.axe()
	p.follow(".pager a[rel=next]")
	p.waitText(".versions li:last-child", "properties.desired.fps")
	p.waitText(".table-foot", "reaches back to the making")
	p.follow(".pager a[rel=prev]")
	p.waitText(".versions li", "149")
	p.follow(`.seg a[href*="tags"]`)
	p.waitText(".versions li", "tags.site")
	if n := p.count(".versions > li"); n != 1 {
		t.Errorf("%d versions changed tags", n)
	}
	p.follow(".versions li .when a")
	p.waitText(".card", "Put back to this")
	p.waitText("#twin-json", `"fps": 30`)
	p.axe()
	change(t, owner, tvilling.Device("pump-1"), "", `{"fps":7}`)
	p.follow("form[action$=restore] button")
	p.waitText(".banner", "nothing was restored")
	p.follow("form[action$=restore] button")
	p.waitAt(twinOf)
	p.waitText(".twin", "30")
	p.clean()
	p.goTo(twinOf + "/history/9999")
	p.waitText("main", "9999")
}

// TestAgentForm: the agent's configuration is changed by its form, with what
// two have typed at once kept apart.
func TestAgentForm(t *testing.T) {
	h, owner := twins(t)
	module := tvilling.Identity{Device: "pump-1", Module: tvilling.SecurityModule}
	whole := agentconfig.Default()
	h.reports(module, `{"`+agentconfig.Object+`":`+string(whole.JSON())+`}`)
	const form = "/console/devices/pump-1/agent"
	p := h.open(t, form)
	p.axe()
	for _, property := range agentconfig.Properties() {
		if p.count(`[name="set.`+property.Name+`"]`) != 1 {
			t.Errorf("%s has no control", property.Name)
		}
	}
	for _, property := range agentconfig.ExtensionProperties() {
		if p.count(`[name="set.`+agentconfig.ExtensionObject+"."+property.Name+`"]`) != 1 {
			t.Errorf("%s has no control", property.Name)
		}
	}
	frequency := `[name="set.snapshotFrequency"]`
	p.fill(frequency, "often")
	p.waitText("#s-snapshotFrequency", "agent has it")
	p.follow(`.formfoot button[value="preview"]`)
	p.waitText("#snapshotFrequency .err", "duration")
	p.axe()
	p.fill(frequency, "PT90M")
	p.waitText("#snapshotFrequency .meaning", "1 hour 30 minutes")
	p.fill(`[name="set.eventPriorityLogin"]`, "Off")
	p.fill(`[name="set.tvillingAgent.maxBytesPerDay"]`, "5000")
	p.follow(`.formfoot button[value="preview"]`)
	p.waitText("#preview-h", "3 changes to save")
	p.waitText("details pre", `"lowPriorityMessageFrequency"`)
	// Meanwhile somebody sets one of the three, and another.
	change(t, owner, module, "", `{"`+agentconfig.Object+`":{"snapshotFrequency":{"value":"PT2H"},"eventPriorityDiagnostic":{"value":"High"}}}`)
	p.follow(`.formfoot button[value="save"]`)
	p.waitText(".banner", "nothing was written")
	p.waitText("#snapshotFrequency", "Somebody has set it to PT2H")
	if got := eval[string](p, `document.querySelector('`+frequency+`').value`); got != "PT90M" {
		t.Errorf("what was typed is gone: %q", got)
	}
	if got := eval[string](p, `document.querySelector('[name="set.eventPriorityDiagnostic"]').value`); got != "High" {
		t.Errorf("what was not touched does not follow: %q", got)
	}
	p.follow(`.formfoot button[value="save"]`)
	p.waitText(".banner", "Saved")
	a, err := owner.AgentConfiguration(t.Context(), "pump-1")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"snapshotFrequency": "PT90M", "eventPriorityLogin": "Off", "eventPriorityDiagnostic": "High"} {
		for _, s := range a.Settings {
			if s.Property == name && s.Value != want && s.Value != "PT1H30M" {
				t.Errorf("%s is %s, want %s", name, s.Value, want)
			}
		}
	}
	p.waitText("#s-eventPriorityLogin", "agent has High")
	h.reports(module, `{"`+agentconfig.Object+`":{"eventPriorityLogin":{"value":"Off"}}}`)
	p.waitText("#s-eventPriorityLogin", "agent has it")
	p.follow(`#eventPriorityLogin button[value^="default"]`)
	p.waitText("#preview-h", "1 change to save")
	p.clean()
	// What a configuration holds is not offered for change.
	if _, err := owner.PutConfiguration(t.Context(), client.ConfigurationSpec{ID: "snaps", Priority: 1, TargetCondition: "from devices.modules where moduleId = 'azureiotsecurity'", Content: json.RawMessage(`{"moduleContent":{"properties.desired.` + agentconfig.Object + `.snapshotFrequency.value":"PT3H"}}`)}, tvilling.Match{}); err != nil {
		t.Fatal(err)
	}
	p.goTo(twinOf[:len(twinOf)-5] + "/modules/azureiotsecurity/twin")
	p.waitText(".twin .src a", "snaps")
	p.goTo(form)
	p.waitText("#snapshotFrequency", "Held by configuration snaps")
	if p.count(frequency) != 0 || p.count("#f-snapshotFrequency[readonly]") != 1 {
		t.Error("a value that a configuration holds can be typed over")
	}
	p.clean()
}

// TestTwinHostile: what devices and strangers write is text on all pages.
func TestTwinHostile(t *testing.T) {
	h := start(t, nil)
	owner := h.Hub.Client()
	id := tvilling.Device("a%2F..?b=c$'*(@)!")
	h.Hub.Register(owner, id.Device)
	values := map[string]any{"long": strings.Repeat("A", 4096)}
	for i, s := range gallery.Hostile() {
		values[fmt.Sprintf("v%d", i)] = s.Text[:min(len(s.Text), 1000)]
	}
	values["<img/src=x/onerror=alert(1)>\u202e"] = map[string]any{"\u200b": []any{"\u202e", "</script>"}}
	values["__proto__"] = map[string]any{"constructor": 1}
	b, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	change(t, owner, id, `{"t":"<b>\u202e"}`, string(b))
	h.reports(id, string(b))
	root := ui.URL("devices", id.Device, "twin")
	p := h.open(t, root)
	p.wait(`.twin .ctl[data-char="U+202E"]`)
	for _, path := range []string{"", "?view=json", "/edit", "/history", "/history/3"} {
		p.goTo(root + path)
		p.wait("main h1")
		if n := p.count("main img, main script, main b:not(.chip b):not(label b):not(.tag b):not(.score b), main [onerror]"); n != 0 {
			t.Errorf("%s: %d elements were made of text", path, n)
		}
		if bare := eval[[]string](p, strangeTexts); len(bare) > 0 {
			t.Errorf("%s: characters that turn text around are shown bare: %q", path, bare)
		}
		p.clean()
		p.axe()
	}
}

// strangeTexts are texts of the page with characters that are not to be bare.
const strangeTexts = `(() => {
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
	while (walk.nextNode()) if (/[\u202a-\u202e\u2066-\u2069\u200b]/.test(walk.currentNode.data) && !walk.currentNode.parentElement.closest(".ctl-char")) found.push(walk.currentNode.data.slice(0, 100));
	return found;
})()`

// TestTwinHuge: a twin of full size, ten levels deep, is shown in pages.
func TestTwinHuge(t *testing.T) {
	h := start(t, nil)
	owner := h.Hub.Client()
	h.Hub.Register(owner, "huge")
	var b strings.Builder
	for i := range 1500 {
		fmt.Fprintf(&b, `,"k%04d":%d`, i, i)
	}
	change(t, owner, tvilling.Device("huge"), "", "{"+b.String()[1:]+`,"1":{"2":{"3":{"4":{"5":{"6":{"7":{"8":{"9":{"10":true}}}}}}}}}}`)
	p := h.open(t, "/console/devices/huge/twin", narrow)
	p.waitText("#twin-values .chips", "1,501")
	p.follow(".pager a[rel=next]")
	p.waitText(".twin", "k0200")
	p.follow(".pager a[rel=prev]")
	p.waitText(".twin", "k0000")
	p.goTo("/console/devices/huge/twin?q=k0777")
	p.waitText(".twin", "777")
	p.goTo("/console/devices/huge/twin?q=8.9.10")
	p.waitText(".twin", "1.2.3.4.5.6.7.8.9.10")
	p.clean()
	p.axe()
}
