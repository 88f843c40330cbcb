package sqlite_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
	"github.com/tvilling/tvilling/internal/store/sqlite"
)

// TestWriteBackBesideCommits changes records while they are being written
// back and scanned: no scan misses what was committed before it, and the
// database ends with the newest state of each.
func TestWriteBackBesideCommits(t *testing.T) {
	t.Parallel()
	const devices, rounds = 400, 60
	dir := t.TempDir()
	s := open(t, sqlite.Options{Dir: dir, CacheBytes: 1, WriteBackAfter: time.Hour})
	name := func(n int) string { return fmt.Sprintf("d%03d", n) }
	var committed atomic.Int64
	var stop atomic.Bool
	var others sync.WaitGroup
	others.Go(func() {
		for !stop.Load() {
			if err := s.WriteBack(); err != nil {
				t.Errorf("WriteBack: %v", err)
				return
			}
		}
	})
	for range 2 {
		others.Go(func() {
			for !stop.Load() {
				least, n := committed.Load(), 0
				for e, err := range s.Scan(context.Background(), state.Range{}) {
					if err != nil || e.Twin == nil || e.Twin.Version < least {
						t.Errorf("Scan yields %+v, %v; want version %d at least", e.Twin, err, least)
						return
					}
					n++
				}
				if least > 0 && n != devices {
					t.Errorf("Scan yields %d devices, want %d", n, devices)
					return
				}
				w, err := s.Twin(context.Background(), id(name(n%devices), ""))
				if err != nil || least > 0 && w.Version < least {
					t.Errorf("Twin is %+v, %v; want version %d at least", w, err, least)
					return
				}
			}
		})
	}
	for v := int64(1); v <= rounds; v++ {
		for n := 0; n < devices; n += 40 {
			b := &state.Batch{}
			for i := n; i < n+40; i++ {
				b.Writes = append(b.Writes, device(name(i), v)...)
			}
			commit(t, s, b)
		}
		committed.Store(v)
	}
	stop.Store(true)
	others.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, sqlite.Options{Dir: dir})
	for n := range devices {
		if got := version(t, again, name(n)); got != rounds {
			t.Errorf("after a restart device %s has version %d, want %d", name(n), got, rounds)
		}
	}
	if got := again.Stats().Replayed; got != 0 {
		t.Errorf("%d batches were replayed after Close, want none", got)
	}
}

// TestWriteBackEndsHalfWay fails a round after some of its transactions: the
// journal is replayed from where the last whole round ended.
func TestWriteBackEndsHalfWay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, sqlite.Options{Dir: dir, WriteBackAfter: time.Hour})
	const devices = 1500
	for n := range devices {
		b := &state.Batch{Writes: device(fmt.Sprint("d", n), int64(n+1))}
		b.Writes[1].Twin.Desired = make(doc.Section, 2000)
		commit(t, s, b)
	}
	pages, err := s.Pages()
	if err != nil {
		t.Fatal(err)
	}
	// Room for the first transaction, not for all.
	if err := s.LimitPages(int(pages) + 100); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "WriteBack into a full database", s.WriteBack(), tvilling.Unavailable)
	if st := s.Stats(); st.WriteBackRows == 0 || st.DirtyCount == 0 || st.DirtyCount+st.WriteBackRows != 3*devices {
		t.Fatalf("%d rows written, %d dirty; want some of each of %d", st.WriteBackRows, st.DirtyCount, 3*devices)
	}
	if err := s.Abandon(); err != nil {
		t.Fatal(err)
	}
	again := open(t, sqlite.Options{Dir: dir})
	for n := range devices {
		if got := version(t, again, fmt.Sprint("d", n)); got != int64(n+1) {
			t.Fatalf("device d%d has version %d, want %d", n, got, n+1)
		}
	}
	if got := again.Stats().Replayed; got != devices {
		t.Errorf("%d batches were replayed, want all %d", got, devices)
	}
}

// TestCacheKeepsNewest lets a reader come back from the database with an old
// record after a newer one was committed, written back and has left the cache.
func TestCacheKeepsNewest(t *testing.T) {
	t.Parallel()
	i := id("d", "")
	c := sqlite.NewCache(1 << 20)
	fill := c.Miss(i)
	c.PutAndClean(twin(i, 2))
	c.Evict(i)
	fill(twin(i, 1))
	if got := c.Get(i); got != nil {
		t.Errorf("the cache holds %+v, want nothing", got)
	}
	// Without a commit between, what was read is kept.
	fill = c.Miss(i)
	fill(twin(i, 2))
	if got := c.Get(i); got == nil || got.Version != 2 {
		t.Errorf("the cache holds %+v, want version 2", got)
	}
}
