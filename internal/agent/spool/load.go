package spool

import (
	"errors"
	"io/fs"
)

// attach opens the folder and takes over what is in it. What is in memory by
// then comes after it. s.mu is held.
func (s *Spool) attach() error {
	d, err := s.trouble.open()
	if err != nil {
		return err
	}
	st, stErr := loadState(d)
	if stErr != nil {
		return errors.Join(stErr, d.Close())
	}
	files, report, err := list(d)
	if err != nil {
		return errors.Join(err, d.Close())
	}
	s.disk, s.report, s.turn = d, report, st.turn
	s.report.StateLost = st.turn == 0 && len(files[High])+len(files[Medium])+len(files[Low]) > 0
	for c := range s.queues {
		q := &s.queues[c]
		if q.tailEvents > 0 {
			s.epoch++ // their sequences are about to change
		}
		s.counts[c].add(st.classes[c].count)
		s.adopt(q, files[c], st.classes[c])
	}
	s.makeRoom(High, 0)
	made, err := probe(d)
	s.dirDirty = s.dirDirty || made
	s.stateDirty = s.stateDirty || st.turn == 0
	return err
}

// detach gives up a folder that was removed, with the events that are in its
// files. s.durable and s.mu are held.
func (s *Spool) detach() {
	s.reader.close()
	for c := range s.queues {
		q := &s.queues[c]
		if n := q.events - q.tailEvents; n > 0 {
			s.drop(Class(c), Damaged, uint64(n))
		}
	}
	s.epoch++
	s.garbage = nil
	_ = s.disk.Close() // nothing in it can be reached any more
	s.disk = nil
}

// add adds counts to c.
func (c *Count) add(d Count) {
	c.Collected += d.Collected
	for r, n := range d.Dropped {
		c.Dropped[r] += n
	}
}

// loadState reads the state file; the state has turn 0 if there is none.
func loadState(d disk) (state, error) {
	f, err := d.Open(stateName, false)
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, nil
	}
	if err != nil {
		return state{}, err
	}
	st, err := readState(f)
	return st, errors.Join(err, f.Close())
}

// probe returns an error if nothing can be written here. It makes the state
// file if there is none, with room for both slots, so that it can be written
// when the disk is full; and writes nothing to one that is there.
func probe(d disk) (made bool, err error) {
	f, err := d.Open(stateName, true)
	if made = errors.Is(err, fs.ErrNotExist); made {
		f, err = d.Create(stateName)
	}
	if err != nil {
		return false, err
	}
	size, err := f.Size()
	if room := 2*slotSpacing - size; err == nil && room > 0 {
		_, err = f.WriteAt(make([]byte, room), size)
	}
	return made, errors.Join(err, f.Close())
}

// adopt makes a queue of its files, in which events below st.done are done, and
// of what is in memory in the queue that was there before.
func (s *Spool) adopt(q *queue, files []found, st classState) {
	early := *q
	*q = queue{class: q.class, salt: q.salt, seed: q.seed, pos: max(st.done, 1), off: headerSize}
	count := &s.counts[q.class]
	// Without a state, what is there is all that is known to have been collected.
	known := st.next
	for i := range files {
		f := &files[i]
		if known == 0 {
			known = f.first
		}
		q.written = max(q.written, q.pos)
		if f.follows > q.written {
			s.report.Missing += f.follows - q.written
			count.Dropped[Damaged] += f.follows - q.written
		}
		if i+1 < len(files) { // what was written twice is in the later file
			f.end = min(f.end, max(files[i+1].first, f.first))
			f.open = false
		}
		q.written = f.end
		q.events += int(f.end - f.first)
		q.bytes += f.segment.size - headerSize
		q.segs = append(q.segs, f.segment)
	}
	if n := len(q.segs); n > 0 {
		q.salt = q.segs[n-1].salt
		q.seed = seedOf(q.class, q.salt)
	}
	s.skipDone(q)
	s.discard(q.trim())
	q.pos = max(q.pos, st.done)
	q.next = max(q.written, q.pos, st.next)
	q.written = max(q.written, q.pos)
	if known > 0 && q.next > known {
		count.Collected += q.next - known
	}
	s.report.Events += q.events
	s.report.Bytes += q.bytes - recordSize*int64(q.events)
	for rest := early.tail[early.cut:]; len(rest) > 0; {
		r := plainRecord(rest)
		q.push(r.seconds, rest[recordSize:r.size()])
		rest = rest[r.size():]
	}
}

// skipDone drops what is below q.pos from the files of a queue that has just
// been made.
func (s *Spool) skipDone(q *queue) {
	done := q.pos
	if len(q.segs) == 0 {
		return
	}
	q.pos = q.segs[0].first
	for len(q.segs) > 0 && q.pos < done {
		g := &q.segs[0]
		next := place{g.size, g.end}
		if done < g.end {
			var err error
			if next, err = s.reader.seek(s.disk, q, g, place{q.off, q.pos}, done); err != nil {
				return // they are sent again
			}
		}
		if q.pos >= g.end && g.open { // the last one
			break
		}
		q.dropTo(next)
		s.discard(q.trim())
	}
}
