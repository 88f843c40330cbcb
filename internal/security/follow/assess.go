package follow

import (
	"bytes"
	"maps"
	"slices"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// assess brings the ledger in line with a device as it is now.
func (f *Follower) assess(tx *ledger.Tx, s *subject) error {
	if s.deleted {
		// Also of a device that was registered anew: its record begins again.
		if err := f.opt.Assessor.Gone(tx, s.id); err != nil {
			return err
		}
		if err := tx.Forget(s.id); err != nil {
			return err
		}
	}
	if s.identities {
		if s.device != nil {
			if err := f.opt.Assessor.Registered(tx, s.id, s.device.Created); err != nil {
				return err
			}
		}
		if err := f.assessCredentials(tx, s); err != nil {
			return err
		}
	}
	if s.device == nil || s.unreadable || !s.configuration {
		return nil
	}
	desired, reported := s.properties()
	return f.opt.Assessor.Configuration(tx, s.id, desired, reported)
}

// assessCredentials keeps the fingerprints of a device's identities and has the
// device assessed, and those whom the change made share, or no longer share,
// something with it.
func (f *Follower) assessCredentials(tx *ledger.Tx, s *subject) error {
	others := make(map[tvilling.DeviceID]bool)
	for _, c := range s.credentials {
		if err := f.keep(tx, c, others); err != nil {
			return err
		}
	}
	for _, id := range s.gone() {
		if err := f.keep(tx, credential{id: id}, others); err != nil {
			return err
		}
	}
	if s.device != nil {
		if err := f.shared(tx, s.id, slices.Collect(maps.Keys(s.members))); err != nil {
			return err
		}
	}
	delete(others, s.id)
	for _, id := range slices.Sorted(maps.Keys(others)) {
		members, err := f.members(tx, id)
		if err != nil {
			return err
		}
		if members == nil {
			continue // its own deletion is still to be read
		}
		if err := f.shared(tx, id, members); err != nil {
			return err
		}
	}
	return nil
}

// keep notes the fingerprints of an identity. When they changed it adds to
// others the devices with whom it shared or shares one, if they are few: in a
// large group one more or less makes no difference to what a device is told.
func (f *Follower) keep(tx *ledger.Tx, c credential, others map[tvilling.DeviceID]bool) error {
	old, err := tx.Fingerprints(c.id)
	if err != nil {
		return err
	}
	if slices.EqualFunc(old, c.fingerprints, bytes.Equal) {
		return nil
	}
	tx.SetCredential(ledger.Credential{ID: c.id, Fingerprints: c.fingerprints})
	for _, marks := range [][][]byte{old, c.fingerprints} {
		if len(marks) == 0 {
			continue
		}
		list, err := tx.Sharing(ledger.Credential{ID: c.id, Fingerprints: marks}, MaxShared+1)
		if err != nil {
			return err
		}
		if len(list) > MaxShared {
			continue
		}
		for _, id := range list {
			others[id.Device] = true
		}
	}
	return nil
}

// maxMembers is more than the identities that a device can have: itself, its
// modules within the limit, the companion and the system modules.
const maxMembers = 64

// shared has a device assessed that has the given identities.
func (f *Follower) shared(tx *ledger.Tx, device tvilling.DeviceID, members []tvilling.Identity) error {
	var list []tvilling.Identity
	for _, id := range members {
		marks, err := tx.Fingerprints(id)
		if err != nil {
			return err
		}
		if len(marks) == 0 {
			continue
		}
		sharing, err := tx.Sharing(ledger.Credential{ID: id, Fingerprints: marks}, MaxShared+maxMembers)
		if err != nil {
			return err
		}
		for _, other := range sharing {
			if other.Device == device {
				continue
			}
			there, err := f.there(tx, other)
			if err != nil {
				return err
			}
			if there {
				list = append(list, other)
			}
		}
	}
	slices.SortFunc(list, compareIDs)
	list = slices.Compact(list)
	return f.opt.Assessor.Credentials(tx, tvilling.Device(device), list[:min(len(list), MaxShared)])
}

// there reports whether an identity is registered. The ledger forgets the
// fingerprints of one that is not: its deletion is still to be read, or was
// among changes that are lost.
func (f *Follower) there(tx *ledger.Tx, id tvilling.Identity) (bool, error) {
	rec, err := f.opt.Store.Identity(tx.Context(), id)
	switch {
	case err != nil && tvilling.CodeOf(err) != tvilling.Corrupt:
		return false, err
	case err == nil && rec == nil:
		tx.SetCredential(ledger.Credential{ID: id})
		return false, nil
	default:
		return true, nil
	}
}

// members returns the identities of a device, nil if there is no such device.
func (f *Follower) members(tx *ledger.Tx, device tvilling.DeviceID) ([]tvilling.Identity, error) {
	var list []tvilling.Identity
	registered := false
	for e, err := range f.opt.Store.Scan(tx.Context(), state.Range{Device: device}) {
		if e.Identity == nil {
			if err != nil && tvilling.CodeOf(err) != tvilling.Corrupt {
				return nil, err
			}
			continue
		}
		registered = registered || !e.Identity.ID.IsModule()
		list = append(list, e.Identity.ID)
	}
	if !registered {
		return nil, nil
	}
	return list, nil
}
