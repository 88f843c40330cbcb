package index

import (
	"math"

	"github.com/tvilling/tvilling/internal/hub/query"
)

// interval says which cells that are no codes are hits of a comparison: those
// from low to high, or, outside, all others. They are numbers or ticks.
type interval struct {
	known     bool
	outside   bool
	low, high float64
	// from and to are the same for ticks.
	from, to int64
}

// intervalOf returns the cells of a column that a comparison with a constant hits.
func intervalOf(c query.Condition, want query.Truth, ticks bool) interval {
	op, v, ok := comparison(c)
	switch {
	case !ok:
		return interval{}
	case ticks:
		return intervalOfTicks(c, op, v, want)
	case v.Kind() != query.Number:
		return all(c.Test(only{query.NumberValue(0)}) == want)
	}
	k := v.Number()
	i := interval{known: true, low: k, high: k, outside: want == query.No}
	switch op {
	case query.Equal:
	case query.NotEqual:
		i.outside = !i.outside
	case query.Less:
		i.low, i.high = math.Inf(-1), math.Nextafter(k, math.Inf(-1))
	case query.LessEqual:
		i.low = math.Inf(-1)
	case query.Greater:
		i.low, i.high = math.Nextafter(k, math.Inf(1)), math.Inf(1)
	case query.GreaterEqual:
		i.high = math.Inf(1)
	default:
		return interval{}
	}
	return i
}

// all is an interval of all cells, or of none: a comparison with something of
// another kind comes out the same for each of them.
func all(hits bool) interval {
	return interval{known: true, low: math.Inf(-1), high: math.Inf(1), from: math.MinInt64, to: math.MaxInt64, outside: !hits}
}

// intervalOfTicks is intervalOf for times. A time is compared as one with a
// string that reads as a time, and with other strings as text, in no interval.
func intervalOfTicks(c query.Condition, op query.Op, v query.Value, want query.Truth) interval {
	at, ok := v.AsTime()
	cell := ticksOf(at)
	switch {
	case !ok && v.Kind() == query.String, ok && cell.isCode():
		return interval{}
	case !ok:
		return all(c.Test(only{query.TimeValue(at)}) == want)
	}
	k := int64(cell)
	below := k // the last tick that is before at
	if at.Nanosecond()%100 == 0 {
		below--
	}
	i := interval{known: true, from: below + 1, to: k, outside: want == query.No}
	switch op {
	case query.Equal:
	case query.NotEqual:
		i.outside = !i.outside
	case query.Less:
		i.from, i.to = math.MinInt64, below
	case query.LessEqual:
		i.from = math.MinInt64
	case query.Greater:
		i.from, i.to = k+1, math.MaxInt64
	case query.GreaterEqual:
		i.to = math.MaxInt64
	default:
		return interval{}
	}
	return i
}

// number returns the outcome for a number.
func (i *interval) number(c cell) outcome {
	f := math.Float64frombits(uint64(c))
	if (f >= i.low && f <= i.high) != i.outside {
		return hit
	}
	return miss
}

// time returns the outcome for ticks.
func (i *interval) time(c cell) outcome {
	if (int64(c) >= i.from && int64(c) <= i.to) != i.outside {
		return hit
	}
	return miss
}
