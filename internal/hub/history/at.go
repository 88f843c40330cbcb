package history

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// State is how a twin was at a moment.
type State struct {
	Identity  *state.Identity
	Twin      *state.Twin
	Connected bool
	// Mark is the newest change of the identity up to that moment; zero if it
	// is not kept.
	Mark
}

// At returns how id was at a point. It is NotFound if that is not kept, if
// the identity was not there, or if the changes around it cannot be told apart;
// the message says which. Of a module that was made in one batch with a change
// of its twin only the outcome may be known.
func (s *Service) At(ctx context.Context, id tvilling.Identity, point Point) (*State, error) {
	// What is there now is looked at first: it is how things were at every
	// moment after which the journal has no change.
	now, lost, err := s.present(ctx, id)
	if err != nil {
		return nil, err
	}
	st := State{Connected: s.live(id)}
	if point.Now {
		if err := cmp.Or(lost.identity, lost.twin); err != nil {
			return nil, err
		}
		if now.Identity == nil || now.Twin == nil {
			return nil, unregistered(id)
		}
		now.Connected = st.Connected
		return &now, nil
	}
	b := back{point: point, now: now.Twin}
	groups, _, err := s.walk(ctx, id, 0, b.look)
	if err != nil {
		return nil, err
	}
	if !b.any && now.Identity == nil {
		return nil, cmp.Or(lost.identity, unregistered(id))
	}
	st.Connected = b.connected(st.Connected)
	var at step
	if b.target != nil {
		st.Mark = Mark{Sequence: b.target.Sequence, Time: b.target.Time}
		list := steps(groups)
		at = list[slices.IndexFunc(list, func(s step) bool { return s.change == b.target })]
	} else if err := s.checkReach(ctx, id, point, now.Twin); err != nil {
		return nil, cmp.Or(lost.twin, err)
	}
	twinNow, identityNow := lost.twin == nil && b.unchanged(), lost.identity == nil && !b.laterIdentity
	if !at.twinKnown && twinNow {
		at.twin, at.twinKnown = now.Twin, true
	}
	if !at.identityKnown && identityNow {
		at.identity, at.identityKnown = now.Identity, true
	}
	switch {
	case b.target == nil && !at.twinKnown && b.firstIsCreate:
		return nil, about(tvilling.Errorf(tvilling.NotFound, "%s was not registered at %s.", id, point), id)
	case !at.twinKnown && lost.twin != nil:
		return nil, lost.twin
	case !at.identityKnown && lost.identity != nil:
		return nil, lost.identity
	case !at.twinKnown || !at.identityKnown:
		return nil, s.untold(ctx, id, point, b.target != nil && b.touchedUpTo)
	case at.twin == nil || at.identity == nil:
		return nil, about(tvilling.Errorf(tvilling.NotFound, "%s was not registered at %s.", id, point), id)
	}
	st.Twin, st.Identity = at.twin, at.identity
	return &st, nil
}

// losses are why records of the present cannot be read, of code Corrupt; nil for
// what can. What the journal has of the past may be known all the same.
type losses struct{ identity, twin error }

// present reads what there is of id now.
func (s *Service) present(ctx context.Context, id tvilling.Identity) (now State, lost losses, err error) {
	now.Identity, err = s.store.Identity(ctx, id)
	if tvilling.CodeOf(err) == tvilling.Corrupt {
		lost.identity, err = err, nil
	}
	if err != nil {
		return State{}, losses{}, err
	}
	now.Twin, err = s.store.Twin(ctx, id)
	if tvilling.CodeOf(err) == tvilling.Corrupt {
		lost.twin, err = err, nil
	}
	return now, lost, err
}

// untold is the error for a state that cannot be worked out.
func (s *Service) untold(ctx context.Context, id tvilling.Identity, point Point, touched bool) error {
	if touched {
		return about(tvilling.Errorf(tvilling.NotFound, "How %s was at %s is not known: the change was made together with others, or is damaged. Ask for a later moment.", id, point), id)
	}
	kept, err := s.first(ctx)
	if err != nil {
		return err
	}
	return notKept(id, point, kept)
}

// checkReach checks that a point up to which no change is kept of an identity
// lies within what the journal keeps.
func (s *Service) checkReach(ctx context.Context, id tvilling.Identity, point Point, now *state.Twin) error {
	kept, err := s.first(ctx)
	if err != nil {
		return err
	}
	switch {
	case point.Version > 0:
		if now != nil && now.Version == point.Version {
			return nil
		}
		if now != nil && point.Version > now.Version {
			return about(tvilling.Errorf(tvilling.NotFound, "The twin of %s has had no version %d: its version is %d.", id, point.Version, now.Version), id)
		}
	case !point.Time.IsZero() && !point.Time.Before(kept.Time), point.Time.IsZero() && point.Sequence+1 >= kept.Sequence:
		return nil
	}
	return notKept(id, point, kept)
}

// back is a walk back to a point.
type back struct {
	point Point
	// now is the twin that was read before the walk.
	now    *state.Twin
	target *state.Change
	// any says that there was something; left that a batch left the twin that
	// is there now, and made that one made the identity.
	any, left, made bool
	// later says that something of the identity changed after the point.
	laterTwin, laterIdentity bool
	// damaged says that something after the point, or around it, is lost.
	damaged bool
	// laterConnection is the oldest connection or disconnection after the point.
	laterConnection state.Op
	// firstIsCreate says that the oldest change looked at made the identity.
	firstIsCreate bool
	// touchedUpTo says that a change up to the point touched the twin.
	touchedUpTo bool
	// base says that a group wholly up to the point has left a twin, and
	// baseIdentity an identity.
	base, baseIdentity bool
}

// look looks at the next group. What is after the point is not needed to know
// how things were there.
func (b *back) look(g *group) look {
	b.any = true
	b.left = b.left || g.records != nil && g.records.Twin != nil && alike(g.records.Twin, b.now)
	b.made = b.made || g.touches(isCreate)
	whole := true // all of the group is up to the point
	if g.damaged && b.target == nil {
		// A change after the point may be lost.
		b.damaged, b.laterTwin, b.laterIdentity = true, true, true
	}
	for _, c := range g.changes {
		if b.target == nil && b.point.reached(c) {
			b.target = c
		}
		b.firstIsCreate = isCreate(c.Op)
		if b.target != nil {
			b.touchedUpTo = b.touchedUpTo || touchesTwin(c.Op)
			continue
		}
		whole = false
		b.laterTwin, b.laterIdentity = b.laterTwin || touchesTwin(c.Op), b.laterIdentity || touchesIdentity(c.Op)
		if isConnection(c.Op) {
			b.laterConnection = c.Op
		}
	}
	if b.target != nil && whole {
		b.base, b.baseIdentity = b.base || g.leavesTwin(), b.baseIdentity || g.leavesIdentity()
	}
	switch {
	case b.target == nil:
		return skip
	case b.base && (b.baseIdentity || !b.laterIdentity):
		return enough
	}
	return keep
}

// connected reports whether the identity was connected at the point, given
// whether it is now: what ended later had been.
func (b *back) connected(live bool) bool {
	switch b.laterConnection {
	case state.Connected:
		return false
	case state.Disconnected:
		return true
	default:
		return live
	}
}

// unchanged reports whether the twin that was read before the walk is the one
// at the point: nothing changed it later, or only after it was read.
func (b *back) unchanged() bool {
	switch {
	case !b.laterTwin:
		return true
	case b.now == nil, b.touchedUpTo, b.damaged:
		return false
	}
	return !b.left && !b.made
}

// Restore makes the tags and desired properties of id what they were at a
// point, if match allows it, as one change by actor; reported properties are
// the device's own. It returns the twin as it is then.
func (s *Service) Restore(ctx context.Context, id tvilling.Identity, point Point, match tvilling.Match, actor string) (twin.View, error) {
	was, err := s.At(ctx, id, point)
	if err != nil {
		return twin.View{}, err
	}
	u := twin.Update{Cause: fmt.Sprintf("restore of version %d", was.Twin.Version)}
	if !was.Time.IsZero() {
		u.Cause += ", of " + was.Time.UTC().Format(time.RFC3339)
	}
	if u.Tags, err = patchOf(was.Twin.Tags, doc.Tags); err != nil {
		return twin.View{}, err
	}
	if u.Desired, err = patchOf(was.Twin.Desired, doc.Desired); err != nil {
		return twin.View{}, err
	}
	return s.twins.Replace(ctx, id, u, match, actor)
}

func patchOf(s doc.Section, part doc.Part) (*doc.Patch, error) {
	p, err := doc.Parse(s.AppendJSON(nil, doc.Form{}), part)
	if err != nil {
		return nil, &tvilling.Error{Code: tvilling.Corrupt, Op: "restore twin", Message: "The twin as it was cannot be read.", Err: err}
	}
	return p, nil
}
