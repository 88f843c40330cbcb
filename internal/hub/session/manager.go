package session

import (
	"context"
	"encoding/json"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// ErrTakenOver is why a connection ends when its identity connects anew
// (400027 ConnectionForcefullyClosedOnNewConnection).
var ErrTakenOver = tvilling.Errorf(tvilling.Unavailable, "The identity opened a newer connection.")

// ErrRevoked is why a connection ends when its identity was deleted, disabled,
// or no longer has the key or certificate it came with.
var ErrRevoked = tvilling.Errorf(tvilling.Unauthorized, "The identity was deleted or disabled, or its key was changed.")

// Reader reads the records that a manager needs; a [state.Store] is one.
type Reader interface {
	Identity(ctx context.Context, id tvilling.Identity) (*state.Identity, error)
	Session(ctx context.Context, id tvilling.Identity) (*state.Session, error)
}

// Validator says whether a credential still opens an identity;
// an [auth.Authenticator] is one.
type Validator interface {
	StillValid(p auth.Principal, rec *state.Identity) bool
}

// shards spread the lock of the table of sessions.
const shards = 64

// Manager holds the live sessions of a hub.
type Manager struct {
	commit *commit.Committer
	store  Reader
	valid  Validator
	log    *slog.Logger

	seed   maphash.Seed
	tables [shards]table
	// noting is held for reading from a change of the table until its note is
	// queued.
	noting sync.RWMutex
	live   atomic.Int64
	// Takeovers counts connections that a newer one replaced, Revoked those
	// closed because their identity or key went, Unnoted notes that could not
	// be written.
	Takeovers, Revoked, Unnoted atomic.Int64

	// Moved, if set before the manager is used, is told that id has connected
	// or disconnected, after [Manager.Live] says so and before the client
	// hears of it. Which of the two it was, Live tells. It must not block.
	Moved func(id tvilling.Identity)
}

type table struct {
	// mu guards sessions.
	mu       sync.Mutex
	sessions map[tvilling.Identity]*Session
}

// New returns a manager with nobody connected.
func New(c *commit.Committer, store Reader, valid Validator, log *slog.Logger) *Manager {
	m := &Manager{commit: c, store: store, valid: valid, log: log, seed: maphash.MakeSeed()}
	for i := range m.tables {
		m.tables[i].sessions = make(map[tvilling.Identity]*Session)
	}
	return m
}

func (m *Manager) table(id tvilling.Identity) *table {
	return &m.tables[maphash.Comparable(m.seed, id)%shards]
}

// Open makes a session for a connection that proved who it is, and tells
// whether a kept session was found. An older connection of the identity is
// closed first. The error is ErrRevoked when the credential lost its validity
// since it was checked.
func (m *Manager) Open(ctx context.Context, o Options, c Client) (s *Session, present bool, err error) {
	now := time.Now().UnixNano()
	s = &Session{m: m, opt: o, client: c, opened: now}
	s.activity.Store(now)
	kept, err := m.store.Session(ctx, o.ID)
	if tvilling.CodeOf(err) == tvilling.Corrupt && o.Clean {
		// What it was cannot be told, and is to be forgotten anyway.
		kept, err = &state.Session{Present: true}, nil
	}
	if err != nil {
		return nil, false, err
	}
	if kept != nil && kept.Present {
		if o.Clean {
			// Forgetting must be durable before the client is told so, or a
			// restart would bring the old subscriptions back.
			if err := m.commit.Do(ctx, func(tx *commit.Tx) error { return s.keep(tx, 0, 0) }); err != nil {
				return nil, false, err
			}
		} else {
			present = true
			s.setTopics(kept.Topics, kept.AtLeastOnce)
		}
	}
	m.noting.RLock()
	defer m.noting.RUnlock()
	m.insert(s)
	// The identity may have changed between the check of its credential and
	// the insertion; a change after it finds the session in the table.
	rec, err := m.current(ctx, o.ID)
	if err == nil && !m.valid.StillValid(o.Principal, rec) {
		err = ErrRevoked
	}
	if err != nil {
		s.end()
		m.remove(s)
		return nil, false, err
	}
	s.generation = rec.Generation
	m.noteLater(func(tx *commit.Tx) error { return s.noteOpened(tx) })
	return s, present, nil
}

// current returns the identity record of id, nil when it may not connect
// because it, or for a module its device, is gone or disabled.
func (m *Manager) current(ctx context.Context, id tvilling.Identity) (*state.Identity, error) {
	if id.IsModule() {
		device, err := m.store.Identity(ctx, tvilling.Device(id.Device))
		if err != nil || device == nil || device.Disabled {
			return nil, err
		}
	}
	return m.store.Identity(ctx, id)
}

// noteOpened records who connected and with what.
func (s *Session) noteOpened(tx *commit.Tx) error {
	rec, err := s.record(tx)
	if err != nil || rec == nil {
		return err
	}
	s.put(tx, rec)
	id, err := tx.Identity(s.opt.ID)
	if err != nil {
		return err
	}
	if id.Pristine {
		// Somebody uses the key that the hub made: a later create must not replace it.
		next := *id
		next.Pristine = false
		tx.PutIdentity(&next)
	}
	if s.opt.ModelID != "" {
		twin, err := tx.Twin(s.opt.ID)
		if err != nil {
			return err
		}
		if twin != nil && twin.ModelID != s.opt.ModelID {
			next := *twin
			next.ModelID = s.opt.ModelID
			tx.PutTwin(&next)
		}
	}
	tx.Record(state.Change{
		Op: state.Connected, ID: s.opt.ID, Actor: s.opt.Principal.Actor(),
		Body: mustJSON(map[string]string{"transport": s.opt.Transport, "remote": s.opt.Remote, "client": s.opt.ClientType}),
	})
	return nil
}

// insert makes s the session of its identity and closes the one before it.
func (m *Manager) insert(s *Session) {
	t := m.table(s.opt.ID)
	t.mu.Lock()
	old := t.sessions[s.opt.ID]
	t.sessions[s.opt.ID] = s
	t.mu.Unlock()
	if old == nil {
		m.live.Add(1)
		m.moved(s.opt.ID)
		return
	}
	m.Takeovers.Add(1)
	old.end()
	old.client.Close(ErrTakenOver)
}

// remove takes s out of the table; false when a newer session has its place.
func (m *Manager) remove(s *Session) bool {
	if !m.take(s) {
		return false
	}
	m.live.Add(-1)
	m.moved(s.opt.ID)
	return true
}

func (m *Manager) take(s *Session) bool {
	t := m.table(s.opt.ID)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sessions[s.opt.ID] != s {
		return false
	}
	delete(t.sessions, s.opt.ID)
	return true
}

func (m *Manager) moved(id tvilling.Identity) {
	if m.Moved != nil {
		m.Moved(id)
	}
}

func (m *Manager) session(id tvilling.Identity) *Session {
	t := m.table(id)
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sessions[id]
}

// Connected returns how many identities are connected.
func (m *Manager) Connected() int64 { return m.live.Load() }

// Live says whether id is connected, since when, and when it was last heard of.
func (m *Manager) Live(id tvilling.Identity) (connected bool, since, activity time.Time) {
	s := m.session(id)
	if s == nil {
		return false, time.Time{}, time.Time{}
	}
	return true, time.Unix(0, s.opened).UTC(), time.Unix(0, s.activity.Load()).UTC()
}

// Connection returns how id is connected: by which transport and from where, ""
// both while it is not.
func (m *Manager) Connection(id tvilling.Identity) (transport, remote string) {
	s := m.session(id)
	if s == nil {
		return "", ""
	}
	return s.opt.Transport, s.opt.Remote
}

// Desired delivers a change of desired properties to id, if it is connected
// and subscribed. It is called from the committer, in commit order.
func (m *Manager) Desired(id tvilling.Identity, version int64, patch []byte) {
	s := m.session(id)
	if s == nil {
		return
	}
	if topics, _ := s.Topics(); topics&state.TwinDesired == 0 {
		return
	}
	s.Sequence(func() { s.client.Desired(version, patch) })
}

// Recheck closes the connection of rec's identity when its credential no
// longer opens it; rec is nil when the identity was deleted.
func (m *Manager) Recheck(id tvilling.Identity, rec *state.Identity) {
	if s := m.session(id); s != nil && !m.valid.StillValid(s.opt.Principal, rec) {
		m.revoke(s)
	}
}

// RecheckPolicies closes the connections that a shared access policy's key
// opened and no longer does.
func (m *Manager) RecheckPolicies() {
	m.Each(func(s *Session) {
		if s.opt.Principal.Policy == "" {
			return
		}
		rec, err := m.store.Identity(context.Background(), s.opt.ID)
		if err != nil {
			m.log.Warn("connection not rechecked", "device_id", s.opt.ID.Device, "module_id", s.opt.ID.Module, "error", err)
			return
		}
		if !m.valid.StillValid(s.opt.Principal, rec) {
			m.revoke(s)
		}
	})
}

// Revoke closes the connection of id, whatever its credential.
func (m *Manager) Revoke(id tvilling.Identity) {
	if s := m.session(id); s != nil {
		m.revoke(s)
	}
}

func (m *Manager) revoke(s *Session) {
	m.Revoked.Add(1)
	s.end()
	s.client.Close(ErrRevoked)
}

// Each calls f for every live session, in no order.
func (m *Manager) Each(f func(*Session)) {
	for i := range m.tables {
		t := &m.tables[i]
		t.mu.Lock()
		list := make([]*Session, 0, len(t.sessions))
		for _, s := range t.sessions {
			list = append(list, s)
		}
		t.mu.Unlock()
		for _, s := range list {
			f(s)
		}
	}
}

// Settle returns once the journal has what [Manager.Live] has told so far.
func (m *Manager) Settle(ctx context.Context) error {
	m.noting.Lock()
	m.noting.Unlock() //nolint:staticcheck // whoever held it has queued its note
	return m.commit.Do(ctx, func(*commit.Tx) error { return nil })
}

// noteLater writes what no answer waits for.
func (m *Manager) noteLater(f func(*commit.Tx) error) {
	m.commit.Submit(f, func(err error) {
		if err != nil {
			m.Unnoted.Add(1)
			m.log.Warn("connection state not noted", "error", err)
		}
	})
}

func reasonBody(reason error) []byte {
	if reason == nil {
		return nil
	}
	return mustJSON(map[string]string{"reason": reason.Error()})
}

// mustJSON encodes a map of strings, which cannot fail.
func mustJSON(v map[string]string) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
