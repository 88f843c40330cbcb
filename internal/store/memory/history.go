package memory

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// batch is what one call of Commit brought.
type batch struct {
	state.Batch
	// sequence is that of the newest change in it or before it.
	sequence uint64
	time     time.Time
}

// History yields what was committed of id up to a sequence, newest first.
func (s *Store) History(ctx context.Context, id tvilling.Identity, until uint64) iter.Seq2[state.Past, error] {
	return func(yield func(state.Past, error) bool) {
		s.mu.RLock()
		batches, err := s.batches, s.check(ctx, "read history")
		s.mu.RUnlock()
		if err != nil {
			yield(state.Past{}, err)
			return
		}
		for _, b := range slices.Backward(batches) {
			if p, ok := b.records(id); ok && (until == 0 || p.Sequence <= until) && !yield(p, nil) {
				return
			}
			for _, c := range slices.Backward(b.Changes) {
				if c.ID != id || until != 0 && c.Sequence > until {
					continue
				}
				if !yield(state.Past{Sequence: c.Sequence, Time: c.Time, Change: &c}, nil) {
					return
				}
			}
		}
	}
}

// records returns what the batch left of id; it reports false if it wrote
// nothing of it.
func (b *batch) records(id tvilling.Identity) (p state.Past, ok bool) {
	p.Sequence, p.Time = b.sequence, b.time
	for _, w := range b.Writes {
		if w.ID != id || w.Counters != nil || w.Setting != nil {
			continue
		}
		ok = true
		switch {
		case w.Delete:
			p.Identity, p.Twin, p.Session, p.Deleted = nil, nil, nil, true
		case w.Identity != nil:
			p.Identity, p.Deleted = w.Identity, false
		case w.Twin != nil:
			p.Twin = w.Twin
		default:
			p.Session = w.Session
		}
	}
	return p, ok
}
