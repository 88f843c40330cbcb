package session

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// Options describe a connection that has proven who it is.
type Options struct {
	ID        tvilling.Identity
	Principal auth.Principal
	// Clean asks for a session that keeps nothing beyond the connection.
	Clean bool
	// ClientType is what the client says it is, ModelID its model (DTMI).
	ClientType, ModelID string
	// Transport and Remote are for people: "mqtt", "192.0.2.1:40312".
	Transport, Remote string
}

// Client is the gateway's end of a session. Neither method may block, nor call
// back into the session.
type Client interface {
	// Desired hands over a change of desired properties, in commit order. The
	// patch carries its $version; it must not be changed. It is called only
	// while the session is subscribed to desired properties.
	Desired(version int64, patch []byte)
	// Close ends the connection, at once and whatever it is doing; the gateway
	// then calls Done. It may be called more than once.
	Close(reason error)
}

// Session is one live connection of an identity.
type Session struct {
	m      *Manager
	opt    Options
	client Client
	opened int64 // Unix nanoseconds
	// generation is that of the identity that connected, once it is known. One
	// registered later under the same name has another.
	generation string

	activity atomic.Int64 // Unix nanoseconds
	// topics holds the subscriptions in its low, those granted QoS 1 in its high half.
	topics atomic.Uint32

	// mu is the sequence point. It guards ended.
	mu    sync.Mutex
	ended bool
}

// ID is who is connected.
func (s *Session) ID() tvilling.Identity { return s.opt.ID }

// Topics returns what the session is subscribed to, and which of it with QoS 1.
func (s *Session) Topics() (topics, atLeastOnce state.Topic) {
	t := s.topics.Load()
	return state.Topic(t), state.Topic(t >> 16)
}

func (s *Session) setTopics(topics, atLeastOnce state.Topic) {
	s.topics.Store(uint32(topics) | uint32(atLeastOnce&topics)<<16)
}

// Touch notes that the client was heard of.
func (s *Session) Touch() { s.activity.Store(time.Now().UnixNano()) }

// Sequence runs f at the session's sequence point: nothing is delivered to the
// client meanwhile, so an answer that f enqueues never overtakes a delivery.
// f does not run once the session has ended.
func (s *Session) Sequence(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		f()
	}
}

// end stops all deliveries.
func (s *Session) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
}

// Subscribe adds topics. For a session that is kept they are durable when it
// returns.
func (s *Session) Subscribe(ctx context.Context, topics, atLeastOnce state.Topic) error {
	have, qos := s.Topics()
	return s.change(ctx, have|topics, qos&^topics|atLeastOnce)
}

// Unsubscribe removes topics, durably for a session that is kept.
func (s *Session) Unsubscribe(ctx context.Context, topics state.Topic) error {
	have, qos := s.Topics()
	return s.change(ctx, have&^topics, qos&^topics)
}

func (s *Session) change(ctx context.Context, topics, atLeastOnce state.Topic) error {
	if have, qos := s.Topics(); have == topics && qos == atLeastOnce {
		return nil
	}
	if !s.opt.Clean {
		err := s.m.commit.Do(ctx, func(tx *commit.Tx) error {
			return s.keep(tx, topics, atLeastOnce)
		})
		if err != nil {
			return err
		}
	}
	s.setTopics(topics, atLeastOnce)
	return nil
}

// keep writes the session's record.
func (s *Session) keep(tx *commit.Tx, topics, atLeastOnce state.Topic) error {
	rec, err := s.record(tx)
	if err != nil || rec == nil {
		return err
	}
	rec.Topics, rec.AtLeastOnce = topics, atLeastOnce
	tx.PutSession(rec)
	return nil
}

// record returns a fresh copy of the session's record with what the connection
// knows filled in; nil when the identity that connected is gone.
func (s *Session) record(tx *commit.Tx) (*state.Session, error) {
	id, err := tx.Identity(s.opt.ID)
	if err != nil || id == nil || s.generation != "" && id.Generation != s.generation {
		return nil, err
	}
	old, err := tx.Session(s.opt.ID)
	if err != nil && (tvilling.CodeOf(err) != tvilling.Corrupt || !s.opt.Clean) {
		return nil, err
	}
	rec := &state.Session{ID: s.opt.ID}
	if old != nil {
		*rec = *old
	}
	rec.Present = !s.opt.Clean
	if s.opt.Clean {
		rec.Topics, rec.AtLeastOnce = 0, 0
	}
	rec.ClientType = s.opt.ClientType
	rec.LastActivity = time.Unix(0, s.activity.Load()).UTC()
	rec.StateUpdated = time.Unix(0, s.opened).UTC()
	return rec, nil
}

// put stages the session's record, unless a newer session of the identity is
// live: what that one keeps counts.
func (s *Session) put(tx *commit.Tx, rec *state.Session) {
	if live := s.m.session(s.opt.ID); live == nil || live == s {
		tx.PutSession(rec)
	}
}

// Done ends the session when its connection has ended; reason is nil after an
// orderly disconnect. What Done notes for the operator is not waited for.
func (s *Session) Done(reason error) {
	s.end()
	s.m.noting.RLock()
	defer s.m.noting.RUnlock()
	if !s.m.remove(s) {
		return // taken over: the newer session speaks for the identity
	}
	s.m.noteLater(func(tx *commit.Tx) error {
		rec, err := s.record(tx)
		if err != nil {
			return err
		}
		if rec != nil {
			rec.StateUpdated = tx.Time()
			s.put(tx, rec)
		} else if id, err := tx.Identity(s.opt.ID); err != nil || id == nil {
			return err
		}
		// An identity that was registered anew meanwhile was seen as connected
		// until now, and whoever follows connections is to hear that it is not.
		tx.Record(state.Change{Op: state.Disconnected, ID: s.opt.ID, Actor: s.opt.Principal.Actor(), Body: reasonBody(reason)})
		return nil
	})
}
