package hub_test

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/app/apptest"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
)

// room is how much the heap may grow in a flood of much more than that. The
// heap is that of the hub and of the test, which floods it.
const room = 48 << 20

// heap returns the live heap.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// wantFlat fails if the heap has grown by more than the room since before.
func wantFlat(t testing.TB, before uint64) {
	t.Helper()
	if now := heap(); now > before+room {
		t.Errorf("the heap grew from %d to %d MiB", before>>20, now>>20)
	}
}

// deaf is a connection that never reads what the hub sends, and whose socket
// takes little of it.
func deaf(t testing.TB, h *apptest.Hub, id tvilling.Identity, key string) *wire {
	t.Helper()
	w := connect(t, h, id, key)
	w.subscribe(twinResponses, twinDesired)
	if c, ok := w.nc.(*tls.Conn).NetConn().(*net.TCPConn); ok {
		_ = c.SetReadBuffer(4096)
	}
	return w
}

// pour writes b again and again until the hub takes no more, or has taken so
// many bytes. It reports how many it took and whether it then closed.
func pour(w *wire, b []byte, most int) (taken int, closed bool) {
	for taken < most {
		_ = w.nc.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := w.nc.Write(b)
		taken += n
		if err != nil {
			return taken, !errors.Is(err, os.ErrDeadlineExceeded)
		}
	}
	return taken, false
}

// A client that does not read its answers is not read either; one that does not
// read what the hub tells it is closed. Nobody else notices.
func TestClientsThatDoNotRead(t *testing.T) {
	h, c, key := start(t)
	other := connect(t, h, securityOf("d"), keyOf(t, c, securityOf("d")))
	other.subscribe(twinResponses)
	patchDesired(t, c, device("d"), filled(32_000))
	before := heap()

	t.Run("answers", func(t *testing.T) {
		w := deaf(t, h, device("d"), key)
		var b []byte
		for range 100 {
			p := packet.Publish{QoS: 1, ID: 1, Topic: []byte("$iothub/twin/GET/?$rid=1")}
			b = p.Append(b)
		}
		// Answers to all of this would be thousands of times as long.
		taken, _ := pour(w, b, 64<<20)
		if taken >= 64<<20 {
			t.Error("the hub read on although no answer was taken")
		}
		wantFlat(t, before)
		other.alive()
		w.cut()
	})
	t.Run("changes", func(t *testing.T) {
		w := deaf(t, h, device("d"), key)
		// What the hub has for it is more than sockets and outbox hold.
		text := json.RawMessage(filled(32_000))
		for range 800 {
			patchDesired(t, c, device("d"), string(text))
			d, err := c.Device(t.Context(), "d")
			if err != nil {
				t.Fatal(err)
			}
			if d.ConnectionState == "Disconnected" {
				break
			}
		}
		d, err := c.Device(t.Context(), "d")
		if err != nil {
			t.Fatal(err)
		}
		if d.ConnectionState != "Disconnected" {
			t.Error("a client that reads nothing is connected still")
		}
		wantFlat(t, before)
		other.alive()
		// What it got is without a gap, up to where it was closed.
		_ = w.nc.(*tls.Conn).NetConn().(*net.TCPConn).SetReadBuffer(1 << 20)
		last := int64(0)
		for _, f := range w.closed() {
			if v, _, ok := asDesired(f); ok {
				if last != 0 && v != last+1 {
					t.Errorf("patch %d follows patch %d", v, last)
				}
				last = v
			}
		}
		if last == 0 {
			t.Error("not one patch came")
		}
	})
}

func TestFloods(t *testing.T) {
	h, c, key := start(t)
	other := connect(t, h, securityOf("d"), keyOf(t, c, securityOf("d")))
	other.subscribe(twinResponses)
	flooder := h.Register(c, "flooder")
	before := heap()
	large := strings.Repeat("x", 4000)

	t.Run("messages nobody waits for", func(t *testing.T) {
		w := connect(t, h, device("flooder"), flooder)
		p := packet.Publish{Topic: []byte("devices/flooder/messages/events/"), Payload: make([]byte, 200_000)}
		const count = 300 // 60 MB
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range count {
				w.send(p.Append(nil))
			}
		}()
		served := 0
		for flooding := true; flooding; served++ {
			select {
			case <-done:
				flooding = false
			default:
			}
			other.twin()
			if served%50 == 0 {
				wantFlat(t, before)
			}
		}
		t.Logf("another client was served %d times meanwhile", served)
		// They are taken in order, so with this one all of them are.
		w.publish("devices/flooder/messages/events/", []byte(`"last"`))
		w.bye()
		for m, err := range c.Messages(t.Context(), client.Telemetry, client.StreamOptions{After: count}) {
			if err != nil || m.Sequence != count+1 || string(m.Body) != `"last"` {
				t.Errorf("the last message is %+v (%v), want number %d", m, err, count+1)
			}
		}
		wantFlat(t, before)
	})
	t.Run("reports nobody waits for", func(t *testing.T) {
		w := deaf(t, h, device("flooder"), flooder)
		var b []byte
		for range 50 {
			p := packet.Publish{QoS: 1, ID: 1, Topic: []byte("$iothub/twin/PATCH/properties/reported/?$rid=1"), Payload: []byte(`{"a":"` + large + `"}`)}
			b = p.Append(b)
		}
		pour(w, b, 16<<20)
		wantFlat(t, before)
		other.twin()
		w.cut()
	})
	t.Run("connections that say nothing", func(t *testing.T) {
		var silent []net.Conn
		for range 300 {
			nc, err := (&net.Dialer{Timeout: patience}).DialContext(t.Context(), "tcp", h.MQTT())
			if err != nil {
				t.Fatal(err)
			}
			silent = append(silent, nc)
		}
		half := open(t, h, nil) // TLS, and then half a CONNECT
		half.send([]byte{0x10, 0x60, 0, 4, 'M'})
		connect(t, h, device("d"), key).alive()
		wantFlat(t, before)
		for _, nc := range silent {
			_ = nc.Close()
		}
	})
	t.Run("connects that are refused", func(t *testing.T) {
		for range 100 {
			w, ack, ok := try(t, h, connecting{id: device("d"), password: "SharedAccessSignature sr=x&sig=y&se=1"})
			if !ok || ack.Code != packet.NotAuthorized {
				t.Fatalf("answered %t, %v", ok, ack.Code)
			}
			w.cut()
		}
		other.alive()
		wantFlat(t, before)
	})
	t.Run("followers that do not read", func(t *testing.T) {
		conn, err := tls.Dial("tcp", h.HTTPS(), h.TLS())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if c, ok := conn.NetConn().(*net.TCPConn); ok {
			_ = c.SetReadBuffer(4096)
		}
		_, err = conn.Write([]byte("GET /tvilling/messages?kind=telemetry&follow=true HTTP/1.1\r\nHost: hub\r\nAuthorization: " + owner(t, h).auth + "\r\n\r\n"))
		if err != nil {
			t.Fatal(err)
		}
		// 60 MB of messages are there for it.
		for range 20 {
			other.twin()
			wantFlat(t, before)
		}
	})
}
