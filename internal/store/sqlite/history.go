package sqlite

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// History yields what the journal keeps of id up to a sequence, newest first.
func (s *Store) History(ctx context.Context, id tvilling.Identity, until uint64) iter.Seq2[state.Past, error] {
	return func(yield func(state.Past, error) bool) {
		s.mu.RLock()
		last, closed := s.visible.record, s.closed
		s.mu.RUnlock()
		if closed {
			yield(state.Past{}, errClosed("read history"))
			return
		}
		type found struct {
			past state.Past
			err  error
		}
		var all, changes []found
		var records *state.Past
		end := func() {
			all = append(all, changes...)
			if records != nil {
				all = append(all, found{past: *records})
			}
			changes, records = nil, nil
		}
		var dir *directory
		for rec, err := range s.log.Read(0) {
			if ctx.Err() != nil {
				yield(state.Past{}, givenUp(ctx))
				return
			}
			if rec.Sequence > last {
				break
			}
			var it item
			if err == nil {
				it, err = decodeItem(rec.Payload)
			}
			switch {
			case err != nil:
				changes = append(changes, found{err: s.refuse(lostChange(rec.Sequence, err))})
			case it.directory != nil:
				end()
				dir = it.directory
			case it.change != nil && it.change.ID == id && (until == 0 || it.change.Sequence <= until):
				changes = append(changes, found{past: state.Past{Sequence: it.change.Sequence, Time: it.change.Time, Change: it.change}})
			case it.write != nil && it.write.key.id == id && it.write.key.kind <= kindSession && dir != nil && (until == 0 || dir.last <= until):
				if records == nil {
					records = &state.Past{Sequence: dir.last, Time: time.Unix(0, dir.time).UTC()}
				}
				addWrite(records, it.write)
			}
		}
		end()
		for _, f := range slices.Backward(all) {
			if !yield(f.past, f.err) {
				return
			}
		}
	}
}

// addWrite adds a write of a batch to what the batch left.
func addWrite(p *state.Past, w *write) {
	switch rec := w.rec.(type) {
	case *state.Identity:
		p.Identity = rec
	case *state.Twin:
		p.Twin = rec
	case *state.Session:
		p.Session = rec
	default:
		p.Deleted = p.Deleted || w.key.kind == kindIdentity
	}
}
