package query

import (
	"math"
	"slices"
	"strings"
)

// predicate is a function that has a truth.
type predicate struct {
	arguments int
	condition func(args []Operand) Condition
}

// predicates are the functions that have a truth, in both spellings where there
// are two: the one of twin queries and the one of message routing. Two more are
// in [checker.predicate].
var predicates = map[string]predicate{
	"STARTSWITH":   {2, part(atStart)},
	"STARTS_WITH":  {2, part(atStart)},
	"ENDSWITH":     {2, part(atEnd)},
	"ENDS_WITH":    {2, part(atEnd)},
	"CONTAINS":     {2, part(anywhere)},
	"IS_ARRAY":     {1, isKind(List)},
	"IS_BOOL":      {1, isKind(Bool)},
	"IS_NULL":      {1, isKind(Null)},
	"IS_NUMBER":    {1, isKind(Number)},
	"IS_OBJECT":    {1, isKind(Object)},
	"IS_STRING":    {1, isKind(String, Time)},
	"IS_PRIMITIVE": {1, isKind(Null, Bool, Number, String, Time)},
}

// function is one that has a value and up to three arguments. Those that may be
// left away are given as the last of defaults.
type function struct {
	arguments int
	defaults  []Value
	value     func(a, b, c Value) Value
}

// functions are the functions that have a value. One more is in
// [checker.function].
var functions = map[string]function{
	"ABS":       {1, nil, number(math.Abs)},
	"EXP":       {1, nil, number(math.Exp)},
	"SQUARE":    {1, nil, number(func(x float64) float64 { return x * x })},
	"CEILING":   {1, nil, number(math.Ceil)},
	"FLOOR":     {1, nil, number(math.Floor)},
	"SIGN":      {1, nil, number(sign)},
	"SQRT":      {1, nil, number(math.Sqrt)},
	"POWER":     {2, nil, power},
	"AS_NUMBER": {1, nil, asNumber},
	"LENGTH":    {1, nil, length},
	"LOWER":     {1, nil, text(strings.ToLower)},
	"UPPER":     {1, nil, text(strings.ToUpper)},
	"SUBSTRING": {3, []Value{NumberValue(math.MaxInt32)}, substring},
	"INDEX_OF":  {2, nil, indexOf},
}

// Functions returns the names of the functions of the language, sorted,
// aggregates apart.
func Functions() []string {
	names := []string{"ARRAY_CONTAINS", "CONCAT", "IS_DEFINED"}
	for name := range predicates {
		names = append(names, name)
	}
	for name := range functions {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// predicate compiles a function that has a truth; nil if the name is none.
func (c *checker) predicate(e *Call) (Condition, error) {
	switch e.Name {
	case "IS_DEFINED":
		return c.isDefined(e)
	case "ARRAY_CONTAINS":
		return c.arrayContains(e)
	}
	p, ok := predicates[e.Name]
	if !ok {
		return nil, nil
	}
	args, err := c.arguments(e, p.arguments, p.arguments)
	if err != nil {
		return nil, err
	}
	return p.condition(args), nil
}

// function compiles a function that has a value.
func (c *checker) function(e *Call) (Operand, error) {
	if _, ok := aggregates[e.Name]; ok {
		return nil, invalid(c.text, e.At(), "%s is an aggregate; it stands alone as a column, or in the ORDER BY of groups.", e.Name)
	}
	if e.Name == "CONCAT" {
		return c.concat(e)
	}
	f, ok := functions[e.Name]
	if !ok {
		return nil, invalid(c.text, e.At(), "there is no function %s; there are %s.", clip(e.Name), strings.Join(Functions(), ", "))
	}
	args, err := c.arguments(e, f.arguments-len(f.defaults), f.arguments)
	if err != nil {
		return nil, err
	}
	for _, v := range f.defaults[len(args)-(f.arguments-len(f.defaults)):] {
		args = append(args, Literal{v})
	}
	for len(args) < 3 {
		args = append(args, Literal{})
	}
	return call{f.value, [3]Operand(args)}, nil
}

// arguments compiles at least and at most so many arguments.
func (c *checker) arguments(e *Call, least, most int) ([]Operand, error) {
	switch n := len(e.Args); {
	case (n < least || n > most) && least == most:
		return nil, invalid(c.text, e.At(), "%s takes %d argument(s), not %d.", e.Name, least, n)
	case n < least && most == math.MaxInt:
		return nil, invalid(c.text, e.At(), "%s takes %d arguments or more, not %d.", e.Name, least, n)
	case n < least || n > most:
		return nil, invalid(c.text, e.At(), "%s takes %d to %d arguments, not %d.", e.Name, least, most, n)
	}
	compiled := make([]Operand, 0, max(len(e.Args), 3))
	for _, arg := range e.Args {
		x, err := c.operand(arg)
		if err != nil {
			return nil, err
		}
		compiled = append(compiled, x)
	}
	return compiled, nil
}

// call is a function of the values of its arguments.
type call struct {
	f    func(a, b, c Value) Value
	args [3]Operand
}

// Value returns what the function gives.
func (c call) Value(row Fields) Value {
	return c.f(c.args[0].Value(row), c.args[1].Value(row), c.args[2].Value(row))
}

func (c call) members(dst []*Member) []*Member { return membersOf(dst, c.args[:]) }

// number makes a function of one of a number.
func number(f func(float64) float64) func(a, b, c Value) Value {
	return func(a, _, _ Value) Value {
		if a.kind != Number {
			return Value{}
		}
		return finite(f(a.Number()))
	}
}

func sign(x float64) float64 {
	switch {
	case x < 0:
		return -1
	case x > 0:
		return 1
	}
	return 0
}

func power(a, b, _ Value) Value {
	if a.kind != Number || b.kind != Number {
		return Value{}
	}
	return finite(math.Pow(a.Number(), b.Number()))
}
