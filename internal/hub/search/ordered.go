package search

import (
	"context"
	"iter"
	"sync"

	"github.com/tvilling/tvilling/internal/hub/state"
)

// piece is what one range of a scan has for a page.
type piece struct {
	hits []hit
	// full says that there may be more in the range.
	full     bool
	examined int64
}

// ordered looks at some ranges at once and gives their rows in order. It looks
// no further ahead than its workers are many, and ends them when it ends.
func (r *run) ordered(ctx context.Context, ranges []state.Range) iter.Seq[hit] {
	return func(yield func(hit) bool) {
		var wg sync.WaitGroup
		defer wg.Wait()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		ahead := make(chan struct{}, r.workers())
		pieces := make([]chan piece, len(ranges))
		for i := range pieces {
			pieces[i] = make(chan piece, 1)
		}
		wg.Go(func() {
			for i, rg := range ranges {
				select {
				case ahead <- struct{}{}:
					wg.Go(func() { pieces[i] <- r.piece(ctx, rg) })
				case <-ctx.Done():
					return
				}
			}
		})
		for i := range pieces {
			var p piece
			select {
			case p = <-pieces[i]:
				<-ahead
			case <-ctx.Done():
				yield(hit{err: context.Cause(ctx)})
				return
			}
			r.examined.Add(p.examined)
			if !r.tell(ctx, p, ranges[i], yield) {
				return
			}
		}
	}
}

// tell gives the rows of a range: those of its piece, and then the others.
func (r *run) tell(ctx context.Context, p piece, rg state.Range, yield func(hit) bool) bool {
	for _, h := range p.hits {
		if h.row != nil {
			rg.After = h.row.ID()
		}
		if !yield(h) {
			return false
		}
	}
	if !p.full {
		return true
	}
	l := r.looker(ctx, r.query)
	defer func() { r.examined.Add(l.examined) }()
	for h := range l.scan(rg) {
		if !yield(h) {
			return false
		}
	}
	return true
}

// piece looks for as many rows as a page may need. When it finds fewer its last
// one says how far it has looked.
func (r *run) piece(ctx context.Context, rg state.Range) (p piece) {
	l := r.looker(ctx, r.query)
	var passed hit
	for h := range l.scan(rg) {
		if h.err == nil && !h.matches {
			passed = h
			continue
		}
		if h.row != nil {
			keep(h.row)
		}
		passed = hit{}
		p.hits = append(p.hits, h)
		if p.full = len(p.hits) >= pageHits && h.row != nil; p.full {
			break
		}
	}
	if passed.row != nil {
		keep(passed.row)
		p.hits = append(p.hits, passed)
	}
	p.examined = l.examined
	return p
}
