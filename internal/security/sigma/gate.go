package sigma

import "slices"

// gater finds texts without which a rule cannot match: if it matches, at least
// one of them is in its field.
type gater struct {
	selections []*node
	lengths    []int
	memo       map[gateKey][]int32
}

type gateKey struct {
	selection int
	negated   bool
}

// gate returns such texts of a node, or of its negation; nil if there are none.
// What is negated asks for nothing, but the negation of a negation does.
func (g *gater) gate(n *node, negated bool) []int32 {
	switch n.op {
	case opTest:
		if negated {
			return nil
		}
		return g.test(n.test)
	case opNot:
		return g.gate(n.kids[0], !negated)
	case opSelection:
		k := gateKey{n.selection, negated}
		if lits, done := g.memo[k]; done {
			return lits
		}
		lits := g.gate(g.selections[n.selection], negated)
		g.memo[k] = lits
		return lits
	default:
	}
	// Which of the parts, negated with the node, have to hold: all, or one?
	all := n.op == opAnd || n.op == opCount && n.count == len(n.kids)
	if negated {
		all = n.op == opOr || n.op == opCount && n.count == 1
	}
	var out []int32
	for i, k := range n.kids {
		lits := g.gate(k, negated)
		switch {
		case all && g.better(lits, out):
			out = lits
		case all:
		case lits == nil:
			return nil
		case i == 0:
			out = lits
		default:
			out = union(out, lits)
		}
	}
	return out
}

func (g *gater) test(t *test) []int32 {
	var out []int32
	for i := range t.values {
		lits := t.values[i].literals()
		switch {
		case t.item.all:
			if g.better(lits, out) {
				out = lits
			}
		case lits == nil:
			return nil
		default:
			out = append(out, lits...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// literals returns texts of which a match of the value contains one.
func (r *ready) literals() []int32 {
	if r.value.regex != nil {
		if len(r.need) == 0 {
			return nil
		}
		return slices.Clone(r.need[0])
	}
	if r.list != nil || r.null {
		return nil
	}
	var out []int32
	for i := range r.alts {
		if r.alts[i].lit < 0 {
			return nil
		}
		out = append(out, r.alts[i].lit)
	}
	return out
}

// better reports whether texts a are seldomer than b: the shortest of them is
// longer, or they are fewer.
func (g *gater) better(a, b []int32) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) > 0
	}
	la, lb := g.shortest(a), g.shortest(b)
	return la > lb || la == lb && len(a) < len(b)
}

func (g *gater) shortest(lits []int32) int {
	n := g.lengths[lits[0]]
	for _, l := range lits[1:] {
		n = min(n, g.lengths[l])
	}
	return n
}

// order puts the parts of an and that are likeliest to fail first, and regular
// expressions, which cost most, last. The part that is gated by the seldomest
// texts comes after the others that are gated: it is what brought the rule here.
func (g *gater) order(n *node) {
	for _, k := range n.kids {
		g.order(k)
	}
	if n.op != opAnd || len(n.kids) < 2 {
		return
	}
	rank := make(map[*node]int, len(n.kids))
	var best *node
	var least []int32
	for _, k := range n.kids {
		lits := g.gate(k, false)
		if len(lits) == 0 {
			rank[k] = 2
		} else if g.better(lits, least) {
			best, least = k, lits
		}
	}
	if best != nil {
		rank[best] = 1
	}
	for _, k := range n.kids {
		if hasRegex(k) {
			rank[k] += 3
		}
	}
	slices.SortStableFunc(n.kids, func(a, b *node) int { return rank[a] - rank[b] })
}

// hasRegex reports whether a node has a regular expression outside the selections
// that it names.
func hasRegex(n *node) bool {
	if n.op == opTest {
		return n.test.item.kind == regexItem
	}
	return slices.ContainsFunc(n.kids, hasRegex)
}

func union(a, b []int32) []int32 {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}
