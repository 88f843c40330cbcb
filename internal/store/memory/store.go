package memory

import (
	"context"
	"iter"
	"maps"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// Store is a [state.Store] without durability. Make one with [New].
type Store struct {
	mu         sync.RWMutex
	identities map[tvilling.Identity]*state.Identity
	twins      map[tvilling.Identity]*state.Twin
	sessions   map[tvilling.Identity]*state.Session
	settings   map[string][]byte
	counters   state.Counters
	changes    []state.Change
	batches    []batch
	closed     bool
}

var _ state.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store {
	return &Store{
		identities: make(map[tvilling.Identity]*state.Identity),
		twins:      make(map[tvilling.Identity]*state.Twin),
		sessions:   make(map[tvilling.Identity]*state.Session),
		settings:   make(map[string][]byte),
	}
}

func (s *Store) check(ctx context.Context, op string) error {
	if s.closed {
		return &tvilling.Error{Code: tvilling.Unavailable, Op: op, Message: "The store is closed."}
	}
	if err := context.Cause(ctx); err != nil {
		return &tvilling.Error{Code: tvilling.Unavailable, Op: op, Message: "The call was given up before it was answered.", Err: err}
	}
	return nil
}

// Commit applies b at once.
func (s *Store) Commit(_ context.Context, b *state.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.check(context.Background(), "commit"); err != nil {
		return err
	}
	if err := s.checkBatch(b); err != nil {
		return err
	}
	for _, w := range b.Writes {
		s.write(w)
	}
	s.changes = append(s.changes, b.Changes...)
	sequence, _ := s.head()
	s.batches = append(s.batches, batch{Batch: *b, sequence: sequence, time: time.Now()})
	return nil
}

// checkBatch refuses what only a fault of the caller can produce.
func (s *Store) checkBatch(b *state.Batch) error {
	last, _ := s.head()
	for _, c := range b.Changes {
		if c.Sequence <= last {
			return tvilling.Errorf(tvilling.Internal, "change %d follows change %d", c.Sequence, last)
		}
		last = c.Sequence
	}
	for _, w := range b.Writes {
		set := 0
		for _, is := range []bool{w.Identity != nil, w.Twin != nil, w.Session != nil, w.Counters != nil, w.Setting != nil, w.Delete} {
			if is {
				set++
			}
		}
		if set != 1 {
			return tvilling.Errorf(tvilling.Internal, "a write of %s names %d records, not 1", w.ID, set)
		}
	}
	return nil
}

func (s *Store) write(w state.Write) {
	switch {
	case w.Delete:
		delete(s.identities, w.ID)
		delete(s.twins, w.ID)
		delete(s.sessions, w.ID)
	case w.Identity != nil:
		s.identities[w.ID] = w.Identity
	case w.Twin != nil:
		s.twins[w.ID] = w.Twin
	case w.Session != nil:
		s.sessions[w.ID] = w.Session
	case w.Counters != nil:
		s.counters = *w.Counters
	case w.Setting.Value == nil:
		delete(s.settings, w.Setting.Name)
	default:
		s.settings[w.Setting.Name] = w.Setting.Value
	}
}

// Identity returns the identity record of id.
func (s *Store) Identity(ctx context.Context, id tvilling.Identity) (*state.Identity, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.identities[id], s.check(ctx, "read identity")
}

// Twin returns the twin of id.
func (s *Store) Twin(ctx context.Context, id tvilling.Identity) (*state.Twin, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.twins[id], s.check(ctx, "read twin")
}

// Session returns the session record of id.
func (s *Store) Session(ctx context.Context, id tvilling.Identity) (*state.Session, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.sessions[id], s.check(ctx, "read session")
}

// Counters returns the statistics of the registry.
func (s *Store) Counters(ctx context.Context) (state.Counters, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.counters, s.check(ctx, "read counters")
}

// Setting returns the value of a setting.
func (s *Store) Setting(ctx context.Context, name string) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.settings[name], s.check(ctx, "read setting")
}

// Scan yields the identities of r as they were when it began.
func (s *Store) Scan(ctx context.Context, r state.Range) iter.Seq2[state.Entry, error] {
	return func(yield func(state.Entry, error) bool) {
		entries, err := s.entries(ctx, r)
		if err != nil {
			yield(state.Entry{}, err)
			return
		}
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (s *Store) entries(ctx context.Context, r state.Range) ([]state.Entry, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.check(ctx, "scan"); err != nil {
		return nil, err
	}
	var found []state.Entry
	if r.Bare {
		for _, id := range slices.SortedFunc(maps.Keys(s.twins), tvilling.Identity.Compare) {
			if contains(r, id) {
				found = append(found, state.Entry{ID: id, Twin: s.twins[id]})
			}
		}
		return found, nil
	}
	for _, id := range slices.SortedFunc(maps.Keys(s.identities), tvilling.Identity.Compare) {
		if contains(r, id) {
			found = append(found, state.Entry{ID: id, Identity: s.identities[id], Twin: s.twins[id]})
		}
	}
	return found, nil
}

func contains(r state.Range, id tvilling.Identity) bool {
	switch {
	case r.Kind == state.Devices && id.IsModule(), r.Kind == state.Modules && !id.IsModule():
		return false
	case r.Device != "" && id.Device != r.Device:
		return false
	case r.Until != (tvilling.Identity{}) && id.Compare(r.Until) > 0:
		return false
	default:
		return id.Compare(r.After) > 0
	}
}

// Changes yields the changes after a sequence that were there when it began.
func (s *Store) Changes(ctx context.Context, after uint64) iter.Seq2[state.Change, error] {
	return func(yield func(state.Change, error) bool) {
		s.mu.RLock()
		changes, err := s.changes, s.check(ctx, "read changes")
		s.mu.RUnlock()
		if err != nil {
			yield(state.Change{}, err)
			return
		}
		first := sort.Search(len(changes), func(i int) bool { return changes[i].Sequence > after })
		for _, c := range changes[first:] {
			if !yield(c, nil) {
				return
			}
		}
	}
}

// Head returns the sequence and time of the newest change.
func (s *Store) Head() (sequence uint64, unixNano int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.head()
}

func (s *Store) head() (sequence uint64, unixNano int64) {
	if len(s.changes) == 0 {
		return 0, 0
	}
	last := s.changes[len(s.changes)-1]
	return last.Sequence, last.Time.UnixNano()
}

// Close ends the store; every later call is refused.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}
