package spool

import (
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/tvilling/tvilling"
)

const (
	// maxBody is the largest message that a hub takes, in bytes (asc §3.1).
	maxBody = 262144
	// MaxEvent is the largest event that a message can carry, in bytes.
	MaxEvent = maxBody - Envelope
	// MaxMemory bounds what waits in memory while the disk cannot be used.
	MaxMemory = 256 << 10
	// writeAt is how much waits in memory at most before it is written to a file.
	writeAt = 16 << 10
)

// Options are what a spool is made with.
type Options struct {
	// Dir is the folder, which is made if it is not there, readable by its owner
	// only. It must be the spool's own. Empty for a spool in memory, of MaxMemory
	// bytes at most.
	Dir string
	// MaxBytes bounds what waits, in bytes: events and a header of 24 bytes for
	// each. The files may have half a segment more per class on average, of what
	// was sent or dropped already: a segment is a 32nd of MaxBytes, at least
	// 64 KiB and at most 256 KiB.
	MaxBytes int64
}

// Spool has a queue per class. Its methods may be called from several
// goroutines at once. Add, Take, and what only asks do not wait for the disk to
// sync; Sync, Done and Close do, and for each other.
type Spool struct {
	// durable is held by what makes things durable. It is taken before mu.
	durable sync.Mutex

	mu     sync.Mutex
	dir    string
	disk   disk // nil: in memory
	max    int64
	queues [Classes]queue
	counts [Classes]Count
	report Report
	reader reader

	garbage    []string // files that are done
	stateDirty bool
	turn       uint64 // of the state that was written last
	dirDirty   bool
	epoch      int // changes when events get other sequences
	trouble    trouble
}

// Open opens the spool in a folder. A folder that cannot be used is no error:
// the spool is then in memory, which [Spool.Mode] tells, and tries again from
// time to time. An error, a [*tvilling.Error], says that the options are wrong.
func Open(o Options) (*Spool, error) {
	var open func() (disk, error)
	if o.Dir != "" {
		open = func() (disk, error) { return openDir(o.Dir) }
	}
	return newSpool(o, open)
}

func newSpool(o Options, open func() (disk, error)) (*Spool, error) {
	if o.MaxBytes <= 0 {
		return nil, &tvilling.Error{Code: tvilling.InvalidArgument, Op: "open spool", Subject: o.Dir, Message: "The size of the spool is " +
			strconv.FormatInt(o.MaxBytes, 10) + " bytes; it must be more than 0."}
	}
	s := &Spool{dir: o.Dir, max: o.MaxBytes, trouble: trouble{open: open}}
	for c := range Classes {
		s.queues[c] = queue{class: c, salt: newSalt(), pos: 1, next: 1, written: 1, off: headerSize}
		s.queues[c].seed = seedOf(c, s.queues[c].salt)
	}
	if open != nil {
		if err := s.attach(); err != nil {
			s.fail(err)
		}
	}
	return s, nil
}

// Add puts an event, the JSON of an element of Events, into the queue of its
// class, and keeps a copy of it. If that makes the queues too large, the oldest
// event of the least important class that has one is dropped, and so on; the
// new one itself if all that waits is more important. A [*tvilling.Error] says
// that this event is not kept: it is larger than MaxEvent (TooLarge), empty
// (InvalidArgument), or there is no room (Throttled). All but the empty one are
// counted. That the disk fails is no error of Add.
func (s *Spool) Add(c Class, ev []byte) error {
	if c >= Classes || len(ev) == 0 {
		return &tvilling.Error{Code: tvilling.InvalidArgument, Op: "spool event", Subject: c.String(), Message: "An event needs a class and at least one byte."}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[c].Collected++
	if len(ev) > MaxEvent {
		s.drop(c, TooLarge, 1)
		return &tvilling.Error{Code: tvilling.TooLarge, Op: "spool event", Subject: c.String(), Message: fmt.Sprintf(
			"The event has %d bytes; a message can carry at most %d. Collect less in one event.", len(ev), MaxEvent)}
	}
	need := int64(recordSize + len(ev))
	if !s.makeRoom(c, need) {
		s.drop(c, Full, 1)
		return &tvilling.Error{Code: tvilling.Throttled, Op: "spool event", Subject: c.String(), Message: fmt.Sprintf(
			"The spool is full of events that are more important; it has room for %d bytes.", s.max)}
	}
	q := &s.queues[c]
	q.push(uint32(max(time.Now().Unix(), 0)), ev)
	if q.tailBytes() > writeAt && s.usable() {
		if err := s.write(q); err != nil {
			s.fail(err)
		}
	}
	return nil
}

// drop counts events that are not sent and never will be.
func (s *Spool) drop(c Class, why Reason, n uint64) {
	s.counts[c].Dropped[why] += n
	s.stateDirty = true
}

// makeRoom drops events until one of class c with so many bytes has room, and
// reports whether it has; if not, nothing is dropped for it.
func (s *Spool) makeRoom(c Class, need int64) bool {
	waiting := func(q *queue) (int, int64) { return q.events, q.bytes }
	inMemory := func(q *queue) (int, int64) { return q.tailEvents, q.tailBytes() }
	if s.usable() {
		return s.shed(c, s.max-need, waiting, s.dropOldest)
	}
	// What the disk does not take has to have room in memory.
	return need <= min(s.max, MaxMemory) &&
		s.shed(c, s.max-need, waiting, s.dropOldest) &&
		s.shed(c, MaxMemory-need, inMemory, s.dropOldestInMemory)
}

// shed drops the oldest events of the least important class that has one until
// their size is at most limit. It reports false, and drops nothing, if that
// took some of a class that is more important than c.
func (s *Spool) shed(c Class, limit int64, size func(*queue) (int, int64), drop func(Class)) bool {
	var all, above int64
	for v := range s.queues {
		_, n := size(&s.queues[v])
		all += n
		if Class(v) < c {
			above += n
		}
	}
	if above > limit {
		return false
	}
	v := Classes - 1
	for all > limit {
		events, before := size(&s.queues[v])
		if events == 0 {
			if v == c {
				return false
			}
			v--
			continue
		}
		drop(v)
		_, after := size(&s.queues[v])
		all -= before - after
	}
	return true
}

// dropOldestInMemory drops the oldest event of a class that is in memory only;
// the class has one.
func (s *Spool) dropOldestInMemory(c Class) {
	s.queues[c].dropTail()
	s.drop(c, Full, 1)
}

// dropOldest drops the oldest event of a class, which has one. If it cannot be
// read, those up to the next that can go with it.
func (s *Spool) dropOldest(c Class) {
	q := &s.queues[c]
	if !q.onDisk() {
		s.dropOldestInMemory(c)
		return
	}
	g := &q.segs[0]
	_, next, err := s.reader.header(s.disk, q, g, place{q.off, q.pos})
	if err != nil {
		next = place{g.size, g.end}
	}
	s.drop(c, Full, next.seq-q.pos)
	q.dropTo(next)
	s.discard(q.trim())
}

// discard forgets files, which the next Sync or Done removes.
func (s *Spool) discard(names []string) {
	if len(names) == 0 {
		return
	}
	for _, name := range names {
		if name == s.reader.name {
			s.reader.close() // an open file keeps its blocks
		}
	}
	s.garbage = append(s.garbage, names...)
	s.stateDirty = true
}

// bytes returns what waits in all queues.
func (s *Spool) bytes() int64 {
	var n int64
	for c := range s.queues {
		n += s.queues[c].bytes
	}
	return n
}

// Resize changes the bound of what waits, in bytes; at least one. What is over
// it is dropped as by Add.
func (s *Spool) Resize(maxBytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.max = max(maxBytes, 1)
	s.makeRoom(High, 0)
}

// Waiting returns how many events wait in a class, and how many bytes they are.
// Those of a message that is under way still wait.
func (s *Spool) Waiting(c Class) (events int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := &s.queues[c]
	return q.events, max(q.bytes-recordSize*int64(q.events), int64(q.events))
}

// Oldest returns when the oldest event that waits in a class was added, to the
// second by the clock of that time; zero if none waits or it cannot be read.
func (s *Spool) Oldest(c Class) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := &s.queues[c]
	var r record
	switch {
	case q.events == 0:
		return time.Time{}
	case !q.onDisk():
		r = plainRecord(q.tail[q.cut:])
	default:
		var err error
		if r, _, err = s.reader.header(s.disk, q, &q.segs[0], place{q.off, q.pos}); err != nil || r.length == 0 {
			return time.Time{}
		}
	}
	return time.Unix(int64(r.seconds), 0)
}
