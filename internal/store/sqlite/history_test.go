package sqlite_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/store/sqlite"
)

// history commits n batches of one change each, in small segments.
func history(t *testing.T, s *sqlite.Store, n int) {
	t.Helper()
	for range n {
		head, _ := s.Head()
		name := fmt.Sprint("d", head%5)
		commit(t, s, &state.Batch{Writes: device(name, int64(head+1)), Changes: []state.Change{change(head+1, id(name, ""))}})
	}
}

// span returns the first and last sequence of the changes after one.
func span(t *testing.T, s *sqlite.Store, after uint64) (first, last uint64) {
	t.Helper()
	for c, err := range s.Changes(t.Context(), after) {
		if err != nil {
			t.Fatal(err)
		}
		if first == 0 {
			first = c.Sequence
		} else if c.Sequence != last+1 {
			t.Fatalf("change %d follows %d", c.Sequence, last)
		}
		last = c.Sequence
	}
	return first, last
}

func TestHistoryBySize(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := sqlite.Options{Dir: dir, SegmentBytes: 4 << 10, RecentBytes: 1, WriteBackAfter: time.Hour}
	s := open(t, o)
	history(t, s, 300)
	// Nothing may be dropped that the database does not hold.
	o.HistoryBytes = 20_000
	if err := s.Retain(o); err != nil {
		t.Fatal(err)
	}
	if first, last := span(t, s, 0); first != 1 || last != 300 {
		t.Errorf("before writing back: changes %d to %d, want 1 to 300", first, last)
	}
	if err := s.WriteBack(); err != nil {
		t.Fatal(err)
	}
	o.HistoryAge = time.Hour
	if err := s.Retain(o); err != nil {
		t.Fatal(err)
	}
	first, last := span(t, s, 0)
	if first < 100 || first > 300 || last != 300 {
		t.Errorf("after: changes %d to %d, want some of the newest", first, last)
	}
	if got := s.Stats().JournalBytes; got > 20_000 {
		t.Errorf("the journal has %d bytes, want at most 20000", got)
	}
	for after := first - 1; after <= last; after += 17 {
		if got, end := span(t, s, after); got != after+1 && after < last || end != 300 && after < last {
			t.Errorf("Changes(%d) yields %d to %d", after, got, end)
		}
	}
	if err := s.Abandon(); err != nil {
		t.Fatal(err)
	}
	again := open(t, o)
	if got, _ := span(t, again, 0); got != first {
		t.Errorf("after a restart the first change is %d, want %d", got, first)
	}
	history(t, again, 3)
	if got := version(t, again, "d2"); got != 303 {
		t.Errorf("device d2 has version %d, want 303", got)
	}
}

func TestHistoryByAge(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := sqlite.Open(t.Context(), sqlite.Options{
			Dir: dir, SegmentBytes: 4 << 10, RecentBytes: 1, HistoryAge: 24 * time.Hour,
		})
		if err != nil {
			t.Fatal(err)
		}
		history(t, s, 100)
		time.Sleep(20 * time.Hour) //nolint:forbidigo // the bubble's clock, at once
		history(t, s, 100)
		time.Sleep(time.Minute) //nolint:forbidigo // the bubble's clock, at once
		synctest.Wait()
		if first, last := span(t, s, 0); first != 1 || last != 200 {
			t.Errorf("after 20 h: changes %d to %d, want 1 to 200", first, last)
		}
		// An idle hub drops history, too.
		time.Sleep(6 * time.Hour) //nolint:forbidigo // the bubble's clock, at once
		synctest.Wait()
		if first, last := span(t, s, 0); first < 80 || first > 101 || last != 200 {
			t.Errorf("after 26 h: changes %d to %d, want from about 100 to 200", first, last)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestStats(t *testing.T) {
	t.Parallel()
	s := open(t, sqlite.Options{WriteBackAfter: time.Hour})
	history(t, s, 10)
	st := s.Stats()
	appends := int64(0)
	for _, n := range st.Append.Counts {
		appends += n
	}
	if appends != 10 || st.Append.Sum <= 0 || st.JournalRecords != 50 || st.JournalBytes == 0 || st.DirtyCount != 15 || st.DirtyBytes == 0 {
		t.Errorf("after 10 commits: %+v", st)
	}
	if err := s.WriteBack(); err != nil {
		t.Fatal(err)
	}
	st = s.Stats()
	if st.DirtyCount != 0 || st.DirtyBytes != 0 || st.WriteBacks != 1 || st.WriteBackRows != 15 || st.WriteBackTime <= 0 || st.CacheBytes == 0 {
		t.Errorf("after writing back: %+v", st)
	}
	if got := s.Pending(); got != 0 {
		t.Errorf("after writing back %d identities are pending, want none", got)
	}
	hits, misses := st.CacheHits, st.CacheMisses
	version(t, s, "d0")
	version(t, s, "absent")
	version(t, s, "absent")
	if st = s.Stats(); st.CacheHits != hits+2 || st.CacheMisses != misses+1 {
		t.Errorf("after reads: %d hits, %d misses more; want 2, 1", st.CacheHits-hits, st.CacheMisses-misses)
	}
}

// TestCacheBounded reads more than the cache may hold.
func TestCacheBounded(t *testing.T) {
	t.Parallel()
	const bound = 64 << 10
	s := open(t, sqlite.Options{CacheBytes: bound, WriteBackAfter: time.Hour})
	for n := range 2000 {
		commit(t, s, &state.Batch{Writes: device(fmt.Sprint("d", n), int64(n+1))})
	}
	if err := s.WriteBack(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for n := range 2000 {
			if got := version(t, s, fmt.Sprint("d", n)); got != int64(n+1) {
				t.Fatalf("device d%d has version %d, want %d", n, got, n+1)
			}
		}
	}
	if got := s.Stats().CacheBytes; got > bound || got < bound/4 {
		t.Errorf("the cache holds %d bytes, want up to %d", got, bound)
	}
}
