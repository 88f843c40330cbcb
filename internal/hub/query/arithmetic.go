package query

import "math"

// finite returns a number, undefined if it is none that JSON can hold.
func finite(f float64) Value {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return Value{}
	}
	return NumberValue(f)
}

// arithmetic computes with two numbers. With anything else it is undefined, and
// so is a division by zero.
type arithmetic struct {
	op          Op
	left, right Operand
}

// Value returns the outcome.
func (a arithmetic) Value(row Fields) Value {
	left := a.left.Value(row)
	if left.kind != Number {
		return Value{}
	}
	right := a.right.Value(row)
	if right.kind != Number {
		return Value{}
	}
	x, y := left.Number(), right.Number()
	switch a.op {
	case Add:
		return finite(x + y)
	case Subtract:
		return finite(x - y)
	case Multiply:
		return finite(x * y)
	case Divide:
		return finite(x / y)
	case Modulo:
		return finite(math.Mod(x, y))
	case Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual:
	}
	return Value{}
}

func (a arithmetic) members(dst []*Member) []*Member { return a.right.members(a.left.members(dst)) }

// negative is a number with the other sign.
type negative struct{ x Operand }

// Value returns the outcome.
func (n negative) Value(row Fields) Value {
	x := n.x.Value(row)
	if x.kind != Number {
		return Value{}
	}
	return NumberValue(-x.Number())
}

func (n negative) members(dst []*Member) []*Member { return n.x.members(dst) }
