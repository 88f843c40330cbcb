package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/tvilling/tvilling/bench/load"
)

// callers measures a peer whose client library blocks: n goroutines call
// update one after the other, each time for a document picked at random.
func (b *bench) callers(ctx context.Context, n int, measure time.Duration, update func(ctx context.Context, i int, pick uint64) error, m *meter) (*load.Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	start := time.Now()
	from := start.Add(min(b.scale.Warm, measure/3))
	until := from.Add(measure)
	r := &load.Result{Took: measure}
	for c := range n {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(c), 4))
			for ctx.Err() == nil {
				sent := time.Now()
				if sent.After(until) {
					return
				}
				if err := update(ctx, rng.IntN(b.scale.Devices), rng.Uint64()); err != nil {
					cancel(err)
					return
				}
				if now := time.Now(); sent.After(from) && now.Before(until) {
					r.Add(now.Sub(sent))
				}
			}
		})
	}
	select {
	case <-time.After(time.Until(from)):
		m.begin()
	case <-ctx.Done():
	}
	select {
	case <-time.After(time.Until(until)):
		m.end()
	case <-ctx.Done():
	}
	wg.Wait()
	return r, context.Cause(ctx)
}
