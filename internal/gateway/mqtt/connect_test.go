package mqtt_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/gateway/mqtt"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
	"github.com/tvilling/tvilling/internal/hub/session"
	"github.com/tvilling/tvilling/internal/hub/state"
)

func TestConnect(t *testing.T) {
	for _, id := range []tvilling.Identity{device, module, {Device: "d-1:.+%_*?!(),=@$'", Module: "$edgeAgent"}} {
		t.Run(id.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				g := start(t)
				c, ack := g.connect(t, id)
				if ack != (packet.Connack{}) {
					t.Fatalf("CONNACK = %+v", ack)
				}
				o := g.opened[0]
				if o.ID != id || o.Clean || o.ClientType != "test" || o.Transport != "mqtt" || o.Principal.ID != id {
					t.Errorf("session opened with %+v", o)
				}
				if got, want := g.tokens[0].Token, "token of "+id.String(); got != want {
					t.Errorf("token %q, want %q", got, want)
				}
				c.send(packet.AppendPingreq(nil))
				c.next(packet.PINGRESP)
				c.send(packet.AppendDisconnect(nil))
				c.closed()
				g.ended(t, mqtt.EndDisconnect)
				if got := g.doneReasons(); len(got) != 1 || got[0] != nil {
					t.Errorf("session ended with %v, want one nil", got)
				}
			})
		})
	}
}

func TestConnectAnswers(t *testing.T) {
	unauthorized := tvilling.Errorf(tvilling.Unauthorized, "No.")
	tests := []struct {
		name   string
		change func(*packet.Connect)
		hub    func(*hub)
		code   packet.ReturnCode
		why    mqtt.Refusal
	}{
		{"client id is not the user's", func(c *packet.Connect) { c.ClientID = []byte("dev2") }, nil, packet.NotAuthorized, mqtt.RefusedUnauthorized},
		{"client id in other case", func(c *packet.Connect) { c.ClientID = []byte("DEV1") }, nil, packet.NotAuthorized, mqtt.RefusedUnauthorized},
		{"device id for a module's user", func(c *packet.Connect) { c.Username = []byte("h/dev1/mod1/?api-version=1") }, nil, packet.NotAuthorized, mqtt.RefusedUnauthorized},
		{"client id empty", func(c *packet.Connect) { c.ClientID = []byte{} }, nil, packet.IdentifierRejected, mqtt.RefusedClientID},
		{"client id empty and clean", func(c *packet.Connect) { c.ClientID = []byte{}; c.CleanSession = true }, nil, packet.IdentifierRejected, mqtt.RefusedClientID},
		{"client id with a space", func(c *packet.Connect) { c.ClientID = []byte("dev 1") }, nil, packet.IdentifierRejected, mqtt.RefusedClientID},
		{"client id with three parts", func(c *packet.Connect) { c.ClientID = []byte("a/b/c") }, nil, packet.IdentifierRejected, mqtt.RefusedClientID},
		{"client id with an empty module", func(c *packet.Connect) { c.ClientID = []byte("dev1/") }, nil, packet.IdentifierRejected, mqtt.RefusedClientID},
		{"no user name", func(c *packet.Connect) { c.Username, c.Password = nil, nil }, nil, packet.NotAuthorized, mqtt.RefusedUnauthorized},
		{"malformed user name", func(c *packet.Connect) { c.Username = []byte("dev1") }, nil, packet.NotAuthorized, mqtt.RefusedUnauthorized},
		{"bad credential", nil, func(h *hub) { h.authErr = unauthorized }, packet.NotAuthorized, mqtt.RefusedUnauthorized},
		{"hub cannot check", nil, func(h *hub) { h.authErr = tvilling.Errorf(tvilling.Unavailable, "Later.") }, packet.ServerUnavailable, mqtt.RefusedUnavailable},
		{"record is corrupt", nil, func(h *hub) { h.authErr = tvilling.Errorf(tvilling.Corrupt, "Broken.") }, packet.ServerUnavailable, mqtt.RefusedUnavailable},
		{"hub fails", nil, func(h *hub) { h.openErr = errors.New("disk") }, packet.ServerUnavailable, mqtt.RefusedUnavailable},
		{"revoked meanwhile", nil, func(h *hub) { h.openErr = session.ErrRevoked }, packet.NotAuthorized, mqtt.RefusedUnauthorized},
		{"will of QoS 2", func(c *packet.Connect) { c.Will = &packet.Will{Topic: []byte(events), QoS: 2} }, nil, packet.NotAuthorized, mqtt.RefusedWill},
		{"will to a foreign topic", func(c *packet.Connect) { c.Will = &packet.Will{Topic: []byte("devices/dev2/messages/events/")} }, nil, packet.NotAuthorized, mqtt.RefusedWill},
		{"will to a twin topic", func(c *packet.Connect) { c.Will = &packet.Will{Topic: []byte("$iothub/twin/GET/?$rid=1")} }, nil, packet.NotAuthorized, mqtt.RefusedWill},
		{"will with a malformed bag", func(c *packet.Connect) { c.Will = &packet.Will{Topic: []byte(events + "a=%")} }, nil, packet.NotAuthorized, mqtt.RefusedWill},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				g := start(t)
				if tt.hub != nil {
					tt.hub(g.hub)
				}
				var change []func(*packet.Connect)
				if tt.change != nil {
					change = append(change, tt.change)
				}
				c, ack := g.connect(t, device, change...)
				if ack.Code != tt.code {
					t.Errorf("CONNACK %v, want %v", ack.Code, tt.code)
				}
				c.closed()
				synctest.Wait()
				if got := g.srv.Stats().Refused(tt.why); got != 1 {
					t.Errorf("refused for %s: %d, want 1", tt.why, got)
				}
				if got := len(g.opened); got != 0 {
					t.Errorf("%d sessions were opened", got)
				}
			})
		})
	}
}

func TestFirstPacketRefused(t *testing.T) {
	p := hello(device)
	good := string(p.Append(nil))
	tests := []struct {
		name, in string
		want     string // what comes before the close
		why      mqtt.Refusal
	}{
		{"PUBLISH", string(publish(events, 0, 0, "x")), "", mqtt.RefusedMalformed},
		{"PINGREQ", "\xc0\x00", "", mqtt.RefusedMalformed},
		{"HTTP", "GET / HTTP/1.1\r\n\r\n", "", mqtt.RefusedMalformed},
		{"wrong protocol name", strings.Replace(good, "MQTT", "MQTX", 1), "", mqtt.RefusedMalformed},
		{"MQTT 3.1", "\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x01d", "", mqtt.RefusedMalformed},
		{"level 3", strings.Replace(good, "MQTT\x04", "MQTT\x03", 1), "\x20\x02\x00\x01", mqtt.RefusedLevel},
		{"MQTT 5", "\x10\x0e\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01d", "\x20\x03\x00\x84\x00", mqtt.RefusedLevel},
		{"reserved flag", strings.Replace(good, "MQTT\x04\xc0", "MQTT\x04\xc1", 1), "", mqtt.RefusedMalformed},
		{"reserved header flag", "\x11" + good[1:], "", mqtt.RefusedMalformed},
		{"too long", "\x10\xff\xff\x7f", "", mqtt.RefusedMalformed},
		{"nothing at all", "", "", mqtt.RefusedTimeout},
		{"half a packet", good[:20], "", mqtt.RefusedTimeout},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				g := start(t)
				nc := g.ln.dial(t)
				go func() { _, _ = nc.Write([]byte(tt.in)) }()
				var got []byte
				buf := make([]byte, 64)
				for {
					n, err := nc.Read(buf)
					got = append(got, buf[:n]...)
					if err != nil {
						break
					}
				}
				if string(got) != tt.want {
					t.Errorf("answer %q, want %q", got, tt.want)
				}
				synctest.Wait()
				if got := g.srv.Stats().Refused(tt.why); got != 1 {
					t.Errorf("refused for %s: %d, want 1", tt.why, got)
				}
				if got := g.srv.Stats().Greeting.Load(); got != 0 {
					t.Errorf("%d connections are still greeting", got)
				}
			})
		})
	}
}

func TestSecondConnect(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		c := g.online(t, device)
		p := hello(device)
		c.send(p.Append(nil)) // [MQTT-3.1.0-2]
		c.closed()
		g.ended(t, mqtt.EndProtocol)
	})
}

// A client may send on without waiting for CONNACK, and CONNACK is the first
// packet all the same [MQTT-3.2.0-1].
func TestPacketsBehindConnect(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		g.kept[device] = state.TwinDesired
		g.onOpen = func(c session.Client) { c.Desired(7, []byte(`{"a":1,"$version":7}`)) }
		c := g.dial(t)
		p := hello(device)
		s := packet.Subscribe{ID: 9, Filters: []packet.Filter{{Topic: []byte(responses)}}}
		c.send(append(s.Append(p.Append(nil)), publish("$iothub/twin/GET/?$rid=1", 0, 0, " ")...))
		ack, err := packet.DecodeConnack(c.next(packet.CONNACK))
		if err != nil || !ack.SessionPresent {
			t.Errorf("CONNACK %+v, %v; want a session present", ack, err)
		}
		if topic, body := c.message(); topic != "$iothub/twin/PATCH/properties/desired/?$version=7" || body != `{"a":1,"$version":7}` {
			t.Errorf("desired patch %s %s", topic, body)
		}
		c.next(packet.SUBACK)
		if topic, _ := c.message(); topic != "$iothub/twin/res/200/?$rid=1" {
			t.Errorf("answer to %s", topic)
		}
	})
}

func TestSessionPresent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		clean := func(c *packet.Connect) { c.CleanSession = true }
		for i, step := range []struct {
			change []func(*packet.Connect)
			want   bool
		}{
			{nil, false},
			{nil, true},
			{[]func(*packet.Connect){clean}, false},
			{[]func(*packet.Connect){clean}, false},
			{nil, false},
			{nil, true},
		} {
			c, ack := g.connect(t, device, step.change...)
			if ack.Code != packet.Accepted || ack.SessionPresent != step.want {
				t.Errorf("connection %d: CONNACK %+v, want session present %t", i, ack, step.want)
			}
			c.send(packet.AppendDisconnect(nil))
			c.closed()
		}
	})
}

func TestKeepAlive(t *testing.T) {
	tests := []struct {
		seconds uint16
		want    time.Duration
	}{
		{1, 1500 * time.Millisecond},
		{60, 90 * time.Second},
		{1177, 1765500 * time.Millisecond},
		{1178, 1767 * time.Second},
		{65535, 1767 * time.Second},
		{0, 1767 * time.Second},
	}
	for _, tt := range tests {
		t.Run((time.Duration(tt.seconds) * time.Second).String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				g := start(t)
				c, _ := g.connect(t, device, func(p *packet.Connect) { p.KeepAlive = tt.seconds })
				for range 2 { // any packet counts, not only PINGREQ
					pass(tt.want - time.Millisecond)
					c.send(publish(events, 0, 0, "x"))
				}
				began := time.Now()
				c.closed()
				if got := time.Since(began); got != tt.want {
					t.Errorf("closed after %v of silence, want %v", got, tt.want)
				}
				g.ended(t, mqtt.EndKeepAlive)
			})
		})
	}
}

// Bytes are not packets: dribbling one keeps nothing alive.
func TestKeepAliveCountsPackets(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		c := g.online(t, device)
		began := time.Now()
		p := publish(events, 0, 0, strings.Repeat("x", 1000))
		for i := range 8 {
			pass(10 * time.Second)
			c.send(p[i : i+1])
		}
		c.closed()
		if got, want := time.Since(began), 90*time.Second; got != want {
			t.Errorf("closed after %v, want %v", got, want)
		}
		g.ended(t, mqtt.EndKeepAlive)
	})
}

func TestExpiry(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		g.expires = time.Now().Add(200 * time.Second)
		c := g.online(t, device)
		began := time.Now()
		go func() {
			for range 3 {
				pass(59 * time.Second)
				c.send(packet.AppendPingreq(nil))
			}
		}()
		for range 3 {
			c.next(packet.PINGRESP)
		}
		c.closed()
		if got, want := time.Since(began), 200*time.Second; got != want {
			t.Errorf("closed after %v, want %v", got, want)
		}
		g.ended(t, mqtt.EndExpired)
		if got := g.doneReasons(); len(got) != 1 || tvilling.CodeOf(got[0]) != tvilling.Unauthorized {
			t.Errorf("session ended with %v, want Unauthorized", got)
		}
	})
}

func TestTakeover(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		first := g.online(t, device)
		other := g.online(t, module)
		began := time.Now()
		second := g.online(t, device)
		first.closed()
		if d := time.Since(began); d != 0 {
			t.Errorf("the first connection lived %v longer", d)
		}
		g.ended(t, mqtt.EndTakenOver)
		for _, c := range []*client{second, other} {
			c.send(packet.AppendPingreq(nil))
			c.next(packet.PINGRESP)
		}
		g.session(device).c.Close(session.ErrRevoked)
		second.closed()
		g.ended(t, mqtt.EndRevoked)
		if got := g.srv.Stats().Open.Load(); got != 1 {
			t.Errorf("%d connections are open, want 1", got)
		}
	})
}

func TestShutdown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		c := g.online(t, device)
		half := g.dial(t) // has not sent a byte
		synctest.Wait()
		if err := g.srv.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.closed()
		half.closed()
		g.ended(t, mqtt.EndStopping)
		if open, greeting := g.srv.Stats().Open.Load(), g.srv.Stats().Greeting.Load(); open != 0 || greeting != 0 {
			t.Errorf("open %d, greeting %d after shutdown", open, greeting)
		}
	})
}

func TestPanicInHandler(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		g.panics = true
		other := g.online(t, module)
		c := g.online(t, device)
		c.send(publish("$iothub/twin/GET/?$rid=1", 0, 0, ""))
		c.closed()
		g.ended(t, mqtt.EndInternal)
		if got := g.doneReasons(); len(got) != 1 || tvilling.CodeOf(got[0]) != tvilling.Internal {
			t.Errorf("session ended with %v, want Internal", got)
		}
		other.send(packet.AppendPingreq(nil))
		other.next(packet.PINGRESP)
	})
}

func TestPanicWhileGreeting(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		other := g.online(t, module)
		g.onOpen = func(session.Client) { panic("open") }
		nc := g.dial(t)
		p := hello(tvilling.Device("dev9"))
		nc.send(p.Append(nil))
		nc.closed()
		other.send(packet.AppendPingreq(nil))
		other.next(packet.PINGRESP)
		synctest.Wait()
		if got := g.srv.Stats().Refused(mqtt.RefusedUnavailable); got != 1 {
			t.Errorf("refused: %d, want 1", got)
		}
	})
}
