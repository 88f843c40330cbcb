package query

// condition is a compiled expression that is true, false or unknown of a row.
type condition interface{ test(row Row) truth }

// operand is a compiled expression that has a value in a row.
type operand interface{ value(row Row) Value }

// path is an operand: the member that it names, in canonical form.
type path []string

func (p path) value(row Row) Value { return row.Field(p) }

// constant is an operand.
type constant struct{ v Value }

func (c constant) value(Row) Value { return c.v }

// asOperand makes a value of a condition.
type asOperand struct{ x condition }

func (o asOperand) value(row Row) Value {
	switch o.x.test(row) {
	case yes:
		return BoolValue(true)
	case no:
		return BoolValue(false)
	case unknown:
	}
	return Value{}
}

// asCondition makes a condition of a value: what is there and is not true
// counts as false.
type asCondition struct{ x operand }

func (c asCondition) test(row Row) truth {
	v := c.x.value(row)
	switch v.kind {
	case Undefined:
		return unknown
	case Bool:
		return truthOf(v.bool())
	case Null, Number, String, Time, Object, List:
	}
	return no
}

// all is AND: false if a term is false, else unknown if one is unknown.
type all []condition

func (a all) test(row Row) truth {
	outcome := yes
	for _, x := range a {
		switch x.test(row) {
		case no:
			return no
		case unknown:
			outcome = unknown
		case yes:
		}
	}
	return outcome
}

// either is OR: true if a term is true, else unknown if one is unknown.
type either []condition

func (a either) test(row Row) truth {
	outcome := no
	for _, x := range a {
		switch x.test(row) {
		case yes:
			return yes
		case unknown:
			outcome = unknown
		case no:
		}
	}
	return outcome
}

// negation is NOT.
type negation struct{ x condition }

func (n negation) test(row Row) truth { return n.x.test(row).not() }

// comparison compares two operands.
type comparison struct {
	op          Op
	left, right operand
}

func (c comparison) test(row Row) truth { return compare(c.op, c.left.value(row), c.right.value(row)) }

// membership is IN: the OR of equalities, so a value of another type than all
// items is neither in nor not in them.
type membership struct {
	x     operand
	items []Value
}

func (m membership) test(row Row) truth {
	v := m.x.value(row)
	if v.kind == Undefined {
		return unknown
	}
	outcome := no
	for _, item := range m.items {
		switch compare(Equal, v, item) {
		case yes:
			return yes
		case unknown:
			outcome = unknown
		case no:
		}
	}
	return outcome
}
