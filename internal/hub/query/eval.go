package query

import "strings"

// Fields gives the members of a row that a query reads.
type Fields interface {
	// Member returns the member that m names, [Undefined] if there is none.
	// Its value is good until the row changes.
	Member(m *Member) Value
}

// Member is a path that a query reads, in canonical form: system members in
// their own case, deviceId for id, without the name of the collection. A query
// has one Member for each distinct path.
type Member struct {
	// Number tells the members of a query apart, from 0 on without gaps.
	Number   int
	Segments []string
	// Module says, in a query of devices with their modules, that the member is
	// one of the module's twin, not of the device's.
	Module bool

	// section is where in a twin the member is, if it is one of a document, and
	// inside the path there. They save a row from looking for it each time.
	section section
	inside  []string
}

// section is a section of a twin.
type section uint8

const (
	inNone section = iota
	inTags
	inDesired
	inReported
)

func newMember(number int, segments []string, module bool) *Member {
	m := &Member{Number: number, Segments: segments, Module: module}
	switch {
	case len(segments) > 1 && segments[0] == "tags":
		m.section, m.inside = inTags, segments[1:]
	case len(segments) > 2 && segments[0] == "properties" && segments[1] == "desired":
		m.section, m.inside = inDesired, segments[2:]
	case len(segments) > 2 && segments[0] == "properties" && segments[1] == "reported":
		m.section, m.inside = inReported, segments[2:]
	}
	if m.section != inNone && strings.HasPrefix(m.inside[0], "$") { // versions and metadata
		m.section = inNone
	}
	return m
}

// Value returns the member of a row.
func (m *Member) Value(row Fields) Value { return row.Member(m) }

func (m *Member) members(dst []*Member) []*Member { return append(dst, m) }

// Operand is a compiled expression that has a value in a row.
type Operand interface {
	Value(row Fields) Value
	node
}

// Condition is a compiled expression that is true, false or unknown of a row.
// Planners look for [All], [Any], [Negation], [Comparison], [Membership] and
// [Defined]; every other condition is a test that can only be run.
type Condition interface {
	Test(row Fields) Truth
	node
}

// node is a part of a compiled expression.
type node interface {
	// members appends the members that the node reads, one for each mention.
	members(dst []*Member) []*Member
}

// Members returns the members that a condition reads, each once.
func Members(c Condition) []*Member {
	all := c.members(nil)
	seen := make(map[*Member]bool, len(all))
	once := all[:0]
	for _, m := range all {
		if !seen[m] {
			seen[m] = true
			once = append(once, m)
		}
	}
	return once
}

// Literal is an operand that is the same in every row.
type Literal struct{ V Value }

// Value returns the constant.
func (l Literal) Value(Fields) Value { return l.V }

func (l Literal) members(dst []*Member) []*Member { return dst }

// asOperand makes a value of a condition.
type asOperand struct{ x Condition }

func (o asOperand) Value(row Fields) Value {
	switch o.x.Test(row) {
	case Yes:
		return BoolValue(true)
	case No:
		return BoolValue(false)
	case Unknown:
	}
	return Value{}
}

func (o asOperand) members(dst []*Member) []*Member { return o.x.members(dst) }

// asCondition makes a condition of a value: what is there and is not true
// counts as false.
type asCondition struct{ x Operand }

func (c asCondition) Test(row Fields) Truth {
	v := c.x.Value(row)
	switch v.kind {
	case Undefined:
		return Unknown
	case Bool:
		return truthOf(v.Bool())
	case Null, Number, String, Time, Object, List:
	}
	return No
}

func (c asCondition) members(dst []*Member) []*Member { return c.x.members(dst) }

// All is AND: false if a term is false, else unknown if one is unknown.
type All []Condition

// Test reports whether every term is true.
func (a All) Test(row Fields) Truth {
	outcome := Yes
	for _, x := range a {
		switch x.Test(row) {
		case No:
			return No
		case Unknown:
			outcome = Unknown
		case Yes:
		}
	}
	return outcome
}

func (a All) members(dst []*Member) []*Member { return membersOf(dst, a) }

// Any is OR: true if a term is true, else unknown if one is unknown.
type Any []Condition

// Test reports whether a term is true.
func (a Any) Test(row Fields) Truth {
	outcome := No
	for _, x := range a {
		switch x.Test(row) {
		case Yes:
			return Yes
		case Unknown:
			outcome = Unknown
		case No:
		}
	}
	return outcome
}

func (a Any) members(dst []*Member) []*Member { return membersOf(dst, a) }

func membersOf[T node](dst []*Member, nodes []T) []*Member {
	for _, n := range nodes {
		dst = n.members(dst)
	}
	return dst
}

// Negation is NOT.
type Negation struct{ X Condition }

// Test reports the opposite of X; unknown stays unknown.
func (n Negation) Test(row Fields) Truth { return n.X.Test(row).Not() }

func (n Negation) members(dst []*Member) []*Member { return n.X.members(dst) }

// Comparison compares two operands.
type Comparison struct {
	Op          Op
	Left, Right Operand
}

// Test reports whether the comparison holds.
func (c Comparison) Test(row Fields) Truth {
	left, right := c.Left.Value(row), c.Right.Value(row)
	return compare(c.Op, &left, &right)
}

func (c Comparison) members(dst []*Member) []*Member { return c.Right.members(c.Left.members(dst)) }
