package posture_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/hubtest"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/posture"
	"github.com/tvilling/tvilling/internal/store/securitymem"
)

// twins keeps what is written; it refuses as it is told.
type twins struct {
	mu     sync.Mutex
	values map[tvilling.DeviceID]string
	writes int
	refuse map[tvilling.DeviceID]error
	// during, if set, is called while a value is on its way.
	during func(tvilling.DeviceID)
}

func newTwins() *twins {
	return &twins{values: make(map[tvilling.DeviceID]string), refuse: make(map[tvilling.DeviceID]error)}
}

func (w *twins) Own(id tvilling.Identity, member string, value []byte, actor string, done func(error)) {
	if id.Module != tvilling.SecurityModule || member != "security" || actor != "hub:security" {
		panic(fmt.Sprint("written to the wrong place: ", id, member, actor))
	}
	go func() {
		w.mu.Lock()
		during, err := w.during, w.refuse[id.Device]
		if err == nil {
			w.values[id.Device] = string(value)
			w.writes++
		}
		w.mu.Unlock()
		if during != nil {
			during(id.Device)
		}
		done(err)
	}()
}

func (w *twins) state(d tvilling.DeviceID) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, rest, _ := strings.Cut(w.values[d], `"state":"`)
	s, _, _ := strings.Cut(rest, `"`)
	return s
}

func (w *twins) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// run runs a writer until the returned function is called.
func run(t *testing.T, l *ledger.Ledger, w posture.Twins) (*posture.Writer, func()) {
	t.Helper()
	writer := posture.NewWriter(posture.Options{Ledger: l, Twins: w, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { writer.Run(ctx) })
	return writer, func() { cancel(); wg.Wait() }
}

// mark changes a device's record and marks its posture.
func mark(t *testing.T, l *ledger.Ledger, id tvilling.DeviceID, f func(*ledger.Device)) {
	t.Helper()
	if err := l.Do(t.Context(), func(tx *ledger.Tx) error {
		d, err := tx.Device(id)
		if err != nil {
			return err
		}
		f(d)
		d.Posture = true
		tx.PutDevice(d)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func heardNow(d *ledger.Device) { d.LastSeen = time.Now() }

// marked returns how many devices are still marked.
func marked(t *testing.T, l *ledger.Ledger) int {
	t.Helper()
	list, err := l.Store().Postures(t.Context(), 10_000)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, w := ledger.NewLedger(securitymem.New()), newTwins()
		_, stop := run(t, l, w)
		defer stop()
		synctest.Wait()
		mark(t, l, "d1", heardNow)
		time.Sleep(200 * time.Millisecond) //nolint:forbidigo // the bubble's time
		synctest.Wait()
		if got := w.state("d1"); got != "healthy" {
			t.Errorf("state = %q 200 ms after the cause, want healthy", got)
		}
		if n := marked(t, l); n != 0 {
			t.Errorf("%d devices are still marked", n)
		}
		mark(t, l, "d1", func(d *ledger.Device) { d.Alerts[ledger.High]++ })
		time.Sleep(200 * time.Millisecond) //nolint:forbidigo // the bubble's time
		synctest.Wait()
		if got := w.state("d1"); got != "unhealthy" {
			t.Errorf("state = %q, want unhealthy", got)
		}
	})
}

// TestCoalesced holds that many changes of a device within a moment become few
// writes.
func TestCoalesced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, w := ledger.NewLedger(securitymem.New()), newTwins()
		_, stop := run(t, l, w)
		defer stop()
		for range 1000 {
			mark(t, l, "d1", func(d *ledger.Device) { d.Alerts[ledger.Low]++ })
			time.Sleep(time.Millisecond) //nolint:forbidigo // the bubble's time
		}
		time.Sleep(time.Second) //nolint:forbidigo // the bubble's time
		synctest.Wait()
		if w.writes > 15 || w.writes == 0 {
			t.Errorf("%d writes of 1000 changes within a second, want about 10", w.writes)
		}
		if !strings.Contains(w.values["d1"], `"low":1000,`) {
			t.Errorf("the newest is not written: %s", w.values["d1"])
		}
	})
}

func TestManyDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, w := ledger.NewLedger(securitymem.New()), newTwins()
		const devices = 1000 // more than a batch
		for n := range devices {
			mark(t, l, tvilling.DeviceID(fmt.Sprint("d", n)), heardNow)
		}
		writer, stop := run(t, l, w)
		defer stop()
		time.Sleep(2 * time.Second) //nolint:forbidigo // the bubble's time
		synctest.Wait()
		if len(w.values) != devices || marked(t, l) != 0 {
			t.Errorf("%d of %d are written, %d still marked", len(w.values), devices, marked(t, l))
		}
		if got, want := writer.Stats(), (posture.Stats{Written: devices}); got != want {
			t.Errorf("stats = %+v, want %+v", got, want)
		}
	})
}

// TestChangedWhileWritten holds that a mark stays when the record changes
// while a posture is on its way.
func TestChangedWhileWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, w := ledger.NewLedger(securitymem.New()), newTwins()
		once := false
		w.during = func(id tvilling.DeviceID) {
			if !once {
				once = true
				mark(t, l, id, func(d *ledger.Device) { d.Alerts[ledger.High]++ })
			}
		}
		mark(t, l, "d1", heardNow)
		_, stop := run(t, l, w)
		defer stop()
		time.Sleep(time.Second) //nolint:forbidigo // the bubble's time
		synctest.Wait()
		if got := w.state("d1"); got != "unhealthy" || marked(t, l) != 0 {
			t.Errorf("state = %q, %d marked; want unhealthy, none", got, marked(t, l))
		}
	})
}

// TestFailures holds that a device that cannot be written holds up no other
// and is tried again, and that one without the module is let be.
func TestFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, w := ledger.NewLedger(securitymem.New()), newTwins()
		for n := range 300 {
			w.refuse[tvilling.DeviceID(fmt.Sprintf("a%03d", n))] = tvilling.Errorf(tvilling.Corrupt, "The twin is damaged.")
			mark(t, l, tvilling.DeviceID(fmt.Sprintf("a%03d", n)), heardNow)
		}
		w.refuse["m"] = tvilling.Errorf(tvilling.ModuleNotFound, "There is no such module.")
		w.refuse["n"] = tvilling.Errorf(tvilling.DeviceNotFound, "There is no such device.")
		for _, id := range []tvilling.DeviceID{"m", "n", "z"} {
			mark(t, l, id, heardNow)
		}
		writer, stop := run(t, l, w)
		defer stop()
		time.Sleep(2 * time.Second) //nolint:forbidigo // the bubble's time
		synctest.Wait()
		if diff := cmp.Diff([]tvilling.DeviceID{"z"}, keys(w.values)); diff != "" {
			t.Errorf("written (-want +got):\n%s", diff)
		}
		if got := marked(t, l); got != 300 {
			t.Errorf("%d marked, want those that failed: 300", got)
		}
		before := writer.Stats()
		if before.Failing != 300 || before.Failed < 300 {
			t.Errorf("stats = %+v", before)
		}
		time.Sleep(time.Hour) //nolint:forbidigo // the bubble's time
		synctest.Wait()
		if tried := (writer.Stats().Failed - before.Failed) / 300; tried < 5 || tried > 30 {
			t.Errorf("each was tried %d times within an hour, want about 20", tried)
		}
		w.set(func() { clear(w.refuse) })
		time.Sleep(10 * time.Minute) //nolint:forbidigo // the bubble's time
		synctest.Wait()
		if marked(t, l) != 0 || len(w.values) != 301 || writer.Stats().Failing != 0 {
			t.Errorf("%d marked, %d written, %+v; want none, 301", marked(t, l), len(w.values), writer.Stats())
		}
	})
}

func keys(m map[tvilling.DeviceID]string) []tvilling.DeviceID {
	var list []tvilling.DeviceID
	for k := range maps.Keys(m) {
		list = append(list, k)
	}
	return list
}

// TestLedgerFails holds that a ledger which cannot commit is tried again, and
// that the twin is right after.
func TestLedgerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, w := securitymem.New(), newTwins()
		l := ledger.NewLedger(store)
		mark(t, l, "d1", heardNow)
		store.Refuse(tvilling.Errorf(tvilling.Unavailable, "The disk is full."))
		_, stop := run(t, l, w)
		defer stop()
		time.Sleep(time.Minute) //nolint:forbidigo // the bubble's time
		synctest.Wait()
		if marked(t, l) != 1 {
			t.Error("the mark is gone though nothing was committed")
		}
		store.Refuse(nil)
		time.Sleep(6 * time.Minute) //nolint:forbidigo // the bubble's time
		synctest.Wait()
		if marked(t, l) != 0 || w.state("d1") != "healthy" {
			t.Errorf("%d marked, state %q", marked(t, l), w.state("d1"))
		}
	})
}

// TestRestart holds that what was marked before a stop is written after it,
// wherever the stop fell.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, w := ledger.NewLedger(securitymem.New()), newTwins()
		ctx, cancel := context.WithCancel(t.Context())
		w.during = func(tvilling.DeviceID) { cancel() } // written, but not yet known to be
		writer := posture.NewWriter(posture.Options{Ledger: l, Twins: w, Logger: slog.New(slog.DiscardHandler)})
		mark(t, l, "d1", heardNow)
		writer.Run(ctx)
		if marked(t, l) != 1 {
			t.Error("the mark is gone though the writer was stopped")
		}
		w.set(func() { w.during = nil })
		_, stop := run(t, l, w)
		defer stop()
		synctest.Wait()
		if marked(t, l) != 0 || w.state("d1") != "healthy" {
			t.Errorf("%d marked, state %q", marked(t, l), w.state("d1"))
		}
	})
}

// TestForgotten holds that a device that is deleted meanwhile leaves no record.
func TestForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, w := ledger.NewLedger(securitymem.New()), newTwins()
		w.during = func(id tvilling.DeviceID) {
			if err := l.Do(t.Context(), func(tx *ledger.Tx) error { return tx.Forget(id) }); err != nil {
				t.Error(err)
			}
		}
		mark(t, l, "d1", func(*ledger.Device) {}) // as a record that was just made
		_, stop := run(t, l, w)
		defer stop()
		time.Sleep(time.Second) //nolint:forbidigo // the bubble's time
		synctest.Wait()
		if d, err := l.Store().Device(t.Context(), "d1"); d != nil || err != nil {
			t.Errorf("record %+v, %v; want none", d, err)
		}
	})
}

// TestWholeHub writes to the twins of a real core.
func TestWholeHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := hubtest.New(t)
		c.Register(t, tvilling.Device("d1"))
		l := ledger.NewLedger(securitymem.New())
		_, stop := run(t, l, c.Twins)
		defer stop()
		module := tvilling.Identity{Device: "d1", Module: tvilling.SecurityModule}
		before, err := c.Twins.Get(t.Context(), module)
		if err != nil {
			t.Fatal(err)
		}
		mark(t, l, "d1", func(d *ledger.Device) {
			d.LastSeen, d.AgentVersion, d.Sync = time.Now(), "0.0.6", "inSync"
			d.Alerts[ledger.Medium] = 1
		})
		mark(t, l, "gone", heardNow)
		time.Sleep(time.Second) //nolint:forbidigo // the bubble's time
		synctest.Wait()
		after, err := c.Twins.Get(t.Context(), module)
		if err != nil {
			t.Fatal(err)
		}
		want := `{"state":"atRisk","score":80,"parts":{"alerts":-20,"recommendations":0,"agent":0},"alerts":{"high":0,"medium":1,"low":0,"informational":0},` +
			`"recommendations":{"high":0,"medium":0,"low":0,"informational":0},"agent":{"version":"0.0.6"},"configuration":"inSync"}`
		section := after.Member("security")
		if diff := cmp.Diff(want, string(section.AppendJSON(nil, doc.Form{}))); diff != "" {
			t.Errorf("the twin's member (-want +got):\n%s", diff)
		}
		if before.Version != after.Version || before.ETag() != after.ETag() {
			t.Error("the twin has another version or etag")
		}
		if marked(t, l) != 0 {
			t.Error("marks are left, though the one is written and the other has no twin")
		}
		head := c.Journal.Head()
		mark(t, l, "d1", func(d *ledger.Device) { d.LastSeen = time.Now() })
		time.Sleep(time.Second) //nolint:forbidigo // the bubble's time
		synctest.Wait()
		if c.Journal.Head() != head || marked(t, l) != 0 {
			t.Error("the same posture was written again")
		}
	})
}
