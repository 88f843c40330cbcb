package doc

import "time"

// Node is a member of a section as [Section.Walk] meets it.
type Node struct {
	// Path leads to the member, one key an element. It is the walk's own: it
	// does not last, nor may it be changed.
	Path  [][]byte
	Value Value
	// Version is the version of the section in which the member, or for an
	// object something inside it, was last changed.
	Version int64

	ticks int64
	actor []byte
}

// Actor returns who last changed the member. The bytes are part of the section.
func (n *Node) Actor() []byte { return n.actor }

// Time returns when the member was last changed.
func (n *Node) Time() time.Time { return timeOf(n.ticks) }

// Leaf reports whether the member has none inside: any value but an object,
// or an object that is empty.
func (n *Node) Leaf() bool { return n.Value.kind != Object || len(n.Value.raw) == 0 }

// Walk visits every member of s, an object before its own members, in the order
// in which they are stored, until visit says to stop. It returns an error of
// code Corrupt if the bytes are no section.
func (s Section) Walk(visit func(*Node) bool) error {
	h, ok := s.header()
	if !ok {
		return corrupt("its head is malformed")
	}
	var rowBuf [24]row
	var actorBuf [8][]byte
	var pathBuf [maxDepth + 1][]byte
	w := walker{visit: visit}
	if w.actors, w.rows, ok = h.stamps(actorBuf[:0], rowBuf[:0]); !ok {
		return corrupt("its table of stamps is malformed")
	}
	w.node.Path = pathBuf[:0]
	w.members(h.members)
	if w.damaged {
		return corrupt("its members are malformed")
	}
	return nil
}

// walker is the state of one walk.
type walker struct {
	visit   func(*Node) bool
	actors  [][]byte
	rows    []row
	node    Node
	damaged bool
}

// members visits stored members; false ends the walk.
func (w *walker) members(b []byte) bool {
	depth := len(w.node.Path)
	if depth > maxDepth {
		w.damaged = true
		return false
	}
	var m member
	for i := 0; i < len(b); {
		if i = m.read(b, i); i < 0 || int(m.stamp) >= len(w.rows) {
			w.damaged = true
			return false
		}
		r := &w.rows[m.stamp]
		w.node.Path = append(w.node.Path[:depth], m.key)
		w.node.Value, w.node.Version, w.node.ticks, w.node.actor = stored(m.kind, m.val), r.version, r.ticks, nil
		if int(r.actor) < len(w.actors) {
			w.node.actor = w.actors[r.actor]
		}
		if !w.visit(&w.node) {
			return false
		}
		if m.kind == kindObject && !w.members(m.val) {
			return false
		}
	}
	w.node.Path = w.node.Path[:depth]
	return true
}
