package spool

import (
	"errors"
	"time"

	"github.com/tvilling/tvilling"
)

// How long a disk that failed is left alone: the first time, and at most.
const (
	firstRetry = 10 * time.Second
	lastRetry  = 5 * time.Minute
)

// trouble is why the disk is not used.
type trouble struct {
	// open opens the folder; nil for a spool in memory.
	open func() (disk, error)
	err  error // nil: no trouble
	wait time.Duration
	next time.Time // when to try again
}

// freed says that the disk has more room than before.
func (t *trouble) freed() { t.next = time.Time{} }

// usable reports whether events can be written to the disk. s.mu is held.
func (s *Spool) usable() bool { return s.disk != nil && s.trouble.err == nil }

// fail leaves the disk alone for a while. s.mu is held.
func (s *Spool) fail(err error) {
	t := &s.trouble
	t.err = err
	t.wait = min(max(2*t.wait, firstRetry), lastRetry)
	t.next = time.Now().Add(t.wait)
}

// unusable returns the error that says why events are in memory only.
func (s *Spool) unusable() error {
	return &tvilling.Error{Code: tvilling.Unavailable, Op: "sync spool", Subject: s.dir, Message: s.trouble.why(), Err: s.trouble.err}
}

// Sync makes durable what was added until then: when it returns nil, events
// outlast a crash and a power cut. It does nothing if nothing was added. An
// error, a [*tvilling.Error] of code Unavailable, says that events are in
// memory only, or written but perhaps not durable; Sync then leaves the disk
// alone for 10 seconds, and longer if it fails again, up to 5 minutes. What was
// written when the disk failed to sync is not synced again, as kernels forget
// that it is to be. A spool without a folder has nothing to sync.
func (s *Spool) Sync() error {
	s.durable.Lock()
	defer s.durable.Unlock()
	d, names, err := s.writeAll()
	if d == nil {
		return err
	}
	failed := map[string]bool{}
	for _, name := range names {
		if e := d.Sync(name); e != nil {
			failed[name] = true
			err = e
		}
	}
	err = errors.Join(err, s.syncDir(d))
	s.mu.Lock()
	if err != nil {
		s.closeSegments(failed)
		s.fail(err)
		err = s.unusable()
	} else if len(names) > 0 { // else there is no sign that the disk works
		s.trouble.err, s.trouble.wait = nil, 0
	}
	s.mu.Unlock()
	if e := s.saveState(); err == nil {
		err = e
	}
	return err
}

// writeAll writes what is in memory to files, and returns the names of those
// that are to be synced. The disk is nil if it is not to be used now.
func (s *Spool) writeAll() (disk, []string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.trouble.open == nil:
		return nil, nil, nil
	case s.trouble.err != nil && time.Now().Before(s.trouble.next):
		if s.pending() {
			return nil, nil, s.unusable()
		}
		return nil, nil, nil
	}
	if s.trouble.err != nil && s.disk != nil && !s.disk.Here() {
		s.detach()
	}
	if s.disk == nil {
		if err := s.attach(); err != nil {
			s.fail(err)
			return nil, nil, s.unusable()
		}
	}
	var err error
	var names []string
	for c := range s.queues {
		q := &s.queues[c]
		if err == nil {
			err = s.write(q)
		}
		for i := len(q.segs) - 1; i >= 0 && q.segs[i].dirty; i-- {
			q.segs[i].dirty = false
			names = append(names, q.name(&q.segs[i]))
		}
	}
	return s.disk, names, err
}

// syncDir makes durable that files were made, if some were.
func (s *Spool) syncDir(d disk) error {
	s.mu.Lock()
	dirty := s.dirDirty
	s.dirDirty = false
	s.mu.Unlock()
	if !dirty {
		return nil
	}
	err := d.SyncDir()
	if err != nil {
		s.mu.Lock()
		s.dirDirty = true
		s.mu.Unlock()
	}
	return err
}

// Close does what Sync does, and lets go of the folder. The spool must not be
// used afterwards.
func (s *Spool) Close() error {
	s.mu.Lock()
	s.stateDirty = true // for the counts of what never was on the disk
	s.mu.Unlock()
	err := s.Sync()
	s.durable.Lock()
	defer s.durable.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reader.close()
	d := s.disk
	s.disk, s.trouble.open = nil, nil
	if d == nil {
		return err
	}
	return errors.Join(err, d.Close())
}

// pending reports whether there is an event that is not durable yet.
func (s *Spool) pending() bool {
	for c := range s.queues {
		q := &s.queues[c]
		if n := len(q.segs); q.tailEvents > 0 || n > 0 && q.segs[n-1].dirty {
			return true
		}
	}
	return false
}

// closeSegments adds no more to files.
func (s *Spool) closeSegments(names map[string]bool) {
	for c := range s.queues {
		q := &s.queues[c]
		if n := len(q.segs); n > 0 && names[q.name(&q.segs[n-1])] {
			q.segs[n-1].open = false
			s.discard(q.trim())
		}
	}
}
