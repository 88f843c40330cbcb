package history

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// Limits of a page of versions.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
	// MaxBytes is about how much a page may hold of the twins that its versions
	// left; one that would hold more has fewer versions.
	MaxBytes = 8 << 20
)

// Query asks for versions.
type Query struct {
	// Before is the sequence that all are older than; 0 begins with the newest.
	Before uint64
	// Limit is how many at most; DefaultLimit if 0, never more than MaxLimit.
	Limit int
	// Parts are those that edits are wanted of; all if empty. A version that
	// has none in them is left out.
	Parts []Part
	// Connections adds when the identity connected and disconnected.
	Connections bool
}

// Version is a change of a twin or its identity, with what it changed.
type Version struct {
	state.Change
	// Edits are what changed, in the parts that were asked for.
	Edits []Edit
	// Together says that this change was made in one batch with the next newer
	// one, and that the edits of both, which cannot be told apart, stand there.
	Together bool
	// Partial says that what was there before is not kept: edits have only
	// what the change wrote.
	Partial bool
}

// Page is a page of versions, newest first.
type Page struct {
	Versions []Version
	// Next is what to pass as Before for the page after; 0 on the last one. A
	// page that is narrowed to parts, or has large twins, may have few versions,
	// or none, and a next.
	Next uint64
	// Complete says, on the last page, that the history reaches back to the
	// making of the identity.
	Complete bool
	// Kept is the oldest change that the journal keeps: what is older than it
	// is gone.
	Kept Mark
}

// Versions returns what has changed of id, newest first, with who did it, when
// and why. It is DeviceNotFound or ModuleNotFound if there is no such identity
// and nothing is kept of one.
func (s *Service) Versions(ctx context.Context, id tvilling.Identity, q Query) (*Page, error) {
	if q.Limit <= 0 {
		q.Limit = DefaultLimit
	}
	q.Limit = min(q.Limit, MaxLimit)
	kept, err := s.Kept(ctx)
	if err != nil {
		return nil, err
	}
	w := window{query: &q}
	groups, ended, err := s.walk(ctx, id, max(q.Before, 1)-1, w.look)
	if err != nil {
		return nil, err
	}
	if len(groups) == 0 {
		if err := s.checkKnown(ctx, id); err != nil {
			return nil, err
		}
	}
	list := steps(groups)
	page := &Page{Versions: []Version{}, Kept: kept}
	seen, last := 0, uint64(0)
	for i, st := range slices.Backward(list) {
		if !q.wants(st.change) {
			continue
		}
		if seen == q.Limit {
			page.Next = last
			return page, nil
		}
		seen, last = seen+1, st.change.Sequence
		if v := version(list, i); q.narrow(&v) {
			page.Versions = append(page.Versions, v)
		}
	}
	page.Complete = ended && len(list) > 0 && isCreate(list[0].change.Op)
	return page, nil
}

// checkKnown refuses an identity that is not registered and of which nothing is kept.
func (s *Service) checkKnown(ctx context.Context, id tvilling.Identity) error {
	rec, err := s.store.Identity(ctx, id)
	if err != nil || rec != nil {
		return err
	}
	for _, err := range s.store.History(ctx, id, 0) {
		if tvilling.CodeOf(err) != tvilling.Corrupt {
			return err
		}
	}
	return unregistered(id)
}

// narrow leaves of a version the edits in the parts asked for, and reports
// whether anything is left to tell.
func (q *Query) narrow(v *Version) bool {
	if isConnection(v.Op) || len(q.Parts) == 0 || v.Together {
		return true
	}
	v.Edits = slices.DeleteFunc(v.Edits, func(e Edit) bool { return !slices.Contains(q.Parts, e.Part) })
	return len(v.Edits) > 0
}

// wants reports whether a change may be one of the versions asked for.
func (q *Query) wants(c *state.Change) bool {
	if q.Before > 0 && c.Sequence >= q.Before {
		return false
	}
	if isConnection(c.Op) {
		return q.Connections
	}
	if len(q.Parts) == 0 || isCreate(c.Op) || isDelete(c.Op) {
		return true
	}
	has := func(parts ...Part) bool {
		return slices.ContainsFunc(parts, func(p Part) bool { return slices.Contains(q.Parts, p) })
	}
	switch c.Op {
	case state.UpdateTwin, state.ReplaceTwin:
		return has(Tags, Desired, Hub)
	case state.ReportTwin:
		return has(Reported)
	case state.UpdateOwned:
		return has(Hub)
	default:
		return has(Identity)
	}
}

// window counts the changes that are wanted of groups, newest first.
type window struct {
	query *Query
	n     int
	bytes int
	// twin and identity say that what was there before is needed, too.
	twin, identity bool
}

// look keeps the groups with versions that are wanted, up to one more than
// that, and what was there before each of them.
func (w *window) look(g *group) look {
	what := skip
	if w.twin && (g.leavesTwin() || g.damaged || g.touches(touchesTwin)) || w.identity && (g.leavesIdentity() || g.damaged || g.touches(touchesIdentity)) {
		what = keep
	}
	w.twin, w.identity = w.twin && !g.leavesTwin(), w.identity && !g.leavesIdentity()
	if w.n <= w.query.Limit && slices.ContainsFunc(g.changes, w.query.wants) {
		what = keep
		for _, c := range g.changes {
			if w.query.wants(c) {
				w.n++
			}
		}
		w.twin, w.identity = w.twin || g.touches(touchesTwin), w.identity || g.touches(touchesIdentity)
		if w.bytes += g.bytes(); w.bytes > MaxBytes {
			w.query.Limit = max(1, min(w.query.Limit, w.n-1))
		}
	}
	if w.n > w.query.Limit && !w.twin && !w.identity {
		return enough
	}
	return what
}

// version is the i-th of steps, with its edits.
func version(list []step, i int) Version {
	st := &list[i]
	v := Version{Change: *st.change}
	if touchesTwin(v.Op) {
		before, known := lastKnown(list[:i], func(s *step) bool { return s.twinKnown })
		switch {
		case !known && !isCreate(v.Op):
			v.Partial, v.Edits = true, bodyEdits(&v.Change)
		case !st.twinKnown:
			v.Together = true
		case isCreate(v.Op):
			v.Edits = DiffTwins(nil, st.twin)
		default:
			v.Edits = DiffTwins(before.twin, st.twin)
		}
	}
	if touchesIdentity(v.Op) {
		before, known := lastKnown(list[:i], func(s *step) bool { return s.identityKnown })
		switch {
		case !known && !isCreate(v.Op):
			v.Partial = true
		case !st.identityKnown:
			v.Together = true
		case isCreate(v.Op):
			v.Edits = append(DiffIdentities(nil, st.identity), v.Edits...)
		default:
			v.Edits = append(DiffIdentities(before.identity, st.identity), v.Edits...)
		}
	}
	return v
}

// lastKnown returns the newest step of which something is known; before an
// identity was made there was nothing, which is known.
func lastKnown(list []step, known func(*step) bool) (*step, bool) {
	for i := len(list) - 1; i >= 0; i-- {
		if known(&list[i]) {
			return &list[i], true
		}
		if isCreate(list[i].change.Op) {
			return &step{}, true
		}
	}
	return nil, false
}

// bodyEdits are the edits that the body of a change tells by itself: what it
// wrote, and not what was there.
func bodyEdits(c *state.Change) (edits []Edit) {
	b, err := readBody(c)
	if err != nil {
		return nil
	}
	for _, s := range []struct {
		part Part
		doc  doc.Part
		raw  json.RawMessage
	}{{Tags, doc.Tags, b.tags}, {Desired, doc.Desired, b.desired}, {Reported, doc.Reported, b.reported}} {
		if len(s.raw) == 0 || string(s.raw) == "null" {
			continue
		}
		var members map[string]json.RawMessage
		if json.Unmarshal(s.raw, &members) != nil {
			continue
		}
		edits = appendWritten(edits, s.part, nil, members)
	}
	for name, raw := range b.owned {
		edits = append(edits, Edit{Part: Hub, Path: []string{name}, New: present(raw)})
	}
	return edits
}

func appendWritten(edits []Edit, part Part, path []string, members map[string]json.RawMessage) []Edit {
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if len(path) == 0 && name == "$version" {
			continue
		}
		at := append(slices.Clip(path), name)
		var inner map[string]json.RawMessage
		if raw := members[name]; raw[0] == '{' && json.Unmarshal(raw, &inner) == nil && len(inner) > 0 {
			edits = appendWritten(edits, part, at, inner)
		} else {
			edits = append(edits, Edit{Part: part, Path: at, New: present(raw)})
		}
	}
	return edits
}

func present(raw json.RawMessage) json.RawMessage {
	if string(raw) == "null" {
		return nil
	}
	return raw
}
