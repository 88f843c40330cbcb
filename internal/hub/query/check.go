package query

import (
	"strings"

	"github.com/tvilling/tvilling/internal/hub/state"
)

// checker turns a syntax tree into a query, or says what is wrong with it.
type checker struct {
	text string
	kind state.Kind
	// members are those met so far, byPath finds one by its canonical path.
	members []*Member
	byPath  map[string]*Member
}

// member returns the member that a path names.
func (c *checker) member(p *Path) (*Member, error) {
	canonical, err := c.path(p)
	if err != nil {
		return nil, err
	}
	key := strings.Join(canonical, "\x00")
	m := c.byPath[key]
	if m == nil {
		m = &Member{Number: len(c.members), Segments: canonical}
		if c.byPath == nil {
			c.byPath = make(map[string]*Member)
		}
		c.byPath[key] = m
		c.members = append(c.members, m)
	}
	return m, nil
}

// aggregates are the functions over many rows.
var aggregates = map[string]bool{"COUNT": true, "AVG": true, "SUM": true, "MIN": true, "MAX": true}

func (c *checker) statement(s *Statement) (*Query, error) {
	if err := c.collection(s.From); err != nil {
		return nil, err
	}
	if s.GroupBy != nil {
		return nil, unsupported(c.text, s.GroupAt.At(), "GROUP BY")
	}
	q := &Query{kind: c.kind, top: s.Top}
	if err := c.selection(q, s); err != nil {
		return nil, err
	}
	if s.Where == nil {
		return q, nil
	}
	var err error
	if q.where, err = c.condition(s.Where); err != nil {
		return nil, err
	}
	q.equals = c.equalities(s.Where)
	return q, nil
}

// collection sets which identities the query is about.
func (c *checker) collection(from *Path) error {
	name := strings.Join(from.Segments, ".")
	switch upperASCII(name) {
	case "DEVICES":
		c.kind = state.Devices
	case "DEVICES.MODULES":
		c.kind = state.Modules
	case "DEVICES.JOBS":
		return unsupported(c.text, from.At(), "the collection devices.jobs")
	default:
		return invalid(c.text, from.At(), "there is no collection %q; there are devices and devices.modules.", clip(name))
	}
	return nil
}

// selection checks the columns.
func (c *checker) selection(q *Query, s *Statement) error {
	names := map[string]bool{}
	for _, item := range s.Items {
		switch e := item.Expr.(type) {
		case *Path:
			m, err := c.member(e)
			if err != nil {
				return err
			}
			name := item.Alias
			if name == "" {
				name = m.Segments[len(m.Segments)-1]
				if len(m.Segments) == 1 && upperASCII(e.Segments[len(e.Segments)-1]) == "ID" {
					name = "id"
				}
			}
			if names[name] {
				return invalid(c.text, e.At(), "two columns are named %q; name one of them with AS.", clip(name))
			}
			names[name] = true
			q.columns = append(q.columns, column{label: label(name), member: m})
		case *Call:
			if err := c.count(q, s, e, item.Alias); err != nil {
				return err
			}
		default:
			return invalid(c.text, e.At(), "only paths and aggregates can be selected.")
		}
	}
	return nil
}

// count checks a function in the place of a column.
func (c *checker) count(q *Query, s *Statement, e *Call, alias string) error {
	switch {
	case !aggregates[e.Name]:
		return invalid(c.text, e.At(), "only paths and aggregates can be selected, and %s is neither.", clip(e.Name))
	case e.Name != "COUNT":
		return unsupported(c.text, e.At(), "the aggregate "+e.Name)
	case len(e.Args) > 0:
		return invalid(c.text, e.At(), "COUNT takes no argument: write COUNT().")
	case len(s.Items) > 1:
		return unsupported(c.text, e.At(), "COUNT() beside other columns")
	case alias == "":
		return invalid(c.text, e.At(), "COUNT() needs a name: write COUNT() AS name.")
	case s.Top > 0:
		return invalid(c.text, e.At(), "COUNT() gives one row; leave TOP away.")
	}
	q.count = label(alias)
	return nil
}

// label returns a name as the beginning of a JSON member.
func label(name string) []byte { return append(appendString(nil, name), ':') }

// members are the system members of a twin (wire §2.1) by their names in upper
// case: at its root, and those inside of it that no twin lacks a fixed name for.
var (
	rootMembers  = caseTable(state.RootMembers()...)
	innerMembers = map[string]map[string]string{
		"properties":     caseTable("desired", "reported"),
		"capabilities":   caseTable("iotEdge"),
		"x509Thumbprint": caseTable("primaryThumbprint", "secondaryThumbprint"),
	}
)

func caseTable(names ...string) map[string]string {
	table := make(map[string]string, len(names))
	for _, n := range names {
		table[upperASCII(n)] = n
	}
	return table
}

// path returns a path in canonical form: without the name of the collection,
// system members in their own case, deviceId for id.
func (c *checker) path(p *Path) ([]string, error) {
	segments := p.Segments
	if upperASCII(segments[0]) == "DEVICES" {
		segments = segments[1:]
		if len(segments) > 0 {
			switch inner := upperASCII(segments[0]); {
			case inner == "MODULES" && c.kind == state.Modules:
				segments = segments[1:]
			case inner == "MODULES":
				return nil, invalid(c.text, p.At(), "a query of devices cannot see modules; read FROM devices.modules.")
			case inner == "JOBS":
				return nil, unsupported(c.text, p.At(), "the collection devices.jobs")
			}
		}
		if len(segments) == 0 {
			return nil, invalid(c.text, p.At(), "%s is a collection; name a member of it, such as devices.deviceId.", strings.Join(p.Segments, "."))
		}
	}
	canonical := append([]string(nil), segments...)
	switch root := upperASCII(canonical[0]); {
	case root == "ID":
		canonical[0] = "deviceId"
	case rootMembers[root] != "":
		canonical[0] = rootMembers[root]
	}
	if len(canonical) > 1 {
		if inner := innerMembers[canonical[0]][upperASCII(canonical[1])]; inner != "" {
			canonical[1] = inner
		}
	}
	return canonical, nil
}

// equalities returns the root members that the condition ties to one string.
func (c *checker) equalities(where Expr) map[string]string {
	terms := []Expr{where}
	if and, ok := where.(*And); ok {
		terms = and.Terms
	}
	equals := map[string]string{}
	for _, t := range terms {
		b, ok := t.(*Binary)
		if !ok || b.Op != Equal {
			continue
		}
		p, isPath := b.Left.(*Path)
		k, isConstant := b.Right.(*Constant)
		if !isPath || !isConstant {
			p, isPath = b.Right.(*Path)
			k, isConstant = b.Left.(*Constant)
		}
		if !isPath || !isConstant || k.Kind != String {
			continue
		}
		canonical, err := c.path(p)
		if err != nil || len(canonical) != 1 {
			continue
		}
		if _, known := equals[canonical[0]]; !known {
			equals[canonical[0]] = k.Text
		}
	}
	return equals
}

// condition compiles an expression whose truth is asked for.
func (c *checker) condition(e Expr) (Condition, error) {
	switch e := e.(type) {
	case *And:
		terms, err := c.conditions(e.Terms)
		return All(terms), err
	case *Or:
		terms, err := c.conditions(e.Terms)
		return Any(terms), err
	case *Not:
		x, err := c.condition(e.X)
		return Negation{x}, err
	case *Binary:
		return c.comparison(e)
	case *In:
		return c.membership(e)
	case *Call:
		return c.call(e)
	case *Path, *Constant, *Array, *Negative:
	}
	x, err := c.operand(e)
	return asCondition{x}, err
}

func (c *checker) conditions(terms []Expr) ([]Condition, error) {
	compiled := make([]Condition, 0, len(terms))
	for _, t := range terms {
		x, err := c.condition(t)
		if err != nil {
			return nil, err
		}
		compiled = append(compiled, x)
	}
	return compiled, nil
}

// operand compiles an expression whose value is asked for.
func (c *checker) operand(e Expr) (Operand, error) {
	switch e := e.(type) {
	case *Path:
		return c.member(e)
	case *Constant:
		return Literal{e.value()}, nil
	case *Array:
		return nil, invalid(c.text, e.At(), "an array stands after IN, NOT IN or NIN, or first in ARRAY_CONTAINS.")
	case *Negative:
		return nil, unsupported(c.text, e.At(), "arithmetic (-)")
	case *Binary:
		if !e.Op.comparison() {
			return nil, c.arithmetic(e)
		}
	}
	x, err := c.condition(e)
	return asOperand{x}, err
}

// arithmetic refuses a computation. A minus is most often a name that should
// have been escaped.
func (c *checker) arithmetic(e *Binary) error {
	err := unsupported(c.text, e.At(), "arithmetic ("+string(e.Op)+")")
	if e.Op == Subtract {
		err.Message += " If the - is part of a name, write the name in [[ ]]: tags.[[my-name]]."
	}
	return err
}

func (c *checker) comparison(e *Binary) (Condition, error) {
	if !e.Op.comparison() {
		return nil, c.arithmetic(e)
	}
	left, err := c.operand(e.Left)
	if err != nil {
		return nil, err
	}
	right, err := c.operand(e.Right)
	if err != nil {
		return nil, err
	}
	return Comparison{Op: e.Op, Left: left, Right: right}, nil
}

func (c *checker) membership(e *In) (Condition, error) {
	x, err := c.operand(e.X)
	if err != nil {
		return nil, err
	}
	in := Membership{X: x, Items: e.Items.values()}
	if e.Negated {
		return Negation{in}, nil
	}
	return in, nil
}

// value returns the constant as a value, a time noted.
func (c *Constant) value() Value {
	switch c.Kind {
	case Null:
		return NullValue()
	case Bool:
		return BoolValue(c.Bool)
	case Number:
		return NumberValue(c.Number)
	case String:
		return StringValue(c.Text).withTime()
	case Undefined, Time, Object, List:
	}
	return Value{}
}

func (a *Array) values() []Value {
	values := make([]Value, 0, len(a.Items))
	for _, c := range a.Items {
		values = append(values, c.value())
	}
	return values
}
