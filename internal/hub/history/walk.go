package history

import (
	"context"
	"slices"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// group is what one batch did to an identity.
type group struct {
	// records are what the batch left; nil if it wrote none.
	records *state.Past
	changes []*state.Change // newest first
	// damaged says that something of the batch, or of those around it, is lost.
	damaged bool
}

// leavesTwin reports whether it is known what twin the group left, whatever was
// there before.
func (g *group) leavesTwin() bool {
	return g.records != nil && (g.records.Twin != nil || g.records.Deleted)
}

// bytes is about how much memory the twin takes that the group left.
func (g *group) bytes() int {
	if !g.leavesTwin() || g.records.Twin == nil {
		return 0
	}
	t := g.records.Twin
	n := len(t.Tags) + len(t.Desired) + len(t.Reported)
	for _, o := range t.Owned {
		n += len(o.Value)
	}
	return n
}

func (g *group) leavesIdentity() bool {
	return g.records != nil && (g.records.Identity != nil || g.records.Deleted)
}

func (g *group) touches(what func(state.Op) bool) bool {
	return slices.ContainsFunc(g.changes, func(c *state.Change) bool { return what(c.Op) })
}

// look is what is to be done with a group that was looked at.
type look uint8

const (
	skip look = iota // it tells nothing more
	keep
	enough // keep it, and look no further
)

// walk goes through what the journal keeps of id up to a sequence (0: all),
// newest first. Each group is looked at once, and those that are to be kept are
// returned: an identity may have had a million versions. It reports whether it
// came to the end of what is kept.
func (s *Service) walk(ctx context.Context, id tvilling.Identity, until uint64, at func(*group) look) (groups []group, ended bool, err error) {
	var g group
	full := func() bool {
		if g.records == nil && len(g.changes) == 0 {
			return false
		}
		what := at(&g)
		if what != skip {
			groups = append(groups, g)
		}
		g = group{}
		return what == enough
	}
	for p, err := range s.store.History(ctx, id, until) {
		switch {
		case tvilling.CodeOf(err) == tvilling.Corrupt:
			g.damaged = true
			continue
		case err != nil:
			return nil, false, err
		case p.Change != nil:
			g.changes = append(g.changes, p.Change)
			continue
		}
		// The records of a batch come first, so the batch before is whole.
		if full() {
			return groups, false, nil
		}
		g.records = &p
	}
	full()
	return groups, true, nil
}

// step is a change with the twin and the identity as they were after it.
type step struct {
	change   *state.Change
	twin     *state.Twin
	identity *state.Identity
	// twinKnown and identityKnown say whether they are known; they may be known
	// not to be there.
	twinKnown, identityKnown bool
}

// steps works out what each change of groups, newest first, has left, and
// returns the changes oldest first.
func steps(groups []group) []step {
	var list []step
	var last step
	for _, g := range slices.Backward(groups) {
		begin := len(list)
		for _, c := range slices.Backward(g.changes) {
			last = last.next(c)
			list = append(list, last)
		}
		part := list[begin:]
		twin, identity := g.leavesTwin(), g.leavesIdentity()
		if g.damaged || twin && (!last.twinKnown || !alike(last.twin, g.records.Twin)) {
			// The changes do not lead to what the batch left, or some are lost,
			// so what was between them is not known.
			for i := range part {
				part[i].twin, part[i].twinKnown = nil, false
			}
		}
		if g.damaged {
			for i := range part {
				part[i].identity, part[i].identityKnown = nil, false
			}
			last = step{}
		}
		if twin {
			last.twin, last.twinKnown = g.records.Twin, true
		}
		if identity {
			last.identity, last.identityKnown = g.records.Identity, true
		}
		// From the last change that touched it on, it is what the batch left.
		for i := len(part) - 1; i >= 0 && twin && !g.damaged; i-- {
			part[i].twin, part[i].twinKnown = last.twin, true
			twin = !touchesTwin(part[i].change.Op)
		}
		for i := len(part) - 1; i >= 0 && identity && !g.damaged; i-- {
			part[i].identity, part[i].identityKnown = last.identity, true
			identity = !touchesIdentity(part[i].change.Op)
		}
	}
	return list
}

// next is the step of a change after s.
func (s step) next(c *state.Change) step {
	n := s
	n.change = c
	var twin *state.Twin
	if s.twinKnown {
		twin = s.twin
	}
	switch {
	case touchesTwin(c.Op):
		if n.twin, n.twinKnown = replay(twin, c); !n.twinKnown {
			n.twin = nil
		}
	case !s.twinKnown:
		n.twin = nil
	}
	if touchesIdentity(c.Op) {
		// The journal's body does not tell what is in an identity.
		n.identity, n.identityKnown = nil, isDelete(c.Op)
	}
	return n
}
