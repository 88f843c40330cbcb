package sqlite

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/store/segment"
)

// Commit appends b to the journal and makes it visible. ctx ends the waiting
// for room only: what is being made durable is not given up.
func (s *Store) Commit(ctx context.Context, b *state.Batch) error {
	if len(b.Writes) == 0 && len(b.Changes) == 0 {
		return nil
	}
	writes, err := reduce(b.Writes)
	if err != nil {
		return err
	}
	d, err := s.admit(ctx, b, writes)
	if err != nil {
		return err
	}
	records, buf := payloads(s.scratch[:0], d, writes, b.Changes)
	if cap(buf) <= keepScratch {
		s.scratch = buf
	}
	start := time.Now()
	first, err := s.log.Append(records)
	s.figures.observeAppend(time.Since(start))
	if err != nil {
		return s.refuseAppend(err)
	}
	size := int64(0)
	for _, p := range records {
		size += int64(len(p)) + recordOverhead
	}
	s.install(writes, b.Changes, first+uint64(len(records))-1, size)
	s.index.grew(size)
	return nil
}

// refuseAppend gives an error of the journal the code that the contract has
// for it: what is too large for the journal is not kept either.
func (s *Store) refuseAppend(err error) error {
	switch tvilling.CodeOf(err) {
	case tvilling.Unavailable:
	case tvilling.TooLarge, tvilling.InvalidArgument:
		err = &tvilling.Error{Code: tvilling.Unavailable, Op: "commit", Message: tvilling.MessageOf(err), Err: err}
	default:
		return err
	}
	s.figures.refused.Add(1)
	return err
}

// keepScratch is the largest buffer for encoding that is kept between commits.
const keepScratch = 4 << 20

// recordOverhead is about what the journal adds to a record.
const recordOverhead = 28

// reduce turns the writes of a batch into at most one for every record.
func reduce(in []state.Write) ([]write, error) {
	out := make([]write, 0, len(in))
	at := make(map[key]int, len(in))
	set := func(k key, rec any) {
		if i, ok := at[k]; ok {
			out[i].rec = rec
			return
		}
		at[k] = len(out)
		out = append(out, write{key: k, rec: rec})
	}
	for i := range in {
		w := &in[i]
		n := 0
		if w.Delete {
			n++
			set(key{kindIdentity, w.ID}, nil)
			set(key{kindTwin, w.ID}, nil)
			set(key{kindSession, w.ID}, nil)
		}
		if w.Identity != nil {
			n++
			set(key{kindIdentity, w.ID}, w.Identity)
		}
		if w.Twin != nil {
			n++
			set(key{kindTwin, w.ID}, w.Twin)
		}
		if w.Session != nil {
			n++
			set(key{kindSession, w.ID}, w.Session)
		}
		if w.Counters != nil {
			n++
			set(key{kind: kindCounters}, w.Counters)
		}
		if w.Setting != nil {
			n++
			var value any
			if w.Setting.Value != nil {
				value = setting(w.Setting.Value)
			}
			set(settingKey(w.Setting.Name), value)
		}
		if n != 1 {
			return nil, tvilling.Errorf(tvilling.Internal, "a write of %s names %d records, not 1", w.ID, n)
		}
	}
	return out, nil
}

// admit refuses what cannot be stored and waits for room in memory.
func (s *Store) admit(ctx context.Context, b *state.Batch, writes []write) (directory, error) {
	if n := 1 + len(writes) + len(b.Changes); n > segment.MaxBatch {
		return directory{}, &tvilling.Error{
			Code: tvilling.Unavailable, Op: "commit",
			Message: fmt.Sprintf("At most %d records can be stored at once; these are %d. Send fewer together.", segment.MaxBatch, n),
		}
	}
	if err := s.room(ctx); err != nil {
		s.figures.refused.Add(1)
		return directory{}, err
	}
	s.mu.RLock()
	last := s.visible.sequence
	s.mu.RUnlock()
	d := directory{time: time.Now().UnixNano(), head: last}
	for i := range b.Changes {
		if b.Changes[i].Sequence <= last {
			return directory{}, tvilling.Errorf(tvilling.Internal, "change %d follows change %d", b.Changes[i].Sequence, last)
		}
		last = b.Changes[i].Sequence
	}
	d.last = last
	return d, nil
}

// room waits until there is room for more dirty records. It is refused while
// writing back fails, for then there may be none for long.
func (s *Store) room(ctx context.Context) error {
	var since time.Time
	for {
		s.mu.RLock()
		progress, closed := s.progress, s.closed
		s.mu.RUnlock()
		if closed {
			return errClosed("commit")
		}
		if s.cache.dirtyBytes.Load() < s.opt.DirtyBytes {
			if !since.IsZero() {
				s.figures.stallNS.Add(int64(time.Since(since)))
			}
			return nil
		}
		if err := s.failing.Load(); err != nil {
			return &tvilling.Error{
				Code: tvilling.Unavailable, Op: "commit", Subject: s.path,
				Message: "The store takes no more changes until it can write to its database again; nothing was stored. " + tvilling.MessageOf(*err),
				Err:     *err,
			}
		}
		if since.IsZero() {
			since = time.Now()
			s.figures.stalls.Add(1)
		}
		s.kick()
		select {
		case <-progress:
		case <-ctx.Done():
			return givenUp(ctx)
		}
	}
}

// install makes a batch visible whose newest journal record is last.
func (s *Store) install(writes []write, changes []state.Change, last uint64, size int64) {
	s.mu.Lock()
	idle := len(s.unwritten) == 0
	for _, w := range writes {
		s.put(w.key, w.rec, false, last)
	}
	s.visible.record = last
	s.unapplied += size
	if n := len(changes); n > 0 {
		s.visible.sequence, s.visible.time = changes[n-1].Sequence, changes[n-1].Time.UnixNano()
		s.recent.add(changes)
	}
	due := s.due()
	s.mu.Unlock()
	if idle || due {
		s.kick()
	}
}

// put makes one record dirty. s.mu is held for writing.
func (s *Store) put(k key, rec any, damaged bool, record uint64) {
	fresh, stored := s.cache.put(k, rec, damaged, record)
	if fresh {
		s.unwritten = append(s.unwritten, k)
	}
	switch {
	case k.kind == kindIdentity && fresh:
		s.pending.add(k.id)
	case k.kind == kindTwin && !stored:
		s.newTwins.add(k.id)
	}
}

// due reports whether there is so much to write back that it should begin at
// once. s.mu is held.
func (s *Store) due() bool {
	return s.cache.dirtyBytes.Load() >= s.opt.DirtyBytes/2 || s.unapplied >= s.opt.ReplayBytes
}

// Head returns the sequence and time of the newest durable change.
func (s *Store) Head() (sequence uint64, unixNano int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.visible.sequence, s.visible.time
}

// recent holds the newest changes in memory, at most so many bytes of them.
type recent struct {
	changes []state.Change // ascending; members never change
	bytes   int64
	limit   int64
}

func changeSize(c *state.Change) int64 {
	return 200 + int64(len(c.Body)+len(c.Cause)+len(c.ID.Device)+len(c.ID.Module))
}

func (r *recent) add(changes []state.Change) {
	for i := range changes {
		r.bytes += changeSize(&changes[i])
	}
	if len(r.changes)+len(changes) > cap(r.changes) {
		// Growing by append would copy all of it every few batches, since what
		// is dropped in front is not used again.
		r.changes = append(make([]state.Change, 0, 2*(len(r.changes)+len(changes))), r.changes...)
	}
	r.changes = append(r.changes, changes...)
	drop := 0
	for r.bytes > r.limit && drop < len(r.changes)-1 {
		r.bytes -= changeSize(&r.changes[drop])
		drop++
	}
	// Readers may hold the members left behind, so they are not cleared; the
	// next growth of the slice leaves them to the collector.
	r.changes = r.changes[drop:]
}

// after returns the changes after a sequence if all of them are here.
func (r *recent) after(sequence uint64) ([]state.Change, bool) {
	if len(r.changes) == 0 || r.changes[0].Sequence > sequence+1 {
		return nil, false
	}
	i, _ := slices.BinarySearchFunc(r.changes, sequence+1, func(c state.Change, seq uint64) int {
		switch {
		case c.Sequence < seq:
			return -1
		case c.Sequence > seq:
			return 1
		default:
			return 0
		}
	})
	return r.changes[i:], true
}
