package hub_test

import (
	"encoding/json"
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/app"
	"github.com/tvilling/tvilling/internal/app/apptest"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
	"github.com/tvilling/tvilling/internal/store/segment/faultfs"
)

// After a failed fsync or write nobody knows what the disk holds. The hub must
// not go on as if it did: it acknowledges nothing more, stops with an error
// that says so, and finds out at its next start.
func TestFailedSyncStopsTheHub(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		fail func(fs *faultfs.FS)
		// write makes the write that meets the fault. It returns whether the hub
		// acknowledged it.
		write func(t *testing.T, h *apptest.Hub, w *wire) bool
	}{
		{"sync of the journal, by a report", failSync, func(_ *testing.T, _ *apptest.Hub, w *wire) bool {
			p := packet.Publish{Topic: []byte("$iothub/twin/PATCH/properties/reported/?$rid=9"), Payload: []byte(`{"n":2}`)}
			w.send(p.Append(nil))
			for _, f := range w.closed() {
				if a, _, ok := asAnswer(f); ok && a.status < 300 {
					return true
				}
			}
			return false
		}},
		{"sync of the journal, by a service", failSync, func(t *testing.T, h *apptest.Hub, _ *wire) bool {
			_, err := h.Client().PatchTwin(t.Context(), device("d"), client.TwinPatch{Desired: json.RawMessage(`{"n":2}`)}, tvilling.Match{})
			return err == nil
		}},
		{"sync of the telemetry", failSync, sendMessage},
		{"write of the telemetry", func(fs *faultfs.FS) { fs.FailWrite(0, syscall.EIO) }, sendMessage},
		{"write of the journal", func(fs *faultfs.FS) { fs.FailWrite(0, syscall.EIO) }, func(t *testing.T, h *apptest.Hub, _ *wire) bool {
			_, err := h.Client().CreateDevice(t.Context(), client.Device{DeviceID: "new"})
			return err == nil
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fs := faultfs.New()
			h := apptest.Start(t, func(o *app.Options) { o.Tuning.FS = fs })
			c := h.Client()
			key := h.Register(c, "d")
			w := connect(t, h, device("d"), key)
			w.subscribe(twinResponses)
			if a := w.report(`{"n":1}`); a.status != 204 {
				t.Fatalf("report: %+v", a)
			}
			w.publish("devices/d/messages/events/", []byte("1"))
			before := traced(t, c)

			test.fail(fs)
			if test.write(t, h, w) {
				t.Error("what could not be made durable was acknowledged")
			}
			err := h.Ended()
			if err == nil || !strings.Contains(err.Error(), "the hub stops") || !strings.Contains(err.Error(), "next start") {
				t.Errorf("the hub ended with %v, want an error that says what now", err)
			}
			if !errors.Is(err, syscall.EIO) {
				t.Errorf("the error %v does not carry its cause", err)
			}
			w.closed()

			fs.Crash(nil) // whatever was not synced is gone
			h.Restart()
			c = h.Client()
			if got := traced(t, c); got != before {
				t.Errorf("after the start traces are %+v, want %+v", got, before)
			}
			w = connect(t, h, device("d"), key)
			w.subscribe(twinResponses)
			if n := w.twin().Reported["n"]; n != 1.0 {
				t.Errorf("reported n is %v, want what was acknowledged", n)
			}
			if a := w.report(`{"n":3}`); a.status != 204 || a.version != 3 {
				t.Errorf("report after the start: %+v", a)
			}
			w.publish("devices/d/messages/events/", []byte("2"))
		})
	}
}

func failSync(fs *faultfs.FS) { fs.FailSync(0, syscall.EIO) }

func sendMessage(_ *testing.T, _ *apptest.Hub, w *wire) bool {
	p := packet.Publish{QoS: 1, ID: 77, Topic: []byte("devices/d/messages/events/"), Payload: []byte("x")}
	w.send(p.Append(nil))
	for _, f := range w.closed() {
		if f.Type == packet.PUBACK {
			return true
		}
	}
	return false
}
