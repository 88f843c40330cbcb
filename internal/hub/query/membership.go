package query

import "time"

// Membership is IN: the OR of equalities, so a value of another type than all
// items is neither in nor not in them.
type Membership struct {
	X     Operand
	Items []Value
	// set finds an item by its value; nil for few items.
	set *valueSet
}

// fewItems is up to how many items are compared one by one.
const fewItems = 8

func newMembership(x Operand, items []Value) Membership {
	m := Membership{X: x, Items: items}
	if len(items) > fewItems {
		m.set = newValueSet(items)
	}
	return m
}

// Test reports whether X is one of the items.
func (m Membership) Test(row Fields) Truth {
	v := m.X.Value(row)
	if v.kind == Undefined {
		return Unknown
	}
	if m.set != nil {
		return m.set.has(v)
	}
	outcome := No
	for i := range m.Items {
		switch compare(Equal, &v, &m.Items[i]) {
		case Yes:
			return Yes
		case Unknown:
			outcome = Unknown
		case No:
		}
	}
	return outcome
}

func (m Membership) members(dst []*Member) []*Member { return m.X.members(dst) }

// valueSet is a set of constants.
type valueSet struct {
	numbers map[float64]bool
	texts   map[string]bool
	// times are the texts that read as one.
	times map[instant]bool
	bools [2]bool
	null  bool
	// kinds counts the items by their kinds, all of them are n.
	kinds [List + 1]int
	n     int
}

// instant is a time that can be a key.
type instant struct {
	seconds uint64
	nanos   int32
}

func newValueSet(items []Value) *valueSet {
	s := &valueSet{numbers: map[float64]bool{}, texts: map[string]bool{}, times: map[instant]bool{}, n: len(items)}
	for _, v := range items {
		s.kinds[v.kind]++
		switch v.kind {
		case Null:
			s.null = true
		case Bool:
			s.bools[v.bits] = true
		case Number:
			s.numbers[v.Number()] = true
		case String:
			s.texts[v.text] = true
			if v.dated {
				s.times[instant{v.bits, v.nanos}] = true
			}
		case Undefined, Time, Object, List:
		}
	}
	return s
}

// has reports what the OR of the comparisons of v with each item is.
func (s *valueSet) has(v Value) Truth {
	found, like := false, v.kind
	switch v.kind {
	case Null:
		found = s.null
	case Bool:
		found = s.bools[v.bits]
	case Number:
		found = s.numbers[v.Number()]
	case String:
		var room [textRoom]byte
		found = s.texts[string(v.bytes(room[:]))]
	case Time:
		// Among texts: one that reads as the same time is it.
		var room [len(time.RFC3339Nano)]byte
		found, like = s.times[instant{v.bits, v.nanos}] || s.texts[string(v.AppendText(room[:0]))], String
	case Undefined, Object, List:
		return Unknown
	}
	switch {
	case found:
		return Yes
	case s.kinds[like] == s.n:
		return No
	}
	return Unknown
}
