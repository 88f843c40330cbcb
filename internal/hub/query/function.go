package query

import "bytes"

// functionNames are the functions of a condition, for messages.
const functionNames = "IS_DEFINED, STARTSWITH, ENDSWITH, CONTAINS and ARRAY_CONTAINS"

// call compiles a function. STARTS_WITH, ENDS_WITH and CONTAINS are the
// spellings of message routing, taken here, too.
func (c *checker) call(e *Call) (Condition, error) {
	switch e.Name {
	case "IS_DEFINED":
		return c.isDefined(e)
	case "STARTSWITH", "STARTS_WITH":
		return c.part(e, atStart)
	case "ENDSWITH", "ENDS_WITH":
		return c.part(e, atEnd)
	case "CONTAINS":
		return c.part(e, anywhere)
	case "ARRAY_CONTAINS":
		return c.arrayContains(e)
	case "COUNT", "AVG", "SUM", "MIN", "MAX":
		return nil, invalid(c.text, e.At(), "%s is an aggregate and stands before FROM, not in a condition.", e.Name)
	case "ABS", "EXP", "POWER", "SQUARE", "CEILING", "FLOOR", "SIGN", "SQRT", "AS_NUMBER", "IS_ARRAY", "IS_BOOL", "IS_NULL",
		"IS_NUMBER", "IS_OBJECT", "IS_PRIMITIVE", "IS_STRING", "CONCAT", "LENGTH", "LOWER", "UPPER", "SUBSTRING", "INDEX_OF":
		return nil, unsupported(c.text, e.At(), "the function "+e.Name)
	}
	return nil, invalid(c.text, e.At(), "there is no function %s; there are %s.", clip(e.Name), functionNames)
}

// arguments compiles exactly n arguments.
func (c *checker) arguments(e *Call, n int) ([]Operand, error) {
	if len(e.Args) != n {
		return nil, invalid(c.text, e.At(), "%s takes %d argument(s), not %d.", e.Name, n, len(e.Args))
	}
	compiled := make([]Operand, 0, n)
	for _, arg := range e.Args {
		x, err := c.operand(arg)
		if err != nil {
			return nil, err
		}
		compiled = append(compiled, x)
	}
	return compiled, nil
}

func (c *checker) isDefined(e *Call) (Condition, error) {
	args, err := c.arguments(e, 1)
	if err != nil {
		return nil, err
	}
	m, ok := args[0].(*Member)
	if !ok {
		return nil, invalid(c.text, e.Args[0].At(), "IS_DEFINED takes a path, such as properties.desired.interval.")
	}
	return Defined{m}, nil
}

// Defined is IS_DEFINED: the one condition that is never unknown.
type Defined struct{ Member *Member }

// Test reports whether the row has the member.
func (d Defined) Test(row Fields) Truth { return truthOf(row.Member(d.Member).kind != Undefined) }

func (d Defined) members(dst []*Member) []*Member { return append(dst, d.Member) }

func (c *checker) part(e *Call, where place) (Condition, error) {
	args, err := c.arguments(e, 2)
	if err != nil {
		return nil, err
	}
	return part{where: where, whole: args[0], part: args[1]}, nil
}

// place says where in a string another one is looked for.
type place uint8

const (
	atStart place = iota
	atEnd
	anywhere
)

// part asks whether one string has another at a place.
type part struct {
	where       place
	whole, part Operand
}

func (p part) members(dst []*Member) []*Member { return p.part.members(p.whole.members(dst)) }

func (p part) Test(row Fields) Truth {
	whole, part := p.whole.Value(row), p.part.Value(row)
	if !whole.isText() || !part.isText() {
		return Unknown
	}
	var roomWhole, roomPart [textRoom]byte
	s, sub := whole.AppendText(roomWhole[:0]), part.AppendText(roomPart[:0])
	switch p.where {
	case atStart:
		return truthOf(bytes.HasPrefix(s, sub))
	case atEnd:
		return truthOf(bytes.HasSuffix(s, sub))
	case anywhere:
	}
	return truthOf(bytes.Contains(s, sub))
}

func (c *checker) arrayContains(e *Call) (Condition, error) {
	if len(e.Args) == 2 {
		if array, ok := e.Args[0].(*Array); ok {
			x, err := c.operand(e.Args[1])
			return Membership{X: x, Items: array.values()}, err
		}
	}
	args, err := c.arguments(e, 2)
	if err != nil {
		return nil, err
	}
	return arrayContains{list: args[0], item: args[1]}, nil
}

// arrayContains asks whether a list of the twin has an element. Elements of
// other types than the item are simply not it.
type arrayContains struct{ list, item Operand }

func (a arrayContains) members(dst []*Member) []*Member { return a.item.members(a.list.members(dst)) }

func (a arrayContains) Test(row Fields) Truth {
	list, item := a.list.Value(row), a.item.Value(row)
	if list.kind != List || item.kind == Undefined {
		return Unknown
	}
	found := No
	list.elements(func(v Value) bool {
		if compare(Equal, v, item) == Yes {
			found = Yes
		}
		return found != Yes
	})
	return found
}
