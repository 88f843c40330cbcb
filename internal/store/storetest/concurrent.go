package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tvilling/tvilling/internal/hub/state"
)

// beside runs work in goroutines beside a committer, which ends when they do.
func beside(t *testing.T, committer func(stop *atomic.Bool), work ...func()) {
	t.Helper()
	var stop atomic.Bool
	var readers, writer sync.WaitGroup
	writer.Go(func() { committer(&stop) })
	for _, w := range work {
		readers.Go(w)
	}
	readers.Wait()
	stop.Store(true)
	writer.Wait()
}

// testReadYourWrites demands that what Commit returned for is seen by every
// read and scan that starts after it.
func testReadYourWrites(t *testing.T, setup func(testing.TB) Factory) {
	s := open(t, setup)
	target := id("m", "")
	many(t, s)
	for v := int64(1); v <= 300; v++ {
		commit(t, s, putTwin(twinOf(target, v)), putIdentity(identityOf(target, uint64(v))))
		if got, err := s.Twin(t.Context(), target); err != nil || got.Version != v {
			t.Fatalf("Twin after commit %d: %v, %v", v, got, err)
		}
		got := scan(t, s, state.Range{Device: "m"})
		if len(got) != 1 || got[0].Identity.Version != uint64(v) || got[0].Twin.Version != v {
			t.Fatalf("Scan after commit %d: %+v", v, got)
		}
		if v%3 == 0 {
			commit(t, s, remove(target))
			if got := scan(t, s, state.Range{Device: "m"}); len(got) != 0 {
				t.Fatalf("Scan after delete %d: %v", v, idsOf(got))
			}
			checkAbsent(t, s, target)
		}
	}
}

// testAllAtOnce demands that a batch is seen whole: who has seen one of its
// records never sees an older state of another.
func testAllAtOnce(t *testing.T, setup func(testing.TB) Factory) {
	s := open(t, setup)
	a, b := id("a", ""), id("z", "m")
	write := func(v int64) []state.Write {
		return []state.Write{
			putTwin(twinOf(a, v)), putIdentity(identityOf(a, uint64(v))),
			putIdentity(identityOf(b, uint64(v))), putTwin(twinOf(b, v)),
		}
	}
	commit(t, s, write(1)...)
	read := func() {
		for range 2000 {
			first, err := s.Twin(t.Context(), a)
			if err != nil {
				t.Error(err)
				return
			}
			second, err := s.Identity(t.Context(), b)
			if err != nil {
				t.Error(err)
				return
			}
			if int64(second.Version) < first.Version {
				t.Errorf("saw version %d of one record, then %d of another of the same batch", first.Version, second.Version)
				return
			}
		}
	}
	pairs := func() {
		for range 200 {
			for e, err := range s.Scan(t.Context(), state.Range{}) {
				if err != nil || int64(e.Identity.Version) != e.Twin.Version {
					t.Errorf("Scan yields identity %+v with twin %+v: %v", e.Identity, e.Twin, err)
					return
				}
			}
		}
	}
	beside(t, func(stop *atomic.Bool) {
		for v := int64(2); !stop.Load(); v++ {
			commit(t, s, write(v)...)
		}
	}, read, pairs)
}

// testScanWhileCommitting demands that a scan yields every identity that
// exists all the time exactly once, in order, as of its beginning or later,
// while others come and go.
func testScanWhileCommitting(t *testing.T, setup func(testing.TB) Factory) {
	s := open(t, setup)
	ids := many(t, s)
	var done atomic.Int64 // the newest round of updates that is complete
	reader := func(bare bool) {
		for range 5 {
			least := done.Load()
			next := 0
			for e, err := range s.Scan(t.Context(), state.Range{Bare: bare}) {
				if err != nil || e.Twin == nil || (e.Identity == nil) != bare {
					t.Errorf("Scan: %+v, %v", e, err)
					return
				}
				if e.Twin.ID.Module == "temporary" {
					continue
				}
				if next >= len(ids) || e.Twin.ID != ids[next] || !bare && e.Identity.ID != ids[next] {
					t.Errorf("Scan yields %s as number %d", e.Twin.ID, next)
					return
				}
				if e.Twin.Version < least {
					t.Errorf("Scan yields twin %+v, want version %d at least", e.Twin, least)
					return
				}
				next++
			}
			if next != len(ids) {
				t.Errorf("Scan yields %d identities, want %d", next, len(ids))
				return
			}
		}
	}
	beside(t, func(stop *atomic.Bool) {
		for v := int64(1); !stop.Load(); v++ {
			for n := 0; n < len(ids) && !stop.Load(); n += 100 {
				temporary := id(fmt.Sprintf("device-%05d", (n+int(v))%len(ids)), "temporary")
				writes := create(temporary)
				for _, i := range ids[n:min(n+100, len(ids))] {
					writes = append(writes, putTwin(twinOf(i, v)))
				}
				commit(t, s, writes...)
				if v%2 == 0 {
					commit(t, s, remove(temporary))
				}
			}
			if !stop.Load() {
				done.Store(v)
			}
		}
	}, func() { reader(false) }, func() { reader(true) })
}

// testChangesWhileCommitting follows the changes as they come.
func testChangesWhileCommitting(t *testing.T, setup func(testing.TB) Factory) {
	s := open(t, setup)
	const total = 3000
	follow := func() {
		for last := uint64(0); last < total; {
			head, _ := s.Head()
			for c, err := range s.Changes(t.Context(), last) {
				if err != nil || c.Sequence != last+1 {
					t.Errorf("after change %d comes %d: %v", last, c.Sequence, err)
					return
				}
				last = c.Sequence
			}
			if last < head {
				t.Errorf("Changes ends at %d, though the head was %d", last, head)
				return
			}
		}
	}
	beside(t, func(*atomic.Bool) {
		for seq := uint64(1); seq <= total; seq += 3 {
			commitChanges(t, s, changeOf(seq), changeOf(seq+1), changeOf(seq+2))
		}
	}, follow, follow)
}
