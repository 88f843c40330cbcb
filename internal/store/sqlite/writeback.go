package sqlite

import (
	"slices"
	"time"

	"zombiezen.com/go/sqlite/sqlitex"
)

const (
	// chunkRows and chunkBytes bound a transaction of writing back, and with
	// it how long commits at the memory bound wait for the next room.
	chunkRows  = 1000
	chunkBytes = 4 << 20
	// retryAfter is how long a failed round waits for the next try.
	retryAfter = time.Second
	// retainEvery is how often history is looked at when nothing is written.
	retainEvery = 10 * time.Minute
)

// writeBack is the goroutine that moves dirty records into SQLite. Trying again
// after a failed fsync is safe here: SQLite writes the pages anew each time.
func (s *Store) writeBack() {
	timer := time.NewTimer(retainEvery)
	defer timer.Stop()
	armed := false // the timer is set for records, not for history
	for {
		select {
		case <-s.quit:
			return
		case <-s.wake:
			s.mu.RLock()
			due := s.due() && s.failing.Load() == nil
			s.mu.RUnlock()
			if !due {
				if !armed {
					armed = true
					timer.Reset(s.opt.WriteBackAfter)
				}
				continue
			}
		case <-timer.C:
		}
		was := s.failing.Load()
		again, err := s.round(s.quit)
		s.report(was, err)
		armed = true
		switch {
		case err != nil:
			timer.Reset(retryAfter)
		case again:
			timer.Reset(s.opt.WriteBackAfter)
		default:
			armed = false
			timer.Reset(retainEvery)
		}
		if err := s.retain(time.Now()); err != nil {
			s.opt.Logger.Warn("old history of the journal cannot be dropped", "error", err)
		}
	}
}

// report logs when writing back begins to fail and when it works again.
func (s *Store) report(was *error, err error) {
	switch {
	case err != nil && was == nil:
		s.opt.Logger.Error("records cannot be written to the database; they are safe in the journal",
			"error", err, "dirty_bytes", s.cache.dirtyBytes.Load())
	case err == nil && was != nil:
		s.opt.Logger.Info("records are written to the database again")
	}
}

// round writes every record back that is dirty when it begins, in the state
// it has when its turn comes, and then the position of the journal that
// SQLite has reached with them. It ends early, between two transactions, when
// quit is closed. It reports whether records are dirty again.
func (s *Store) round(quit <-chan struct{}) (again bool, err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	keys, at, bytes := s.unwritten, s.visible, s.unapplied
	s.unwritten = nil
	s.mu.Unlock()
	if len(keys) == 0 && at.record == s.applied.Load() {
		return false, nil
	}
	// In the order of the tables, so that neighbours share pages.
	slices.SortFunc(keys, key.compare)
	start := time.Now()
	for {
		select {
		case <-quit:
			s.unwrite(keys)
			return true, nil
		default:
		}
		chunk, left := s.chunk(keys)
		last := len(left) == 0
		if err := s.store(chunk, last, at); err != nil {
			s.failed(keys, err, time.Since(start))
			return true, err
		}
		s.clean(chunk)
		if keys = left; last {
			return s.succeeded(at, bytes, time.Since(start)), nil
		}
	}
}

// unwrite lists keys as unwritten once more.
func (s *Store) unwrite(keys []key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unwritten = append(s.unwritten, keys...)
}

// chunk takes the records of one transaction, as they are now, and returns
// the keys that are left.
func (s *Store) chunk(keys []key) (chunk []dirty, left []key) {
	bytes := int64(0)
	for i, k := range keys {
		if len(chunk) == chunkRows || bytes >= chunkBytes {
			return chunk, keys[i:]
		}
		if d, ok := s.cache.take(k); ok {
			chunk = append(chunk, d)
			bytes += d.size
		}
	}
	return chunk, nil
}

// store writes a chunk in one transaction, with the position if it is the last.
func (s *Store) store(chunk []dirty, last bool, at position) (err error) {
	end, err := sqlitex.ImmediateTransaction(s.writer)
	if err != nil {
		return dbError("write back", s.path, err)
	}
	var buf []byte
	for _, d := range chunk {
		var value []byte
		if d.rec != nil || d.damaged {
			buf = appendValue(buf[:0], d.key, d.rec)
			value = buf
		}
		if err = putRow(s.writer, d.key, value); err != nil {
			break
		}
	}
	if err == nil && last {
		k := key{kind: kindPosition}
		err = putRow(s.writer, k, appendValue(nil, k, at))
	}
	end(&err)
	if err != nil {
		return dbError("write back", s.path, err)
	}
	return nil
}

// clean makes the records of a chunk clean that were not changed meanwhile.
func (s *Store) clean(chunk []dirty) {
	s.scanning.Lock()
	defer s.scanning.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range chunk {
		if !s.cache.written(d) {
			s.unwritten = append(s.unwritten, d.key)
			continue
		}
		switch d.key.kind {
		case kindIdentity:
			s.pending.remove(d.key.id)
		case kindTwin:
			s.newTwins.remove(d.key.id)
		default:
		}
	}
	s.figures.rows.Add(int64(len(chunk)))
	s.announce()
}

// announce wakes the commits that wait for room. s.mu is held for writing.
func (s *Store) announce() {
	close(s.progress)
	s.progress = make(chan struct{})
}

// failed records that a round has failed with keys left to write.
func (s *Store) failed(keys []key, err error, took time.Duration) {
	s.figures.failures.Add(1)
	s.figures.writeBackNS.Add(int64(took))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unwritten = append(s.unwritten, keys...)
	s.failing.Store(&err)
	s.announce() // commits that wait for room are refused now
}

// succeeded records that SQLite has reached a position of the journal.
func (s *Store) succeeded(at position, bytes int64, took time.Duration) (again bool) {
	f := &s.figures
	f.writeBacks.Add(1)
	f.writeBackNS.Add(int64(took))
	f.lastNS.Store(int64(took))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unapplied -= bytes
	s.applied.Store(at.record)
	s.failing.Store(nil)
	return len(s.unwritten) > 0
}

// retain drops the oldest segments of the journal that SQLite no longer needs
// and that are beyond the age or the size of the history.
func (s *Store) retain(now time.Time) error {
	segments := s.log.Segments()
	total := s.log.Bytes()
	oldest := now.Add(-s.opt.HistoryAge).UnixNano()
	before := uint64(0)
	for _, seg := range segments[:len(segments)-1] {
		if seg.Last > s.applied.Load() {
			break
		}
		// The segment ends where the next batch begins.
		t, known := s.batchTime(seg.Last)
		if total <= s.opt.HistoryBytes && (!known || t >= oldest) {
			break
		}
		total -= seg.Bytes
		before = seg.Last + 1
		delete(s.segmentTimes, seg.Last)
	}
	if before == 0 {
		return nil
	}
	err := s.log.Drop(before)
	s.index.sweep()
	return err
}

// batchTime returns when the first batch after a journal record was committed.
func (s *Store) batchTime(after uint64) (unixNano int64, known bool) {
	if t, ok := s.segmentTimes[after]; ok {
		return t, true
	}
	for rec, err := range s.log.Read(after) {
		if err != nil {
			continue // a later one will do: it is younger
		}
		it, err := decodeItem(rec.Payload)
		if err != nil || it.directory == nil {
			continue
		}
		s.segmentTimes[after] = it.directory.time
		return it.directory.time, true
	}
	return 0, false
}
