package hub_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/app"
	"github.com/tvilling/tvilling/internal/app/apptest"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
	"github.com/tvilling/tvilling/internal/store/segment/faultfs"
)

// disk is one that can be filled up.
type disk struct {
	dir         string
	fill, empty func()
	tuning      app.Tuning
}

// small returns a disk of a few megabytes. Only root may have one; where tests
// must not be left out it is a failure if there is none.
func small(t *testing.T) disk {
	t.Helper()
	dir := t.TempDir()
	if err := mount(dir, 32<<20); err != nil {
		if os.Getenv("CI") == "true" && os.Getuid() == 0 {
			t.Fatalf("no small disk can be mounted: %v", err)
		}
		t.Skipf("no small disk can be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := unmount(dir); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	filler := filepath.Join(dir, "filler")
	return disk{
		dir: filepath.Join(dir, "data"),
		fill: func() {
			f, err := os.OpenFile(filler, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			chunk := make([]byte, 1<<20)
			for len(chunk) > 0 {
				if _, err := f.Write(chunk); errors.Is(err, syscall.ENOSPC) {
					chunk = chunk[:len(chunk)/2]
				} else if err != nil {
					t.Fatal(err)
				}
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		},
		empty: func() {
			if err := os.Remove(filler); err != nil {
				t.Error(err)
			}
		},
		// Records go to SQLite all the time, so that it meets the full disk, too.
		tuning: app.Tuning{WriteBackAfter: 10 * time.Millisecond},
	}
}

// simulated returns a disk in memory for the logs.
func simulated(t *testing.T) disk {
	t.Helper()
	fs := faultfs.New()
	return disk{
		dir:    filepath.Join(t.TempDir(), "data"),
		fill:   func() { fs.SetSpace(0) },
		empty:  func() { fs.SetSpace(-1) },
		tuning: app.Tuning{FS: fs},
	}
}

func TestDiskFull(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*testing.T) disk{"small": small, "simulated": simulated} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fullDisk(t, prepare(t))
		})
	}
}

func fullDisk(t *testing.T, d disk) {
	h := apptest.Start(t, func(o *app.Options) { o.Data, o.Tuning = d.dir, d.tuning })
	h.Data = d.dir
	c := h.Client()
	api := owner(t, h)
	key := h.Register(c, "d")
	w := connect(t, h, device("d"), key)
	w.subscribe(twinResponses, twinDesired)
	const events = "devices/d/messages/events/"
	w.publish(events, []byte("0"))
	if a := w.report(`{"n":0}`); a.status != 204 {
		t.Fatalf("report: %+v", a)
	}
	patchDesired(t, c, device("d"), `{"a":1}`)
	w.desired()
	small := connect(t, h, device("small"), h.Register(c, "small"))
	small.subscribe(twinResponses)

	d.fill()
	// Every log has some space set aside, which it gives back when a write does
	// not fit: what comes first is what is largest. Whatever would need space is
	// refused on the channel it came by.
	sent := 1
	flood := connect(t, h, securityOf("d"), keyOf(t, c, securityOf("d")))
	for {
		p := packet.Publish{QoS: 1, ID: flood.id(), Topic: []byte("devices/d/modules/azureiotsecurity/messages/events/"), Payload: []byte(strings.Repeat("y", 30_000))}
		flood.send(p.Append(nil))
		f, ok := flood.read()
		if !ok {
			break // closed without a PUBACK: the client will send it again
		}
		if f.Type != packet.PUBACK {
			t.Fatalf("a message is answered with %v", f.Type)
		}
		if sent++; sent > 10_000 {
			t.Fatal("a full disk takes everything")
		}
	}
	reported := exhaust(t, w, 4000)
	tiny := exhaust(t, small, 0)
	t.Logf("%d large and %d small reports were taken before the first was refused", reported, tiny)
	before := w.twin()
	if n := before.Reported["n"]; n != float64(reported) {
		t.Errorf("reads give report %v, want %d", n, reported)
	}
	r := api.do("PATCH", "/twins/d?api-version=2021-04-12", `{"properties":{"desired":{"b":1}}}`)
	if name, message := r.fault(t); r.status != 503 || name != "ServiceUnavailable" || !strings.Contains(message, "space") {
		t.Errorf("patch: status %d: %s", r.status, r.body)
	}
	for what, err := range map[string]error{
		"create device": create(t, c, "new"),
		"delete device": c.Delete(t.Context(), device("d"), client.Any()),
		"put policy": func() error {
			_, err := c.PutPolicy(t.Context(), client.Policy{Name: "p", Permissions: []string{"RegistryRead"}})
			return err
		}(),
	} {
		wantCode(t, what, err, tvilling.Unavailable)
	}
	kept, _ := dial(t, h, connecting{id: securityOf("d"), key: keyOf(t, c, securityOf("d")), keep: true})
	for i := range 100_000 { // the smallest change there is
		s := packet.Subscribe{ID: kept.id(), Filters: []packet.Filter{{Topic: []byte(twinDesired), QoS: byte(i % 2)}}}
		kept.send(s.Append(nil))
		if _, ok := kept.read(); !ok {
			break // closed without a SUBACK
		}
		if i == 99_999 {
			t.Fatal("a full disk takes everything")
		}
	}

	// Reads go on.
	w.alive()
	if after := w.twin(); after.reportedVersion() != before.reportedVersion() || after.desiredVersion() != before.desiredVersion() {
		t.Errorf("what was refused changed the twin: %v", after)
	}
	if _, err := c.Twin(t.Context(), device("d")); err != nil {
		t.Errorf("read twin: %v", err)
	}
	if p, err := c.QueryPage(t.Context(), "SELECT * FROM devices", 0, ""); err != nil || len(p.Items) != 2 {
		t.Errorf("query: %v, %v", p, err)
	}
	if err := c.Ready(t.Context()); err != nil {
		t.Errorf("ready: %v", err)
	}
	n := traced(t, c)

	d.empty()
	if a := w.report(`{"n":` + itoa(reported+1) + `}`); a.status != 204 || a.version != int64(reported)+3 {
		t.Errorf("report with space again: %+v", a)
	}
	if tw := patchDesired(t, c, device("d"), `{"b":1}`); tw.Version != 4 {
		t.Errorf("patch with space again makes version %d, want 4", tw.Version)
	}
	w.desired()
	w.publish(events, []byte("last"))
	h.Register(c, "new")
	n.changes, n.telemetry = n.changes+4, n.telemetry+1
	if got := traced(t, c); got != n {
		t.Errorf("traces %+v, want %+v", got, n)
	}
	if got := len(messages(t, c, client.Telemetry)); got != sent+1 {
		t.Errorf("%d messages are stored; %d were acknowledged", got, sent+1)
	}
	twin := w.twin()
	h.Restart()
	c = h.Client()
	w = connect(t, h, device("d"), key)
	w.subscribe(twinResponses)
	again := w.twin()
	if again.reportedVersion() != twin.reportedVersion() || again.desiredVersion() != twin.desiredVersion() {
		t.Errorf("after a restart the twin is %v, was %v", again, twin)
	}
	if got := traced(t, c); got != n {
		t.Errorf("after a restart traces are %+v, want %+v", got, n)
	}
}

// exhaust reports until there is no space, and returns how many reports there
// was space for: some is set aside, and after a large write that did not fit a
// small one may.
func exhaust(t *testing.T, w *wire, size int) (taken int) {
	t.Helper()
	pad := strings.Repeat("x", size)
	for {
		a := w.report(`{"n":` + itoa(taken+1) + `,"pad":"` + pad + `"}`)
		if a.status != 204 {
			refusedReport(t, a, 503, 503001)
			return taken
		}
		if taken++; taken > 100_000 {
			t.Fatal("a full disk takes everything")
		}
	}
}

func create(t *testing.T, c *client.Client, id tvilling.DeviceID) error {
	_, err := c.CreateDevice(t.Context(), client.Device{DeviceID: id})
	return err
}
