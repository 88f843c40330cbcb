package intake_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/rulefile"
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/intake"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/schema"
	"github.com/tvilling/tvilling/internal/security/sigma"
	"github.com/tvilling/tvilling/internal/store/securitymem"
)

// world is everything around the service; it outlives restarts.
type world struct {
	t      *testing.T
	ledger *ledger.Ledger
	store  *flaky

	mu       sync.Mutex
	log      []*tvilling.Message
	changed  chan struct{}
	appended []string // "sequence:event id" in order
	durable  uint64
	seen     map[string]uint64 // event id → sequence
	full     bool              // the event store takes nothing
	rejects  []string
	unknown  map[tvilling.DeviceID]bool
	assessed int
	fatal    chan error
}

// flaky is a ledger store that can be out of space.
type flaky struct {
	ledger.Store
	mu  sync.Mutex
	err error
}

func (f *flaky) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *flaky) Commit(ctx context.Context, b *ledger.Batch) error {
	f.mu.Lock()
	err := f.err
	f.mu.Unlock()
	if err != nil {
		return err
	}
	return f.Store.Commit(ctx, b)
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, changed: make(chan struct{}), seen: map[string]uint64{}, unknown: map[tvilling.DeviceID]bool{}, fatal: make(chan error, 1)}
	w.store = &flaky{Store: securitymem.New()}
	w.ledger = ledger.NewLedger(w.store)
	return w
}

// Read implements intake.Log.
func (w *world) Read(ctx context.Context, after uint64, follow bool) iter.Seq2[*tvilling.Message, error] {
	return func(yield func(*tvilling.Message, error) bool) {
		for {
			w.mu.Lock()
			msgs, changed := w.log[min(after, uint64(len(w.log))):], w.changed
			w.mu.Unlock()
			for _, m := range msgs {
				if m.Body == nil {
					if !yield(nil, tvilling.Errorf(tvilling.Corrupt, "damaged")) {
						return
					}
				} else if !yield(m, nil) {
					return
				}
				after++
			}
			if len(msgs) > 0 {
				continue
			}
			if !follow {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}
}

func (w *world) Head() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return uint64(len(w.log))
}

// Append implements intake.Events.
func (w *world) Append(_ context.Context, m *event.Message) ([]bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.full {
		return nil, tvilling.Errorf(tvilling.Unavailable, "No space left.")
	}
	dup := make([]bool, len(m.Events))
	for i, e := range m.Events {
		before, ok := w.seen[e.ID]
		dup[i] = ok && before < m.Sequence
		if !ok {
			w.seen[e.ID] = m.Sequence
		}
		if !dup[i] && m.Sequence > w.durable {
			w.appended = append(w.appended, fmt.Sprintf("%d:%s", m.Sequence, e.ID))
		}
	}
	for _, r := range m.Rejects {
		w.rejects = append(w.rejects, fmt.Sprintf("%d:%d:%s", m.Sequence, r.Index, r.Reason))
	}
	return dup, nil
}

func (w *world) Durable() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.durable
}

func (w *world) Registered(_ context.Context, d tvilling.DeviceID) (bool, error) {
	return !w.unknown[d], nil
}

func (w *world) Assess(*ledger.Tx, *event.Message, *event.Event) error {
	w.assessed++
	return nil
}

func (w *world) Tick(*ledger.Tx, *ledger.Device, time.Time) error { return nil }

// send puts a message into the log; nil is a damaged one.
func (w *world) send(body []byte, system ...tvilling.Property) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, &tvilling.Message{
		From: tvilling.Identity{Device: "d", Module: tvilling.SecurityModule}, Sequence: uint64(len(w.log) + 1), Enqueued: time.Now().UTC(), Body: body, System: system,
	})
	close(w.changed)
	w.changed = make(chan struct{})
}

// run starts the service; the function it returns stops it.
func (w *world) run() (*intake.Service, func()) {
	w.t.Helper()
	log := slog.New(slog.NewTextHandler(w.t.Output(), nil))
	rule := "title: Miner\nid: 11111111-2222-4333-8444-555555555555\nlogsource: {category: process_creation}\n" +
		"detection:\n  s:\n    CommandLine|contains: xmrig\n  condition: s\nlevel: high\ntvilling: {type: IoT_Miner, fold: [Executable]}\n"
	engine, err := detect.New(w.t.Context(), detect.Options{
		Decode: rulefile.Parse, Builtin: fstest.MapFS{"miner.yml": {Data: []byte(rule)}}, Stateful: []detect.Stateful{grave{}}, Ledger: w.ledger, Logger: log,
		List: func(string) (sigma.List, bool) { return nil, false },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := intake.New(w.t.Context(), intake.Options{
		Log: w, Events: w, Directory: w, Ledger: w.ledger, Engine: engine, Assessor: w, Logger: log, Decoders: 2,
		Fatal: func(err error) { w.fatal <- err },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() { s.Run(ctx) })
	return s, func() { cancel(); wg.Wait() }
}

// alerts returns "type cause count" of all alerts.
func (w *world) alerts() (list []string) {
	w.t.Helper()
	for a, err := range w.ledger.Store().Alerts(w.t.Context(), ledger.AlertFilter{}, "") {
		if err != nil {
			w.t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("%s %s %d", a.Type, a.Cause, a.Count))
	}
	return list
}

func started(id, executable, line string) event.Event {
	return event.Event{
		ID: id, Kind: event.ProcessCreateKind, Name: "ProcessCreate", Type: event.Security, Category: event.Triggered, Time: time.Now().UTC(),
		Items: []event.Item{&event.ProcessCreate{Executable: executable, CommandLine: line, UserID: "0", ProcessID: 2, ParentProcessID: 1}},
	}
}

func body(events ...event.Event) []byte {
	return schema.Append(nil, &event.Message{AgentID: "5a4b8c1e-7d2f-4c3a-9b6e-0f1d2c3b4a59", AgentVersion: "0.0.5", Events: events})
}

func TestMessageBecomesAlertOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, stop := w.run()
		w.send(body(started("e1", "/bin/ls", "ls"), started("e2", "/tmp/m", "xmrig -o pool")))
		synctest.Wait()
		want := []string{"IoT_Miner /tmp/m 1"}
		if got := w.alerts(); !equal(got, want) {
			t.Fatalf("alerts = %q, want %q", got, want)
		}
		w.send(body(started("e2", "/tmp/m", "xmrig -o pool"))) // sent again
		w.send(body(started("e3", "/tmp/m", "xmrig -o pool")))
		synctest.Wait()
		stop()
		if st := s.Stats(); st.Cursor != 3 || st.Duplicates != 1 || st.Messages != 3 || st.Events != 4 {
			t.Errorf("stats = %+v", st)
		}
		// Nothing that was concluded is concluded again, though the event store
		// asks for all of it once more.
		w.seen, w.appended = map[string]uint64{}, nil
		_, stop = w.run()
		synctest.Wait()
		stop()
		want = []string{"IoT_Miner /tmp/m 2"}
		if got := w.alerts(); !equal(got, want) {
			t.Errorf("alerts after a restart = %q, want %q", got, want)
		}
		if got := len(w.appended); got != 3 {
			t.Errorf("%d events kept anew, want 3", got)
		}
		d, err := w.ledger.Store().Device(t.Context(), "d")
		if err != nil || d.AgentVersion != "0.0.5" || d.LastSeen.IsZero() || !d.Posture {
			t.Errorf("device = %+v, %v", d, err)
		}
	})
}

func TestConclusionsCatchUpAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.send(body(started("e1", "/tmp/m", "xmrig")))
		w.durable, w.seen["e1"] = 1, 1 // kept before the stop, not concluded from
		_, stop := w.run()
		synctest.Wait()
		stop()
		if got, want := w.alerts(), []string{"IoT_Miner /tmp/m 1"}; !equal(got, want) {
			t.Errorf("alerts = %q, want %q", got, want)
		}
		if len(w.appended) != 0 {
			t.Errorf("kept again: %v", w.appended)
		}
	})
}

func TestUnreadableIsKeptWithItsReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s, stop := w.run()
		w.send([]byte(`{"Events":[`))
		w.send(nil) // damaged in the log
		w.send(body(started("e1", "/tmp/m", "xmrig")))
		synctest.Wait()
		stop()
		if len(w.rejects) != 1 || !strings.HasPrefix(w.rejects[0], "1:-1:") || len(w.rejects[0]) < 12 {
			t.Errorf("rejects = %q, want one with a reason", w.rejects)
		}
		if st := s.Stats(); st.Rejects != 1 || st.Damaged != 1 || st.Cursor != 3 {
			t.Errorf("stats = %+v", st)
		}
		if got := len(w.alerts()); got != 1 {
			t.Errorf("%d alerts, want 1: the rest is read on", got)
		}
	})
}

func TestFullDiskWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.full = true
		w.store.fail(tvilling.Errorf(tvilling.Unavailable, "No space left."))
		s, stop := w.run()
		defer stop()
		w.send(body(started("e1", "/tmp/m", "xmrig")))
		<-time.After(time.Minute)
		if s.Stats().Cursor != 0 || len(w.alerts()) != 0 {
			t.Error("something was concluded while nothing could be kept")
		}
		w.mu.Lock()
		w.full = false
		w.mu.Unlock()
		<-time.After(time.Minute)
		if s.Stats().Cursor != 0 {
			t.Error("the cursor moved though it could not be kept")
		}
		w.store.fail(nil)
		<-time.After(time.Minute)
		if got, want := w.alerts(), []string{"IoT_Miner /tmp/m 1"}; !equal(got, want) {
			t.Errorf("alerts = %q, want %q", got, want)
		}
		if got := len(w.appended); got != 1 {
			t.Errorf("kept %d times", got)
		}
	})
}

func TestLostStoreStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		lost := errors.New("input/output error")
		w.store.fail(lost)
		_, stop := w.run()
		w.send(body(started("e1", "/tmp/m", "xmrig")))
		if err := <-w.fatal; !errors.Is(err, lost) {
			t.Errorf("fatal = %v, want the store's error", err)
		}
		stop()
	})
}

func TestDeletedDeviceLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.unknown["d"] = true
		s, stop := w.run()
		w.send(body(started("e1", "/tmp/m", "xmrig")))
		synctest.Wait()
		stop()
		if d, _ := w.ledger.Store().Device(t.Context(), "d"); d != nil {
			t.Errorf("a device that is not registered is remembered: %+v", d)
		}
		if st := s.Stats(); st.Orphans != 1 || len(w.appended) != 1 {
			t.Errorf("orphans = %d, events kept = %d; want 1, 1", st.Orphans, len(w.appended))
		}
	})
}

func TestHubsOwnMessagesAreNotTheAgents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		_, stop := w.run()
		w.send(body(started("e1", "/bin/ls", "ls")), tvilling.Property{Name: "tvilling-source", Value: "hub"})
		synctest.Wait()
		stop()
		if d, _ := w.ledger.Store().Device(t.Context(), "d"); d != nil && (!d.LastSeen.IsZero() || d.AgentVersion != "") {
			t.Errorf("the hub's own message counts as the agent's: %+v", d)
		}
	})
}

func TestFloodOfCausesIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		_, stop := w.run()
		for m := range 10 {
			var events []event.Event
			for i := range 50 {
				name := fmt.Sprintf("/tmp/m%d-%d", m, i)
				events = append(events, started(name, name, "xmrig"))
			}
			w.send(body(events...))
		}
		synctest.Wait()
		stop()
		list := w.alerts()
		if len(list) != 201 {
			t.Errorf("%d alerts, want 200 and one for the rest", len(list))
		}
		found := false
		for _, a := range list {
			found = found || a == "IoT_Miner (other causes) 300"
		}
		if !found {
			t.Error("the rest is not in one alert")
		}
	})
}

func TestEvidenceIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		_, stop := w.run()
		w.send(body(started("e1", "/tmp/m", "xmrig "+strings.Repeat("é", 20_000))))
		synctest.Wait()
		stop()
		for a, err := range w.ledger.Store().Alerts(t.Context(), ledger.AlertFilter{}, "") {
			if err != nil {
				t.Fatal(err)
			}
			e := a.Evidence[0]
			if len(e.Item) > 16<<10 || len(e.Item) < 100 || len(e.Matched) != 1 || len(e.Matched[0].Value) > 1100 {
				t.Errorf("item of %d bytes, %d matches", len(e.Item), len(e.Matched))
			}
		}
	})
}

func equal(a, b []string) bool { return strings.Join(a, "\n") == strings.Join(b, "\n") }
