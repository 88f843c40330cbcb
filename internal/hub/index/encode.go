package index

import (
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// identity notes the members of a twin that come from its identity's record.
func (x *Index) identity(t *table, rec *state.Identity) {
	status := "enabled"
	if rec.Disabled {
		status = "disabled"
	}
	x.set(t.status, x.text(t, t.status, []byte(status)))
	x.set(t.statusReason, x.optional(t, t.statusReason, rec.StatusReason))
	x.set(t.statusTime, ticksOf(rec.StatusUpdated))
	x.set(t.auth, x.text(t, t.auth, []byte(rec.Auth.Type)))
	x.set(t.primary, x.nullable(t, t.primary, rec.Auth.PrimaryThumbprint))
	x.set(t.secondary, x.nullable(t, t.secondary, rec.Auth.SecondaryThumbprint))
	if t.modules {
		return
	}
	x.set(t.edge, truth(rec.Edge))
	x.set(t.scope, x.optional(t, t.scope, rec.DeviceScope))
	parents := undefined
	if len(rec.ParentScopes) > 0 {
		parents = isList
	}
	x.set(t.parents, code(parents))
}

func truth(b bool) cell {
	if b {
		return code(isTrue)
	}
	return code(isFalse)
}

// optional returns the cell of a member that is there when it is not empty.
func (x *Index) optional(t *table, c *column, s string) cell {
	if s == "" {
		return code(undefined)
	}
	return x.text(t, c, []byte(s))
}

// nullable returns the cell of a member that is null when it is empty.
func (x *Index) nullable(t *table, c *column, s string) cell {
	if s == "" {
		return code(isNull)
	}
	return x.text(t, c, []byte(s))
}

// epochTicks is the Unix epoch in ticks: steps of 100 ns since the year 1.
const epochTicks = 62135596800 * 10_000_000

// ticksOf returns the cell of a time of the hub, in the steps that the wire
// shows; one before the year 1 or too late to be one is not told exactly.
func ticksOf(at time.Time) cell {
	s := at.Unix() + epochTicks/10_000_000
	if s < 0 || s > 10_000*366*86400 {
		return code(isSome)
	}
	return cell(s*10_000_000 + int64(at.Nanosecond()/100))
}

// timeOf returns the time that ticks are.
func timeOf(ticks cell) time.Time {
	u := int64(ticks) - epochTicks
	s := u / 10_000_000
	if u%10_000_000 < 0 {
		s--
	}
	return time.Unix(s, (u-s*10_000_000)*100).UTC()
}

// session notes when an identity was last heard of, as its kept session has
// it; nil if it never was.
func (x *Index) session(t *table, rec *state.Session) {
	var at time.Time
	if rec != nil {
		at = rec.LastActivity
	}
	x.set(t.activity, ticksOf(at))
}

// The values of connectionState; they are in every dictionary, the first one
// with the first code.
const (
	disconnected = "Disconnected"
	connected    = "Connected"

	isDisconnected = codeBits<<51 | cell(firstCode)
)

// connection notes whether an identity is connected now.
func (x *Index) connection(t *table, id tvilling.Identity) {
	state := disconnected
	if x.opt.Live != nil {
		if live, _, _ := x.opt.Live(id); live {
			state = connected
		}
	}
	x.set(t.connected, x.text(t, t.connected, []byte(state)))
}

// twin notes the members of a twin that differ from those of the twin before;
// nil if that is not known, in which case all of them are noted.
func (x *Index) twin(t *table, slot uint32, before, after *state.Twin) {
	if before == nil {
		x.clear(t, slot)
		before = &state.Twin{}
		x.twinHead(t, after)
	} else if before.Version != after.Version || before.ModelID != after.ModelID {
		x.twinHead(t, after)
	}
	if tagged := !after.Tags.IsEmpty(); tagged != !before.Tags.IsEmpty() {
		k := undefined
		if tagged {
			k = isObject
		}
		x.set(t.tags.column, code(k))
	}
	x.section(t, t.tags, before.Tags, after.Tags)
	x.section(t, t.desired, before.Desired, after.Desired)
	x.section(t, t.reported, before.Reported, after.Reported)
	x.stamp(t, t.desiredVersion, t.desiredTime, before.Desired, after.Desired)
	x.stamp(t, t.reportedVersion, t.reportedTime, before.Reported, after.Reported)
	x.ownedMembers(t, before.Owned, after.Owned)
}

func (x *Index) twinHead(t *table, twin *state.Twin) {
	x.set(t.version, x.number(t, t.version, float64(twin.Version)))
	x.set(t.model, x.text(t, t.model, []byte(twin.ModelID)))
}

// stamp notes the version of a section and when it was last written. Bytes
// that are no section have neither.
func (x *Index) stamp(t *table, version, written *column, before, after doc.Section) {
	if same(before, after) {
		return
	}
	x.set(version, x.number(t, version, float64(after.Version())))
	x.set(written, ticksOf(after.Updated()))
}

// same reports whether two sections are the same bytes, not only equal ones.
func same(a, b doc.Section) bool {
	return len(a) == len(b) && len(a) > 0 && &a[0] == &b[0]
}

// section notes the members below p in which two sections differ.
func (x *Index) section(t *table, p *path, before, after doc.Section) {
	if same(before, after) {
		return
	}
	x.way.known = 0
	doc.Differences(before, after, func(keys [][]byte, _, now doc.Value) {
		at := x.way.follow(x, t, p, keys)
		if at != nil && !at.column.gone.Load() {
			x.set(at.column, x.value(t, at.column, now))
		}
	})
}

// trail is the way to the member that was visited last. The next one is most
// often beside it or below, and what is above both need not be looked up again.
type trail struct {
	keys  [trailLength]*byte
	paths [trailLength]*path
	known int
}

// trailLength is as deep as a twin goes, and one for the leaf.
const trailLength = 12

// follow returns the member that keys name from p on; nil if there is no room
// for it.
func (w *trail) follow(x *Index, t *table, p *path, keys [][]byte) *path {
	n := 0
	for n < min(w.known, len(keys)) && len(keys[n]) > 0 && w.keys[n] == &keys[n][0] {
		p = w.paths[n]
		n++
	}
	for ; n < len(keys); n++ {
		if p = x.child(t, p, keys[n]); p == nil {
			w.known = 0
			return nil
		}
		if n < trailLength {
			w.keys[n], w.paths[n] = nil, p
			if len(keys[n]) > 0 {
				w.keys[n] = &keys[n][0]
			}
		}
	}
	w.known = min(n, trailLength)
	return p
}

// ownedMembers notes the members that the hub keeps in the root of a twin.
func (x *Index) ownedMembers(t *table, before, after []state.Owned) {
	for i := range before {
		if find(after, before[i].Name) == nil {
			if p := x.child(t, t.owned, []byte(before[i].Name)); p != nil {
				x.set(p.column, code(undefined))
				x.section(t, p, before[i].Value, nil)
			}
		}
	}
	for i := range after {
		p := x.child(t, t.owned, []byte(after[i].Name))
		if p == nil {
			continue
		}
		old := find(before, after[i].Name)
		if old == nil {
			x.set(p.column, code(isObject))
			old = &state.Owned{}
		}
		x.section(t, p, old.Value, after[i].Value)
	}
}

func find(list []state.Owned, name string) *state.Owned {
	for i := range list {
		if list[i].Name == name {
			return &list[i]
		}
	}
	return nil
}

// value returns the cell of a value of a document.
func (x *Index) value(t *table, c *column, v doc.Value) cell {
	switch v.Kind() {
	case doc.Bool:
		return truth(v.Bool())
	case doc.Number:
		return x.number(t, c, v.Number())
	case doc.String:
		x.scratch = v.AppendText(x.scratch[:0])
		return x.text(t, c, x.scratch)
	case doc.Object:
		return code(isObject)
	case doc.Array:
		return code(isList)
	}
	return code(undefined)
}

// clear notes that a row has none of the members of a document, if it has any.
func (x *Index) clear(t *table, slot uint32) {
	b, i := t.block(slot), int(slot%blockRows)
	if b.parts[i]&hasTwin == 0 {
		return
	}
	for _, p := range []*path{t.tags, t.desired, t.reported, t.owned} {
		x.clearBelow(b, i, p)
	}
	x.set(t.tags.column, code(undefined))
}

func (x *Index) clearBelow(b *block, row int, p *path) {
	for _, m := range p.members {
		if b.cell(m.column.number, row) != code(undefined) {
			x.set(m.column, code(undefined))
		}
		x.clearBelow(b, row, m)
	}
}
