package history

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin"
)

// Store reads records and the journal; a [state.Store] is one.
type Store interface {
	Identity(ctx context.Context, id tvilling.Identity) (*state.Identity, error)
	Twin(ctx context.Context, id tvilling.Identity) (*state.Twin, error)
	Changes(ctx context.Context, after uint64) iter.Seq2[state.Change, error]
	History(ctx context.Context, id tvilling.Identity, until uint64) iter.Seq2[state.Past, error]
}

// Twins writes twins; a [twin.Service] does.
type Twins interface {
	Replace(ctx context.Context, id tvilling.Identity, u twin.Update, match tvilling.Match, actor string) (twin.View, error)
}

// Service reads the history of twins. It is safe for concurrent use.
type Service struct {
	store Store
	twins Twins
	live  func(id tvilling.Identity) bool

	// mu guards the oldest change, as of when it was looked for.
	mu     sync.Mutex
	oldest Mark
	looked time.Time
}

// New returns a service. live says whether an identity is connected now.
func New(store Store, twins Twins, live func(id tvilling.Identity) bool) *Service {
	return &Service{store: store, twins: twins, live: live}
}

// Mark is a place in the journal.
type Mark struct {
	Sequence uint64
	Time     time.Time
}

// keptFor is how long the oldest change is taken for the oldest: to find it may
// mean to read a large batch, every history asks for it, and only retention moves
// it, a file of the journal at a time.
const keptFor = 10 * time.Second

// Kept returns the oldest change that the journal keeps, or kept seconds ago; the
// zero Mark if there is none.
func (s *Service) Kept(ctx context.Context) (Mark, error) {
	s.mu.Lock()
	oldest, fresh := s.oldest, time.Since(s.looked) < keptFor
	s.mu.Unlock()
	if fresh && oldest.Sequence != 0 {
		return oldest, nil
	}
	oldest, err := s.first(ctx)
	if err == nil {
		s.mu.Lock()
		s.oldest, s.looked = oldest, time.Now()
		s.mu.Unlock()
	}
	return oldest, err
}

// first is Kept as of now, for what would be wrong otherwise.
func (s *Service) first(ctx context.Context) (Mark, error) {
	for c, err := range s.store.Changes(ctx, 0) {
		if tvilling.CodeOf(err) == tvilling.Corrupt {
			continue
		}
		return Mark{Sequence: c.Sequence, Time: c.Time}, err
	}
	return Mark{}, nil
}

// notKept is the error for a point that the journal does not reach back to.
func notKept(id tvilling.Identity, point Point, since Mark) error {
	e := tvilling.Errorf(tvilling.NotFound, "The history of %s does not reach back to %s.", id, point)
	if since.Sequence > 0 {
		e = tvilling.Errorf(tvilling.NotFound, "The history of %s does not reach back to %s: it is kept since %s, sequence %d. How long it is kept is set by [history] of the configuration.",
			id, point, since.Time.Format(time.RFC3339), since.Sequence)
	}
	return about(e, id)
}

func about(err error, id tvilling.Identity) error {
	e, ok := err.(*tvilling.Error) //nolint:errorlint // it was made here
	if !ok {
		return err
	}
	e.Op, e.Subject = "read history", id.String()
	return e
}

// unregistered is the error for an identity of which nothing is known.
func unregistered(id tvilling.Identity) error {
	if id.IsModule() {
		return about(tvilling.Errorf(tvilling.ModuleNotFound, "Module %s not registered on device %s, and nothing is kept of it", id.Module, id.Device), id)
	}
	return about(tvilling.Errorf(tvilling.DeviceNotFound, "Device %s not registered, and nothing is kept of it", id.Device), id)
}

// Point is a moment in the history of an identity. One member is set.
type Point struct {
	// Version is the last moment at which the twin had this version, in the
	// newest life of the identity that had it.
	Version int64
	// Time is after everything up to it.
	Time time.Time
	// Sequence is after the change of this sequence, and all before it.
	Sequence uint64
	// Now is the present.
	Now bool
}

// String names the point for people.
func (p Point) String() string {
	switch {
	case p.Version > 0:
		return fmt.Sprintf("version %d", p.Version)
	case !p.Time.IsZero():
		return p.Time.UTC().Format(time.RFC3339Nano)
	case p.Now:
		return "now"
	}
	return fmt.Sprintf("sequence %d", p.Sequence)
}

// reached reports whether a change, looking back from now, is the one at the
// point.
func (p Point) reached(c *state.Change) bool {
	switch {
	case p.Version > 0:
		return c.Version == p.Version && touchesTwin(c.Op)
	case !p.Time.IsZero():
		return !c.Time.After(p.Time)
	}
	return c.Sequence <= p.Sequence
}
