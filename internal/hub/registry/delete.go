package registry

import (
	"context"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// Delete removes an identity with its twin and session, and a device with all
// of its modules; their connections are closed. Deleting a companion module is
// remembered as the device's opt-out. What is damaged can be deleted too, unless
// the condition is an etag that cannot be compared any more.
func (s *Service) Delete(ctx context.Context, id tvilling.Identity, match tvilling.Match, actor string) error {
	op := "delete " + kind(id)
	return s.commit.Do(ctx, func(tx *commit.Tx) error {
		rec, err := tx.Identity(id)
		if tvilling.CodeOf(err) == tvilling.Corrupt && match.Allows("") {
			rec, err = s.remains(id), nil
		}
		if err != nil {
			return err
		}
		if rec == nil {
			return s.absent(tx, op, id)
		}
		if !match.Allows(rec.ETag()) {
			return stale(op, id)
		}
		if id.IsModule() {
			return s.deleteModule(tx, rec, actor)
		}
		return s.deleteDevice(tx, rec, actor)
	})
}

// remains is what is known of an identity whose record is damaged. If it was a
// disabled device, one too many stays in the count of those.
func (s *Service) remains(id tvilling.Identity) *state.Identity {
	rule := s.companion.Load()
	return &state.Identity{ID: id, Companion: rule != nil && id.Module == rule.Module}
}

func (s *Service) deleteDevice(tx *commit.Tx, rec *state.Identity, actor string) error {
	modules, err := tx.Modules(rec.ID.Device)
	if err != nil {
		return err
	}
	for _, m := range modules {
		s.remove(tx, m.ID, state.DeleteModule, actor)
	}
	disabled := int64(0)
	if rec.Disabled {
		disabled = -1
	}
	tx.Count(-1, disabled, -int64(len(modules)))
	s.remove(tx, rec.ID, state.DeleteDevice, actor)
	return nil
}

func (s *Service) deleteModule(tx *commit.Tx, rec *state.Identity, actor string) error {
	s.remove(tx, rec.ID, state.DeleteModule, actor)
	tx.Count(0, 0, -1)
	device, err := tx.Identity(tvilling.Device(rec.ID.Device))
	if err != nil || device == nil {
		return err
	}
	if rec.Companion && !device.CompanionOptOut {
		next := *device
		next.CompanionOptOut = true
		tx.PutIdentity(&next)
	}
	return nil
}

func (s *Service) remove(tx *commit.Tx, id tvilling.Identity, op state.Op, actor string) {
	tx.Delete(id)
	tx.Record(state.Change{Op: op, ID: id, Actor: actor})
	tx.Effect(func() { s.sessions.Recheck(id, nil) })
}
