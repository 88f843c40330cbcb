package sqlite

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/store/segment"
)

// History yields what the journal keeps of id up to a sequence, newest first.
func (s *Store) History(ctx context.Context, id tvilling.Identity, until uint64) iter.Seq2[state.Past, error] {
	return func(yield func(state.Past, error) bool) {
		if ctx.Err() != nil {
			yield(state.Past{}, givenUp(ctx))
			return
		}
		s.mu.RLock()
		last, closed := s.visible.record, s.closed
		s.mu.RUnlock()
		if closed {
			yield(state.Past{}, errClosed("read history"))
			return
		}
		newest, err := s.index.catchUp(ctx.Done())
		if err != nil {
			yield(state.Past{}, stoppedBy(ctx, err))
			return
		}
		h := &pastReader{s: s, ctx: ctx, id: id, until: until, last: last, yield: yield}
		if !h.segment(newest.segment, newest.of(id)) {
			return
		}
		for _, seg := range slices.Backward(s.log.Segments()) {
			if seg.First >= newest.segment.First {
				continue
			}
			places, err := s.index.places(seg, id, until, ctx.Done())
			if err != nil {
				yield(state.Past{}, stoppedBy(ctx, err))
				return
			}
			if !h.segment(seg, places) {
				return
			}
		}
	}
}

// stoppedBy says that a call was given up, if that is why it failed.
func stoppedBy(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return givenUp(ctx)
	}
	return err
}

// pastReader reads the history of one identity.
type pastReader struct {
	s     *Store
	ctx   context.Context //nolint:containedctx // it lives as long as one call
	id    tvilling.Identity
	until uint64
	// last is the newest record of the journal that was visible at the beginning.
	last  uint64
	yield func(state.Past, error) bool
}

// segment yields what a segment has at some places, batch by batch from the
// newest on; it reports whether to go on.
func (h *pastReader) segment(seg segment.Segment, places []place) bool {
	for end := len(places); end > 0; {
		start := end - 1
		for start > 0 && places[start-1].directory == places[start].directory {
			start--
		}
		if !h.batch(seg.First, places[start:end]) {
			return false
		}
		end = start
	}
	return true
}

// pastBatch is what one batch holds of an identity.
type pastBatch struct {
	records *state.Past
	changes []*state.Change // ascending
	damaged []error
}

// batch yields what a batch holds at some places.
func (h *pastReader) batch(first uint64, places []place) bool {
	if h.ctx.Err() != nil {
		return h.fail(givenUp(h.ctx))
	}
	dir, err := h.directory(first, places[0].directory)
	if err != nil {
		return h.fail(err)
	}
	if dir != nil && h.until != 0 && (dir.head > h.until || dir.head == h.until && dir.last > dir.head) {
		return true
	}
	var b pastBatch
	for _, p := range places {
		rec, err := h.s.log.At(first, int64(p.record)*placeUnit)
		switch tvilling.CodeOf(err) {
		case "":
			if rec.Sequence <= h.last {
				h.add(&b, dir, rec)
			}
		case tvilling.Corrupt:
			b.damaged = append(b.damaged, err)
		default:
			return h.fail(err)
		}
	}
	return h.emit(&b)
}

// fail yields an error that ends the history. A segment that was dropped
// meanwhile ends it without one.
func (h *pastReader) fail(err error) bool {
	if tvilling.CodeOf(err) != tvilling.NotFound {
		h.yield(state.Past{}, err)
	}
	return false
}

// directory returns a batch's directory without its keys, nil if it is damaged.
func (h *pastReader) directory(first uint64, at uint32) (*directory, error) {
	if at == 0 {
		return nil, nil
	}
	rec, err := h.s.log.At(first, int64(at)*placeUnit)
	if err == nil {
		r := &reader{b: rec.Payload}
		if r.byte() != tagDirectory {
			return nil, nil
		}
		var dir *directory
		if dir, err = decodeDirectoryHead(r); err == nil {
			return dir, nil
		}
	}
	switch tvilling.CodeOf(err) {
	case tvilling.NotFound, tvilling.Unavailable, tvilling.Unsupported:
		return nil, err
	default:
		return nil, nil
	}
}

// add adds a record of the journal to its batch if it is of the identity.
func (h *pastReader) add(b *pastBatch, dir *directory, rec segment.Record) {
	it, err := decodeItem(rec.Payload)
	switch {
	case it.write != nil && it.write.key.id != h.id, err == nil && it.change != nil && it.change.ID != h.id:
		// Another identity has the same hash.
	case err != nil:
		b.damaged = append(b.damaged, err)
	case it.change != nil:
		if h.until == 0 || it.change.Sequence <= h.until {
			b.changes = append(b.changes, it.change)
		}
	case it.write == nil || it.write.key.kind > kindSession:
	case dir == nil:
		b.damaged = append(b.damaged, errMalformed) // nothing says when it was
	case h.until == 0 || dir.last <= h.until:
		if b.records == nil {
			b.records = &state.Past{Sequence: dir.last, Time: time.Unix(0, dir.time).UTC()}
		}
		addWrite(b.records, it.write)
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

// emit yields what was read of a batch.
func (h *pastReader) emit(b *pastBatch) bool {
	if b.records != nil && !h.yield(*b.records, nil) {
		return false
	}
	for _, err := range b.damaged {
		if !h.yield(state.Past{}, h.s.refuse(h.lost(err))) {
			return false
		}
	}
	for _, c := range slices.Backward(b.changes) {
		if !h.yield(state.Past{Sequence: c.Sequence, Time: c.Time, Change: c}, nil) {
			return false
		}
	}
	return true
}

// lost gives an error of the journal the text for a reader of a history.
func (h *pastReader) lost(err error) error {
	if tvilling.CodeOf(err) == tvilling.Unsupported {
		return err
	}
	return &tvilling.Error{
		Code: tvilling.Corrupt, Op: "read history", Subject: h.id.String(),
		Message: "A part of the journal is damaged that is of " + h.id.String() + ", or of nobody knows whom. What came before and after it is not affected.",
		Err:     err,
	}
}
