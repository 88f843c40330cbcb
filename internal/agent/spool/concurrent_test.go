package spool_test

import (
	"fmt"
	"slices"
	stdsync "sync"
	"testing"

	"github.com/tvilling/tvilling/internal/agent/spool"
)

// TestConcurrent adds from several goroutines while others sync, ask and send.
// Each event arrives once, those of one goroutine in order.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	const writers, each = 4, 500
	s := open(t, t.TempDir()+"/spool", 16<<20)
	var adding, others stdsync.WaitGroup
	for w := range writers {
		adding.Go(func() {
			for i := range each {
				if err := s.Add(spool.Class(i%int(spool.Classes)), fmt.Appendf(nil, "%d %0*d", w, 200, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	others.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if err := s.Sync(); err != nil {
				t.Error(err)
			}
			s.Mode()
			s.Counts()
			for c := range spool.Classes {
				s.Waiting(c)
				s.Oldest(c)
			}
		}
	})
	last := map[[2]int]int{}
	total := 0
	receive := func() (n int) {
		b, err := s.Take(8192, 4096, all...)
		if err == nil {
			err = s.Done(b)
		}
		if err != nil {
			t.Error(err)
		}
		for _, e := range eventsOf(b) {
			var w, i int
			if _, err := fmt.Sscanf(e, "%d %d", &w, &i); err != nil {
				t.Error(err)
			}
			key := [2]int{w, i % int(spool.Classes)}
			if before, ok := last[key]; ok && before >= i {
				t.Errorf("event %d of %d came after %d", i, w, before)
			}
			last[key] = i
			total++
		}
		return b.Len()
	}
	added := make(chan struct{})
	go func() { adding.Wait(); close(added) }()
	for ended := false; !ended || receive() > 0; {
		select {
		case <-added:
			ended = true
		default:
			receive()
		}
	}
	close(done)
	others.Wait()
	if total != writers*each {
		t.Errorf("%d events came, of %d", total, writers*each)
	}
	if c := s.Counts(); slices.ContainsFunc(c[:], func(c spool.Count) bool { return c.Lost() > 0 }) {
		t.Errorf("counts %+v", c)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
