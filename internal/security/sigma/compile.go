package sigma

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tvilling/tvilling"
)

// op is what a node of a compiled rule does.
type op uint8

const (
	opTest op = iota
	opAnd
	opOr
	opNot
	opCount
	opSelection
)

// node is a condition, a selection or an item made ready.
type node struct {
	op    op
	kids  []*node
	count int
	// selection is the number of one (opSelection), or that a test belongs to.
	selection int
	test      *test
}

// test compares one field.
type test struct {
	item   *item
	slot   int
	ref    int // the other field of a fieldref
	values []ready
}

// ready is a value of an item made ready.
type ready struct {
	*value
	list List
	alts []alternative
	// need are lists of texts: a match of the regular expression contains one
	// of each list. The first is of the longest texts.
	need [][]int32
}

// alternative is one text that a value stands for.
type alternative struct {
	matcher
	// lit is the text of it that is searched together with others, -1 if none;
	// exact says that the value matches wherever it is found.
	lit   int32
	exact bool
}

type literalKey struct {
	slot int
	text string
}

type compiler struct {
	set          *Set
	options      Options
	slots        map[int]int
	literals     map[literalKey]int32
	lengths      []int // of the literals
	literalBytes int

	problems   *problems
	selections []*node
}

// rule compiles one rule.
func (c *compiler) rule(r *Rule) (compiled, error) {
	c.problems, c.selections = &problems{}, nil
	for i := range r.Detection.selections {
		c.selections = append(c.selections, c.selection(&r.Detection.selections[i], i))
	}
	root := &node{op: opOr}
	for _, cond := range r.Detection.conditions {
		root.kids = append(root.kids, c.clause(cond.tree))
	}
	root = root.plain()
	if err := c.problems.err("compile rule", r.Title); err != nil {
		return compiled{}, err
	}
	index := int32(len(c.set.rules))
	g := &gater{selections: c.selections, lengths: c.lengths, memo: map[gateKey][]int32{}}
	for _, s := range c.selections {
		g.order(s)
	}
	g.order(root)
	if lits := g.gate(root, false); len(lits) > 0 {
		for _, l := range lits {
			if on := c.set.gates[l]; len(on) == 0 || on[len(on)-1] != index {
				c.set.gates[l] = append(on, index)
			}
		}
	} else {
		c.set.ungated++
		for len(c.set.always) <= int(index)/64 {
			c.set.always = append(c.set.always, 0)
		}
		c.set.always[index/64] |= 1 << (index % 64)
	}
	return compiled{rule: r, root: root, selections: c.selections}, nil
}

func (c *compiler) clause(cl *clause) *node {
	n := &node{count: cl.count}
	switch cl.kind {
	case anyOf:
		n.op = opOr
	case allOf:
		n.op = opAnd
	case negated:
		n.op = opNot
	case countOf:
		n.op = opCount
	case refers:
		return &node{op: opSelection, selection: cl.refs[0]}
	}
	for _, k := range cl.of {
		n.kids = append(n.kids, c.clause(k))
	}
	for _, r := range cl.refs {
		n.kids = append(n.kids, &node{op: opSelection, selection: r})
	}
	return n.plain()
}

// plain returns the only part of a node that joins nothing.
func (n *node) plain() *node {
	if n.op != opTest && n.op != opNot && n.op != opSelection && len(n.kids) == 1 {
		return n.kids[0]
	}
	return n
}

func (c *compiler) selection(s *selection, index int) *node {
	or := &node{op: opOr}
	for _, g := range s.groups {
		and := &node{op: opAnd}
		for i := range g {
			and.kids = append(and.kids, c.item(&g[i], index))
		}
		or.kids = append(or.kids, and.plain())
	}
	return or.plain()
}

func (c *compiler) item(it *item, selection int) *node {
	var n *node
	if it.field == "" {
		n = c.keywords(it, selection)
	} else {
		n = &node{op: opTest, selection: selection, test: c.test(it, it.values, c.field(it, it.field))}
		if it.kind == refItem {
			n = c.references(it, selection, n.test.slot)
		}
	}
	if it.neq {
		return &node{op: opNot, kids: []*node{n}}
	}
	return n
}

// references makes a test for each field that the values name.
func (c *compiler) references(it *item, selection, slot int) *node {
	n := &node{op: opOr}
	if it.all {
		n.op = opAnd
	}
	for i := range it.values {
		t := &test{item: it, slot: slot, ref: c.field(it, it.values[i].ref), values: []ready{{value: &it.values[i]}}}
		c.form(t.ref, it.cased)
		n.kids = append(n.kids, &node{op: opTest, selection: selection, test: t})
	}
	return n
}

// keywords makes a test for each field in which keywords are searched; with
// all each keyword has to be in one of them.
func (c *compiler) keywords(it *item, selection int) *node {
	if len(c.options.Keywords) == 0 {
		c.problems.unsupported(&Node{Line: it.line, Column: it.column}, it.path, "Keywords are not supported for this kind of event; name a field.")
		return &node{op: opOr}
	}
	fields := func(values []value) *node {
		or := &node{op: opOr}
		for _, id := range c.options.Keywords {
			or.kids = append(or.kids, &node{op: opTest, selection: selection, test: c.test(it, values, c.slot(id))})
		}
		return or.plain()
	}
	if !it.all {
		return fields(it.values)
	}
	and := &node{op: opAnd}
	for i := range it.values {
		and.kids = append(and.kids, fields(it.values[i:i+1]))
	}
	return and
}

// field returns the slot of a field by its name.
func (c *compiler) field(it *item, name string) int {
	id, ok := c.options.Resolve(name)
	if !ok {
		message := fmt.Sprintf("This kind of event has no field %s", show(name))
		if near := nearest(name, c.options.Fields, 5); len(near) > 0 {
			message += fmt.Sprintf("; did you mean %s?", strings.Join(near, ", "))
		} else if len(c.options.Fields) > 0 {
			message += fmt.Sprintf("; it has %s.", strings.Join(c.options.Fields[:min(len(c.options.Fields), 40)], ", "))
		} else {
			message += "."
		}
		c.problems.add(tvilling.InvalidArgument, it.line, it.column, it.path, "%s", message)
		return c.slot(-1)
	}
	return c.slot(id)
}

func (c *compiler) slot(id int) int {
	s, ok := c.slots[id]
	if !ok {
		s = len(c.set.slots)
		c.slots[id] = s
		c.set.slots = append(c.set.slots, slot{id: id})
	}
	return s
}

// form says in which form the values of a slot are compared.
func (c *compiler) form(slot int, cased bool) {
	if cased {
		c.set.slots[slot].raw = true
	} else {
		c.set.slots[slot].folds = true
	}
}

func (c *compiler) test(it *item, values []value, slot int) *test {
	t := &test{item: it, slot: slot}
	switch it.kind {
	case textItem, refItem:
		c.form(slot, it.cased)
	default:
	}
	for i := range values {
		v := &values[i]
		r := ready{value: v}
		for _, texts := range v.need {
			list := make([]int32, 0, len(texts))
			for _, n := range texts {
				list = append(list, c.literal(slot, n))
			}
			r.need = append(r.need, list)
		}
		for _, p := range v.alts {
			c.alternatives(&r, it, v, p, slot)
		}
		t.values = append(t.values, r)
	}
	return t
}

// alternatives makes a pattern ready, its placeholders replaced.
func (c *compiler) alternatives(r *ready, it *item, v *value, p pattern, slot int) {
	at := slices.IndexFunc(p, func(t tok) bool { return t.kind == placeholder })
	if at < 0 {
		r.alts = append(r.alts, c.alternative(p, it.cased, slot))
		return
	}
	place := &Node{Line: v.line, Column: it.column}
	name := p[at].text
	list, ok := List(nil), false
	if c.options.List != nil {
		list, ok = c.options.List(name)
	}
	if !ok {
		c.problems.at(place, it.path, "There is no list %s for the placeholder %%%s%%.", show(name), show(name)[1:len(show(name))-1])
		return
	}
	values, few := []string(nil), false
	if e, can := list.(Enumerable); can {
		values, few = e.Values()
	}
	switch {
	case few && len(values)+len(r.alts) <= MaxValues:
		for _, one := range values {
			if len(one) > MaxValueBytes {
				continue
			}
			var out pattern
			for _, t := range slices.Concat(p[:at], parsePattern(one), p[at+1:]) {
				out = out.append(t)
			}
			if out.wildcards() <= MaxWildcards && len(r.alts) <= MaxValues {
				c.alternatives(r, it, v, out, slot)
			}
		}
	case len(p) == 1 && r.list == nil:
		r.list = list
	default:
		c.problems.at(place, it.path, "The list %s is too large to be a part of a text: the placeholder has to be the whole value, without contains and the like.", show(name))
	}
}

// alternative makes a pattern ready and has its longest text searched.
func (c *compiler) alternative(p pattern, cased bool, slot int) alternative {
	a := alternative{matcher: newMatcher(p, cased), lit: -1}
	longest := ""
	for _, t := range p {
		if t.kind == literal && len(t.text) > len(longest) {
			longest = t.text
		}
	}
	if longest != "" {
		a.lit = c.literal(slot, fold(longest))
		a.exact = a.shape == contains && !cased
	}
	return a
}

// literal returns the number of a folded text that is searched in a slot.
func (c *compiler) literal(slot int, text string) int32 {
	k := literalKey{slot, text}
	if id, ok := c.literals[k]; ok {
		return id
	}
	id := int32(len(c.lengths))
	c.literals[k] = id
	c.lengths = append(c.lengths, len(text))
	c.literalBytes += len(text)
	c.set.gates = append(c.set.gates, nil)
	s := &c.set.slots[slot]
	s.folds = true
	s.texts, s.ids = append(s.texts, text), append(s.ids, id)
	return id
}

func (c *compiler) finish() {
	c.set.literals = len(c.lengths)
	for i := range c.set.slots {
		s := &c.set.slots[i]
		if len(s.texts) > 0 {
			s.search = newAutomaton(s.texts, s.ids)
			c.set.bytes += len(s.search.cells)*20 + 1024
		}
		s.texts, s.ids = nil, nil
	}
	for len(c.set.always) < (len(c.set.rules)+63)/64 {
		c.set.always = append(c.set.always, 0)
	}
}
