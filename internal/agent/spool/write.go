package spool

import "errors"

// segmentSize returns the size at which a file is full.
func (s *Spool) segmentSize() int64 { return min(max(s.max/32, minSegment), maxSegment) }

// write writes what is in memory of a queue to files. What could not be written
// stays in memory. s.mu is held.
func (s *Spool) write(q *queue) error {
	for q.tailEvents > 0 {
		if n := len(q.segs); n > 0 && q.segs[n-1].open && q.segs[n-1].end == q.tailFirst() {
			if err := s.extend(q, &q.segs[n-1]); err != nil {
				return err
			}
			continue
		}
		if err := s.begin(q); err != nil {
			return err
		}
	}
	return nil
}

// begin makes a file for the oldest events in memory, with these.
func (s *Spool) begin(q *queue) error {
	g := segment{first: q.tailFirst(), end: q.tailFirst(), size: headerSize, salt: q.salt, open: true}
	h := header{version: formatVersion, class: uint32(q.class), salt: g.salt, first: g.first, follows: q.written}
	name := q.name(&g)
	f, err := s.disk.Create(name)
	if err != nil {
		return err
	}
	s.dirDirty = true
	_, err = f.WriteAt(appendHeader(nil, h), 0)
	if err == nil {
		err = s.store(q, &g, f)
	}
	err = errors.Join(err, f.Close())
	if g.end == g.first {
		return errors.Join(err, s.disk.Remove(name)) // nothing is in it
	}
	if n := len(q.segs); n > 0 {
		q.segs[n-1].open = false
	}
	if len(q.segs) == 0 {
		q.pos, q.off = g.first, headerSize
	}
	q.segs = append(q.segs, g)
	s.discard(q.trim())
	return err
}

// extend adds the oldest events in memory to the last file of a queue.
func (s *Spool) extend(q *queue, g *segment) error {
	f, err := s.disk.Open(q.name(g), true)
	if err == nil && g.torn {
		if err = f.Truncate(g.size); err != nil {
			err = errors.Join(err, f.Close())
		}
	}
	if err != nil {
		g.open = false
		return err
	}
	g.torn = false
	return errors.Join(s.store(q, g, f), f.Close())
}

// store moves the oldest events in memory to a file, until that is full.
func (s *Spool) store(q *queue, g *segment, f file) error {
	limit := s.segmentSize()
	n, size := 0, int64(0)
	for n < q.tailEvents && g.size+size < limit {
		size += plainRecord(q.tail[q.cut+int(size):]).size()
		n++
	}
	if _, err := f.WriteAt(q.tail[q.cut:q.cut+int(size)], g.size); err != nil {
		g.torn, q.spilled = true, true
		return err
	}
	g.size += size
	g.end += uint64(n)
	g.dirty = true
	q.written = g.end
	q.cutTail(n, size)
	if g.size < limit {
		return nil
	}
	g.open = false
	_, err := f.WriteAt(appendRecord(nil, q.seed, g.end, 0, nil), g.size)
	return err
}
