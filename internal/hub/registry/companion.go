package registry

import (
	"context"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// CompanionActor is the journal's actor for what the companion rule does.
const CompanionActor = "hub:companion"

// Companion is the rule that every device has one certain module: it is made
// in the transaction that makes the device. IoT Edge devices are left out,
// their modules come from deployments.
type Companion struct {
	Module tvilling.ModuleID
	// Desired and Tags are the module twin's initial content, nil for empty.
	Desired, Tags *doc.Patch
}

// SetCompanion makes rule the one for devices created from now on; nil ends it.
// Devices that exist get theirs by [Service.EnsureCompanion].
func (s *Service) SetCompanion(rule *Companion) { s.companion.Store(rule) }

// covers reports whether module is the companion of device under the rule.
func (c *Companion) covers(device *state.Identity, module tvilling.ModuleID) bool {
	return c != nil && !device.Edge && c.Module == module
}

// complete gives a new or changed device the modules that belong to it.
func (s *Service) complete(tx *commit.Tx, device *state.Identity, actor string) error {
	if device.Edge {
		return s.addSystemModules(tx, device, actor)
	}
	rule := s.companion.Load()
	if rule == nil || device.CompanionOptOut {
		return nil
	}
	have, err := tx.Identity(tvilling.Identity{Device: device.ID.Device, Module: rule.Module})
	if err != nil || have != nil {
		return err
	}
	_, err = s.addCompanion(tx, rule, device, nil, CompanionActor)
	return err
}

// addSystemModules makes $edgeAgent and $edgeHub (wire §2.7).
func (s *Service) addSystemModules(tx *commit.Tx, device *state.Identity, actor string) error {
	for _, m := range []tvilling.ModuleID{"$edgeAgent", "$edgeHub"} {
		id := tvilling.Identity{Device: device.ID.Device, Module: m}
		have, err := tx.Identity(id)
		if err != nil {
			return err
		}
		if have != nil {
			continue
		}
		rec := s.fresh(tx, Spec{ID: id, Auth: &AuthSpec{Type: state.None}, ManagedBy: "iotEdge"})
		s.put(tx, rec, state.NewTwin(id), state.CreateModule, actor)
		tx.Count(0, 0, 1)
	}
	return nil
}

// addCompanion makes the companion of a device: by the hub itself (spec nil),
// it is pristine; by a caller's spec, it is the caller's.
func (s *Service) addCompanion(tx *commit.Tx, rule *Companion, device *state.Identity, spec *Spec, actor string) (*state.Identity, error) {
	id := tvilling.Identity{Device: device.ID.Device, Module: rule.Module}
	pristine := spec == nil
	if pristine {
		spec = &Spec{ID: id}
	}
	rec := s.fresh(tx, *spec)
	rec.Companion, rec.Pristine = true, pristine
	twin := state.NewTwin(id)
	stamp := doc.Stamp{Time: tx.Time(), Actor: CompanionActor}
	var err error
	// The content belongs to version 1: nobody has changed the twin yet.
	if rule.Desired != nil {
		if twin.Desired, err = doc.New(0).Replace(rule.Desired, doc.Desired, stamp); err != nil {
			return nil, err
		}
	}
	if rule.Tags != nil {
		if twin.Tags, err = twin.Tags.Replace(rule.Tags, doc.Tags, stamp); err != nil {
			return nil, err
		}
	}
	s.put(tx, rec, twin, state.CreateModule, actor)
	tx.Count(0, 0, 1)
	return rec, nil
}

// claim lets a caller create the companion that the hub made already: it keeps
// its twin and takes the caller's credential, if one is given.
func (s *Service) claim(tx *commit.Tx, old *state.Identity, spec Spec, actor string) (*state.Identity, error) {
	next := *old
	next.Version++
	next.Pristine = false
	next.ManagedBy = spec.ManagedBy
	if spec.Auth != nil {
		next.Auth = s.authenticate(spec.ID, spec.Auth, old.Auth)
	}
	s.change(tx, &next, actor)
	return &next, nil
}

// EnsureCompanion queues giving an existing device its companion, unless it
// has one, opted out or is an IoT Edge device. done is told whether one was
// made, from the committer's goroutine.
func (s *Service) EnsureCompanion(d tvilling.DeviceID, done func(made bool, err error)) {
	made := false
	s.commit.Submit(func(tx *commit.Tx) error {
		device, err := tx.Identity(tvilling.Device(d))
		if err != nil || device == nil || device.Edge {
			return err
		}
		rule := s.companion.Load()
		if rule == nil {
			return nil
		}
		id := tvilling.Identity{Device: d, Module: rule.Module}
		have, err := tx.Identity(id)
		if err != nil {
			return err
		}
		if have != nil {
			return s.adopt(tx, have)
		}
		if device.CompanionOptOut {
			return nil
		}
		made = true
		_, err = s.addCompanion(tx, rule, device, nil, CompanionActor)
		return err
	}, func(err error) { done(made && err == nil, err) })
}

// adopt marks a module that was there before the rule as the companion; its
// keys and twin stay as they are.
func (s *Service) adopt(tx *commit.Tx, have *state.Identity) error {
	if have.Companion {
		return nil
	}
	next := *have
	next.Companion = true
	tx.PutIdentity(&next)
	return nil
}

// Restore makes the companion of a device anew after it was deleted on
// purpose, and forgets that it was. With the companion there it changes nothing.
func (s *Service) Restore(ctx context.Context, d tvilling.DeviceID, actor string) (View, error) {
	const op = "restore module"
	rule := s.companion.Load()
	id := tvilling.Identity{Device: d}
	if rule == nil {
		return View{}, refuse(tvilling.InvalidArgument, op, id, "The hub keeps no module beside its devices: it is switched off in its settings.")
	}
	id.Module = rule.Module
	var rec *state.Identity
	err := s.commit.Do(ctx, func(tx *commit.Tx) error {
		device, err := tx.Identity(tvilling.Device(d))
		if err != nil {
			return err
		}
		if device == nil {
			return deviceNotFound(op, id)
		}
		if device.Edge {
			return refuse(tvilling.InvalidArgument, op, id, "Device %s is an IoT Edge device: its modules come from its deployment.", d)
		}
		if device.CompanionOptOut {
			next := *device
			next.CompanionOptOut = false
			tx.PutIdentity(&next)
		}
		if rec, err = tx.Identity(id); err != nil || rec != nil {
			return err
		}
		rec, err = s.addCompanion(tx, rule, device, nil, actor)
		return err
	})
	if err != nil {
		return View{}, err
	}
	return s.view(ctx, rec)
}
