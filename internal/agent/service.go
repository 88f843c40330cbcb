//go:build linux

package agent

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// What ends though it should go on is begun again after a wait, which doubles
// from the first to the longest.
const (
	firstRestart   = 5 * time.Second
	longestRestart = 10 * time.Minute
)

// service is something that runs in a way, or does not. When the way changes it
// is stopped and begun anew.
type service[W comparable] struct {
	name string
	run  func(ctx context.Context, way W) error
	log  *slog.Logger
	wake chan struct{}
	told string // the error that was told last

	mu  sync.Mutex
	way W // the zero one: it does not run
}

func newService[W comparable](name string, log *slog.Logger, run func(context.Context, W) error) *service[W] {
	return &service[W]{name: name, log: log, run: run, wake: make(chan struct{}, 1)}
}

// set sets the way.
func (s *service[W]) set(way W) {
	s.mu.Lock()
	s.way = way
	s.mu.Unlock()
	kick(s.wake)
}

func (s *service[W]) wanted() W {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.way
}

// keep runs the service as it is wanted, until ctx ends.
func (s *service[W]) keep(ctx context.Context) {
	var off W
	wait := firstRestart
	for ctx.Err() == nil {
		way := s.wanted()
		if way == off {
			select {
			case <-ctx.Done():
			case <-s.wake:
			}
			continue
		}
		begun := time.Now()
		if s.once(ctx, way) { // the way has changed
			wait = firstRestart
			continue
		}
		if time.Since(begun) > longestRestart {
			wait = firstRestart
		}
		if !s.rest(ctx, wait, way) {
			wait = min(2*wait, longestRestart)
		}
	}
}

// once runs the service until it ends, or until it is wanted in another way,
// which it reports.
func (s *service[W]) once(ctx context.Context, way W) (changed bool) {
	run, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel() // before it is waited for
	wg.Go(func() { done <- s.run(run, way) })
	for {
		select {
		case err := <-done:
			if err != nil && ctx.Err() == nil {
				level := slog.LevelWarn
				if err.Error() == s.told {
					level = slog.LevelDebug // what cannot be had here is told once
				}
				s.told = err.Error()
				s.log.Log(ctx, level, "a part of the agent has stopped; it is begun again", "part", s.name, "error", err)
			}
			return false
		case <-ctx.Done():
			return false
		case <-s.wake:
			if s.wanted() != way {
				return true
			}
		}
	}
}

// rest waits, and reports whether that was cut short by another way.
func (s *service[W]) rest(ctx context.Context, wait time.Duration, way W) bool {
	t := time.NewTimer(wait)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-t.C:
			return false
		case <-s.wake:
			if s.wanted() != way {
				return true
			}
		}
	}
}
