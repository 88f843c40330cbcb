package query

import (
	"math"
	"slices"
)

// Function is an aggregate function.
type Function uint8

// The aggregates.
const (
	Count Function = iota
	Avg
	Sum
	Min
	Max
)

// Aggregate is an aggregate of a query. Operand is nil for Count.
type Aggregate struct {
	Func    Function
	Operand Operand
}

// Tally is what an aggregate has seen. It does not depend on the order in which
// it saw it. The zero value has seen nothing.
type Tally struct {
	// numbers are how many, total is their sum.
	numbers int64
	total   total
	// least and greatest, of numbers, texts and times, are undefined before one.
	least, greatest Value
}

// Add adds n times a value that the aggregate's operand had. Values that the
// aggregate does not look at change nothing: AVG and SUM are about numbers, MIN
// and MAX about numbers, texts and times, which they order so.
func (t *Tally) Add(f Function, v Value, n int64) {
	switch f {
	case Count:
	case Avg, Sum:
		if v.kind == Number {
			t.numbers += n
			t.total.addTimes(v.Number(), n)
		}
	case Min:
		if v.kind == Number || v.isText() {
			t.min(v)
		}
	case Max:
		if v.kind == Number || v.isText() {
			t.max(v)
		}
	}
}

func (t *Tally) min(v Value) {
	if t.least.kind == Undefined || before(v, t.least) {
		t.least = v.Keep()
	}
}

func (t *Tally) max(v Value) {
	if t.greatest.kind == Undefined || before(t.greatest, v) {
		t.greatest = v.Keep()
	}
}

// before reports whether a is less than b; they are numbers, texts or times.
func before(a, b Value) bool {
	if a.kind != b.kind {
		return a.kind < b.kind // as keys are ordered
	}
	return compare(Less, &a, &b) == Yes
}

// merge adds what another tally has seen.
func (t *Tally) merge(o *Tally) {
	t.numbers += o.numbers
	t.total.merge(&o.total)
	if o.least.kind != Undefined {
		t.min(o.least)
	}
	if o.greatest.kind != Undefined {
		t.max(o.greatest)
	}
}

// held is how many bytes of text the tally keeps.
func (t *Tally) held() int { return len(t.least.text) + len(t.greatest.text) }

// value returns what the aggregate is; undefined if it has seen nothing.
func (t *Tally) value(f Function) Value {
	switch {
	case f == Min:
		return t.least
	case f == Max:
		return t.greatest
	case t.numbers == 0:
		return Value{}
	case f == Sum:
		return finite(t.total.value())
	}
	return finite(t.total.value() / float64(t.numbers))
}

// total is the exact sum of numbers: its parts, put together, are it. So it is
// the same in whatever order they come, and rounded once.
type total struct {
	parts parts
	// large is the sum of the numbers that are, scaled down: however many there
	// are, neither sum leaves the range of numbers before it is whole.
	large parts
}

const (
	// largest is where numbers begin to be large; scale makes them smaller.
	largest = 0x1p900
	scale   = 0x1p-200
)

// addTimes adds n times x.
func (t *total) addTimes(x float64, n int64) {
	to := &t.parts
	if math.Abs(x) >= largest {
		to, x = &t.large, x*scale
	}
	product := float64(x * float64(n)) // not fused with what follows
	to.add(product)
	if n != 1 {
		to.add(math.FMA(x, float64(n), -product)) // what the product was rounded by
	}
}

func (t *total) merge(o *total) {
	for _, x := range o.parts {
		t.parts.add(x)
	}
	for _, x := range o.large {
		t.large.add(x)
	}
}

// value returns the sum, rounded to the nearest number; infinite beyond them.
func (t *total) value() float64 {
	if t.large.value() == 0 {
		return t.parts.value()
	}
	all := slices.Clone(t.large)
	for _, x := range t.parts {
		all.add(x * scale)
	}
	return all.value() / scale
}

// parts are numbers whose digits do not overlap, in ascending order, that are a
// sum (Shewchuk, Adaptive Precision Floating-Point Arithmetic).
type parts []float64

func (p *parts) add(x float64) {
	before := *p
	after := before[:0] // which stays behind what is read
	for _, y := range before {
		if math.Abs(x) < math.Abs(y) {
			x, y = y, x
		}
		high := x + y
		if low := y - (high - x); low != 0 {
			after = append(after, low)
		}
		x = high
	}
	after = append(after, x)
	*p = after
}

// value returns the sum, rounded to the nearest number.
func (p parts) value() float64 {
	n := len(p)
	if n == 0 {
		return 0
	}
	sum, low := p[n-1], 0.0
	for n--; n > 0 && low == 0; n-- {
		x := p[n-1]
		high := sum + x
		low = x - (high - sum)
		sum = high
	}
	// Half-way cases are decided by the next part.
	if n > 0 && (low < 0 && p[n-1] < 0 || low > 0 && p[n-1] > 0) {
		if twice := low * 2; sum+twice-sum == twice {
			sum += twice
		}
	}
	return sum
}
