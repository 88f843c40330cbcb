//go:build browser

package browser_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/console/gallery"
	"github.com/tvilling/tvilling/internal/device"
	"github.com/tvilling/tvilling/internal/security/attack"
	"github.com/tvilling/tvilling/internal/security/sample"
)

// hostileDevice has an id that is made to be taken for something else; ids may
// have these characters.
const hostileDevice = "a%2F..?b=c$'*(@)!"

// seed gives a hub a small fleet, and devices with hostile ids and texts in it.
func (h *harness) seed() {
	h.t.Helper()
	owner := h.Hub.Client()
	h.device(owner, "..", `{}`, -1)
	h.device(owner, "#+", `{}`, -1)
	h.device(owner, hostileDevice, h.hostileTags(), 20)
	h.attack(owner, hostileDevice, "download-then-run-sequence")
	h.fleet()
	h.alerts(owner, 6)
}

// fleet gives a hub a small fleet: devices with tags, agents that report, three
// that were attacked, and a configuration.
func (h *harness) fleet() {
	h.t.Helper()
	owner, ctx := h.Hub.Client(), h.t.Context()
	sites := []string{"gothenburg", "lund", "kiruna"}
	for i := range 9 {
		id := tvilling.DeviceID(fmt.Sprintf("pump-%04d", 411+i))
		h.device(owner, id, fmt.Sprintf(`{"site":%q,"line":"%d"}`, sites[i%3], i%2+1), i)
	}
	h.device(owner, "valve-0007", `{"site":"lund"}`, -1)
	for id, names := range map[tvilling.DeviceID][]string{
		"pump-0413": {"reverse-shell-connection", "malicious-file"},
		"pump-0416": {"brute-force-failed", "local-user-added"},
		"pump-0418": {"firewall-opened"},
	} {
		for _, name := range names {
			h.attack(owner, id, name)
		}
	}
	_, err := owner.PutConfiguration(ctx, client.ConfigurationSpec{
		ID: "pumps-lund", Priority: 10, TargetCondition: "tags.site = 'lund'",
		Content: json.RawMessage(`{"deviceContent":{"properties.desired.interval":60}}`),
	}, tvilling.Match{})
	if err != nil {
		h.t.Fatalf("make a configuration: %v", err)
	}
	h.alerts(owner, 5)
}

// hostileTags are tags that try to be more than text.
func (h *harness) hostileTags() string {
	tags := make(map[string]string)
	for i, s := range gallery.Hostile()[:8] {
		tags[fmt.Sprintf("t%d", i)] = s.Text
	}
	tags["site"] = `<b>"lund"</b>`
	delete(tags, "t4") // twins have no control characters
	b, err := json.Marshal(tags)
	if err != nil {
		h.t.Fatal(err)
	}
	return string(b)
}

// device registers a device with tags; unless n is negative, its agent reports
// what is usual.
func (h *harness) device(owner *client.Client, id tvilling.DeviceID, tags string, n int) {
	h.t.Helper()
	h.Hub.Register(owner, id)
	if _, err := owner.PatchTwin(h.t.Context(), tvilling.Device(id), client.TwinPatch{Tags: json.RawMessage(tags)}, tvilling.Match{}); err != nil {
		h.t.Fatalf("tags of %s: %v", id, err)
	}
	if n < 0 {
		return
	}
	h.sends(owner, id, sample.New(uint64(n)).Message(string(id), 12, time.Now()))
}

// attack plays a rehearsal on a device.
func (h *harness) attack(owner *client.Client, id tvilling.DeviceID, name string) {
	h.t.Helper()
	a, ok := attack.Find(name)
	if !ok {
		h.t.Fatalf("there is no attack %s", name)
	}
	for _, body := range a.Messages(time.Now(), rand.New(rand.NewPCG(1, 2))) {
		h.sends(owner, id, body)
	}
}

// sends has the security module of a device send a message; the hub has it then.
func (h *harness) sends(owner *client.Client, id tvilling.DeviceID, body []byte) {
	h.t.Helper()
	module := tvilling.Identity{Device: id, Module: tvilling.SecurityModule}
	m, err := owner.Module(h.t.Context(), module)
	if err != nil {
		h.t.Fatal(err)
	}
	c, err := device.Dial(h.t.Context(), device.Options{Addr: h.Hub.MQTT(), TLS: h.Hub.TLS(), HostName: "localhost", ID: module, Key: m.Authentication.SymmetricKey.Primary, Clean: true, ClientType: "agent"})
	if err != nil {
		h.t.Fatalf("connect the agent of %s: %v", id, err)
	}
	defer func() { _ = c.Close() }() // it was acknowledged
	message := &tvilling.Message{Body: body}
	device.MarkSecurity(message)
	if err := c.Send(h.t.Context(), message); err != nil {
		h.t.Fatalf("send a message of %s: %v", id, err)
	}
}
