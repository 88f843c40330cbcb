package query

import "bytes"

func (c *checker) isDefined(e *Call) (Condition, error) {
	args, err := c.arguments(e, 1, 1)
	if err != nil {
		return nil, err
	}
	m, ok := args[0].(*Member)
	if !ok {
		return nil, invalid(c.text, e.Args[0].At(), "IS_DEFINED takes a path, such as properties.desired.interval.")
	}
	return Defined{m}, nil
}

// Defined is IS_DEFINED, which is never unknown.
type Defined struct{ Member *Member }

// Test reports whether the row has the member.
func (d Defined) Test(row Fields) Truth { return truthOf(row.Member(d.Member).kind != Undefined) }

func (d Defined) members(dst []*Member) []*Member { return append(dst, d.Member) }

// isKind makes the condition of IS_ARRAY, IS_STRING and the like.
func isKind(kinds ...Kind) func([]Operand) Condition {
	k := ofKind{}
	for _, kind := range kinds {
		k.kinds[kind] = true
	}
	return func(args []Operand) Condition {
		k := k
		k.x = args[0]
		return k
	}
}

// ofKind asks what a value is; what is not there is of no kind. It is never
// unknown.
type ofKind struct {
	kinds [List + 1]bool
	x     Operand
}

// Test reports whether the value is of one of the kinds.
func (k ofKind) Test(row Fields) Truth { return truthOf(k.kinds[k.x.Value(row).kind]) }

func (k ofKind) members(dst []*Member) []*Member { return k.x.members(dst) }

// place says where in a text another one is looked for.
type place uint8

const (
	atStart place = iota
	atEnd
	anywhere
)

// part makes the condition of STARTSWITH and the like.
func part(where place) func([]Operand) Condition {
	return func(args []Operand) Condition { return hasPart{where: where, whole: args[0], part: args[1]} }
}

// hasPart asks whether one text has another at a place.
type hasPart struct {
	where       place
	whole, part Operand
}

// Test reports whether it has; it is unknown of what is no text.
func (p hasPart) Test(row Fields) Truth {
	whole, part := p.whole.Value(row), p.part.Value(row)
	if !whole.isText() || !part.isText() {
		return Unknown
	}
	var roomWhole, roomPart [textRoom]byte
	s, sub := whole.bytes(roomWhole[:]), part.bytes(roomPart[:])
	switch p.where {
	case atStart:
		return truthOf(bytes.HasPrefix(s, sub))
	case atEnd:
		return truthOf(bytes.HasSuffix(s, sub))
	case anywhere:
	}
	return truthOf(bytes.Contains(s, sub))
}

func (p hasPart) members(dst []*Member) []*Member { return p.part.members(p.whole.members(dst)) }

func (c *checker) arrayContains(e *Call) (Condition, error) {
	if len(e.Args) == 2 {
		if array, ok := e.Args[0].(*Array); ok {
			x, err := c.operand(e.Args[1])
			return newMembership(x, array.values()), err
		}
	}
	args, err := c.arguments(e, 2, 2)
	if err != nil {
		return nil, err
	}
	return arrayContains{list: args[0], item: args[1]}, nil
}

// arrayContains asks whether a list of the twin has an element. Elements of
// other types than the item are simply not it.
type arrayContains struct{ list, item Operand }

// Test reports whether the list has the item.
func (a arrayContains) Test(row Fields) Truth {
	list, item := a.list.Value(row), a.item.Value(row)
	if list.kind != List || item.kind == Undefined {
		return Unknown
	}
	found := No
	list.elements(func(v Value) bool {
		if compare(Equal, &v, &item) == Yes {
			found = Yes
		}
		return found != Yes
	})
	return found
}

func (a arrayContains) members(dst []*Member) []*Member { return a.item.members(a.list.members(dst)) }
