package hub_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
	"github.com/tvilling/tvilling/internal/hub/auth"
)

func TestWhatEndsLiveConnections(t *testing.T) {
	t.Parallel()
	disable := func(t *testing.T, c *client.Client) error {
		_, err := c.UpdateDevice(t.Context(), client.Device{DeviceID: "d", Status: "disabled"}, client.Any())
		return err
	}
	regenerate := func(id tvilling.Identity, which string) func(*testing.T, *client.Client) error {
		return func(t *testing.T, c *client.Client) error {
			_, err := c.RegenerateKey(t.Context(), id, which)
			return err
		}
	}
	remove := func(id tvilling.Identity) func(*testing.T, *client.Client) error {
		return func(t *testing.T, c *client.Client) error { return c.Delete(t.Context(), id, client.Any()) }
	}
	newKeys := func(t *testing.T, c *client.Client) error {
		_, err := c.UpdateDevice(t.Context(), client.Device{DeviceID: "d", Authentication: &client.Authentication{
			Type: "sas", SymmetricKey: client.SymmetricKey{Primary: auth.NewKey(), Secondary: auth.NewKey()},
		}}, client.Any())
		return err
	}
	tests := []struct {
		name   string
		change func(*testing.T, *client.Client) error
		// ended says which of the three connections end: of the device, of its
		// security module, of another device.
		device, module bool
	}{
		{"disable the device", disable, true, true},
		{"delete the device", remove(device("d")), true, true},
		{"delete the module", remove(securityOf("d")), false, true},
		{"new primary key of the device", regenerate(device("d"), "primary"), true, false},
		{"new secondary key of the device", regenerate(device("d"), "secondary"), false, false},
		{"swap keys of the device", regenerate(device("d"), "swap"), false, false},
		{"new primary key of the module", regenerate(securityOf("d"), "primary"), false, true},
		{"other keys for the device", newKeys, true, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h, c, key := start(t)
			other := h.Register(c, "other")
			moduleKey := keyOf(t, c, securityOf("d"))
			conns := []struct {
				name  string
				w     *wire
				id    tvilling.Identity
				key   string
				ended bool
			}{
				{"device", connect(t, h, device("d"), key), device("d"), key, test.device},
				{"module", connect(t, h, securityOf("d"), moduleKey), securityOf("d"), moduleKey, test.module},
				{"other", connect(t, h, device("other"), other), device("other"), other, false},
			}
			if err := test.change(t, c); err != nil {
				t.Fatal(err)
			}
			for _, conn := range conns {
				if !conn.ended {
					conn.w.alive()
					continue
				}
				conn.w.closed()
				_, ack, ok := try(t, h, connecting{id: conn.id, key: conn.key})
				if !ok || ack.Code != packet.NotAuthorized {
					t.Errorf("%s connects again: answered %t, %v", conn.name, ok, ack.Code)
				}
			}
		})
	}
}

func TestPolicyKeyEndsTheConnectionsItOpened(t *testing.T) {
	h, c, key := start(t)
	h.Register(c, "byPolicy")
	p, err := c.Policy(t.Context(), "device")
	if err != nil {
		t.Fatal(err)
	}
	own := connect(t, h, device("d"), key)
	w, _ := dial(t, h, connecting{
		id: device("byPolicy"), password: token(t, hostName+"/devices", p.Primary, "device", time.Now().Add(time.Hour)),
	})
	if _, err := c.RegeneratePolicyKey(t.Context(), "device", "secondary"); err != nil {
		t.Fatal(err)
	}
	w.alive()
	if _, err := c.RegeneratePolicyKey(t.Context(), "device", "primary"); err != nil {
		t.Fatal(err)
	}
	w.closed()
	own.alive()
}

func TestExpiryEndsTheConnection(t *testing.T) {
	t.Parallel()
	h, _, key := start(t)
	// A token is taken a while after its end; this one has a moment left of that.
	w, _ := dial(t, h, connecting{id: device("d"), key: key, expires: time.Now().Add(3*time.Second - auth.Skew)})
	w.alive()
	w.closed()
	_, ack, ok := try(t, h, connecting{id: device("d"), key: key, expires: time.Now().Add(-time.Second - auth.Skew)})
	if !ok || ack.Code != packet.NotAuthorized {
		t.Errorf("an expired token: answered %t, %v", ok, ack.Code)
	}
}

func TestTakeover(t *testing.T) {
	h, c, key := start(t)
	first := connect(t, h, device("d"), key)
	first.alive()
	second := connect(t, h, device("d"), key)
	first.closed()
	second.alive()
	d, err := c.Device(t.Context(), "d")
	if err != nil {
		t.Fatal(err)
	}
	if d.ConnectionState != "Connected" {
		t.Errorf("connectionState is %s after a takeover", d.ConnectionState)
	}
	second.bye()
	d, err = c.Device(t.Context(), "d")
	if err != nil {
		t.Fatal(err)
	}
	if d.ConnectionState != "Disconnected" {
		t.Errorf("connectionState is %s after a disconnect", d.ConnectionState)
	}
}

func TestSubscriptionsSurviveRestarts(t *testing.T) {
	h, _, key := start(t)
	keep := connecting{id: device("d"), key: key, keep: true}
	w, present := dial(t, h, keep)
	if present {
		t.Error("a first connection found a session")
	}
	w.subscribe(twinResponses, twinDesired)
	w.cut()
	h.Restart()
	c := h.Client()

	w, present = dial(t, h, keep)
	if !present {
		t.Error("the session did not survive a restart")
	}
	patchDesired(t, c, device("d"), `{"a":1}`)
	if v, body := w.desired(); v != 2 || string(body) != `{"a":1,"$version":2}` {
		t.Errorf("desired %d: %s", v, body)
	}
	if got := w.twin().desiredVersion(); got != 2 {
		t.Errorf("twin with desired version %d, want 2", got)
	}
	w.bye()

	// A clean session ends it, also over a restart.
	w, present = dial(t, h, connecting{id: device("d"), key: key})
	if present {
		t.Error("a clean session is said to be present")
	}
	w.bye()
	h.Restart()
	c = h.Client()
	w, present = dial(t, h, keep)
	if present {
		t.Error("a session came back that a clean one had ended")
	}
	patchDesired(t, c, device("d"), `{"a":2}`)
	w.alive()
	if len(w.waiting) > 0 {
		t.Errorf("a session without subscriptions was sent %d packets", len(w.waiting))
	}
}

// Unsubscribing is as durable as subscribing.
func TestUnsubscribeSurvivesRestarts(t *testing.T) {
	h, _, key := start(t)
	keep := connecting{id: device("d"), key: key, keep: true}
	w, _ := dial(t, h, keep)
	w.subscribe(twinResponses, twinDesired)
	u := packet.Unsubscribe{ID: w.id(), Filters: [][]byte{[]byte(twinDesired)}}
	w.send(u.Append(nil))
	w.acked(packet.UNSUBACK, u.ID)
	w.cut()
	h.Restart()
	c := h.Client()
	w, _ = dial(t, h, keep)
	patchDesired(t, c, device("d"), `{"a":1}`)
	if got := w.twin().desiredVersion(); got != 2 {
		t.Errorf("twin with desired version %d, want 2", got)
	}
	if len(w.waiting) > 0 {
		t.Error("a change of desired properties came without a subscription to it")
	}
}

func TestWill(t *testing.T) {
	h, c, key := start(t)
	will := &packet.Will{Topic: []byte("devices/d/messages/events/reason=lost"), Payload: []byte(`"gone"`), QoS: 1}
	w, _ := dial(t, h, connecting{id: device("d"), key: key, will: will})
	w.bye()
	w, _ = dial(t, h, connecting{id: device("d"), key: key, will: will})
	w.alive()
	w.cut()
	follow(t, c, client.Telemetry, 1, func(list []*client.Message) bool { return len(list) == 1 })
	h.Restart()
	got := messages(t, h.Client(), client.Telemetry)
	if len(got) != 1 {
		t.Fatalf("%d wills stored, want the one of the connection that was cut", len(got))
	}
	if m := got[0]; string(m.Body) != `"gone"` || m.Properties["iothub-MessageType"] != "Will" || m.Properties["reason"] != "lost" {
		t.Errorf("will: %s %v", m.Body, m.Properties)
	}
}

// follow reads messages as they come until enough says so.
func follow(t testing.TB, c *client.Client, kind string, least int, enough func([]*client.Message) bool) []*client.Message {
	t.Helper()
	var list []*client.Message
	for m, err := range c.Messages(within(t), kind, client.StreamOptions{Follow: true}) {
		if err != nil {
			t.Fatalf("follow %s after %d messages: %v", kind, len(list), err)
		}
		if list = append(list, m); len(list) >= least && enough(list) {
			return list
		}
	}
	t.Fatalf("the stream of %s ended after %d messages", kind, len(list))
	return nil
}

func TestSecurityMessagesAreKeptApart(t *testing.T) {
	h, c, _ := start(t)
	id := securityOf("d")
	w := connect(t, h, id, keyOf(t, c, id))
	const topic = "devices/d/modules/azureiotsecurity/messages/events/"
	const mark = "%24.ifid=urn%3Aazureiot%3ASecurity%3ASecurityAgent%3A1&%24.ct=application%2Fjson"
	for i := range 4 {
		bag := mark
		if i%2 == 1 {
			bag = "%24.ct=application%2Fjson"
		}
		w.publish(topic+bag, []byte(itoa(i)))
	}
	for kind, want := range map[string][]string{client.Security: {"0", "2"}, client.Telemetry: {"1", "3"}} {
		var got []string
		for _, m := range messages(t, c, kind) {
			got = append(got, string(m.Body))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s messages are %v, want %v", kind, got, want)
		}
	}
}

// A restart of the hub is seen by its clients as a closed connection, and they
// find everything as they left it.
func TestRestartKeepsWhatWasAcknowledged(t *testing.T) {
	h, c, key := start(t)
	w := connect(t, h, device("d"), key)
	w.subscribe(twinResponses)
	for i := range 20 {
		if a := w.report(`{"n":` + itoa(i) + `}`); a.status != 204 || a.version != int64(i)+2 {
			t.Fatalf("report %d: %+v", i, a)
		}
		w.publish("devices/d/messages/events/", []byte(itoa(i)))
	}
	if _, err := c.PatchTwin(t.Context(), device("d"), client.TwinPatch{Tags: json.RawMessage(`{"t":1}`), Desired: json.RawMessage(`{"x":1}`)}, tvilling.Match{}); err != nil {
		t.Fatal(err)
	}
	before, err := c.Twin(t.Context(), device("d"))
	if err != nil {
		t.Fatal(err)
	}
	beforeChanges := changes(t, c, 0)
	h.Restart()
	w.closed()
	c = h.Client()
	after, err := c.Twin(t.Context(), device("d"))
	if err != nil {
		t.Fatal(err)
	}
	if string(before.Properties.Reported) != string(after.Properties.Reported) ||
		string(before.Properties.Desired) != string(after.Properties.Desired) || before.ETag != after.ETag || before.Version != after.Version {
		t.Errorf("before: %s\nafter:  %s", before.Raw, after.Raw)
	}
	afterChanges := changes(t, c, 0)
	for i, ch := range beforeChanges {
		if string(ch.Raw) != string(afterChanges[i].Raw) {
			t.Errorf("change %d is %s, was %s", i+1, afterChanges[i].Raw, ch.Raw)
		}
	}
	if got := len(messages(t, c, client.Telemetry)); got != 20 {
		t.Errorf("%d messages, want 20", got)
	}
}
