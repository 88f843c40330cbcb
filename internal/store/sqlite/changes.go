package sqlite

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/store/segment"
)

// Changes yields the changes after a sequence: the newest from memory, older
// ones from the journal. A damaged change is yielded as an error of code
// Corrupt, after which the changes go on.
func (s *Store) Changes(ctx context.Context, after uint64) iter.Seq2[state.Change, error] {
	return func(yield func(state.Change, error) bool) {
		s.mu.RLock()
		until, closed := s.visible.sequence, s.closed
		changes, ok := s.recent.after(after)
		s.mu.RUnlock()
		switch {
		case closed:
			yield(state.Change{}, errClosed("read changes"))
		case after >= until:
		case ok:
			yieldChanges(ctx, changes, yield)
		default:
			s.history(ctx, after, until, yield)
		}
	}
}

func yieldChanges(ctx context.Context, changes []state.Change, yield func(state.Change, error) bool) {
	for _, c := range changes {
		if ctx.Err() != nil {
			yield(state.Change{}, givenUp(ctx))
			return
		}
		if !yield(c, nil) {
			return
		}
	}
}

// history yields the changes after one sequence and up to another from the journal.
func (s *Store) history(ctx context.Context, after, until uint64, yield func(state.Change, error) bool) {
	var dir *directory
	var start uint64
	for rec, err := range s.log.Read(s.locate(after)) {
		if ctx.Err() != nil {
			yield(state.Change{}, givenUp(ctx))
			return
		}
		var it item
		if err == nil {
			it, err = decodeItem(rec.Payload)
		}
		switch {
		case err != nil:
			if onlyWrites(err, rec.Sequence, dir, start) {
				continue
			}
			if !yield(state.Change{}, s.refuse(lostChange(rec.Sequence, err))) {
				return
			}
		case it.directory != nil:
			dir, start = it.directory, rec.Sequence
			if dir.head >= until {
				return
			}
		case it.change != nil && it.change.Sequence > after:
			if !yield(*it.change, nil) {
				return
			}
			if it.change.Sequence >= until {
				return
			}
		}
	}
}

// onlyWrites reports whether the damage behind err hit no change, by the
// directory of the batch, which was journal record start.
func onlyWrites(err error, last uint64, dir *directory, start uint64) bool {
	if dir == nil {
		return false
	}
	first := last
	if d, ok := errors.AsType[*segment.Damage](err); ok {
		first = d.First
	}
	return first > start && last <= dir.end(start)-dir.changes
}

// lostChange gives an error of the journal the code and text for a reader of changes.
func lostChange(record uint64, err error) error {
	if tvilling.CodeOf(err) == tvilling.Corrupt || tvilling.CodeOf(err) == tvilling.Unsupported {
		return err
	}
	return &tvilling.Error{
		Code: tvilling.Corrupt, Op: "read changes", Subject: fmt.Sprintf("journal record %d", record),
		Message: "A change in the journal is damaged and cannot be shown; the ones before and after it are not affected.",
		Err:     err,
	}
}

// locate returns a journal record after which every change after a sequence
// comes, near to the first of them, by halving.
func (s *Store) locate(after uint64) uint64 {
	low := s.log.First() - 1 // every change that is kept comes after it
	high := s.log.Head()
	for low < high {
		mid := low + (high-low)/2
		head, at, ok := s.nextBatch(mid)
		switch {
		case !ok || head > after:
			high = mid
		case at-1 <= low:
			return low
		default:
			low = at - 1
		}
	}
	return low
}

// nextBatch returns the change before the first batch whose directory comes
// after a journal record, and that directory's record.
func (s *Store) nextBatch(after uint64) (head, record uint64, ok bool) {
	for rec, err := range s.log.Read(after) {
		if err != nil {
			continue // the one after the damage will do
		}
		if it, err := decodeItem(rec.Payload); err == nil && it.directory != nil {
			return it.directory.head, rec.Sequence, true
		}
	}
	return 0, 0, false
}
