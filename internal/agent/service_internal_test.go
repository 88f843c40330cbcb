//go:build linux

package agent

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// runs are the beginnings and ends of a service.
type runs struct {
	mu    sync.Mutex
	begun []string
	at    []time.Duration
	ended int
}

func (r *runs) begin(since time.Time, way string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begun, r.at = append(r.begun, way), append(r.at, time.Since(since))
}

func (r *runs) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended++
}

// keeping runs a service until the test ends.
func keeping(t *testing.T, run func(context.Context, string) error) (s *service[string], r *runs) {
	t.Helper()
	r = &runs{}
	start := time.Now()
	s = newService("test", quiet(t), func(ctx context.Context, way string) error {
		r.begin(start, way)
		defer r.end()
		return run(ctx, way)
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.keep(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return s, r
}

func untilDone(ctx context.Context, _ string) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestServiceFollowsItsWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, r := keeping(t, untilDone)
		want := func(ended int, begun ...string) {
			t.Helper()
			synctest.Wait()
			if !slices.Equal(r.begun, begun) || r.ended != ended {
				t.Fatalf("begun %v, %d ended; want %v, %d", r.begun, r.ended, begun, ended)
			}
		}
		want(0)
		s.set("a")
		want(0, "a")
		s.set("a") // nothing new
		want(0, "a")
		s.set("b")
		want(1, "a", "b")
		s.set("")
		want(2, "a", "b")
		<-time.After(time.Hour)
		want(2, "a", "b")
		s.set("c")
		want(2, "a", "b", "c")
		if d := r.at[2]; d != time.Hour {
			t.Errorf("begun after %v, want at once", d)
		}
	})
}

// TestServiceRestarts: what fails is begun again, after waits that grow to a
// bound, and are short again after it ran for long or its way changed.
func TestServiceRestarts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lasts := time.Duration(0)
		s, r := keeping(t, func(ctx context.Context, _ string) error {
			pause(ctx, lasts)
			return errors.New("no")
		})
		s.set("a")
		<-time.After(3 * time.Hour)
		synctest.Wait()
		var gaps []time.Duration
		for i := range r.at[1:] {
			gaps = append(gaps, r.at[i+1]-r.at[i])
		}
		want := []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 160 * time.Second, 320 * time.Second, 600 * time.Second, 600 * time.Second}
		if len(gaps) < len(want) || !slices.Equal(gaps[:len(want)], want) || gaps[len(gaps)-1] != longestRestart {
			t.Fatalf("begun again after %v, want %v …", gaps, want)
		}
		lasts = time.Hour
		n := len(r.at)
		s.set("b")
		<-time.After(3*time.Hour + time.Minute)
		synctest.Wait()
		if got := r.begun[n:]; len(got) != 4 {
			t.Fatalf("begun %v in three hours, want it at once and after each hour", got)
		}
		if d := r.at[n+1] - r.at[n]; d != lasts+firstRestart {
			t.Errorf("begun again after %v, want %v after its end", d, firstRestart)
		}
	})
}
