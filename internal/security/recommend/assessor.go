package recommend

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// Options are what an [Assessor] needs; the zero Options are fine.
type Options struct {
	// InstallGrace is how long a device may be registered without a security
	// message, an hour by default.
	InstallGrace time.Duration
	// CompareGrace is how long an agent may take to report after its desired
	// configuration was changed, 15 minutes by default.
	CompareGrace time.Duration
	// Desired returns the desired properties of a device's security module, for
	// ready patches that follow from what an agent sends. Without it, and where
	// it returns nil, those recommendations have no patch.
	Desired func(ctx context.Context, d tvilling.DeviceID) ([]byte, error)
}

// Assessor judges evidence. Its methods change recommendations and what is
// remembered of devices within the transaction that they are given.
type Assessor struct{ opt Options }

// New returns an assessor.
func New(o Options) *Assessor {
	if o.InstallGrace <= 0 {
		o.InstallGrace = time.Hour
	}
	if o.CompareGrace <= 0 {
		o.CompareGrace = 15 * time.Minute
	}
	return &Assessor{opt: o}
}

// Assess judges a fresh event of a device.
func (a *Assessor) Assess(tx *ledger.Tx, m *event.Message, e *event.Event) error {
	if m.Hub {
		return nil // what the hub saw of the device says nothing of its agent
	}
	d, err := tx.Device(m.From.Device)
	if err != nil {
		return err
	}
	if err := a.heard(tx, d); err != nil {
		return err
	}
	switch e.Kind {
	case event.ListeningPortsKind:
		return a.ports(tx, d, m, e)
	case event.FirewallConfigurationKind:
		return a.firewall(tx, d, m, e)
	case event.OSBaselineKind:
		return a.baseline(tx, d, m, e)
	case event.ConfigurationErrorKind:
		return a.configurationError(tx, d, e)
	case event.MessageStatisticsKind:
		return a.statistics(tx, d, e)
	default:
		return nil
	}
}

// Tick judges a device for which a time has come, whoever set it. Time alone
// can make a device unknown, so its posture may be out of date.
func (a *Assessor) Tick(tx *ledger.Tx, d *ledger.Device, now time.Time) error {
	d.Posture = true
	tx.PutDevice(d)
	if due(d, partyInstall, now) {
		if err := a.overdue(tx, d); err != nil {
			return err
		}
	}
	if due(d, partyCompare, now) {
		return a.unanswered(tx, d)
	}
	return nil
}

func due(d *ledger.Device, party string, now time.Time) bool {
	at, ok := detect.WakeTime(d, party)
	return ok && !at.After(now)
}

// Gone resolves what is active for a device that was deleted. The caller
// forgets it afterwards.
func (a *Assessor) Gone(tx *ledger.Tx, device tvilling.DeviceID) error {
	for i := range catalogue {
		if err := a.resolve(tx, device, catalogue[i].Type); err != nil {
			return err
		}
	}
	return nil
}

// advice is what makes a recommendation active: its facts, and what mends it.
type advice struct {
	details any
	// whole, if set, is the agent configuration to set; a JSON object.
	whole []byte
}

// activate makes a recommendation active, or brings its facts up to date. If
// they are what they were, nothing is written.
func (a *Assessor) activate(tx *ledger.Tx, device tvilling.DeviceID, typ string, with advice) error {
	info, ok := Lookup(typ)
	if !ok {
		return fmt.Errorf("there is no recommendation %q", typ)
	}
	details, err := json.Marshal(with.details)
	if err != nil {
		return fmt.Errorf("write details of %s for %s: %w", typ, device, err)
	}
	var module tvilling.ModuleID
	var patch []byte
	if with.whole != nil {
		module, patch = tvilling.SecurityModule, patchOf(with.whole)
	}
	r, err := tx.Recommendation(device, typ)
	if err != nil {
		return err
	}
	action := updated
	switch {
	case r == nil:
		r, action = &ledger.Recommendation{Device: device, Type: typ}, active
	case r.State != ledger.Active:
		action = active
	case r.Severity == info.Severity && bytes.Equal(r.Details, details) && bytes.Equal(r.Patch, patch) && r.Module == module:
		return nil
	}
	if action == active {
		r.State, r.Discovered, r.Resolved = ledger.Active, tx.Now(), time.Time{}
	}
	r.Severity, r.Details, r.Module, r.Patch = info.Severity, details, module, patch
	return tx.PutRecommendation(r, action, actor)
}

// resolve ends a recommendation that is active. What it said stays with it.
func (a *Assessor) resolve(tx *ledger.Tx, device tvilling.DeviceID, typ string) error {
	r, err := tx.Recommendation(device, typ)
	if err != nil || r == nil || r.State != ledger.Active {
		return err
	}
	r.State, r.Resolved = ledger.Mended, tx.Now()
	r.Module, r.Patch = "", nil
	return tx.PutRecommendation(r, mended, actor)
}

// either activates with facts, or resolves without.
func (a *Assessor) either(tx *ledger.Tx, device tvilling.DeviceID, typ string, there bool, with advice) error {
	if there {
		return a.activate(tx, device, typ, with)
	}
	return a.resolve(tx, device, typ)
}
