package follow

import (
	"context"
	"slices"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// subject is a device as it is now, with what is to be assessed of it.
type subject struct {
	id tvilling.DeviceID
	*touched
	// device is nil when there is no such device.
	device *state.Identity
	// credentials are those of the device and its modules, as far as they can
	// be read.
	credentials []credential
	// members are all its identities, readable or not.
	members map[tvilling.Identity]bool
	// twin is that of the security module, nil when there is none; unreadable
	// says that there is one and it is damaged.
	twin       *state.Twin
	unreadable bool
}

// credential is what an identity can show.
type credential struct {
	id           tvilling.Identity
	fingerprints [][]byte
}

// load reads the present state of a device.
func (f *Follower) load(ctx context.Context, id tvilling.DeviceID, t *touched) (*subject, error) {
	s := &subject{id: id, touched: t, members: make(map[tvilling.Identity]bool)}
	for e, err := range f.opt.Store.Scan(ctx, state.Range{Device: id}) {
		if err := f.add(ctx, s, e, err); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// add adds an identity of a scan. What is damaged is counted and left out; what
// is known of it stays as it is.
func (f *Follower) add(ctx context.Context, s *subject, e state.Entry, err error) error {
	if err != nil && tvilling.CodeOf(err) != tvilling.Corrupt {
		return err
	}
	if err != nil {
		f.leaveOut(ctx, s.id, err)
	}
	rec := e.Identity
	if rec == nil {
		return nil
	}
	s.members[rec.ID] = true
	switch rec.ID.Module {
	case "":
		s.device = rec
	case f.opt.Module:
		s.twin, s.unreadable = e.Twin, e.Twin == nil
	default: // a module of the application
	}
	marks, err := f.opt.Registry.Fingerprints(rec)
	switch {
	case err == nil:
		s.credentials = append(s.credentials, credential{rec.ID, marks})
	case tvilling.CodeOf(err) == tvilling.Corrupt:
		f.leaveOut(ctx, s.id, err)
	default:
		return err
	}
	return nil
}

func (f *Follower) leaveOut(ctx context.Context, id tvilling.DeviceID, err error) {
	f.damaged.Add(1)
	f.opt.Logger.WarnContext(ctx, "damaged record left out of an assessment", "device_id", string(id), "error", err)
}

// properties returns the desired and reported properties as JSON, without
// version and metadata; nil without a twin.
func (s *subject) properties() (desired, reported []byte) {
	if s.twin == nil {
		return nil, nil
	}
	return s.twin.Desired.AppendJSON(nil, doc.Form{}), s.twin.Reported.AppendJSON(nil, doc.Form{})
}

// gone returns the identities that were removed and are not there again.
func (s *subject) gone() []tvilling.Identity {
	var list []tvilling.Identity
	for id := range s.removed {
		if !s.members[id] {
			list = append(list, id)
		}
	}
	slices.SortFunc(list, compareIDs)
	return list
}
