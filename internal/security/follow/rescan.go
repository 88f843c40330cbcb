package follow

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// rescanValue is the name under which the ledger keeps a rescan under way.
const rescanValue = "follow.rescan"

// stepDevices bounds the devices of one step of a rescan.
const stepDevices = 100

// rescan is a look at everything, step by step. It is kept in the ledger with
// what each step brought, so that a hub that is stopped goes on with it.
type rescan struct {
	// Until is the change from which on the journal is followed afterwards.
	Until uint64 `json:"until"`
	// Device is the last one that was looked at.
	Device tvilling.DeviceID `json:"device,omitempty"`
	Seen   int64             `json:"seen"`
	// Leftovers says that all devices were looked at, and what the ledger has
	// of devices that are gone is being removed.
	Leftovers bool `json:"leftovers,omitempty"`
}

// unfinished returns the rescan that an earlier run began, nil if there is none.
func (f *Follower) unfinished(ctx context.Context) (*rescan, error) {
	b, err := f.opt.Ledger.Store().Value(ctx, rescanValue)
	if b == nil || err != nil {
		return nil, err
	}
	r := new(rescan)
	if json.Unmarshal(b, r) != nil {
		r = &rescan{Until: f.opt.Journal.Head()} // from the beginning
	}
	return r, nil
}

// rescan looks at every device, then at what is left of devices that are not
// there any more, and sets the cursor.
func (f *Follower) rescan(ctx context.Context, r *rescan) error {
	counters, err := f.opt.Store.Counters(ctx)
	if err != nil {
		return err
	}
	f.devices.Store(counters.Devices)
	f.seen.Store(r.Seen)
	f.rescans.Add(1)
	f.rescanning.Store(true)
	defer f.rescanning.Store(false)
	for !r.Leftovers {
		if err := f.step(ctx, r); err != nil {
			return err
		}
	}
	if err := f.removeLeftovers(ctx); err != nil {
		return err
	}
	err = f.commit(ctx, func(tx *ledger.Tx) error {
		tx.SetCursor(CursorName, r.Until)
		tx.SetValue(rescanValue, nil)
		return nil
	})
	if err != nil {
		return err
	}
	f.kept = r.Until
	f.read.Store(r.Until)
	f.opt.Logger.InfoContext(ctx, "all devices looked at", "devices", r.Seen)
	return nil
}

// step looks at the next devices.
func (f *Follower) step(ctx context.Context, r *rescan) error {
	subjects, done, err := f.following(ctx, r.Device)
	if err != nil {
		return err
	}
	next := *r
	next.Seen += int64(len(subjects))
	next.Leftovers = done
	if n := len(subjects); n > 0 {
		next.Device = subjects[n-1].id
	}
	value, err := json.Marshal(&next)
	if err != nil {
		return &tvilling.Error{Code: tvilling.Internal, Op: "keep rescan", Err: err}
	}
	err = f.commit(ctx, func(tx *ledger.Tx) error {
		for _, s := range subjects {
			if err := f.assess(tx, s); err != nil {
				return err
			}
		}
		tx.SetValue(rescanValue, value)
		return nil
	})
	if err != nil {
		return err
	}
	*r = next
	f.seen.Store(r.Seen)
	return nil
}

// everything is what a rescan looks at of a device.
var everything = touched{identities: true, configuration: true}

// following reads the devices after one; done says that they are the last.
func (f *Follower) following(ctx context.Context, after tvilling.DeviceID) (subjects []*subject, done bool, err error) {
	from := tvilling.Identity{Device: after}
	if after != "" {
		from.Module = "~" // no id has it or comes after it, so the next device follows
	}
	for e, err := range f.opt.Store.Scan(ctx, state.Range{After: from}) {
		if e.Identity == nil {
			if tvilling.CodeOf(err) != tvilling.Corrupt {
				return nil, false, err
			}
			f.leaveOut(ctx, "", err) // the error names it
			continue
		}
		id := e.Identity.ID.Device
		n := len(subjects)
		if n == 0 || subjects[n-1].id != id {
			if n == stepDevices {
				return subjects, false, nil
			}
			subjects = append(subjects, &subject{id: id, touched: &everything, members: make(map[tvilling.Identity]bool)})
			n++
		}
		if err := f.add(ctx, subjects[n-1], e, err); err != nil {
			return nil, false, err
		}
	}
	if ctx.Err() != nil {
		return nil, false, context.Cause(ctx)
	}
	return subjects, true, nil
}

// removeLeftovers forgets the devices that the ledger has open alerts or
// recommendations of and that are not registered: their deletion was among the
// changes that are lost.
func (f *Follower) removeLeftovers(ctx context.Context) error {
	known, err := f.mentioned(ctx)
	if err != nil {
		return err
	}
	for _, id := range known {
		s, err := f.load(ctx, id, &touched{identities: true, deleted: true})
		if err != nil {
			return err
		}
		if len(s.members) > 0 {
			continue
		}
		s.removed = map[tvilling.Identity]bool{
			tvilling.Device(id):                true,
			{Device: id, Module: f.opt.Module}: true,
		}
		if err := f.commit(ctx, func(tx *ledger.Tx) error { return f.assess(tx, s) }); err != nil {
			return err
		}
	}
	return nil
}

// mentioned returns the devices that have open alerts or active recommendations.
func (f *Follower) mentioned(ctx context.Context) ([]tvilling.DeviceID, error) {
	store := f.opt.Ledger.Store()
	var list []tvilling.DeviceID
	open := ledger.AlertFilter{Status: []ledger.Status{ledger.New, ledger.Acknowledged, ledger.InProgress}}
	groups, err := store.AlertGroups(ctx, open, []string{"device"})
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		list = append(list, tvilling.DeviceID(g.Values[0]))
	}
	for r, err := range store.Recommendations(ctx, ledger.RecommendationFilter{}, "", "") {
		if err != nil {
			return nil, err
		}
		if n := len(list); n == 0 || list[n-1] != r.Device {
			list = append(list, r.Device)
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}
