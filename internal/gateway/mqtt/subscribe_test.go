package mqtt_test

import (
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/gateway/mqtt"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
	"github.com/tvilling/tvilling/internal/hub/state"
)

func TestSubscribe(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		c := g.online(t, device)
		// The C SDK sends all of its filters in one packet.
		s := packet.Subscribe{ID: 77, Filters: []packet.Filter{
			{Topic: []byte(responses)},
			{Topic: []byte("devices/dev1/messages/devicebound/#"), QoS: 1},
			{Topic: []byte(desired), QoS: 2},
			{Topic: []byte("$iothub/methods/POST/#")},
			{Topic: []byte(responses), QoS: 1},
		}}
		c.send(s.Append(nil))
		ack, err := packet.DecodeSuback(c.next(packet.SUBACK))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(packet.Suback{ID: 77, Codes: []byte{0, 1, 1, 0, 1}}, ack); diff != "" {
			t.Errorf("SUBACK (-want +got):\n%s", diff)
		}
		topics, qos := g.session(device).Topics()
		if want := state.TwinResponses | state.CloudToDevice | state.TwinDesired | state.Methods; topics != want {
			t.Errorf("subscribed to %b, want %b", topics, want)
		}
		if want := state.TwinResponses | state.CloudToDevice | state.TwinDesired; qos != want {
			t.Errorf("with QoS 1 %b, want %b", qos, want)
		}

		u := packet.Unsubscribe{ID: 78, Filters: [][]byte{[]byte(desired), []byte("$iothub/methods/POST/#")}}
		c.send(u.Append(nil))
		if id, err := packet.DecodeID(c.next(packet.UNSUBACK)); id != 78 || err != nil {
			t.Errorf("UNSUBACK %d, %v; want 78", id, err)
		}
		topics, _ = g.session(device).Topics()
		if want := state.TwinResponses | state.CloudToDevice; topics != want {
			t.Errorf("subscribed to %b, want %b", topics, want)
		}
	})
}

func TestModuleFilters(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		c := g.online(t, module)
		c.subscribe("devices/dev1/modules/mod1/inputs/#", "devices/dev1/modules/mod1/#", "devices/dev1/modules/mod1/messages/devicebound/#")
		topics, _ := g.session(module).Topics()
		if want := state.Inputs | state.ModuleWildcard | state.ModuleMessages; topics != want {
			t.Errorf("subscribed to %b, want %b", topics, want)
		}
	})
}

// A subscription that cannot be kept is not acknowledged.
func TestSubscribeFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		g.subscribe = tvilling.Errorf(tvilling.Unavailable, "The disk is full.")
		c := g.online(t, device)
		s := packet.Subscribe{ID: 1, Filters: []packet.Filter{{Topic: []byte(responses)}}}
		c.send(s.Append(nil))
		c.closed()
		g.ended(t, mqtt.EndUnavailable)
	})
}

// PUBACKs of what came before a SUBSCRIBE do not wait for it.
func TestPublishThenSubscribe(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		c := g.online(t, device)
		s := packet.Subscribe{ID: 2, Filters: []packet.Filter{{Topic: []byte(responses)}}}
		c.send(s.Append(publish(events, 1, 1, "x")))
		c.puback()
		c.next(packet.SUBACK)
		c.send(packet.AppendPingreq(nil))
		c.next(packet.PINGRESP)
		synctest.Wait()
	})
}
