package sqlite

import (
	"sync/atomic"
	"time"
)

// Stats is a snapshot of a store's figures.
type Stats struct {
	// JournalBytes is the size of the journal on disk; JournalRecords counts
	// the records ever appended to it.
	JournalBytes   int64
	JournalRecords uint64
	// Replayed is how many batches the start took from the journal.
	Replayed int64
	// DirtyCount and DirtyBytes are the records that SQLite does not hold yet.
	DirtyCount, DirtyBytes int64
	// CacheBytes, CacheHits and CacheMisses are of the records kept to be read.
	CacheBytes, CacheHits, CacheMisses int64
	// WriteBacks counts finished rounds of writing back, WriteBackRows the
	// records written by them, WriteBackTime the time they took,
	// WriteBackFailures the rounds that failed.
	WriteBacks, WriteBackRows, WriteBackFailures int64
	WriteBackTime, LastWriteBack                 time.Duration
	// WriteBackError says why the last round failed; nil when it did not.
	WriteBackError error
	// Stalls counts the commits that waited for writing back, StallTime how
	// long; Refused those that were refused for want of space.
	Stalls, Refused int64
	StallTime       time.Duration
	// Corrupt counts the reads refused because of damage.
	Corrupt int64
	// Append is how long appends to the journal took, fsync included.
	Append Histogram
}

// Histogram counts durations by upper bound: Counts[i] those up to
// HistogramBounds[i], the last one all longer ones.
type Histogram struct {
	Counts [len(HistogramBounds) + 1]int64
	Sum    time.Duration
}

// HistogramBounds are the upper bounds of a [Histogram].
var HistogramBounds = [...]time.Duration{
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, time.Second,
}

// figures are the live figures of a store that have no better home.
type figures struct {
	replayed                            int64
	writeBacks, rows, failures, lastNS  atomic.Int64
	writeBackNS                         atomic.Int64
	stalls, stallNS, refused, corrupted atomic.Int64
	appends                             [len(HistogramBounds) + 1]atomic.Int64
	appendNS                            atomic.Int64
}

func (f *figures) observeAppend(took time.Duration) {
	i := 0
	for i < len(HistogramBounds) && took > HistogramBounds[i] {
		i++
	}
	f.appends[i].Add(1)
	f.appendNS.Add(int64(took))
}

// Stats returns the store's figures.
func (s *Store) Stats() Stats {
	f := &s.figures
	st := Stats{
		JournalBytes: s.log.Bytes(), JournalRecords: s.log.Head(), Replayed: f.replayed,
		DirtyCount: s.cache.dirtyCount.Load(), DirtyBytes: s.cache.dirtyBytes.Load(),
		CacheBytes: s.cache.cleanBytes(), CacheHits: s.cache.hits.Load(), CacheMisses: s.cache.misses.Load(),
		WriteBacks: f.writeBacks.Load(), WriteBackRows: f.rows.Load(), WriteBackFailures: f.failures.Load(),
		WriteBackTime: time.Duration(f.writeBackNS.Load()), LastWriteBack: time.Duration(f.lastNS.Load()),
		Stalls: f.stalls.Load(), StallTime: time.Duration(f.stallNS.Load()), Refused: f.refused.Load(),
		Corrupt: f.corrupted.Load(),
	}
	st.Append.Sum = time.Duration(f.appendNS.Load())
	for i := range f.appends {
		st.Append.Counts[i] = f.appends[i].Load()
	}
	if err := s.failing.Load(); err != nil {
		st.WriteBackError = *err
	}
	return st
}
