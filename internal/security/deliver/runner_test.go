package deliver_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/deliver"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/store/securitymem"
)

// sink is a receiver that a test can break.
type sink struct {
	mu       sync.Mutex
	got      []uint64
	attempts []time.Time
	largest  int // entries in one call
	// fail, if set, is asked for each entry; pause is how long a call takes.
	fail  func(ledger.Entry) error
	pause time.Duration
}

func (s *sink) Deliver(ctx context.Context, entries []ledger.Entry) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts = append(s.attempts, time.Now())
	s.largest = max(s.largest, len(entries))
	if s.pause > 0 {
		select {
		case <-time.After(s.pause):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	for i, e := range entries {
		if s.fail != nil {
			if err := s.fail(e); err != nil {
				return i, err
			}
		}
		s.got = append(s.got, e.Sequence)
	}
	return len(entries), nil
}

func (s *sink) set(fail func(ledger.Entry) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = fail
}

func (s *sink) sequences() []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// hub is a ledger with a runner over it.
type hub struct {
	t      *testing.T
	store  *securitymem.Store
	ledger *ledger.Ledger
	made   int
}

func newHub(t *testing.T) *hub {
	s := securitymem.New()
	return &hub{t: t, store: s, ledger: ledger.NewLedger(s)}
}

// raise makes n alerts of a severity, each an entry of the feed.
func (h *hub) raise(n int, severity ledger.Severity) {
	h.t.Helper()
	for range n {
		h.made++
		err := h.ledger.Do(h.t.Context(), func(tx *ledger.Tx) error {
			return tx.PutAlert(&ledger.Alert{
				ID: fmt.Sprintf("alert-%d", h.made), Key: ledger.Key{Device: "d1", Type: "IoT_Test", Cause: fmt.Sprint(h.made)},
				Severity: severity, Status: ledger.New, Count: 1,
			}, ledger.Step{Actor: "hub:detection", Action: "raised", To: ledger.New})
		})
		if err != nil {
			h.t.Fatal(err)
		}
	}
}

func (h *hub) runner(s deliver.Sink, change ...func(*deliver.Options)) *deliver.Runner {
	h.t.Helper()
	o := deliver.Options{Name: "siem", Kind: "test", Sink: s, Logger: slog.New(slog.NewTextHandler(h.t.Output(), nil))}
	for _, c := range change {
		c(&o)
	}
	r, err := deliver.New(h.t.Context(), h.ledger, o)
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

// run runs r until stop is called.
func run(t *testing.T, r *deliver.Runner) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() { r.Run(ctx) })
	return func() { cancel(); wg.Wait() }
}

func (h *hub) cursor() uint64 {
	h.t.Helper()
	c, err := h.store.Cursor(h.t.Context(), deliver.CursorName("siem"))
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

func to(first, last uint64) (list []uint64) {
	for n := first; n <= last; n++ {
		list = append(list, n)
	}
	return list
}

func same(t *testing.T, s *sink, want []uint64) {
	t.Helper()
	if got := s.sequences(); !slices.Equal(got, want) {
		t.Errorf("delivered %v, want %v", got, want)
	}
}

var down = tvilling.Errorf(tvilling.Unavailable, "The receiver is down.")

func broken(ledger.Entry) error { return down }

func TestDeliversInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s := newHub(t), &sink{}
		r := h.runner(s)
		defer run(t, r)()
		h.raise(3, ledger.High)
		synctest.Wait()
		same(t, s, to(1, 3))
		h.raise(200, ledger.High)
		synctest.Wait()
		same(t, s, to(1, 203))
		if st := r.Status(); st.Cursor != 203 || st.Head != 203 || st.Lag != 0 || st.Sent != 203 || st.LastError != "" || st.LastSuccess.IsZero() || st.Name != "siem" || st.Kind != "test" {
			t.Errorf("status = %+v", st)
		}
	})
}

func TestCursorIsWrittenInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s := newHub(t), &sink{}
		stop := run(t, h.runner(s))
		h.raise(5, ledger.High)
		synctest.Wait()
		same(t, s, to(1, 5))
		if c := h.cursor(); c != 0 {
			t.Errorf("cursor = %d at once, want it written after a second", c)
		}
		time.Sleep(time.Second + 10*time.Millisecond) //nolint:forbidigo // the bubble's clock, at once
		synctest.Wait()
		if c := h.cursor(); c != 5 {
			t.Errorf("cursor = %d after a second, want 5", c)
		}
		h.raise(1, ledger.High)
		synctest.Wait()
		stop()
		if c := h.cursor(); c != 6 {
			t.Errorf("cursor = %d after Run, want 6", c)
		}
		h.raise(2, ledger.High)
		defer run(t, h.runner(s))()
		synctest.Wait()
		same(t, s, to(1, 8))
	})
}

func TestNewReceiverBeginsNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s := newHub(t), &sink{fail: broken}
		h.raise(4, ledger.High)
		stop := run(t, h.runner(s))
		h.raise(2, ledger.High)
		synctest.Wait()
		stop()
		// One that was never told anything is not new again.
		s.set(nil)
		defer run(t, h.runner(s))()
		synctest.Wait()
		same(t, s, to(5, 6))
	})
}

func TestSeverity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s := newHub(t), &sink{}
		r := h.runner(s, func(o *deliver.Options) { o.Severity = ledger.Medium })
		defer run(t, r)()
		h.raise(2, ledger.Low)
		h.raise(1, ledger.High)
		h.raise(1, ledger.Medium)
		h.raise(3000, ledger.Informational)
		synctest.Wait()
		same(t, s, []uint64{3, 4})
		if st := r.Status(); st.Cursor != 3004 || st.PassedOver != 3002 || st.Sent != 2 {
			t.Errorf("status = %+v", st)
		}
	})
}

// TestDownForADay loses nothing, keeps nothing in memory, and waits longer and
// longer.
func TestDownForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s := newHub(t), &sink{fail: broken}
		r := h.runner(s)
		defer run(t, r)()
		for range 24 {
			h.raise(10, ledger.High)
			time.Sleep(time.Hour) //nolint:forbidigo // the bubble's clock, at once
		}
		st := r.Status()
		if st.Lag != 240 || st.LastError != "The receiver is down." || st.Failures != int64(len(s.attempts)) || !st.Next.After(time.Now()) {
			t.Errorf("status = %+v", st)
		}
		if n := len(s.attempts); n < 24*12*2/3 || n > 24*12+20 {
			t.Errorf("%d attempts in a day, want about one in five minutes", n)
		}
		for i, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second} {
			if got := s.attempts[i+1].Sub(s.attempts[i]); got < want || got > want*3/2 {
				t.Errorf("wait %d = %v, want %v to %v", i, got, want, want*3/2)
			}
		}
		for i := 1; i < len(s.attempts); i++ {
			if d := s.attempts[i].Sub(s.attempts[i-1]); d > deliver.MaxWait {
				t.Errorf("wait %d = %v, want at most %v", i, d, deliver.MaxWait)
			}
		}
		s.set(nil)
		time.Sleep(deliver.MaxWait) //nolint:forbidigo // the bubble's clock, at once
		synctest.Wait()
		same(t, s, to(1, 240))
		if s.largest > 64 {
			t.Errorf("%d entries in one call", s.largest)
		}
		if st := r.Status(); st.Lag != 0 || st.LastError != "" || !st.Next.IsZero() {
			t.Errorf("status = %+v", st)
		}
	})
}

func TestPartOfABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s := newHub(t), &sink{}
		once := true
		s.fail = func(e ledger.Entry) error {
			if e.Sequence == 7 && once {
				once = false
				return down
			}
			return nil
		}
		h.raise(0, ledger.High)
		r := h.runner(s)
		h.raise(10, ledger.High)
		defer run(t, r)()
		synctest.Wait()
		same(t, s, to(1, 6))
		if c := h.cursor(); c != 6 {
			t.Errorf("cursor = %d after the failure, want 6 written", c)
		}
		time.Sleep(2 * time.Second) //nolint:forbidigo // the bubble's clock, at once
		synctest.Wait()
		same(t, s, to(1, 10))
	})
}

// later asks to be left alone.
type later struct{ time.Duration }

func (later) Error() string               { return "later" }
func (l later) RetryAfter() time.Duration { return l.Duration }

func TestRetryAfter(t *testing.T) {
	for _, c := range []struct{ asked, least, most time.Duration }{
		{time.Minute, time.Minute, time.Minute},
		{time.Millisecond, time.Second, 3 * time.Second / 2},
		{time.Hour, deliver.MaxWait, deliver.MaxWait},
	} {
		synctest.Test(t, func(t *testing.T) {
			h, s := newHub(t), &sink{}
			s.fail = func(ledger.Entry) error {
				if len(s.attempts) == 1 {
					return fmt.Errorf("busy: %w", later{c.asked})
				}
				return nil
			}
			defer run(t, h.runner(s))()
			h.raise(1, ledger.High)
			time.Sleep(c.most + time.Second) //nolint:forbidigo // the bubble's clock, at once
			synctest.Wait()
			if d := s.attempts[1].Sub(s.attempts[0]); d < c.least || d > c.most {
				t.Errorf("asked to wait %v, waited %v", c.asked, d)
			}
		})
	}
}

func TestReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s := newHub(t), &sink{}
		r := h.runner(s)
		defer run(t, r)()
		h.raise(5, ledger.High)
		synctest.Wait()
		if err := r.Replay(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
		if c := h.cursor(); c != 2 {
			t.Errorf("cursor = %d after the replay, want 2 written", c)
		}
		synctest.Wait()
		same(t, s, append(to(1, 5), to(3, 5)...))

		if err := r.Replay(t.Context(), 6); tvilling.CodeOf(err) != tvilling.InvalidArgument {
			t.Errorf("replay from beyond the feed: %v", err)
		}

		// A failing receiver is tried at once, and an entry that it never takes
		// can be passed over.
		s.set(func(e ledger.Entry) error {
			if e.Sequence == 6 {
				return down
			}
			return nil
		})
		h.raise(3, ledger.High)
		time.Sleep(time.Hour) //nolint:forbidigo // the bubble's clock, at once
		if st := r.Status(); st.Cursor != 5 || st.Lag != 3 {
			t.Errorf("status = %+v", st)
		}
		if err := r.Replay(t.Context(), 6); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		same(t, s, slices.Concat(to(1, 5), to(3, 5), to(7, 8)))
		if st := r.Status(); st.LastError != "" || st.Lag != 0 {
			t.Errorf("status = %+v", st)
		}
	})
}

func TestReplayDuringDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s := newHub(t), &sink{pause: time.Minute}
		r := h.runner(s)
		defer run(t, r)()
		h.raise(3, ledger.High)
		synctest.Wait()
		if err := r.Replay(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute) //nolint:forbidigo // the bubble's clock, at once
		synctest.Wait()
		// The delivery under way does not move the cursor that was set.
		if got := s.sequences(); !slices.Equal(got[len(got)-3:], to(1, 3)) || len(got) < 4 {
			t.Errorf("delivered %v, want all again", got)
		}
		if c := r.Status().Cursor; c != 3 {
			t.Errorf("cursor = %d, want 3", c)
		}
	})
}

func TestMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s := newHub(t), &sink{fail: broken}
		r := h.runner(s)
		stop := run(t, r)
		h.raise(10, ledger.High)
		synctest.Wait()
		if _, err := h.store.Trim(t.Context(), 4, time.Time{}); err != nil {
			t.Fatal(err)
		}
		s.set(nil)
		time.Sleep(time.Hour) //nolint:forbidigo // the bubble's clock, at once
		synctest.Wait()
		same(t, s, to(5, 10))
		if st := r.Status(); st.Missed != 4 {
			t.Errorf("missed = %d, want 4", st.Missed)
		}
		// What is gone is not missed by a replay of all that is kept.
		if err := r.Replay(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		stop()
		if st := r.Status(); st.Missed != 4 || st.Cursor != 10 {
			t.Errorf("status = %+v", st)
		}
	})
}

func TestLedgerThatCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s := newHub(t), &sink{}
		defer run(t, h.runner(s))()
		h.raise(2, ledger.High)
		synctest.Wait()
		h.store.Refuse(tvilling.Errorf(tvilling.Unavailable, "The disk is full."))
		time.Sleep(time.Minute) //nolint:forbidigo // the bubble's clock, at once
		if c := h.cursor(); c != 0 {
			t.Errorf("cursor = %d, want 0", c)
		}
		h.store.Refuse(nil)
		time.Sleep(2 * time.Second) //nolint:forbidigo // the bubble's clock, at once
		synctest.Wait()
		if c := h.cursor(); c != 2 {
			t.Errorf("cursor = %d, want 2", c)
		}
		same(t, s, to(1, 2))
	})
}

// silent is a receiver that acknowledges nothing: what it is given settles
// after ten seconds on a connection that holds.
type silent struct {
	sink
	state   sync.Mutex // guards what follows
	given   []mark
	settled uint64
	broken  error
	finish  error
}

type mark struct {
	sequence uint64
	at       time.Time
}

func (s *silent) Deliver(ctx context.Context, entries []ledger.Entry) (int, error) {
	n, err := s.sink.Deliver(ctx, entries)
	s.state.Lock()
	defer s.state.Unlock()
	if err != nil {
		s.given = nil
		return 0, err
	}
	if entries[0].Sequence <= s.settled {
		s.settled, s.given = entries[0].Sequence-1, nil
	}
	s.given = append(s.given, mark{entries[n-1].Sequence, time.Now()})
	return n, nil
}

func (s *silent) Settled() (uint64, time.Duration, error) {
	s.state.Lock()
	defer s.state.Unlock()
	for len(s.given) > 0 && time.Since(s.given[0].at) >= 10*time.Second {
		s.settled, s.given = s.given[0].sequence, s.given[1:]
	}
	if err := s.broken; err != nil {
		s.broken, s.given = nil, nil
		return s.settled, 0, err
	}
	if len(s.given) == 0 {
		return s.settled, 0, nil
	}
	return s.settled, time.Second, nil
}

func (s *silent) Finish(context.Context) error { return s.finish }

// cut has the connection fail.
func (s *silent) cut() {
	s.state.Lock()
	defer s.state.Unlock()
	s.broken = errors.New("reset")
}

func TestUnacknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s := newHub(t), &silent{}
		r := h.runner(s)
		stop := run(t, r)
		h.raise(3, ledger.High)
		time.Sleep(5 * time.Second) //nolint:forbidigo // the bubble's clock, at once
		if c := r.Status().Cursor; c != 0 {
			t.Errorf("cursor = %d before anything has settled", c)
		}
		h.raise(2, ledger.High)
		time.Sleep(7 * time.Second) //nolint:forbidigo // the bubble's clock, at once
		synctest.Wait()
		if c := r.Status().Cursor; c != 3 {
			t.Errorf("cursor = %d after 12 seconds, want the 3 of the first", c)
		}
		// The connection fails while nothing is sent: what has not settled comes again.
		s.cut()
		time.Sleep(3 * time.Second) //nolint:forbidigo // the bubble's clock, at once
		synctest.Wait()
		same(t, &s.sink, append(to(1, 5), 4, 5))
		time.Sleep(20 * time.Second) //nolint:forbidigo // the bubble's clock, at once
		synctest.Wait()
		if c, w := r.Status().Cursor, h.cursor(); c != 5 || w != 5 {
			t.Errorf("cursor = %d, written %d, want 5", c, w)
		}
		// It fails in the middle of a delivery.
		h.raise(1, ledger.High)
		synctest.Wait()
		s.set(broken)
		h.raise(1, ledger.High)
		synctest.Wait()
		s.set(nil)
		time.Sleep(2 * time.Second) //nolint:forbidigo // the bubble's clock, at once
		synctest.Wait()
		same(t, &s.sink, append(to(1, 5), 4, 5, 6, 6, 7))
		// An end in good order settles what was given, another does not.
		stop()
		if c := h.cursor(); c != 7 {
			t.Errorf("cursor = %d after a good end, want 7", c)
		}
		s.finish = errors.New("no answer")
		stop = run(t, h.runner(s))
		h.raise(1, ledger.High)
		synctest.Wait()
		stop()
		if c := h.cursor(); c != 7 {
			t.Errorf("cursor = %d after a bad end, want 7", c)
		}
	})
}

func TestUnacknowledgedReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, s := newHub(t), &silent{}
		r := h.runner(s, func(o *deliver.Options) { o.Severity = ledger.Low })
		defer run(t, r)()
		h.raise(4, ledger.High)
		h.raise(2, ledger.Informational)
		time.Sleep(time.Minute) //nolint:forbidigo // the bubble's clock, at once
		if c := r.Status().Cursor; c != 6 {
			t.Errorf("cursor = %d, want 6: what is passed over settles with the rest", c)
		}
		if err := r.Replay(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if c := r.Status().Cursor; c != 1 {
			t.Errorf("cursor = %d after the replay, want 1", c)
		}
		time.Sleep(time.Minute) //nolint:forbidigo // the bubble's clock, at once
		same(t, &s.sink, append(to(1, 4), to(2, 4)...))
		if c := r.Status().Cursor; c != 6 {
			t.Errorf("cursor = %d, want 6", c)
		}
	})
}
