package registry

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// MaxModules is how many modules a device may have besides its companion and
// the system modules of IoT Edge (IoT Hub quota: 50).
const MaxModules = 50

// MaxList is the most identities a list returns (wire §4.2).
const MaxList = 1000

// Store reads identities; a [state.Store] is one.
type Store interface {
	Identity(ctx context.Context, id tvilling.Identity) (*state.Identity, error)
	Session(ctx context.Context, id tvilling.Identity) (*state.Session, error)
	Counters(ctx context.Context) (state.Counters, error)
	Scan(ctx context.Context, r state.Range) iter.Seq2[state.Entry, error]
}

// Sessions knows who is connected and closes connections that lost their
// ground; a session.Manager is one.
type Sessions interface {
	Connected() int64
	Live(id tvilling.Identity) (connected bool, since, activity time.Time)
	Recheck(id tvilling.Identity, rec *state.Identity)
	Revoke(id tvilling.Identity)
}

// Service keeps the registry of a hub.
type Service struct {
	commit   *commit.Committer
	store    Store
	sessions Sessions
	sealer   *auth.Sealer

	companion atomic.Pointer[Companion]
	// generation is the newest generation id given out; only changes, which
	// run one at a time, touch it.
	generation int64
}

// New returns a registry without a companion rule.
func New(c *commit.Committer, store Store, sessions Sessions, sealer *auth.Sealer) *Service {
	return &Service{commit: c, store: store, sessions: sessions, sealer: sealer}
}

// Spec is what a caller asks an identity to be.
type Spec struct {
	ID           tvilling.Identity
	Disabled     bool
	StatusReason string
	// Auth is how it authenticates; nil means symmetric keys made by the hub,
	// or, in an update, what it has.
	Auth         *AuthSpec
	Edge         bool
	DeviceScope  string
	ParentScopes []string
	ManagedBy    string
}

// AuthSpec is the credential a caller asks for. For type sas both keys or
// neither are given; without them the hub makes them, or keeps those it has.
type AuthSpec struct {
	Type                                   state.AuthType
	PrimaryKey, SecondaryKey               string
	PrimaryThumbprint, SecondaryThumbprint string
}

// View is an identity with its live state.
type View struct {
	*state.Identity
	Connected    bool
	StateUpdated time.Time // of the connection state; zero if never connected
	LastActivity time.Time
}

// Statistics count the identities of a hub.
type Statistics struct {
	Devices, Enabled, Disabled, Modules, Connected int64
}

// Get returns an identity; DeviceNotFound or ModuleNotFound if there is none.
func (s *Service) Get(ctx context.Context, id tvilling.Identity) (View, error) {
	rec, err := s.store.Identity(ctx, id)
	if err != nil {
		return View{}, err
	}
	if rec == nil {
		return View{}, s.missing(ctx, "read identity", id)
	}
	return s.view(ctx, rec)
}

// missing is the error for an absent identity; an absent module of an absent
// device is an absent device.
func (s *Service) missing(ctx context.Context, op string, id tvilling.Identity) error {
	if id.IsModule() {
		device, err := s.store.Identity(ctx, tvilling.Device(id.Device))
		if err != nil {
			return err
		}
		if device != nil {
			return moduleNotFound(op, id)
		}
	}
	return deviceNotFound(op, id)
}

func (s *Service) view(ctx context.Context, rec *state.Identity) (View, error) {
	v := View{Identity: rec}
	v.Connected, v.StateUpdated, v.LastActivity = s.sessions.Live(rec.ID)
	if v.Connected {
		return v, nil
	}
	kept, err := s.store.Session(ctx, rec.ID)
	if err != nil && tvilling.CodeOf(err) != tvilling.Corrupt { // a damaged one tells nothing
		return View{}, err
	}
	if kept != nil {
		v.StateUpdated, v.LastActivity = kept.StateUpdated, kept.LastActivity
	}
	return v, nil
}

// Damage is the error of a list that leaves out damaged identities: what is
// wrong with each of them. The others are returned beside it.
type Damage []error

// Error describes the damage.
func (d Damage) Error() string { return errors.Join(d...).Error() }

// Unwrap returns the errors of the damaged identities.
func (d Damage) Unwrap() []error { return d }

// Devices returns the first devices by id, at most top of them; a top outside
// 1 to 1000 means 1000 (wire §4.2). The error may be a [Damage], as for every
// list.
func (s *Service) Devices(ctx context.Context, top int) ([]View, error) {
	return s.Page(ctx, "", top)
}

// Page returns up to top devices after one, ascending by id.
func (s *Service) Page(ctx context.Context, after tvilling.DeviceID, top int) ([]View, error) {
	if top < 1 || top > MaxList {
		top = MaxList
	}
	return s.list(ctx, state.Range{Kind: state.Devices, After: tvilling.Device(after)}, top)
}

// Modules returns the modules of a device, ascending by id.
func (s *Service) Modules(ctx context.Context, d tvilling.DeviceID) ([]View, error) {
	if _, err := s.Get(ctx, tvilling.Device(d)); err != nil {
		return nil, err
	}
	return s.list(ctx, state.Range{Kind: state.Modules, Device: d}, MaxList)
}

func (s *Service) list(ctx context.Context, r state.Range, top int) ([]View, error) {
	list := []View{}
	var damage Damage
	for e, err := range s.store.Scan(ctx, r) {
		var v View
		if e.Identity != nil { // what may be wrong with its twin does not matter
			v, err = s.view(ctx, e.Identity)
		}
		switch {
		case err == nil:
			list = append(list, v)
		case tvilling.CodeOf(err) == tvilling.Corrupt:
			damage = append(damage, err)
		default:
			return nil, err
		}
		if len(list) == top || len(damage) == MaxList {
			break
		}
	}
	if len(damage) > 0 {
		return list, damage
	}
	return list, nil
}

// Statistics counts.
func (s *Service) Statistics(ctx context.Context) (Statistics, error) {
	c, err := s.store.Counters(ctx)
	if err != nil {
		return Statistics{}, err
	}
	return Statistics{
		Devices: c.Devices, Disabled: c.DisabledDevices, Enabled: c.Devices - c.DisabledDevices,
		Modules: c.Modules, Connected: s.sessions.Connected(),
	}, nil
}

// Keys returns the symmetric keys of an identity in base64, empty when it has none.
func (s *Service) Keys(rec *state.Identity) (primary, secondary string, err error) {
	pair, err := s.keys(rec)
	return pair.Primary, pair.Secondary, err
}

func (s *Service) keys(rec *state.Identity) (auth.Pair, error) {
	return s.sealer.OpenPair(auth.IdentityOwner(rec.ID), rec.Auth.SealedPrimary, rec.Auth.SealedSecondary)
}

// Fingerprints returns a mark of each credential that an identity can show, by
// which equal ones of different identities are found without anybody holding
// keys: [auth.MarkBytes] each, ascending, every one once; none for an identity
// that authenticates by an authority or not at all.
func (s *Service) Fingerprints(rec *state.Identity) ([][]byte, error) {
	var marks [][]byte
	switch rec.Auth.Type {
	case state.SAS:
		pair, err := s.keys(rec)
		if err != nil {
			return nil, err
		}
		for _, key := range []string{pair.Primary, pair.Secondary} {
			if key != "" {
				marks = append(marks, s.sealer.MarkKey(key))
			}
		}
	case state.SelfSigned:
		for _, t := range []string{rec.Auth.PrimaryThumbprint, rec.Auth.SecondaryThumbprint} {
			if t != "" {
				marks = append(marks, s.sealer.MarkThumbprint(t))
			}
		}
	case state.CertificateAuthority, state.None:
	}
	slices.SortFunc(marks, bytes.Compare)
	return slices.CompactFunc(marks, bytes.Equal), nil
}
