package mqtt_test

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/gateway/mqtt"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
)

func TestTelemetry(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		c := g.online(t, device)
		m := g.online(t, module)
		p := packet.Publish{
			Topic: []byte(events + "%24.mid=m1&%24.ifid=urn%3aazureiot%3aSecurity%3aSecurityAgent%3a1&alert=true"),
			QoS:   1, ID: 5, Dup: true, Retain: true, Payload: []byte(`{"t":1}`),
		}
		c.send(p.Append(nil))
		if id := c.puback(); id != 5 {
			t.Errorf("PUBACK %d, want 5", id)
		}
		m.send(publish("devices/dev1/modules/mod1/messages/events/", 1, 6, ""))
		if id := m.puback(); id != 6 {
			t.Errorf("PUBACK %d, want 6", id)
		}
		c.send(publish(events, 0, 0, "fire and forget"))
		c.quiet()
		want := []*tvilling.Message{
			{
				From: device, Body: []byte(`{"t":1}`),
				System:     []tvilling.Property{{Name: "message-id", Value: "m1"}, {Name: "iothub-interface-id", Value: tvilling.SecurityInterface}},
				Properties: []tvilling.Property{{Name: "alert", Value: "true"}, {Name: "mqtt-retain", Value: "true"}},
			},
			{From: module, Body: []byte{}},
			{From: device, Body: []byte("fire and forget")},
		}
		if diff := cmp.Diff(want, g.taken()); diff != "" {
			t.Errorf("messages (-want +got):\n%s", diff)
		}
	})
}

// What a message holds is not the read buffer, which is used again.
func TestTelemetryIsCopied(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		c := g.online(t, device)
		const n = 200
		var b []byte
		for i := range n {
			b = append(b, publish(events+"n="+strconv.Itoa(i), 0, 0, strings.Repeat(string(rune('a'+i%26)), 100+i))...)
		}
		for len(b) > 0 { // in pieces that are no packets
			k := min(len(b), 333)
			c.send(b[:k])
			b = b[k:]
		}
		synctest.Wait()
		got := g.taken()
		if len(got) != n {
			t.Fatalf("%d messages, want %d", len(got), n)
		}
		for i, m := range got {
			if want := strings.Repeat(string(rune('a'+i%26)), 100+i); string(m.Body) != want || m.Properties[0].Value != strconv.Itoa(i) {
				t.Errorf("message %d: n=%s %q", i, m.Properties[0].Value, m.Body)
			}
		}
	})
}

func TestPayloadLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		c := g.online(t, device)
		c.send(publish(events, 1, 1, strings.Repeat("x", 262_144)))
		c.puback()
		c.send(publish(events, 1, 2, "between"))
		c.puback()
		c.send(publish(events, 1, 3, strings.Repeat("x", 262_145)))
		c.closed()
		g.ended(t, mqtt.EndTooLarge)
		if got := len(g.taken()); got != 2 {
			t.Errorf("%d messages, want 2", got)
		}
	})
}

// Each of these ends the connection without an answer, and leaves nothing.
func TestIllegalPackets(t *testing.T) {
	qos2 := packet.Publish{Topic: []byte(events), QoS: 2, ID: 1}
	many := packet.Subscribe{ID: 1}
	for range 33 {
		many.Filters = append(many.Filters, packet.Filter{Topic: []byte(responses)})
	}
	foreign := packet.Subscribe{ID: 1, Filters: []packet.Filter{{Topic: []byte(responses)}, {Topic: []byte("#")}}}
	leave := packet.Unsubscribe{ID: 1, Filters: [][]byte{[]byte("foo")}}
	connack := packet.Connack{}
	tests := []struct {
		name string
		in   []byte
		want mqtt.End
	}{
		{"foreign topic", publish("foo/bar", 1, 1, "x"), mqtt.EndTopic},
		{"other device's topic", publish("devices/dev2/messages/events/", 1, 1, "x"), mqtt.EndTopic},
		{"own module's topic", publish("devices/dev1/modules/mod1/messages/events/", 1, 1, "x"), mqtt.EndTopic},
		{"no $rid", publish("$iothub/twin/GET/?", 0, 0, ""), mqtt.EndTopic},
		{"malformed bag", publish(events+"a=%zz", 1, 1, "x"), mqtt.EndTopic},
		{"wildcard in a topic", publish("devices/+/messages/events/", 0, 0, "x"), mqtt.EndMalformed},
		{"QoS 2", qos2.Append(nil), mqtt.EndProtocol},
		{"QoS 3", []byte("\x36\x00"), mqtt.EndMalformed},
		{"packet id 0", publish(events, 1, 0, "x"), mqtt.EndMalformed},
		{"PUBREL", []byte("\x62\x02\x00\x01"), mqtt.EndProtocol},
		{"PUBREC", []byte("\x50\x02\x00\x01"), mqtt.EndProtocol},
		{"CONNACK", connack.Append(nil), mqtt.EndProtocol},
		{"PINGRESP", packet.AppendPingresp(nil), mqtt.EndProtocol},
		{"PINGREQ with a body", []byte("\xc0\x01x"), mqtt.EndMalformed},
		{"DISCONNECT with a body", []byte("\xe0\x01x"), mqtt.EndMalformed},
		{"PUBACK with a long body", []byte("\x40\x03\x00\x01x"), mqtt.EndMalformed},
		{"type 0", []byte("\x00\x00"), mqtt.EndMalformed},
		{"length of five bytes", []byte("\x30\xff\xff\xff\xff\x01"), mqtt.EndMalformed},
		{"packet over every limit", []byte("\x30\xff\xff\x7f"), mqtt.EndTooLarge},
		{"foreign filter beside a legal one", foreign.Append(nil), mqtt.EndFilter},
		{"too many filters", many.Append(nil), mqtt.EndFilter},
		{"SUBSCRIBE without filters", []byte("\x82\x02\x00\x01"), mqtt.EndMalformed},
		{"SUBSCRIBE with QoS 3", []byte("\x82\x06\x00\x01\x00\x01a\x03"), mqtt.EndMalformed},
		{"SUBSCRIBE with wrong flags", []byte("\x80\x06\x00\x01\x00\x01a\x00"), mqtt.EndMalformed},
		{"UNSUBSCRIBE of a foreign filter", leave.Append(nil), mqtt.EndFilter},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				g := start(t)
				c := g.online(t, device)
				s := g.session(device)
				c.send(tt.in)
				c.closed()
				g.ended(t, tt.want)
				if got := len(g.taken()); got != 0 {
					t.Errorf("%d messages were taken", got)
				}
				if topics, _ := s.Topics(); topics != 0 {
					t.Errorf("subscribed to %b", topics)
				}
				if got := g.doneReasons(); len(got) != 1 || got[0] == nil {
					t.Errorf("session ended with %v, want one reason", got)
				}
			})
		})
	}
}

// What came before an illegal packet was legal and counts.
func TestIllegalPacketAfterLegalOnes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		c := g.online(t, device)
		c.send(append(publish(events, 0, 0, "legal"), publish("foo", 0, 0, "illegal")...))
		c.closed()
		synctest.Wait()
		if got := g.taken(); len(got) != 1 || string(got[0].Body) != "legal" {
			t.Errorf("messages %v, want the legal one", got)
		}
	})
}

func TestPubacksInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		c := g.online(t, device, responses)
		g.hold()
		// Six requests that the hub will complete last to first. Each is a read
		// of its own, so that each is a call of its own.
		for i, p := range [][]byte{
			publish(events, 1, 101, "a"),
			publish("$iothub/twin/PATCH/properties/reported/?$rid=1", 1, 102, "{}"),
			publish(events, 1, 103, "b"),
			publish("$iothub/twin/GET/?$rid=2", 1, 104, ""),
			publish(events, 0, 0, "c"),
			publish(events, 1, 105, "d"),
		} {
			c.send(p)
			synctest.Wait()
			if got := g.heldCount(); got != i+1 {
				t.Fatalf("the hub holds %d requests, want %d", got, i+1)
			}
		}
		c.send(publish("$iothub/methods/res/200/?$rid=1", 1, 106, "")) // is done at once
		c.quiet()
		g.release(func(held []func()) {
			for i, j := 0, len(held)-1; i < j; i, j = i+1, j-1 {
				held[i], held[j] = held[j], held[i]
			}
		})
		var got []uint16
		var answers int
		for len(got) < 6 {
			f := <-c.frames
			switch f.Type {
			case packet.PUBACK:
				id, err := packet.DecodeID(f)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, id)
			case packet.PUBLISH:
				answers++
			default:
				t.Fatalf("got %v", f.Type)
			}
		}
		if diff := cmp.Diff([]uint16{101, 102, 103, 104, 105, 106}, got); diff != "" { // [MQTT-4.6.0-2]
			t.Errorf("PUBACKs (-want +got):\n%s", diff)
		}
		if answers != 2 {
			t.Errorf("%d answers, want 2", answers)
		}
		c.quiet()
	})
}

// However completions are shuffled, PUBACKs keep the order of their packets.
func TestPubacksShuffled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		c := g.online(t, device)
		next := uint16(1)
		for round := range 4 {
			g.hold()
			first := next
			for range 150 {
				c.send(publish(events, 1, next, "x"))
				synctest.Wait()
				next++
			}
			r := rand.New(rand.NewPCG(1, uint64(round)))
			g.release(func(held []func()) {
				r.Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
			})
			for want := first; want < next; want++ {
				if id := c.puback(); id != want {
					t.Fatalf("PUBACK %d, want %d", id, want)
				}
			}
		}
	})
}

func TestOneReadIsOneBatch(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		c := g.online(t, device)
		g.hold()
		var b []byte
		for i := range 20 {
			b = append(b, publish(events, 1, uint16(i+1), strings.Repeat("x", 200))...)
		}
		c.send(b)
		synctest.Wait()
		if got := g.heldCount(); got > 2 { // the few bytes read while idle may end a batch
			t.Errorf("20 messages of one write were %d calls of the hub", got)
		}
		g.release(nil)
		for i := range 20 {
			if id := c.puback(); id != uint16(i+1) {
				t.Errorf("PUBACK %d, want %d", id, i+1)
			}
		}
	})
}

func TestFailedAppend(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		g.appendErr = tvilling.Errorf(tvilling.Unavailable, "The disk is full.")
		c := g.online(t, device)
		c.send(publish(events, 1, 1, "x"))
		c.closed() // and no PUBACK before
		g.ended(t, mqtt.EndUnavailable)
	})
}

func TestWill(t *testing.T) {
	tests := []struct {
		name string
		end  func(t *testing.T, g *gateway, c *client)
		want bool
	}{
		{"disconnect", func(_ *testing.T, _ *gateway, c *client) { c.send(packet.AppendDisconnect(nil)) }, false},
		{"lost", func(_ *testing.T, _ *gateway, c *client) { _ = c.nc.Close() }, true},
		{"keep-alive", func(_ *testing.T, _ *gateway, _ *client) { pass(91 * time.Second) }, true},
		{"protocol error", func(_ *testing.T, _ *gateway, c *client) { c.send([]byte("\x00\x00")) }, true},
		{"takeover", func(t *testing.T, g *gateway, _ *client) { t.Helper(); g.online(t, device) }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				g := start(t)
				c, ack := g.connect(t, device, func(p *packet.Connect) {
					p.Will = &packet.Will{Topic: []byte(events + "why=lost/"), Payload: []byte("gone"), QoS: 1, Retain: true}
				})
				if ack.Code != packet.Accepted {
					t.Fatalf("CONNACK %v", ack.Code)
				}
				tt.end(t, g, c)
				c.closed()
				synctest.Wait()
				var want []*tvilling.Message
				if tt.want {
					want = []*tvilling.Message{{From: device, Body: []byte("gone"), Properties: []tvilling.Property{
						{Name: "why", Value: "lost"}, {Name: "mqtt-retain", Value: "true"}, {Name: "iothub-MessageType", Value: "Will"},
					}}}
				}
				if diff := cmp.Diff(want, g.taken()); diff != "" {
					t.Errorf("messages (-want +got):\n%s", diff)
				}
				if got := g.srv.Stats().Wills.Load(); (got == 1) != tt.want {
					t.Errorf("%d wills were counted", got)
				}
			})
		})
	}
}
