package query

import (
	"crypto/sha256"
	"slices"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// Row is one twin as a query sees it, or a module's with its device's.
type Row interface {
	Fields
	// ID returns the identity whose twin it is; of a pair the module's.
	ID() tvilling.Identity
	// AppendJSON appends the whole row as one JSON object.
	AppendJSON(dst []byte) []byte
	// Err returns what kept a member of the row from being read since the row
	// was set; the member was undefined then.
	Err() error
}

// Query is a query that was read and checked. It is immutable and safe for
// concurrent use.
type Query struct {
	collection Collection
	explain    bool
	top        int
	star       bool
	columns    []column
	where      Condition
	order      []Sort
	members    []*Member
	loads      []*Member // of rows that are found
	equals     map[string]string
	digest     digest

	// Of a query that shows groups:
	grouped    bool
	keys       []Operand
	aggregates []Aggregate
	groupOrder []slotOrder
}

// column is a selected expression, or in a group one of its keys and aggregates,
// counted through; with its name, as `"name":`.
type column struct {
	label   []byte
	operand Operand
	slot    int
}

// Compile reads and checks the text of a query. An error is of code
// InvalidArgument; its message names the place by line and column, what was
// expected there and what to write instead.
func Compile(text string) (*Query, error) {
	s, err := Parse(text)
	if err != nil {
		return nil, err
	}
	q, err := (&checker{text: text}).statement(s)
	if err != nil {
		return nil, err
	}
	q.digest = digestOf(text)
	return q, nil
}

// CompileCondition reads and checks a condition as it stands behind WHERE, such
// as the target condition of a configuration, and returns the query for the
// whole twins it is true of; [Query.Where] is the condition alone. The text may
// begin with FROM and WHERE, as target conditions for modules do: then it must
// be about kind, which is [Devices] or [Modules]. Errors are those of [Compile].
func CompileCondition(text string, of Collection) (*Query, error) {
	p, err := newParser(text)
	if err != nil {
		return nil, err
	}
	s, err := p.condition()
	if err != nil {
		return nil, err
	}
	c := &checker{text: text}
	if s.From == nil {
		s.From = &Path{Segments: []string{"devices"}}
		if of == Modules {
			s.From.Segments = append(s.From.Segments, "modules")
		}
	}
	q, err := c.statement(s)
	if err != nil {
		return nil, err
	}
	if q.collection != of {
		return nil, invalid(text, s.From.At(), "the condition is one of %s, not of %s.", of, q.collection)
	}
	q.digest = digestOf("FROM " + of.String() + " WHERE " + text)
	return q, nil
}

func digestOf(text string) (d digest) {
	sum := sha256.Sum256([]byte(text))
	copy(d[:], sum[:])
	return d
}

// Collection returns what the query reads.
func (q *Query) Collection() Collection { return q.collection }

// Kind returns which identities the rows have: [state.Devices] or
// [state.Modules].
func (q *Query) Kind() state.Kind { return q.collection.kind() }

// Explain reports whether the query asks how it would be answered.
func (q *Query) Explain() bool { return q.explain }

// Star reports whether the result is whole rows (SELECT *).
func (q *Query) Star() bool { return q.star }

// Top returns the largest number of rows in the whole result, 0 for any.
func (q *Query) Top() int { return q.top }

// Order returns the terms of ORDER BY of a query that shows rows, nil without.
// The order of groups is the business of [Groups].
func (q *Query) Order() []Sort { return q.order }

// Grouped reports whether the result is groups, or one row of aggregates.
func (q *Query) Grouped() bool { return q.grouped }

// Keys returns the terms of GROUP BY.
func (q *Query) Keys() []Operand { return q.keys }

// Aggregates returns the different aggregates of the query.
func (q *Query) Aggregates() []Aggregate { return q.aggregates }

// EqualityOn tells whether the query can only find rows whose root member
// field (deviceId, moduleId, …) is one string, and which. A caller may then
// look at those rows alone.
func (q *Query) EqualityOn(field string) (string, bool) {
	value, ok := q.equals[field]
	return value, ok
}

// Match reports whether the query finds row. It takes no memory, unless a
// function makes a text.
func (q *Query) Match(row Fields) bool { return q.where == nil || q.where.Test(row) == Yes }

// Where returns the condition, nil if there is none.
func (q *Query) Where() Condition { return q.where }

// Members returns the paths that the query reads, by their numbers.
func (q *Query) Members() []*Member { return q.members }

// Strange returns the paths, as they are written, that begin with no name that
// the document of a twin has, nor with one of owned, the members that parts of
// the hub add to it. A query may name such paths, and they are undefined for
// every twin; most are texts without quotes, or properties without their section.
func (q *Query) Strange(owned []string) []string {
	if q.collection == Jobs {
		return nil
	}
	var strange []string
	for _, m := range q.members {
		first := m.Segments[0]
		known := rootMembers[upperASCII(first)] != "" || slices.ContainsFunc(owned, func(o string) bool { return strings.EqualFold(o, first) })
		if path := strings.Join(m.Segments, "."); !known && !slices.Contains(strange, path) {
			strange = append(strange, path)
		}
	}
	return strange
}

// Project appends what the query shows of row, one JSON object, to dst.
// Columns that the row lacks are left out. It is not for groups.
func (q *Query) Project(dst []byte, row Row) []byte {
	if q.star {
		return row.AppendJSON(dst)
	}
	dst = append(dst, '{')
	start := len(dst)
	for _, c := range q.columns {
		v := c.operand.Value(row)
		if v.kind == Undefined {
			continue
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = append(dst, c.label...)
		dst = v.AppendJSON(dst)
	}
	return append(dst, '}')
}
