package follow

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// batch is what the next changes of the journal ask to be looked at.
type batch struct {
	// cursor is the newest change of them.
	cursor  uint64
	devices map[tvilling.DeviceID]*touched
	// more says that there are more changes at once.
	more bool
	// lost, if set, is the look at everything that has to be instead, because
	// changes are gone or cannot be read.
	lost *rescan
}

// touched says what of a device changed.
type touched struct {
	// deleted says that the device was deleted, whether or not it is there again.
	deleted bool
	// identities says that credentials or the existence of the device or its
	// modules changed, configuration that the security module's twin did.
	identities, configuration bool
	// removed are identities that were deleted.
	removed map[tvilling.Identity]bool
}

// next reads the changes after the cursor, as many as one transaction covers.
func (f *Follower) next(ctx context.Context) (*batch, error) {
	b := &batch{cursor: f.read.Load(), devices: make(map[tvilling.DeviceID]*touched)}
	until := f.opt.Journal.Head()
	if until < b.cursor {
		// The hub was set back to an older state than the ledger has seen.
		b.lost = &rescan{Until: until}
		return b, nil
	}
	n := 0
	for c, err := range f.opt.Journal.Read(ctx, b.cursor, false) {
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case tvilling.CodeOf(err) == tvilling.Corrupt, err == nil && c.Sequence > b.cursor+1 && n == 0:
			b.lost = &rescan{Until: max(until, c.Sequence)}
			return b, nil
		case err != nil:
			return nil, err
		}
		b.take(&c, f.opt.Module)
		b.cursor = c.Sequence
		if n++; n == maxChanges || len(b.devices) == maxDevices {
			b.more = true
			break
		}
	}
	if n == 0 && until > b.cursor {
		// Changes were there and none of them can be read any more.
		b.lost = &rescan{Until: until}
	}
	return b, nil
}

// take notes what a change touches.
func (b *batch) take(c *state.Change, module tvilling.ModuleID) {
	switch c.Op {
	case state.CreateDevice, state.UpdateDevice:
		b.device(c).identities = true
	case state.CreateModule, state.UpdateModule:
		d := b.device(c)
		d.identities = true
		d.configuration = d.configuration || c.ID.Module == module
	case state.DeleteDevice, state.DeleteModule:
		d := b.device(c)
		d.identities = true
		d.deleted = d.deleted || c.Op == state.DeleteDevice
		d.configuration = d.configuration || c.ID.Module == module
		if d.removed == nil {
			d.removed = make(map[tvilling.Identity]bool)
		}
		d.removed[c.ID] = true
	case state.UpdateTwin, state.ReplaceTwin, state.ReportTwin:
		if c.ID.Module == module {
			b.device(c).configuration = true
		}
	case state.UpdateOwned, state.ChangePolicy, state.ChangeSetting, state.Connected, state.Disconnected,
		state.ChangeUser, state.SignedIn, state.SignedOut, state.SignInRefused, state.Acted:
	}
}

func (b *batch) device(c *state.Change) *touched {
	d := b.devices[c.ID.Device]
	if d == nil {
		d = new(touched)
		b.devices[c.ID.Device] = d
	}
	return d
}

// apply has the batch assessed and commits what follows from it.
func (f *Follower) apply(ctx context.Context, b *batch) error {
	if len(b.devices) == 0 && b.cursor-f.kept < keepEvery {
		f.read.Store(b.cursor) // reading these again would do no harm
		return nil
	}
	subjects := make([]*subject, 0, len(b.devices))
	for _, id := range slices.Sorted(maps.Keys(b.devices)) {
		s, err := f.load(ctx, id, b.devices[id])
		if err != nil {
			return err
		}
		subjects = append(subjects, s)
	}
	err := f.commit(ctx, func(tx *ledger.Tx) error {
		for _, s := range subjects {
			if err := f.assess(tx, s); err != nil {
				return err
			}
		}
		tx.SetCursor(CursorName, b.cursor)
		return nil
	})
	if err != nil {
		return err
	}
	f.kept = b.cursor
	f.read.Store(b.cursor)
	return nil
}

// compareIDs orders identities.
func compareIDs(a, b tvilling.Identity) int {
	return cmp.Or(cmp.Compare(a.Device, b.Device), cmp.Compare(a.Module, b.Module))
}
