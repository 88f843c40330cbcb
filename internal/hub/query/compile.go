package query

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
		if e.Op.comparison() {
			return c.comparison(e)
		}
	case *In:
		return c.membership(e)
	case *Like:
		return c.like(e)
	case *Call:
		if x, err := c.predicate(e); x != nil || err != nil {
			return x, err
		}
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

// operand compiles an expression whose value is asked for. What reads no member
// is computed at once.
func (c *checker) operand(e Expr) (Operand, error) {
	x, err := c.value(e)
	if err != nil {
		return nil, err
	}
	if _, ok := x.(Literal); !ok && len(x.members(nil)) == 0 {
		return Literal{x.Value(nil).withTime()}, nil
	}
	return x, nil
}

func (c *checker) value(e Expr) (Operand, error) {
	switch e := e.(type) {
	case *Path:
		return c.member(e)
	case *Constant:
		return Literal{e.value()}, nil
	case *Array:
		return nil, invalid(c.text, e.At(), "an array stands after IN, NOT IN or NIN, or first in ARRAY_CONTAINS.")
	case *Negative:
		x, err := c.operand(e.X)
		return negative{x}, err
	case *Binary:
		if !e.Op.comparison() {
			return c.arithmetic(e)
		}
	case *Call:
		x, err := c.predicate(e)
		if x == nil && err == nil {
			return c.function(e)
		}
		return asOperand{x}, err
	}
	x, err := c.condition(e)
	return asOperand{x}, err
}

func (c *checker) arithmetic(e *Binary) (Operand, error) {
	left, err := c.operand(e.Left)
	if err != nil {
		return nil, err
	}
	right, err := c.operand(e.Right)
	if err != nil {
		return nil, err
	}
	// A word behind a minus that names nothing is the end of a name.
	if m, ok := right.(*Member); ok && e.Op == Subtract && len(m.Segments) == 1 && rootMembers[upperASCII(m.Segments[0])] == "" {
		return nil, invalid(c.text, e.At(), "there is no member %s to subtract. If the - is part of a name, write the name in [[ ]]: tags.[[my-name]].", clip(m.Segments[0]))
	}
	return arithmetic{op: e.Op, left: left, right: right}, nil
}

func (c *checker) comparison(e *Binary) (Condition, error) {
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
	in := newMembership(x, e.Items.values())
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
