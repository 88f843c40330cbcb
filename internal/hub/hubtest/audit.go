package hubtest

import (
	"context"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/tvilling/tvilling/internal/hub/audit"
)

// AuditStore keeps an audit log in memory. The zero value is empty.
type AuditStore struct {
	mu      sync.Mutex
	entries []audit.Entry
	cursors map[string]uint64
}

// Append keeps entries and places.
func (s *AuditStore) Append(entries []audit.Entry, cursors map[string]uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range entries {
		entries[i].Sequence = uint64(len(s.entries) + 1)
		s.entries = append(s.entries, entries[i])
	}
	s.cursors = maps.Clone(cursors)
	return nil
}

// Cursors returns the places.
func (s *AuditStore) Cursors() (map[string]uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.cursors), nil
}

// Read yields the entries after a sequence.
func (s *AuditStore) Read(_ context.Context, after uint64) iter.Seq2[audit.Entry, error] {
	s.mu.Lock()
	list := slices.Clone(s.entries[min(after, uint64(len(s.entries))):])
	s.mu.Unlock()
	return func(yield func(audit.Entry, error) bool) {
		for _, e := range list {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// First returns the oldest sequence.
func (s *AuditStore) First() uint64 { return 1 }

// Head returns the newest sequence.
func (s *AuditStore) Head() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return uint64(len(s.entries))
}
