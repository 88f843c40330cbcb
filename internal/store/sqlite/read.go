package sqlite

import (
	"context"

	"zombiezen.com/go/sqlite"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// Identity returns the identity record of id.
func (s *Store) Identity(ctx context.Context, id tvilling.Identity) (*state.Identity, error) {
	return lookup[*state.Identity](ctx, s, key{kindIdentity, id})
}

// Twin returns the twin of id.
func (s *Store) Twin(ctx context.Context, id tvilling.Identity) (*state.Twin, error) {
	return lookup[*state.Twin](ctx, s, key{kindTwin, id})
}

// Session returns the session record of id.
func (s *Store) Session(ctx context.Context, id tvilling.Identity) (*state.Session, error) {
	return lookup[*state.Session](ctx, s, key{kindSession, id})
}

// Counters returns the statistics of the registry.
func (s *Store) Counters(ctx context.Context) (state.Counters, error) {
	c, err := lookup[*state.Counters](ctx, s, key{kind: kindCounters})
	if c == nil {
		return state.Counters{}, err
	}
	return *c, err
}

// Setting returns the value of a setting.
func (s *Store) Setting(ctx context.Context, name string) ([]byte, error) {
	return lookup[setting](ctx, s, settingKey(name))
}

func settingKey(name string) key {
	return key{kindSetting, tvilling.Identity{Device: tvilling.DeviceID(name)}}
}

// lookup is record with the type of its kind.
func lookup[T any](ctx context.Context, s *Store, k key) (T, error) {
	rec, err := s.record(ctx, k)
	if rec == nil || err != nil {
		var none T
		return none, err
	}
	return rec.(T), nil
}

// record returns a record from memory or from SQLite, nil if there is none.
func (s *Store) record(ctx context.Context, k key) (any, error) {
	if ctx.Err() != nil {
		return nil, givenUp(ctx)
	}
	s.mu.RLock()
	closed, f := s.closed, s.cache.get(k)
	s.mu.RUnlock()
	switch {
	case closed:
		return nil, errClosed("read " + k.kind.String())
	case f.damaged:
		return nil, s.refuse(k.damaged(reasonJournal))
	case f.known:
		return f.rec, nil
	}
	var rec any
	err := s.pool.use(ctx, func(conn *sqlite.Conn) error {
		value, err := getRow(conn, k)
		if err != nil {
			return dbError("read "+k.kind.String(), k.id.String(), err)
		}
		if value != nil {
			rec, err = decodeValue(k, value)
		}
		return err
	})
	if err != nil {
		return nil, s.refuse(err)
	}
	s.cache.fill(k, rec, f.generation)
	return rec, nil
}

// refuse counts an error that is damage.
func (s *Store) refuse(err error) error {
	if tvilling.CodeOf(err) == tvilling.Corrupt {
		s.figures.corrupted.Add(1)
	}
	return err
}
