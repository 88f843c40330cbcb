package commit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/store/memory"
)

// faulty is a memory store whose commits can be made to fail or wait.
type faulty struct {
	*memory.Store
	mu      sync.Mutex
	err     error
	gate    chan struct{}
	batches []int
}

func (f *faulty) Commit(ctx context.Context, b *state.Batch) error {
	if f.gate != nil {
		<-f.gate
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return f.err
	}
	f.batches = append(f.batches, len(b.Changes))
	return f.Store.Commit(ctx, b)
}

func (f *faulty) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// start runs a committer over store until the test ends; fatal has the reason
// for which it gave up.
func start(t *testing.T, store state.Store) (c *commit.Committer, fatal chan error) {
	t.Helper()
	fatal = make(chan error, 1)
	c, err := commit.New(t.Context(), commit.Options{Store: store, Fatal: func(err error) { fatal <- err }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() { c.Run(ctx) })
	t.Cleanup(func() { stop(); wg.Wait() })
	return c, fatal
}

func put(d string) func(*commit.Tx) error {
	return func(tx *commit.Tx) error {
		id := tvilling.Device(tvilling.DeviceID(d))
		tx.PutIdentity(&state.Identity{ID: id})
		tx.PutTwin(state.NewTwin(id))
		tx.Count(1, 0, 0)
		tx.Record(state.Change{Op: state.CreateDevice, ID: id})
		return nil
	}
}

func TestRefusedChangeLeavesNothing(t *testing.T) {
	store := memory.New()
	c, _ := start(t, store)
	refusal := errors.New("no")
	ran := false
	err := c.Do(t.Context(), func(tx *commit.Tx) error {
		tx.Effect(func() { ran = true })
		if err := put("d")(tx); err != nil {
			return err
		}
		tx.PutSetting("s", []byte("v"))
		return refusal
	})
	if !errors.Is(err, refusal) {
		t.Errorf("err = %v, want the refusal", err)
	}
	if ran {
		t.Error("the effect of a refused change ran")
	}
	if rec, _ := store.Identity(t.Context(), tvilling.Device("d")); rec != nil {
		t.Error("a refused change left an identity")
	}
	if v, _ := store.Setting(t.Context(), "s"); v != nil {
		t.Error("a refused change left a setting")
	}
	if n, _ := store.Counters(t.Context()); n.Devices != 0 {
		t.Error("a refused change was counted")
	}
	if head, _ := store.Head(); head != 0 {
		t.Error("a refused change is in the journal")
	}
}

func TestChangesOfOneRoundSeeEachOther(t *testing.T) {
	store := &faulty{Store: memory.New(), gate: make(chan struct{})}
	c, _ := start(t, store)
	// The first change holds the committer, so that the others share a round.
	var wg sync.WaitGroup
	wg.Add(1)
	c.Submit(put("first"), func(error) { wg.Done() })
	var order []int
	submit := func(n int, f func(*commit.Tx) error) {
		wg.Add(1)
		c.Submit(f, func(err error) {
			if err != nil {
				t.Errorf("change %d: %v", n, err)
			}
			order = append(order, n)
			wg.Done()
		})
	}
	id := tvilling.Device("d")
	module := tvilling.Identity{Device: "d", Module: "m"}
	submit(1, put("d"))
	submit(2, func(tx *commit.Tx) error {
		rec, err := tx.Identity(id)
		if err != nil || rec == nil {
			return fmt.Errorf("identity not seen: %v, %w", rec, err)
		}
		tx.PutIdentity(&state.Identity{ID: module})
		tx.PutSession(&state.Session{ID: id, Present: true})
		tx.PutSetting("s", []byte("v"))
		return nil
	})
	submit(3, func(tx *commit.Tx) error {
		modules, err := tx.Modules("d")
		if err != nil || len(modules) != 1 || modules[0].ID != module {
			return fmt.Errorf("modules = %v, %w", modules, err)
		}
		if v, err := tx.Setting("s"); err != nil || string(v) != "v" {
			return fmt.Errorf("setting = %q, %w", v, err)
		}
		tx.Delete(id)
		tx.Delete(module)
		return nil
	})
	submit(4, func(tx *commit.Tx) error {
		rec, err := tx.Identity(id)
		if err != nil || rec != nil {
			return fmt.Errorf("deleted identity seen: %v, %w", rec, err)
		}
		kept, err := tx.Session(id)
		if err != nil || kept != nil {
			return fmt.Errorf("deleted session seen: %v, %w", kept, err)
		}
		if modules, err := tx.Modules("d"); err != nil || len(modules) != 0 {
			return fmt.Errorf("deleted modules seen: %v, %w", modules, err)
		}
		return put("d")(tx)
	})
	close(store.gate)
	wg.Wait()
	if want := []int{1, 2, 3, 4}; !slices.Equal(order, want) {
		t.Errorf("done in order %v, want %v", order, want)
	}
	if rec, _ := store.Identity(t.Context(), id); rec == nil {
		t.Error("the last write of the round is not the one that counts")
	}
}

func TestNoSpaceRefusesAndRecovers(t *testing.T) {
	store := &faulty{Store: memory.New()}
	c, fatal := start(t, store)
	store.fail(tvilling.Errorf(tvilling.Unavailable, "No space left."))
	ran := false
	err := c.Do(t.Context(), func(tx *commit.Tx) error {
		tx.Effect(func() { ran = true })
		return put("d")(tx)
	})
	if tvilling.CodeOf(err) != tvilling.Unavailable || ran {
		t.Errorf("err = %v, effect ran = %v; want Unavailable and no effect", err, ran)
	}
	store.fail(nil)
	if err := c.Do(t.Context(), put("e")); err != nil {
		t.Fatalf("after space came back: %v", err)
	}
	n, _ := store.Counters(t.Context())
	head, _ := store.Head()
	if n.Devices != 1 || head != 1 {
		t.Errorf("%d devices, head %d; the refused change left a trace", n.Devices, head)
	}
	select {
	case err := <-fatal:
		t.Errorf("gave up: %v", err)
	default:
	}
}

func TestLostStoreStopsTheHub(t *testing.T) {
	store := &faulty{Store: memory.New()}
	c, fatal := start(t, store)
	lost := errors.New("fsync: input/output error")
	store.fail(lost)
	if err := c.Do(t.Context(), put("d")); !errors.Is(err, lost) {
		t.Errorf("err = %v, want the store's", err)
	}
	if err := <-fatal; !errors.Is(err, lost) {
		t.Errorf("fatal = %v, want the store's", err)
	}
	if err := c.Do(t.Context(), put("e")); tvilling.CodeOf(err) != tvilling.Unavailable {
		t.Errorf("a stopped committer answered %v", err)
	}
}

// The clock of the bubble starts at 2000-01-01; a store written later than
// that stands for a clock that was set back.
func TestTimeNeverGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		later := time.Now().Add(time.Hour)
		err := store.Commit(t.Context(), &state.Batch{Changes: []state.Change{{Sequence: 1, Time: later, Op: state.CreateDevice}}})
		if err != nil {
			t.Fatal(err)
		}
		c, err := commit.New(t.Context(), commit.Options{Store: store})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { c.Run(ctx) })
		var last time.Time
		for range 3 {
			if err := c.Do(t.Context(), func(tx *commit.Tx) error {
				last = tx.Time()
				return put("d")(tx)
			}); err != nil {
				t.Fatal(err)
			}
			if last.Before(later) {
				t.Errorf("time went back to %v", last)
			}
		}
		time.Sleep(2 * time.Hour) //nolint:forbidigo // the bubble's clock, at once
		if err := c.Do(t.Context(), func(tx *commit.Tx) error { last = tx.Time(); return nil }); err != nil {
			t.Fatal(err)
		}
		if !last.After(later) {
			t.Error("time did not go on once the clock caught up")
		}
		stop()
		wg.Wait()
	})
}

func TestChangedTellsFollowers(t *testing.T) {
	c, _ := start(t, memory.New())
	changed := c.Changed()
	if err := c.Do(t.Context(), put("d")); err != nil {
		t.Fatal(err)
	}
	<-changed
}

func BenchmarkCommit(b *testing.B) {
	c, err := commit.New(b.Context(), commit.Options{Store: memory.New()})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	var wg, runs sync.WaitGroup
	runs.Go(func() { c.Run(ctx) })
	for b.Loop() {
		wg.Add(1)
		c.Submit(put("d"), func(error) { wg.Done() })
	}
	wg.Wait()
	stop()
	runs.Wait()
}

// Whatever is submitted while the committer stops is answered, too.
func TestStoppingAnswersEverybody(t *testing.T) {
	for range 300 {
		c, err := commit.New(t.Context(), commit.Options{Store: memory.New()})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running, answered sync.WaitGroup
		running.Go(func() { c.Run(ctx) })
		for range 8 {
			running.Go(func() {
				for range 20 {
					answered.Add(1)
					c.Submit(put("d"), func(error) { answered.Done() })
				}
			})
		}
		stop()
		running.Wait()
		answered.Wait()
		if n := c.Waiting(); n != 0 {
			t.Fatalf("%d changes wait in a committer that has stopped", n)
		}
	}
}
