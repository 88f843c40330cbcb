package configuration

import (
	"maps"
	"slices"
	"strings"

	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// role is what a configuration may do with a twin.
type role uint8

const (
	// out: nothing of it is to be there.
	out role = iota
	// still: what it has written stays, and nothing is written.
	still
	// active: the twin is to have what it says.
	active
)

// part is a configuration with its role, as [plan] takes them: in the order of
// precedence, the first one wins.
type part struct {
	id     string
	wishes []wish
	role   role
	// unknown says that its wishes cannot be read: it is still, and all that it
	// has written is kept.
	unknown bool
}

// edits is what is to be done with a section.
type edits struct {
	// writes has, for each part, what it has to write; nil for nothing.
	writes []*tree
	// removed are values that a configuration has set and that nobody wants.
	removed []removal
	// wins says of each part whether it has a say at all: a part is overruled
	// when others take precedence on every path.
	wins []bool
	// holds says of each part that is still whether the section has a value of it.
	holds []bool
}

// removal is a value to be removed, with the actor that had set it.
type removal struct {
	path  []string
	actor string
}

// plan works out how a section of desired properties comes to have what parts
// say. It is pure; applied to what its edits make of the section it finds
// nothing more to do. It fails for a damaged section.
func plan(desired doc.Section, parts []part) (*edits, error) {
	e := &edits{writes: make([]*tree, len(parts)), wins: make([]bool, len(parts)), holds: make([]bool, len(parts))}
	there, err := e.held(desired, parts)
	if err != nil {
		return nil, err
	}
	var root claims
	for i := range parts {
		e.wins[i] = len(parts[i].wishes) == 0
		if parts[i].role == active {
			for j := range parts[i].wishes {
				e.wins[i] = root.add(i, &parts[i].wishes[j]) || e.wins[i]
			}
			continue
		}
		for _, w := range there.kept(parts, i) {
			e.wins[i] = root.add(i, w) || e.wins[i]
		}
	}
	c := comparison{edits: e, parts: parts, met: make(map[*claims]bool)}
	c.at[0] = place{node: &root}
	if err := desired.Walk(c.visit); err != nil {
		return nil, err
	}
	c.write(&root, nil)
	c.prune(desired, &root)
	return e, nil
}

// holdings are what a section has, by the keys of paths.
type holdings struct {
	// values are those of each part, objects those of anybody.
	values  []map[string]bool
	objects map[string]bool
}

// held notes what the parts that are still have in the section.
func (e *edits) held(desired doc.Section, parts []part) (h holdings, err error) {
	if !desired.Configured() || !slices.ContainsFunc(parts, func(p part) bool { return p.role == still }) {
		return h, nil
	}
	h = holdings{values: make([]map[string]bool, len(parts)), objects: make(map[string]bool)}
	return h, desired.Walk(func(n *doc.Node) bool {
		if n.Value.Kind() == doc.Object {
			h.objects[key(n.Path)] = true
		}
		id, _, ok := doc.ConfigurationOf(n.Actor())
		if !ok || !n.Leaf() {
			return true
		}
		for i := range parts {
			if parts[i].role != still || parts[i].id != string(id) {
				continue
			}
			if e.holds[i] = true; h.values[i] == nil {
				h.values[i] = make(map[string]bool)
			}
			h.values[i][key(n.Path)] = true
		}
		return true
	})
}

// kept returns the wishes of a part that is still for which the section has
// its own values.
func (h *holdings) kept(parts []part, i int) []*wish {
	if len(h.values) == 0 || len(h.values[i]) == 0 {
		return nil
	}
	var list []*wish
	if parts[i].unknown {
		for _, at := range slices.Sorted(maps.Keys(h.values[i])) {
			list = append(list, &wish{path: strings.Split(strings.TrimSuffix(at, "\x00"), "\x00")})
		}
		return list
	}
	for j := range parts[i].wishes {
		w := &parts[i].wishes[j]
		switch w.kind {
		case valueWish:
			if h.values[i][key(w.path)] {
				list = append(list, w)
			}
		case objectWish:
			if h.objects[key(w.path)] {
				list = append(list, w)
			}
		case absentWish:
		}
	}
	return list
}

// claims is a place in the desired properties with what is to be there.
type claims struct {
	children map[string]*claims
	// wish is what is to be here, and part whose it is; nil if only what is
	// below has been claimed.
	wish *wish
	part int
}

// add claims the place of w for a part, unless a part before it has claimed
// that place, one around it or one inside.
func (c *claims) add(part int, w *wish) bool {
	at := c
	for i, key := range w.path {
		next := at.children[key]
		if next == nil {
			// Nobody is inside: make the rest of the way.
			for _, key := range w.path[i:] {
				next = new(claims)
				if at.children == nil {
					at.children = make(map[string]*claims)
				}
				at.children[key] = next
				at = next
			}
			at.wish, at.part = w, part
			return true
		}
		if at = next; at.wish != nil && (at.wish.kind != objectWish || i == len(w.path)-1 && w.kind != objectWish) {
			return false
		}
	}
	if at.wish != nil || w.kind != objectWish {
		return false // an object with claims inside, or one that is claimed already
	}
	at.wish, at.part = w, part
	return true
}

// comparison is the state of comparing a section with claims.
type comparison struct {
	*edits

	parts []part
	// at is where the walk is, by depth.
	at [maxDepth + 2]place
	// met are the claims that the section fulfils, or, of those that want
	// nothing to be there, does not.
	met map[*claims]bool
	buf []byte
}

// maxDepth is how deep a section nests (wire §2.5).
const maxDepth = 10

// place is a place in a section and among the claims.
type place struct {
	// node is the claims there, nil if there are none.
	node *claims
	// above is the claim that covers the place: there or around it.
	above *claims
}

func (c *comparison) visit(n *doc.Node) bool {
	depth := len(n.Path)
	outer := c.at[depth-1]
	here := place{above: outer.above}
	if outer.node != nil {
		here.node = outer.node.children[string(n.Path[depth-1])]
	}
	if here.above == nil && here.node != nil && here.node.wish != nil && here.node.wish.kind != objectWish {
		here.above = here.node
	}
	c.at[depth] = here
	if here.node != nil && here.node.wish != nil && here.node.wish.kind == objectWish && n.Value.Kind() == doc.Object {
		c.met[here.node] = true
		if n.Leaf() {
			return true
		}
	}
	switch {
	case here.above != nil && here.above.wish.kind == absentWish:
		c.met[here.above] = true // there is something
	case !n.Leaf():
	case here.above != nil:
		c.compare(n, &here)
	case here.node == nil || !c.writesInside(here.node):
		if _, _, ok := doc.ConfigurationOf(n.Actor()); ok {
			c.remove(n)
		}
	}
	return true
}

// compare looks at a value that is claimed.
func (c *comparison) compare(n *doc.Node, here *place) {
	if here.node != here.above {
		return // it is inside of what is to be a value, which is missing then
	}
	id, _, _ := doc.ConfigurationOf(n.Actor())
	if string(id) != c.parts[here.node.part].id {
		return
	}
	c.buf = n.Value.AppendJSON(c.buf[:0])
	if string(c.buf) == here.node.wish.value {
		c.met[here.node] = true
	}
}

// writesInside reports whether a part that may write has a claim in a place.
func (c *comparison) writesInside(node *claims) bool {
	if node.wish != nil && node.wish.kind != absentWish && c.parts[node.part].role == active {
		return true
	}
	for _, child := range node.children {
		if c.writesInside(child) {
			return true
		}
	}
	return false
}

func (c *comparison) remove(n *doc.Node) {
	r := removal{path: make([]string, len(n.Path)), actor: string(n.Actor())}
	for i, key := range n.Path {
		r.path[i] = string(key)
	}
	c.removed = append(c.removed, r)
}

// write notes what parts that may write have to write for their claims.
func (c *comparison) write(node *claims, path []string) {
	if w := node.wish; w != nil && c.parts[node.part].role == active && c.met[node] == (w.kind == absentWish) {
		t := c.writes[node.part]
		if t == nil {
			t = new(tree)
			c.writes[node.part] = t
		}
		switch w.kind {
		case valueWish:
			t.set(w.path, w.value)
		case objectWish:
			t.set(w.path, "{}")
		case absentWish:
			t.set(w.path, "null")
		}
	}
	for name, child := range node.children {
		c.write(child, append(path, name))
	}
}

// prune has an object removed as a whole that removals would leave empty.
func (c *comparison) prune(desired doc.Section, root *claims) {
	if len(c.removed) == 0 {
		return
	}
	var gone tree
	actors := make(map[string]string)
	for _, r := range c.removed {
		gone.set(r.path, "null")
		actors[key(r.path)] = r.actor
	}
	whole, _ := desired.Lookup()
	c.removed = c.pruned(nil, &gone, whole, root, actors, nil)
}

// pruned appends the removals in an object at path.
func (c *comparison) pruned(dst []removal, gone *tree, object doc.Value, node *claims, actors map[string]string, path []string) []removal {
	members := maps.Collect(object.Members())
	for _, name := range gone.names() {
		child, below := gone.children[name], append(slices.Clone(path), name)
		if child.leaf != nil {
			dst = append(dst, removal{path: below, actor: actors[key(below)]})
			continue
		}
		var inside *claims
		if node != nil {
			inside = node.children[name]
		}
		from := len(dst)
		dst = c.pruned(dst, child, members[name], inside, actors, below)
		if inside != nil && (c.writesInside(inside) || inside.wish != nil && inside.wish.kind == objectWish) {
			continue
		}
		if empties(members[name], dst[from:], len(below)) {
			dst = append(dst[:from], removal{path: below, actor: dst[from].actor})
		}
	}
	return dst
}

// empties reports whether removals below an object at a depth take all of its
// members.
func empties(object doc.Value, list []removal, depth int) bool {
	gone := make(map[string]bool)
	for _, r := range list {
		if len(r.path) == depth+1 {
			gone[r.path[depth]] = true
		}
	}
	for name := range object.Members() {
		if !gone[name] {
			return false
		}
	}
	return true
}

// key makes one string of a path; names hold no control characters.
func key[T string | []byte](path []T) string {
	b := make([]byte, 0, 64)
	for _, name := range path {
		b = append(append(b, name...), 0)
	}
	return string(b)
}
