package sqlite

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// cache holds records in memory by key: those that SQLite does not hold yet
// (dirty), which stay, and a bounded number of those that it does (clean),
// which leave by second chance. It is split into shards, each with a lock that
// is held for moments.
type cache struct {
	seed   maphash.Seed
	shards [shardCount]shard

	dirtyCount, dirtyBytes atomic.Int64
	hits, misses           atomic.Int64
}

const shardCount = 64

type shard struct {
	mu      sync.Mutex
	entries map[key]*entry
	// clean is a ring of the clean entries with clean.next the newest and
	// clean.prev the next candidate to leave.
	clean      entry
	cleanBytes int64
	cleanLimit int64
	// generation counts the puts: a reader that took a record from SQLite
	// may keep it only if there was none meanwhile.
	generation uint64
}

// entry is a record in memory. The lock of its shard guards it.
type entry struct {
	key key
	// rec is nil for a record that is known not to exist, or, with damaged
	// set, known to be lost.
	rec     any
	damaged bool
	// record is the journal record that this state is from.
	record  uint64
	dirty   bool
	touched bool
	// stored says that SQLite is known to have a value of the record.
	stored bool
	size   int64

	prev, next *entry
}

func newCache(bytes int64) *cache {
	c := &cache{seed: maphash.MakeSeed()}
	for i := range c.shards {
		s := &c.shards[i]
		s.entries = make(map[key]*entry)
		s.cleanLimit = bytes / shardCount
		s.clean.prev, s.clean.next = &s.clean, &s.clean
	}
	return c
}

func (c *cache) shard(k key) *shard {
	return &c.shards[maphash.Comparable(c.seed, k)%shardCount]
}

// found is what the cache knows of a record.
type found struct {
	rec     any
	known   bool
	damaged bool
	// generation is what fill wants to see again, if known is false.
	generation uint64
}

// get looks a record up.
func (c *cache) get(k key) found {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[k]
	if e == nil {
		c.misses.Add(1)
		return found{generation: s.generation}
	}
	c.hits.Add(1)
	e.touched = true
	return found{rec: e.rec, known: true, damaged: e.damaged}
}

// peek is get for a reader that passes by many records once: it neither
// counts nor makes the record stay longer.
func (c *cache) peek(k key) found {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[k]
	if e == nil {
		return found{}
	}
	return found{rec: e.rec, known: true, damaged: e.damaged}
}

// fill keeps what a reader found in SQLite, unless the record was written
// since its get.
func (c *cache) fill(k key, rec any, generation uint64) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.generation != generation || s.entries[k] != nil {
		return
	}
	e := &entry{key: k, rec: rec, stored: rec != nil, size: sizeOf(k, rec)}
	s.entries[k] = e
	s.addClean(e)
}

// put makes a record dirty. It reports whether it was not so before, and
// whether SQLite is known to have a value of it until it is clean again.
func (c *cache) put(k key, rec any, damaged bool, record uint64) (fresh, stored bool) {
	size := sizeOf(k, rec)
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation++
	e := s.entries[k]
	if e == nil {
		e = &entry{key: k}
		s.entries[k] = e
	}
	fresh = !e.dirty
	switch {
	case !fresh:
		c.dirtyBytes.Add(size - e.size)
	default:
		s.removeClean(e)
		c.dirtyCount.Add(1)
		c.dirtyBytes.Add(size)
	}
	e.rec, e.damaged, e.record, e.dirty, e.touched, e.size = rec, damaged, record, true, true, size
	// A round that is under way may delete the value, now or in a moment.
	e.stored = e.stored && (rec != nil || damaged)
	return fresh, e.stored
}

// dirty is a record to be written back.
type dirty struct {
	key     key
	rec     any
	damaged bool
	record  uint64
	size    int64
}

// take returns a dirty record as it is now.
func (c *cache) take(k key) (dirty, bool) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[k]
	if e == nil || !e.dirty {
		return dirty{}, false
	}
	return dirty{key: k, rec: e.rec, damaged: e.damaged, record: e.record, size: e.size}, true
}

// written makes a record clean that SQLite now holds as of d. It reports false
// when the record was changed since, and stays dirty.
func (c *cache) written(d dirty) bool {
	s := c.shard(d.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[d.key]
	if e.record != d.record {
		return false
	}
	e.dirty, e.stored = false, e.rec != nil || e.damaged
	c.dirtyCount.Add(-1)
	c.dirtyBytes.Add(-e.size)
	s.addClean(e)
	return true
}

// cleanBytes returns the memory of all clean records.
func (c *cache) cleanBytes() int64 {
	var n int64
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		n += s.cleanBytes
		s.mu.Unlock()
	}
	return n
}

// addClean links a clean entry and lets others leave. s.mu is held.
func (s *shard) addClean(e *entry) {
	e.touched = false
	s.link(e)
	s.cleanBytes += e.size
	for s.cleanBytes > s.cleanLimit {
		old := s.clean.prev
		s.unlink(old)
		if old.touched {
			old.touched = false
			s.link(old)
			continue
		}
		s.cleanBytes -= old.size
		delete(s.entries, old.key)
	}
}

// removeClean unlinks an entry if it is clean and linked. s.mu is held.
func (s *shard) removeClean(e *entry) {
	if e.next == nil {
		return
	}
	s.unlink(e)
	s.cleanBytes -= e.size
}

func (s *shard) link(e *entry) {
	e.prev, e.next = &s.clean, s.clean.next
	e.next.prev = e
	s.clean.next = e
}

func (s *shard) unlink(e *entry) {
	e.prev.next, e.next.prev = e.next, e.prev
	e.prev, e.next = nil, nil
}
