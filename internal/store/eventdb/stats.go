package eventdb

import (
	"sync/atomic"
	"time"
)

// Stats are figures of a store. Counters count from Open.
type Stats struct {
	// Days is how many files there are, Bytes what they take on disk, First
	// the day of the oldest (zero if there is none).
	Days  int
	Bytes int64
	First time.Time
	// Stored and Letters are how many events and dead letters are on disk,
	// Blocks in how many blocks.
	Stored, Letters, Blocks int64
	// OpenEvents and OpenBytes are what waits in memory.
	OpenEvents int64
	OpenBytes  int
	// Position is the newest message dealt with, Durable the newest up to
	// which all is on disk.
	Position, Durable uint64

	// Events and Duplicates are those of new messages: kept, and not kept.
	Events, Duplicates int64
	// DeadLetters were kept; DeadLettersShed were only counted.
	DeadLetters, DeadLettersShed int64
	// Flushes were done in FlushTime, the last one in LastFlush; FlushErrors
	// failed.
	Flushes, FlushErrors int64
	FlushTime, LastFlush time.Duration
	// Dropped is how many files retention has removed.
	Dropped int64
	// BlocksRead were decompressed. Corrupt counts meetings with damage.
	BlocksRead, Corrupt int64
}

type figures struct {
	events, duplicates, dead, lettersShed atomic.Int64
	flushes, flushErrors, flushNS, lastNS atomic.Int64
	dropped, blocksRead, corrupt          atomic.Int64
}

func (f *figures) added(all, fresh, letters int) {
	f.events.Add(int64(fresh))
	f.duplicates.Add(int64(all - fresh))
	f.dead.Add(int64(letters))
}

func (f *figures) flushed(took time.Duration) {
	f.flushes.Add(1)
	f.flushNS.Add(int64(took))
	f.lastNS.Store(int64(took))
}

// Stats returns the figures of now. It looks at the size of every file.
func (db *DB) Stats() Stats {
	f := &db.figures
	s := Stats{
		Events: f.events.Load(), Duplicates: f.duplicates.Load(),
		DeadLetters: f.dead.Load(), DeadLettersShed: f.lettersShed.Load(),
		Flushes: f.flushes.Load(), FlushErrors: f.flushErrors.Load(),
		FlushTime: time.Duration(f.flushNS.Load()), LastFlush: time.Duration(f.lastNS.Load()),
		Dropped: f.dropped.Load(), BlocksRead: f.blocksRead.Load(), Corrupt: f.corrupt.Load(),
	}
	db.mu.RLock()
	parts := db.parts
	s.OpenEvents, s.OpenBytes = db.open.events, db.open.bytes
	s.Position, s.Durable = db.position, db.durable
	for _, p := range parts {
		s.Stored += p.sum.events
		s.Letters += p.sum.letters
		s.Blocks += p.sum.blocks
	}
	db.mu.RUnlock()
	s.Days = len(parts)
	for _, p := range parts {
		s.Bytes += p.size()
	}
	if len(parts) > 0 {
		s.First = parts[0].day
	}
	return s
}
