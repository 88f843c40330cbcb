package search

import (
	"context"
	"iter"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/state"
)

const (
	// rangesMost is into how many ranges a scan is parted: so many that those
	// who look at them end at about the same time, and that little is read in
	// vain when the first ones fill a page.
	rangesMost = 64
	// workersMost bounds how many look at ranges of one scan at once.
	workersMost = 4
)

// workers is how many goroutines a scan uses: scans at the same time share the
// processors, which the traffic of the devices needs, too.
func (s *Service) workers() int {
	return max(min(runtime.GOMAXPROCS(0), workersMost)/max(len(s.scans.places), 1), 1)
}

// ranges parts what is behind an identity.
func (r *run) ranges(after tvilling.Identity) []state.Range {
	list := []state.Range{{After: after}}
	if r.plan != Scan || r.split == nil {
		return list
	}
	for _, id := range r.split(rangesMost) {
		if id.Compare(after) > 0 {
			list[len(list)-1].Until = id
			list = append(list, state.Range{After: id})
		}
	}
	return list
}

// gather puts all rows that the query finds into parts, each of which one
// goroutine fills by add. damaged is told, one at a time, of twins that cannot be
// read, which add may find out, too; its error and any other end it.
func gather[T any](ctx context.Context, r *run, begin func() (T, error), add func(T, query.Row) error, damaged func(error) error) ([]T, error) {
	ranges := r.ranges(tvilling.Identity{})
	n := min(r.workers(), len(ranges))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var mu sync.Mutex // one call of damaged at a time
	var wg sync.WaitGroup
	parts := make([]T, n)
	for w := range parts {
		var err error
		if parts[w], err = begin(); err != nil {
			return nil, err
		}
	}
	for w := range parts {
		wg.Go(func() {
			l := r.looker(ctx, r.query)
			one := func(hits iter.Seq[hit]) error {
				return l.gather(hits, func(row query.Row) error { return add(parts[w], row) }, func(err error) error {
					mu.Lock()
					defer mu.Unlock()
					return damaged(err)
				})
			}
			for i := int(next.Add(1)) - 1; i < len(ranges) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				hits := l.scan(ranges[i])
				if r.plan != Scan {
					hits = r.hits(l, ranges[i].After, batchMost)
				}
				if err := one(hits); err != nil {
					cancel(err)
				}
			}
			r.examined.Add(l.examined)
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return parts, nil
}

// gather gives the rows that the query finds to add.
func (l *looker) gather(hits iter.Seq[hit], add func(query.Row) error, damaged func(error) error) error {
	for h := range hits {
		if h.err == nil && h.matches {
			h.err = add(h.row)
		}
		switch {
		case h.err == nil, isGone(h.err):
		case tvilling.CodeOf(h.err) == tvilling.Corrupt:
			if err := damaged(h.err); err != nil {
				return err
			}
		default:
			return h.err
		}
	}
	return nil
}
