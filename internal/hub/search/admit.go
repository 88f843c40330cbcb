package search

import (
	"context"
	"sync/atomic"

	"github.com/tvilling/tvilling"
)

// admission lets a few scans run at once, and a few more wait.
type admission struct {
	places  chan struct{}
	most    int64
	waiting atomic.Int64
	refused atomic.Int64
}

func (a *admission) init(places, waiting int) {
	a.places, a.most = make(chan struct{}, places), int64(waiting)
}

// enter waits for a place, which leave gives back. The error is of code
// Throttled if too many wait already, or if ctx ends first.
func (a *admission) enter(ctx context.Context) (leave func(), err error) {
	leave = func() { <-a.places }
	select {
	case a.places <- struct{}{}:
		return leave, nil
	default:
	}
	defer a.waiting.Add(-1)
	if a.waiting.Add(1) <= a.most {
		select {
		case a.places <- struct{}{}:
			return leave, nil
		case <-ctx.Done():
		}
	}
	a.refused.Add(1)
	e := tvilling.Errorf(tvilling.Throttled, "The hub runs %d other queries that look at all twins, and %d wait; try again, name a deviceId, or ask by what the memory index has (EXPLAIN tells).",
		cap(a.places), min(a.waiting.Load(), a.most))
	e.Op = operation
	return nil, e
}
