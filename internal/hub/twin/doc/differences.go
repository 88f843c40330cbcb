package doc

import "bytes"

// Differences tells visit of every member in which after differs from before,
// whatever their stamps: what is gone, with the zero Value as now; what came,
// with the zero Value as old; and leaves of another value. Objects that are in
// both are looked into and not told of; of one that came or is gone visit is
// told first and then of all its members. A member that stands at another place
// than before may be told of as gone and later as come, equal or not.
//
// path is the way to the member, one key an element; it is valid only until
// visit returns. Bytes that are no section count as empty.
func Differences(before, after Section, visit func(path [][]byte, old, now Value)) {
	if len(before) == len(after) && (len(before) == 0 || &before[0] == &after[0]) {
		return
	}
	b, _ := before.header()
	a, _ := after.header()
	var room [maxDepth + 2][]byte
	d := differ{path: room[:0], visit: visit}
	d.members(b.members, a.members)
}

// differ is the state of one comparison.
type differ struct {
	path  [][]byte
	visit func(path [][]byte, old, now Value)
}

// members compares the members of two objects. A merge keeps the order of the
// members that stay and puts new ones at the end, so one walk along both finds
// all pairs; in any other order some are told of as gone and come.
func (d *differ) members(before, after []byte) {
	if len(d.path) > maxDepth {
		return
	}
	var b, a member
	j, next := 0, 0 // a is the member of after at j, if next is beyond it
	for i := 0; i < len(before); {
		if i = b.read(before, i); i < 0 {
			break
		}
		if next == j && j < len(after) {
			if next = a.read(after, j); next < 0 {
				return
			}
		}
		if next == j || !bytes.Equal(a.key, b.key) {
			d.all(&b, false)
			continue
		}
		d.pair(&b, &a)
		j = next
	}
	for j < len(after) {
		if j = a.read(after, j); j < 0 {
			return
		}
		d.all(&a, true)
	}
}

// pair compares two members of one name.
func (d *differ) pair(b, a *member) {
	switch {
	case b.kind == a.kind && bytes.Equal(b.val, a.val):
	case b.kind == kindObject && a.kind == kindObject:
		d.path = append(d.path, a.key)
		d.members(b.val, a.val)
		d.path = d.path[:len(d.path)-1]
	case b.kind == kindObject || a.kind == kindObject:
		d.all(b, false)
		d.all(a, true)
	default:
		d.path = append(d.path, a.key)
		d.visit(d.path, stored(b.kind, b.val), stored(a.kind, a.val))
		d.path = d.path[:len(d.path)-1]
	}
}

// all tells of a member with all below it, that it came or is gone.
func (d *differ) all(m *member, came bool) {
	d.path = append(d.path, m.key)
	if v := stored(m.kind, m.val); came {
		d.visit(d.path, Value{}, v)
	} else {
		d.visit(d.path, v, Value{})
	}
	if m.kind == kindObject && len(d.path) <= maxDepth {
		var c member
		for i := 0; i < len(m.val); {
			if i = c.read(m.val, i); i < 0 {
				break
			}
			d.all(&c, came)
		}
	}
	d.path = d.path[:len(d.path)-1]
}
