package sqlite_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/store/segment/faultfs"
	"github.com/tvilling/tvilling/internal/store/sqlite"
)

func wantCode(t *testing.T, what string, err error, want tvilling.Code) {
	t.Helper()
	if got := tvilling.CodeOf(err); got != want {
		t.Errorf("%s: code %q (%v), want %q", what, got, err, want)
	}
}

func TestJournalFull(t *testing.T) {
	t.Parallel()
	fs := faultfs.New()
	dir := t.TempDir()
	s := open(t, sqlite.Options{Dir: dir, FS: fs})
	commit(t, s, &state.Batch{Writes: device("d", 1), Changes: []state.Change{change(1, id("d", ""))}})
	fs.SetSpace(100)
	// More than the journal may have reserved ahead.
	big := state.Write{Setting: &state.Setting{Name: "big", Value: make([]byte, 4<<20)}}
	for range 3 {
		err := s.Commit(t.Context(), &state.Batch{Writes: append(device("d", 2), big), Changes: []state.Change{change(2, id("d", ""))}})
		wantCode(t, "commit on a full disk", err, tvilling.Unavailable)
	}
	if got := version(t, s, "d"); got != 1 {
		t.Errorf("version after a refused commit is %d, want 1", got)
	}
	if head, _ := s.Head(); head != 1 {
		t.Errorf("head after a refused commit is %d, want 1", head)
	}
	fs.SetSpace(-1)
	commit(t, s, &state.Batch{Writes: device("d", 3), Changes: []state.Change{change(2, id("d", ""))}})
	if err := s.Abandon(); err != nil {
		t.Fatal(err)
	}
	again := open(t, sqlite.Options{Dir: dir, FS: fs})
	if got := version(t, again, "d"); got != 3 {
		t.Errorf("version after a restart is %d, want 3", got)
	}
	if got := s.Stats().Refused; got != 3 {
		t.Errorf("Stats().Refused = %d, want 3", got)
	}
}

func TestJournalFsyncFails(t *testing.T) {
	t.Parallel()
	fs := faultfs.New()
	s := open(t, sqlite.Options{FS: fs})
	commit(t, s, &state.Batch{Writes: device("d", 1)})
	fs.FailSync(0, syscall.EIO)
	wantCode(t, "commit with a failing fsync", s.Commit(t.Context(), &state.Batch{Writes: device("d", 2)}), tvilling.Internal)
	fs.FailSync(0, nil)
	wantCode(t, "commit after a failed fsync", s.Commit(t.Context(), &state.Batch{Writes: device("d", 3)}), tvilling.Internal)
	if got := version(t, s, "d"); got != 1 {
		t.Errorf("version after a failed fsync is %d, want 1", got)
	}
}

// TestDatabaseFull lets the database file grow no more: commits go on in the
// journal until the memory is full, are then refused, and are taken again when
// there is room.
func TestDatabaseFull(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		const bound = 100_000
		s, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir, DirtyBytes: bound, WriteBackAfter: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		pages, err := s.Pages()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.LimitPages(int(pages)); err != nil {
			t.Fatal(err)
		}
		n := int64(0)
		for ; err == nil; n++ {
			err = s.Commit(t.Context(), &state.Batch{Writes: device(fmt.Sprint("d", n), n+1)})
			synctest.Wait()
		}
		n-- // the last one was refused
		wantCode(t, "commit beyond the bound", err, tvilling.Unavailable)
		if !strings.Contains(err.Error(), "nothing was stored") || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("the refusal does not say what is wrong: %v", err)
		}
		st := s.Stats()
		if st.DirtyBytes < bound || st.DirtyBytes > bound+10_000 || st.WriteBackFailures == 0 || st.WriteBackError == nil {
			t.Errorf("Stats = %+v, want about %d dirty bytes and a failure", st, bound)
		}
		for i := range n {
			if got := version(t, s, fmt.Sprint("d", i)); got != i+1 {
				t.Errorf("device d%d has version %d, want %d", i, got, i+1)
			}
		}
		if got := version(t, s, fmt.Sprint("d", n)); got != 0 {
			t.Errorf("a refused device has version %d", got)
		}
		if err := s.LimitPages(0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second) //nolint:forbidigo // the bubble's clock, at once
		synctest.Wait()
		if st := s.Stats(); st.DirtyCount != 0 || st.WriteBackError != nil {
			t.Errorf("Stats = %+v, want nothing dirty once there is room", st)
		}
		if err := s.Commit(t.Context(), &state.Batch{Writes: device("late", 7)}); err != nil {
			t.Errorf("Commit once there is room: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	s := open(t, sqlite.Options{Dir: dir})
	if got := version(t, s, "late"); got != 7 {
		t.Errorf("version after a restart is %d, want 7", got)
	}
	if got := s.Stats().Replayed; got != 0 {
		t.Errorf("%d batches were replayed after Close, want none", got)
	}
}

// TestWriteBackByTime demands that records are in the database some time
// after they were committed, without further commits.
func TestWriteBackByTime(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := sqlite.Open(t.Context(), sqlite.Options{Dir: dir, WriteBackAfter: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		for v := range int64(100) {
			commit(t, s, &state.Batch{Writes: device("hot", v+1)})
			time.Sleep(50 * time.Millisecond) //nolint:forbidigo // the bubble's clock, at once
		}
		if st := s.Stats(); st.DirtyCount != 3 || st.WriteBacks != 0 {
			t.Errorf("after 5 s: %d dirty, %d rounds; want 3, 0", st.DirtyCount, st.WriteBacks)
		}
		time.Sleep(6 * time.Second) //nolint:forbidigo // the bubble's clock, at once
		synctest.Wait()
		// A hundred commits of three records are three rows.
		if st := s.Stats(); st.DirtyCount != 0 || st.WriteBacks != 1 || st.WriteBackRows != 3 {
			t.Errorf("after 11 s: %d dirty, %d rounds, %d rows; want 0, 1, 3", st.DirtyCount, st.WriteBacks, st.WriteBackRows)
		}
		if err := s.Abandon(); err != nil {
			t.Fatal(err)
		}
	})
	s := open(t, sqlite.Options{Dir: dir})
	if st := s.Stats(); st.Replayed != 0 || version(t, s, "hot") != 100 {
		t.Errorf("replayed %d, version %d; want 0, 100", st.Replayed, version(t, s, "hot"))
	}
}

func TestReplayIsReported(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, sqlite.Options{Dir: dir})
	for v := range int64(7) {
		commit(t, s, &state.Batch{Writes: device("d", v+1), Changes: []state.Change{change(uint64(v+1), id("d", ""))}})
	}
	if err := s.Abandon(); err != nil {
		t.Fatal(err)
	}
	again := open(t, sqlite.Options{Dir: dir})
	if got := again.Stats().Replayed; got != 7 {
		t.Errorf("Replayed = %d, want 7", got)
	}
	wantSeq, wantTime := uint64(7), change(7, id("d", "")).Time.UnixNano()
	if seq, at := again.Head(); seq != wantSeq || at != wantTime {
		t.Errorf("Head = %d, %d; want %d, %d", seq, at, wantSeq, wantTime)
	}
}

// TestReplayBounded replays more than the memory may hold.
func TestReplayBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, sqlite.Options{Dir: dir})
	for n := range int64(500) {
		commit(t, s, &state.Batch{Writes: device(fmt.Sprint("d", n), n+1)})
	}
	if err := s.Abandon(); err != nil {
		t.Fatal(err)
	}
	const bound = 100_000
	again := open(t, sqlite.Options{Dir: dir, DirtyBytes: bound, CacheBytes: 1, WriteBackAfter: time.Hour})
	if st := again.Stats(); st.DirtyBytes > bound || st.Replayed != 500 {
		t.Errorf("after replay: %d dirty bytes of %d batches, want at most %d of 500", st.DirtyBytes, st.Replayed, bound)
	}
	for n := range int64(500) {
		if got := version(t, again, fmt.Sprint("d", n)); got != n+1 {
			t.Fatalf("device d%d has version %d, want %d", n, got, n+1)
		}
	}
}
