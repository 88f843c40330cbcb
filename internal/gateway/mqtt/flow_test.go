package mqtt_test

import (
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/gateway/mqtt"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
	"github.com/tvilling/tvilling/internal/hub/session"
)

// deaf connects a client that reads CONNACK and nothing after it.
func (g *gateway) deaf(t *testing.T, id tvilling.Identity) net.Conn {
	t.Helper()
	nc := g.ln.dial(t)
	t.Cleanup(func() { _ = nc.Close() })
	p := hello(id)
	if _, err := nc.Write(p.Append(nil)); err != nil {
		t.Fatal(err)
	}
	var ack [4]byte
	if _, err := io.ReadFull(nc, ack[:]); err != nil {
		t.Fatal(err)
	}
	return nc
}

// Handing a change to a client that does not read returns at once; the client
// is disconnected when it has read nothing for the time allowed.
func TestStuckClient(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		g.deaf(t, device)
		began := time.Now()
		g.session(device).c.Desired(2, []byte("{}"))
		g.session(device).c.Desired(3, []byte("{}"))
		if d := time.Since(began); d != 0 {
			t.Errorf("Desired blocked for %v", d)
		}
		pass(30*time.Second - time.Millisecond)
		synctest.Wait()
		if got := g.srv.Stats().Open.Load(); got != 1 {
			t.Fatalf("%d connections are open, want 1", got)
		}
		pass(time.Millisecond)
		g.ended(t, mqtt.EndStuck)
	})
}

// A client that reads slowly but does read is not stuck.
func TestSlowClient(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		nc := g.deaf(t, device)
		const n = 50
		patch := []byte(strings.Repeat("x", 4000))
		for v := range int64(n) {
			g.session(device).c.Desired(v+2, patch)
		}
		began := time.Now()
		var got []byte
		buf := make([]byte, 4096)
		for strings.Count(string(got), "$version=") < n || !strings.HasSuffix(string(got), "x") || len(got) < n*4000 {
			pass(time.Second)
			k, err := nc.Read(buf)
			if err != nil {
				t.Fatalf("after %v and %d bytes: %v", time.Since(began), len(got), err)
			}
			got = append(got, buf[:k]...)
		}
		if d := time.Since(began); d < 45*time.Second {
			t.Errorf("the client was not slow: %v", d)
		}
	})
}

// An outbox that is full ends the connection; no version is left out.
func TestOverflow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t, func(o *mqtt.Options) { o.Limits.Outbox = 10_000 })
		g.deaf(t, device)
		c := g.session(device).c
		patch := []byte(strings.Repeat("x", 900))
		for v := range int64(9) {
			c.Desired(v+2, patch)
		}
		synctest.Wait()
		if got := g.srv.Stats().Ended(mqtt.EndOverflow); got != 0 {
			t.Fatal("closed before the outbox was full")
		}
		for v := range int64(9) {
			c.Desired(v+11, patch)
		}
		g.ended(t, mqtt.EndOverflow)
		if sent := g.srv.Stats().DesiredSent.Load(); sent != 10 {
			t.Errorf("%d patches were taken, want 10", sent)
		}
	})
}

// A client with too much in flight is not read until answers are out.
func TestBackPressure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t, func(o *mqtt.Options) { o.Limits.InFlight = 50_000 })
		c := g.online(t, device)
		g.hold()
		const n = 100
		sent := make(chan int, n)
		go func() {
			for i := range n {
				if _, err := c.nc.Write(publish(events, 1, uint16(i+1), strings.Repeat("x", 2000))); err != nil {
					return
				}
				sent <- i
			}
			close(sent)
		}()
		synctest.Wait()
		if got := len(sent); got < 15 || got > 40 {
			t.Errorf("%d messages of 2 kB were read with 50 kB in flight", got)
		}
		if got := g.srv.Stats().Stalls.Load(); got != 1 {
			t.Errorf("stalls: %d, want 1", got)
		}
		g.release(nil)
		for i := range n {
			if id := c.puback(); id != uint16(i+1) {
				t.Fatalf("PUBACK %d, want %d", id, i+1)
			}
		}
		if got := len(g.taken()); got != n {
			t.Errorf("%d messages, want %d", got, n)
		}
	})
}

// One message larger than all that may be in flight is taken all the same.
func TestBackPressureLetsLargeOnesThrough(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t, func(o *mqtt.Options) { o.Limits.InFlight = 1000 })
		c := g.online(t, device, responses)
		for i := range 3 {
			c.send(publish(events, 1, uint16(i+1), strings.Repeat("x", 5000)))
			c.send(publish("$iothub/twin/GET/?$rid=1", 0, 0, ""))
		}
		var acks, answers int
		for acks+answers < 6 {
			switch f := <-c.frames; f.Type {
			case packet.PUBACK:
				acks++
			case packet.PUBLISH:
				answers++
			default:
				t.Fatalf("got %v", f.Type)
			}
		}
	})
}

// A stalled client can be closed like any other.
func TestCloseWhileStalled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t, func(o *mqtt.Options) { o.Limits.InFlight = 1000 })
		c := g.online(t, device)
		g.hold()
		c.send(append(publish(events, 1, 1, strings.Repeat("x", 900)), publish(events, 1, 2, strings.Repeat("x", 900))...))
		synctest.Wait()
		if got := g.srv.Stats().Stalls.Load(); got != 1 {
			t.Errorf("stalls: %d, want 1", got)
		}
		g.session(device).c.Close(session.ErrRevoked)
		c.closed()
		g.ended(t, mqtt.EndRevoked)
	})
}

// A client that sends and does not read is stopped by its own answers.
func TestFloodWithoutReading(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		g.document = []byte(strings.Repeat("x", 20_000))
		g.kept[device] = ^g.kept[device] // subscribed to everything
		nc := g.deaf(t, device)
		other := g.online(t, module)
		go func() {
			get := publish("$iothub/twin/GET/?$rid=1", 0, 0, "")
			for {
				if _, err := nc.Write(get); err != nil {
					return
				}
			}
		}()
		synctest.Wait()
		if got := g.srv.Stats().TwinGets.Load(); got > 30 {
			t.Errorf("%d documents were read for a client that takes none", got)
		}
		other.send(packet.AppendPingreq(nil))
		other.next(packet.PINGRESP)
		pass(31 * time.Second)
		g.ended(t, mqtt.EndStuck)
	})
}

// Connections beyond the number allowed wait their turn.
func TestConnectionsAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t, func(o *mqtt.Options) { o.Limits.Connections = 2 })
		a, b := g.online(t, device), g.online(t, module)
		third := make(chan *client)
		go func() { third <- g.dial(t) }()
		synctest.Wait()
		select {
		case <-third:
			t.Fatal("a third connection was accepted")
		default:
		}
		a.send(packet.AppendDisconnect(nil))
		a.closed()
		c := <-third
		p := hello(tvilling.Device("dev3"))
		c.send(p.Append(nil))
		c.next(packet.CONNACK)
		b.send(packet.AppendPingreq(nil))
		b.next(packet.PINGRESP)
	})
}
