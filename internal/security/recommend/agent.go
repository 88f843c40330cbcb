package recommend

import (
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// Registered is told that a device exists, and since when. If it sends no
// security message in time, it is recommended to install an agent.
func (a *Assessor) Registered(tx *ledger.Tx, device tvilling.DeviceID, created time.Time) error {
	d, err := tx.Device(device)
	if err != nil {
		return err
	}
	if d.Gone {
		d.Gone = false
		tx.PutDevice(d)
	}
	if _, waiting := detect.WakeTime(d, partyInstall); waiting || !d.LastSeen.IsZero() || recall(d).without {
		return nil
	}
	// A device that is new to the security plane alone may have an agent that
	// nobody listened to: it has the whole time from now on.
	at := created.Add(a.opt.InstallGrace)
	if at.Before(tx.Now()) || created.After(tx.Now()) {
		at = tx.Now().Add(a.opt.InstallGrace)
	}
	detect.SetWake(d, partyInstall, at)
	tx.PutDevice(d)
	return nil
}

// overdue recommends an agent for a device that was not heard of in time.
func (a *Assessor) overdue(tx *ledger.Tx, d *ledger.Device) error {
	at, _ := detect.WakeTime(d, partyInstall)
	detect.SetWake(d, partyInstall, time.Time{})
	tx.PutDevice(d)
	if !d.LastSeen.IsZero() {
		return nil
	}
	m := recall(d)
	m.without = true
	m.keep(tx, d)
	return a.activate(tx, d.ID, InstallAgent, advice{details: struct {
		Since time.Time `json:"waitedSince"`
	}{at.Add(-a.opt.InstallGrace).UTC()}})
}

// unknown is the state of a device that was not heard, as the twin has it.
const unknown = "unknown"

// heard notes that a device sends security messages.
func (a *Assessor) heard(tx *ledger.Tx, d *ledger.Device) error {
	if d.State == unknown && !d.Posture { // it was silent, and is back
		d.Posture = true
		tx.PutDevice(d)
	}
	if _, waiting := detect.WakeTime(d, partyInstall); waiting {
		detect.SetWake(d, partyInstall, time.Time{})
		tx.PutDevice(d)
	}
	m := recall(d)
	if !m.without {
		return nil
	}
	m.without = false
	m.keep(tx, d)
	return a.resolve(tx, d.ID, InstallAgent)
}
