package sigma

import (
	"bytes"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"
)

// Scratch is the memory that matching works in. The zero value is ready; it
// may be used with several sets, but not by several goroutines.
type Scratch struct {
	epoch uint64
	hits  []uint64 // by literal: the epoch in which it was found
	fresh []int32
	rules []uint64 // bits of the rules to look at
	memo  []uint64 // by selection: the epoch, shifted, and whether it holds
	slots []loaded
	vals  []string
	forms []form
	buf   []byte
	found []Match
}

// loaded is where the values of a slot are in vals and forms.
type loaded struct {
	epoch    uint64
	from, to int
}

// form is where the forms of a value are in buf.
type form struct{ folded, foldedEnd, raw, rawEnd int }

// Match calls yield for every rule that rec fulfils, in the order in which the
// rules were given to [Compile]. The matches are valid until yield returns;
// their texts may be kept. Match allocates only if sc has to grow.
func (s *Set) Match(rec Record, sc *Scratch, yield func(r *Rule, matched []Match)) {
	if len(s.rules) == 0 {
		return
	}
	m := matching{s, sc, rec}
	m.begin()
	for i := range s.slots {
		if s.slots[i].search != nil {
			m.scan(i)
		}
	}
	for w, set := range sc.rules {
		for ; set != 0; set &= set - 1 {
			r := &s.rules[w*64+bits.TrailingZeros64(set)]
			if m.holds(r, r.root) {
				sc.found = sc.found[:0]
				m.explain(r, r.root)
				yield(r.rule, sc.found)
			}
		}
	}
	// Values of the record are not kept beyond the call.
	clear(sc.vals)
	clear(sc.found)
}

// matching is one call of Match.
type matching struct {
	*Set
	sc  *Scratch
	rec Record
}

func (m *matching) begin() {
	sc := m.sc
	sc.epoch++
	sc.hits = grown(sc.hits, m.Set.literals)
	last := &m.Set.rules[len(m.Set.rules)-1]
	sc.memo = grown(sc.memo, last.memo+len(last.selections))
	for len(sc.slots) < len(m.Set.slots) {
		sc.slots = append(sc.slots, loaded{})
	}
	sc.rules = append(sc.rules[:0], m.Set.always...)
	sc.vals, sc.forms, sc.buf = sc.vals[:0], sc.forms[:0], sc.buf[:0]
}

func grown(s []uint64, n int) []uint64 {
	if len(s) < n {
		s = slices.Grow(s, n-len(s))[:n]
	}
	return s
}

// load reads the values of a slot once per record.
func (m *matching) load(slot int) (from, to int) {
	sc, l := m.sc, &m.sc.slots[slot]
	if l.epoch == sc.epoch {
		return l.from, l.to
	}
	s := &m.Set.slots[slot]
	from = len(sc.vals)
	sc.vals = m.rec.Values(s.id, sc.vals)
	for _, v := range sc.vals[from:] {
		f := form{folded: len(sc.buf)}
		if s.folds {
			sc.buf = appendFold(sc.buf, v)
		}
		f.foldedEnd, f.raw = len(sc.buf), len(sc.buf)
		if s.raw {
			sc.buf = append(sc.buf, v...)
		}
		f.rawEnd = len(sc.buf)
		sc.forms = append(sc.forms, f)
	}
	*l = loaded{sc.epoch, from, len(sc.vals)}
	return l.from, l.to
}

// form returns a value, folded or as it is.
func (m *matching) form(i int, cased bool) []byte {
	f := &m.sc.forms[i]
	if cased {
		return m.sc.buf[f.raw:f.rawEnd]
	}
	return m.sc.buf[f.folded:f.foldedEnd]
}

// scan searches the texts of all rules in a slot and marks the rules that one
// of them may let match.
func (m *matching) scan(slot int) {
	sc := m.sc
	from, to := m.load(slot)
	for i := from; i < to; i++ {
		sc.fresh = m.Set.slots[slot].search.scan(m.form(i, false), sc.hits, sc.epoch, sc.fresh[:0])
		for _, lit := range sc.fresh {
			for _, r := range m.gates[lit] {
				sc.rules[r/64] |= 1 << (r % 64)
			}
		}
	}
}

func (m *matching) hit(lit int32) bool { return m.sc.hits[lit] == m.sc.epoch }

// holds evaluates a node.
func (m *matching) holds(r *compiled, n *node) bool {
	switch n.op {
	case opTest:
		return m.test(n.test)
	case opNot:
		return !m.holds(r, n.kids[0])
	case opSelection:
		memo := &m.sc.memo[r.memo+n.selection]
		if *memo>>1 != m.sc.epoch {
			*memo = m.sc.epoch << 1
			if m.holds(r, r.selections[n.selection]) {
				*memo |= 1
			}
		}
		return *memo&1 == 1
	case opAnd:
		for _, k := range n.kids {
			if !m.holds(r, k) {
				return false
			}
		}
		return true
	default: // opOr is a count of one
		need := max(n.count, 1)
		for _, k := range n.kids {
			if m.holds(r, k) {
				if need--; need == 0 {
					return true
				}
			}
		}
		return false
	}
}

func (m *matching) test(t *test) bool {
	for i := range t.values {
		if ok := m.value(t, &t.values[i]) >= 0; ok != t.item.all {
			return ok
		}
	}
	return t.item.all
}

// none is what a value that asks for absence is fulfilled by, where others
// name the value of the record.
const none = 1 << 30

// value returns the first value of the record that fulfils v, -1 if there is
// none.
func (m *matching) value(t *test, v *ready) int {
	switch t.item.kind {
	case textItem:
		return m.text(t, v)
	case regexItem:
		for _, texts := range v.need {
			if !slices.ContainsFunc(texts, m.hit) {
				return -1
			}
		}
	case existsItem:
		from, to := m.load(t.slot)
		switch there := from < to; {
		case there && v.want:
			return from
		case !there && !v.want:
			return none
		default:
			return -1
		}
	default:
	}
	from, to := m.load(t.slot)
	for i := from; i < to; i++ {
		if m.one(t, v, i) {
			return i
		}
	}
	return -1
}

// one compares one value of the record, for the kinds of item that look at it
// as it is.
func (m *matching) one(t *test, v *ready, i int) bool {
	s := m.sc.vals[i]
	switch t.item.kind {
	case regexItem:
		return v.regex.MatchString(s[:min(len(s), MaxRegexInput)])
	case cidrItem:
		addr, ok := address(s)
		return ok && v.net.Contains(addr)
	case compareItem:
		n, ok := number(s)
		return ok && compare(n, t.item.op, v.num)
	case refItem:
		from, to := m.load(t.ref)
		for j := from; j < to; j++ {
			if related(m.form(i, t.item.cased), m.form(j, t.item.cased), t.item.before, t.item.after) {
				return true
			}
		}
	default:
	}
	return false
}

func (m *matching) text(t *test, v *ready) int {
	if v.null {
		if from, to := m.load(t.slot); from == to {
			return none
		}
		return -1
	}
	for i := range v.alts {
		a := &v.alts[i]
		if a.lit >= 0 && !m.hit(a.lit) {
			continue
		}
		from, to := m.load(t.slot)
		if a.exact && to == from+1 {
			return from // it was found, and there is nowhere else
		}
		for j := from; j < to; j++ {
			if a.match(m.form(j, t.item.cased)) {
				return j
			}
		}
	}
	if v.list != nil {
		from, to := m.load(t.slot)
		for j := from; j < to; j++ {
			if v.list.Contains(m.sc.vals[j]) {
				return j
			}
		}
	}
	return -1
}

// explain collects what made a node hold. What is negated has nothing to show.
func (m *matching) explain(r *compiled, n *node) {
	switch n.op {
	case opTest:
		for i := range n.test.values {
			v := &n.test.values[i]
			at := m.value(n.test, v)
			if at < 0 || len(m.sc.found) >= MaxMatches {
				continue
			}
			f := Match{Selection: r.rule.Detection.selections[n.selection].name, Field: n.test.item.field, Pattern: v.shown}
			if at != none {
				f.Value = m.sc.vals[at]
			}
			if !slices.Contains(m.sc.found, f) {
				m.sc.found = append(m.sc.found, f)
			}
			if !n.test.item.all {
				return
			}
		}
	case opNot:
	case opSelection:
		if m.holds(r, n) {
			m.explain(r, r.selections[n.selection])
		}
	default:
		for _, k := range n.kids {
			if k.op != opNot && m.holds(r, k) {
				m.explain(r, k)
			}
		}
	}
}

// related compares two values of a record.
func related(v, w []byte, before, after bool) bool {
	switch {
	case before && after:
		return bytes.Contains(v, w)
	case before:
		return bytes.HasSuffix(v, w)
	case after:
		return bytes.HasPrefix(v, w)
	default:
		return bytes.Equal(v, w)
	}
}

// address reads an address; what cannot be one is seen before the parser
// would make an error of it.
func address(s string) (netip.Addr, bool) {
	if len(s) < 2 || len(s) > 64 {
		return netip.Addr{}, false
	}
	for i := range len(s) {
		c := s[i]
		if c == '%' {
			break
		}
		if c != '.' && c != ':' && (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return netip.Addr{}, false
		}
	}
	a, err := netip.ParseAddr(s)
	return a.WithZone("").Unmap(), err == nil
}

// number reads a decimal number.
func number(s string) (float64, bool) {
	digits := false
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits = true
		case c == '-' && i == 0:
		case c == '.' && digits:
		default:
			return 0, false
		}
	}
	if !digits || len(s) > 64 {
		return 0, false
	}
	n, err := strconv.ParseFloat(s, 64)
	return n, err == nil
}

func compare(n float64, op string, with float64) bool {
	switch op {
	case "lt":
		return n < with
	case "lte":
		return n <= with
	case "gt":
		return n > with
	default:
		return n >= with
	}
}
