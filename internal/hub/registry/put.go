package registry

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// MaxStatusReason is the longest status reason, in characters (wire §4.3).
const MaxStatusReason = 128

// Put creates the identity when no match is given (AlreadyExists if it is
// there), and otherwise updates it (NotFound if it is not there,
// PreconditionFailed if its etag differs). A module that the companion rule
// made and nobody has touched or used can still be created: it takes the
// caller's keys.
func (s *Service) Put(ctx context.Context, spec Spec, match tvilling.Match, actor string) (View, error) {
	op := "create " + kind(spec.ID)
	if match.Given {
		op = "update " + kind(spec.ID)
	}
	if err := s.check(op, &spec); err != nil {
		return View{}, err
	}
	var rec *state.Identity
	err := s.commit.Do(ctx, func(tx *commit.Tx) error {
		old, err := tx.Identity(spec.ID)
		if err != nil {
			return err
		}
		if match.Given {
			rec, err = s.update(tx, op, old, spec, match, actor)
		} else {
			rec, err = s.create(tx, op, old, spec, actor)
		}
		return err
	})
	if err != nil {
		return View{}, err
	}
	return s.view(ctx, rec)
}

func kind(id tvilling.Identity) string {
	if id.IsModule() {
		return "module"
	}
	return "device"
}

// check refuses what no state of the registry could make right.
func (s *Service) check(op string, spec *Spec) error {
	if err := spec.ID.Check(); err != nil {
		return refuse(tvilling.InvalidArgument, op, spec.ID, "%s", tvilling.MessageOf(err))
	}
	if n := len([]rune(spec.StatusReason)); n > MaxStatusReason {
		return refuse(tvilling.InvalidArgument, op, spec.ID, "statusReason has %d characters; the limit is %d.", n, MaxStatusReason)
	}
	if spec.ID.IsModule() && (spec.Disabled || spec.Edge) {
		return refuse(tvilling.InvalidArgument, op, spec.ID, "A module cannot be disabled or be an IoT Edge device; disable its device instead.")
	}
	if spec.Auth == nil {
		return nil
	}
	return s.checkAuth(op, spec.ID, spec.Auth)
}

func (s *Service) create(tx *commit.Tx, op string, old *state.Identity, spec Spec, actor string) (*state.Identity, error) {
	id := spec.ID
	if old != nil && old.Companion && old.Pristine {
		return s.claim(tx, old, spec, actor)
	}
	if old != nil {
		if id.IsModule() {
			return nil, refuse(tvilling.ModuleAlreadyExists, op, id, "A module with id %s already exists on device %s.", id.Module, id.Device)
		}
		return nil, refuse(tvilling.DeviceAlreadyExists, op, id, "A device with id %s is already registered.", id.Device)
	}
	if id.IsModule() {
		return s.createModule(tx, op, spec, actor)
	}
	rec := s.fresh(tx, spec)
	s.put(tx, rec, state.NewTwin(id), state.CreateDevice, actor)
	disabled := int64(0)
	if rec.Disabled {
		disabled = 1
	}
	tx.Count(1, disabled, 0)
	return rec, s.complete(tx, rec, actor)
}

// createModule makes a module of an existing device.
func (s *Service) createModule(tx *commit.Tx, op string, spec Spec, actor string) (*state.Identity, error) {
	device, err := tx.Identity(tvilling.Device(spec.ID.Device))
	if err != nil {
		return nil, err
	}
	if device == nil {
		return nil, deviceNotFound(op, spec.ID)
	}
	if rule := s.companion.Load(); rule.covers(device, spec.ID.Module) {
		rec, err := s.addCompanion(tx, rule, device, &spec, actor)
		if err != nil || !device.CompanionOptOut {
			return rec, err
		}
		// Making it by hand ends the opt-out that deleting it by hand began.
		next := *device
		next.CompanionOptOut = false
		tx.PutIdentity(&next)
		return rec, nil
	}
	modules, err := tx.Modules(spec.ID.Device)
	if err != nil {
		return nil, err
	}
	if n := counted(modules); n >= MaxModules {
		return nil, refuse(tvilling.TooManyModules, op, spec.ID, "Device %s has %d modules; the limit is %d.", spec.ID.Device, n, MaxModules)
	}
	rec := s.fresh(tx, spec)
	s.put(tx, rec, state.NewTwin(spec.ID), state.CreateModule, actor)
	tx.Count(0, 0, 1)
	return rec, nil
}

// counted is how many of a device's modules count to its limit.
func counted(modules []*state.Identity) (n int) {
	for _, m := range modules {
		if !m.Companion && !strings.HasPrefix(string(m.ID.Module), "$") {
			n++
		}
	}
	return n
}

// fresh is the record of a new identity.
func (s *Service) fresh(tx *commit.Tx, spec Spec) *state.Identity {
	// A .NET tick count, one more than the last even within one round: no two
	// registrations share a generation.
	s.generation = max(s.generation+1, ticks(tx.Time()))
	rec := &state.Identity{
		ID: spec.ID, Generation: strconv.FormatInt(s.generation, 10),
		// Starting from the generation keeps an etag of an earlier life of the
		// id from matching this one.
		Version:      uint64(s.generation % 1e9),
		Disabled:     spec.Disabled,
		StatusReason: spec.StatusReason,
		Created:      tx.Time(),
		Edge:         spec.Edge, DeviceScope: spec.DeviceScope, ParentScopes: spec.ParentScopes,
		ManagedBy: spec.ManagedBy,
	}
	rec.Auth = s.authenticate(spec.ID, spec.Auth, state.Authentication{})
	return rec
}

// ticks counts 100 ns from year 1, as .NET does.
func ticks(t time.Time) int64 {
	const unixEpoch = 621355968000000000
	return unixEpoch + t.UnixNano()/100
}

// put stages a new identity with its twin.
func (s *Service) put(tx *commit.Tx, rec *state.Identity, twin *state.Twin, op state.Op, actor string) {
	tx.PutIdentity(rec)
	tx.PutTwin(twin)
	tx.Record(state.Change{
		Op: op, ID: rec.ID, Actor: actor, Version: twin.Version, Desired: twin.Desired.Version(), Reported: twin.Reported.Version(), Body: initialBody(twin),
	})
}

// initialBody is the journal body for a new twin: what it begins with, nil if
// it is empty.
func initialBody(t *state.Twin) []byte {
	if t.Tags.IsEmpty() && t.Desired.IsEmpty() {
		return nil
	}
	b := []byte{'{'}
	if !t.Tags.IsEmpty() {
		b = append(t.Tags.AppendJSON(append(b, `"tags":`...), doc.Form{}), ',')
	}
	b = t.Desired.AppendJSON(append(b, `"properties":{"desired":`...), doc.Form{})
	return append(b, "}}"...)
}

func (s *Service) update(tx *commit.Tx, op string, old *state.Identity, spec Spec, match tvilling.Match, actor string) (*state.Identity, error) {
	if old == nil {
		return nil, s.absent(tx, op, spec.ID)
	}
	if !match.Allows(old.ETag()) {
		return nil, stale(op, spec.ID)
	}
	next := *old
	next.Version++
	next.Pristine = false
	next.StatusReason = spec.StatusReason
	next.Edge, next.DeviceScope, next.ParentScopes = spec.Edge, spec.DeviceScope, spec.ParentScopes
	next.ManagedBy = spec.ManagedBy
	if next.Disabled = spec.Disabled; next.Disabled != old.Disabled {
		next.StatusUpdated = tx.Time()
		if next.Disabled {
			tx.Count(0, 1, 0)
		} else {
			tx.Count(0, -1, 0)
		}
	}
	if spec.Auth != nil {
		next.Auth = s.authenticate(spec.ID, spec.Auth, old.Auth)
	}
	s.change(tx, &next, actor)
	if spec.ID.IsModule() {
		return &next, nil
	}
	if next.Disabled && !old.Disabled {
		if err := s.revokeModules(tx, spec.ID.Device); err != nil {
			return nil, err
		}
	}
	return &next, s.complete(tx, &next, actor)
}

// absent is the error for an update or delete of what is not there.
func (s *Service) absent(tx *commit.Tx, op string, id tvilling.Identity) error {
	if id.IsModule() {
		device, err := tx.Identity(tvilling.Device(id.Device))
		if err != nil {
			return err
		}
		if device == nil {
			return deviceNotFound(op, id)
		}
	}
	return notFound(op, id)
}

// change stages a changed record, and has its connection looked at.
func (s *Service) change(tx *commit.Tx, next *state.Identity, actor string) {
	op := state.UpdateDevice
	if next.ID.IsModule() {
		op = state.UpdateModule
	}
	tx.PutIdentity(next)
	tx.Record(state.Change{Op: op, ID: next.ID, Actor: actor})
	tx.Effect(func() { s.sessions.Recheck(next.ID, next) })
}

// revokeModules closes the connections of all modules of a device.
func (s *Service) revokeModules(tx *commit.Tx, device tvilling.DeviceID) error {
	modules, err := tx.Modules(device)
	if err != nil {
		return err
	}
	for _, m := range modules {
		tx.Effect(func() { s.sessions.Revoke(m.ID) })
	}
	return nil
}
