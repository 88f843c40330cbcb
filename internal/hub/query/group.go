package query

import (
	"bytes"
	"crypto/sha256"
	"reflect"
	"slices"
	"strconv"

	"github.com/tvilling/tvilling"
)

// Limits of the groups of one query.
const (
	// MaxGroups is the largest number of groups.
	MaxGroups = 10_000
	// maxGroupBytes bounds the bytes that the hub keeps of them: their terms, and
	// what their aggregates have seen.
	maxGroupBytes = 16 << 20
)

// What a term and an aggregate of a group take, beside their texts.
var (
	valueBytes = int(reflect.TypeFor[Value]().Size())
	tallyBytes = int(reflect.TypeFor[Tally]().Size())
)

// ErrTooManyGroups is the error of a query that has more groups than a hub keeps.
var ErrTooManyGroups = &tvilling.Error{
	Code: tvilling.TooLarge, Op: "group rows",
	Message: "The query has more groups than the hub keeps at once (" + strconv.Itoa(MaxGroups) + ", and 16 MiB of their terms and aggregates); " +
		"group by something that has fewer values, ask for fewer aggregates, or find fewer rows with WHERE.",
}

// Groups collects the groups of a query ([Query.Grouped]); a query without GROUP
// BY has one. It is for one goroutine.
type Groups struct {
	query  *Query
	groups map[string]*group
	bytes  int
	key    []byte  // room for the key of a row
	values []Value // room for the keys of a row
}

// group is the rows with the same keys.
type group struct {
	keys []Value
	Cell
}

// Cell is what is known of the rows of one group: how many they are, and what
// each of the query's aggregates has seen ([Query.Aggregates]).
type Cell struct {
	Rows    int64
	Tallies []Tally
}

// NewGroups returns no groups yet, for the rows that q finds.
func (q *Query) NewGroups() *Groups {
	g := &Groups{query: q, groups: map[string]*group{}, values: make([]Value, len(q.keys))}
	if len(q.keys) == 0 {
		g.groups[""] = &group{Cell: Cell{Tallies: make([]Tally, len(q.aggregates))}}
	}
	return g
}

// Add adds a row that the query finds. The error is [ErrTooManyGroups].
func (g *Groups) Add(row Fields) error {
	for i, x := range g.query.keys {
		g.values[i] = x.Value(row)
	}
	to, err := g.of(g.values)
	if err != nil {
		return err
	}
	to.Rows++
	for i, a := range g.query.aggregates {
		if a.Operand == nil {
			continue
		}
		t := &to.Tallies[i]
		held := t.held()
		t.Add(a.Func, a.Operand.Value(row), 1)
		g.bytes += t.held() - held
	}
	return g.room()
}

// AddCell adds rows that were put together elsewhere, by their keys
// ([Query.Keys]). The error is [ErrTooManyGroups].
func (g *Groups) AddCell(keys []Value, c Cell) error {
	to, err := g.of(keys)
	if err != nil {
		return err
	}
	to.Rows += c.Rows
	for i := range c.Tallies {
		t := &to.Tallies[i]
		held := t.held()
		t.merge(&c.Tallies[i])
		g.bytes += t.held() - held
	}
	return g.room()
}

// Merge adds the groups of the same query over other rows. The error is
// [ErrTooManyGroups].
func (g *Groups) Merge(other *Groups) error {
	for _, from := range other.groups {
		if err := g.AddCell(from.keys, from.Cell); err != nil {
			return err
		}
	}
	return nil
}

// of returns the group of keys.
func (g *Groups) of(keys []Value) (*group, error) {
	g.key = g.key[:0]
	for _, v := range keys {
		g.key = v.AppendKey(g.key, 0)
	}
	if to := g.groups[string(g.key)]; to != nil {
		return to, nil
	}
	if len(g.groups) == MaxGroups {
		return nil, ErrTooManyGroups
	}
	to := &group{keys: make([]Value, len(keys)), Cell: Cell{Tallies: make([]Tally, len(g.query.aggregates))}}
	for i, v := range keys {
		to.keys[i] = v.Keep()
	}
	g.bytes += 2*len(g.key) + len(keys)*valueBytes + len(to.Tallies)*tallyBytes
	g.groups[string(g.key)] = to
	return to, nil
}

func (g *Groups) room() error {
	if g.bytes > maxGroupBytes {
		return ErrTooManyGroups
	}
	return nil
}

// Page returns one page of the groups, in the order of the query's ORDER BY, and
// then in that of their keys. Sizes are as those of [Options]. An error is of
// code InvalidArgument if the continuation is malformed or of another query.
func (g *Groups) Page(size int, continuation string) (*Page, error) {
	at, err := g.query.Position(continuation)
	if err != nil {
		return nil, err
	}
	type placed struct {
		key []byte
		*group
	}
	var sorted []placed
	for full, to := range g.groups {
		if key := g.query.groupKey(full, to); continuation == "" || bytes.Compare(key, at.Key) > 0 {
			sorted = append(sorted, placed{key, to})
		}
	}
	slices.SortFunc(sorted, func(a, b placed) int { return bytes.Compare(a.key, b.key) })
	p := &Page{Body: []byte{'['}}
	for i, to := range sorted {
		if p.Count == pageSize(size) || g.query.top > 0 && p.Count == at.Left {
			break
		}
		if p.Count > 0 {
			p.Body = append(p.Body, ',')
		}
		p.Body = g.query.show(p.Body, to.group)
		p.Count++
		if left := at.Left - p.Count; p.Count == pageSize(size) && i+1 < len(sorted) && (g.query.top == 0 || left > 0) {
			p.Next = g.query.encode(Position{Key: to.key, Left: max(left, 0)})
		}
	}
	p.Body = append(p.Body, ']')
	return p, nil
}

// slotOrder is a term of ORDER BY over groups: one of a group's keys and
// aggregates, counted through.
type slotOrder struct {
	slot       int
	descending bool
}

// groupKey returns the place of a group in the result. Of long texts the
// beginnings count, and then a sum of all.
func (q *Query) groupKey(full string, to *group) []byte {
	room := textsRoom(len(q.groupOrder) + len(to.keys))
	var key []byte
	for _, o := range q.groupOrder {
		key = appendOrdered(key, q.slot(to, o.slot), room, o.descending)
	}
	for _, v := range to.keys {
		key = v.AppendKey(key, room)
	}
	sum := sha256.Sum256([]byte(full))
	return append(key, sum[:16]...)
}

// slot returns one of the keys and aggregates of a group, counted through.
func (q *Query) slot(to *group, slot int) Value {
	if slot < len(to.keys) {
		return to.keys[slot]
	}
	slot -= len(to.keys)
	if q.aggregates[slot].Func == Count {
		return NumberValue(float64(to.Rows))
	}
	return to.Tallies[slot].value(q.aggregates[slot].Func)
}

// show appends a group as one JSON object. Columns without a value are left out.
func (q *Query) show(dst []byte, to *group) []byte {
	dst = append(dst, '{')
	start := len(dst)
	for _, c := range q.columns {
		v := q.slot(to, c.slot)
		if v.kind == Undefined {
			continue
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = v.AppendJSON(append(dst, c.label...))
	}
	return append(dst, '}')
}
