package securitydb

import (
	"sync/atomic"
	"time"
)

// Stats is a snapshot of a store's figures.
type Stats struct {
	// Commits counts the batches that are durable, Records what they put, and
	// CommitTime how long they took; Refused counts those of which nothing was
	// kept.
	Commits, Records, Refused int64
	CommitTime                time.Duration
	// Checkpoints counts how often the write-ahead log was moved into the
	// database file, CheckpointTime how long commits waited for that, and
	// CheckpointFailures how often it failed.
	Checkpoints, CheckpointFailures int64
	CheckpointTime                  time.Duration
	// Corrupt counts the reads refused because of damage.
	Corrupt int64
	// Lost says why the store takes no more commits; nil while it does.
	Lost error
}

// figures are the live figures of a store.
type figures struct {
	commits, records, refused, commitNS     atomic.Int64
	checkpoints, checkpointFailures, waitNS atomic.Int64
	corrupt                                 atomic.Int64
}

// Stats returns the store's figures.
func (s *Store) Stats() Stats {
	f := &s.figures
	st := Stats{
		Commits: f.commits.Load(), Records: f.records.Load(), Refused: f.refused.Load(), CommitTime: time.Duration(f.commitNS.Load()),
		Checkpoints: f.checkpoints.Load(), CheckpointFailures: f.checkpointFailures.Load(), CheckpointTime: time.Duration(f.waitNS.Load()),
		Corrupt: f.corrupt.Load(),
	}
	if err := s.lost.Load(); err != nil {
		st.Lost = *err
	}
	return st
}
