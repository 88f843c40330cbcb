package query

import (
	"crypto/sha256"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// Row is one twin as a query sees it.
type Row interface {
	Fields
	// ID returns the identity whose twin it is.
	ID() tvilling.Identity
	// AppendJSON appends the whole twin as one JSON object.
	AppendJSON(dst []byte) []byte
}

// Query is a query that was read and checked. It is immutable and safe for
// concurrent use.
type Query struct {
	kind    state.Kind
	top     int
	columns []column // none: whole twins
	count   []byte   // the member name of COUNT(), nil without
	where   Condition
	members []*Member
	equals  map[string]string
	digest  digest
}

// Compile reads and checks the text of a query. An error is of code
// InvalidArgument when the text is not of the language and Unsupported when
// this version does not evaluate it; its message names the construct, its line
// and column, and what there is instead.
func Compile(text string) (*Query, error) {
	s, err := Parse(text)
	if err != nil {
		return nil, err
	}
	c := &checker{text: text}
	q, err := c.statement(s)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(text))
	copy(q.digest[:], sum[:])
	q.members = c.members
	return q, nil
}

// Kind returns which identities the query is about: [state.Devices] or
// [state.Modules].
func (q *Query) Kind() state.Kind { return q.kind }

// Star reports whether the result is whole twins (SELECT *).
func (q *Query) Star() bool { return q.columns == nil && q.count == nil }

// EqualityOn tells whether the query can only find rows whose root member
// field (deviceId, moduleId, …) is one string, and which. A caller may then
// look at those rows alone.
func (q *Query) EqualityOn(field string) (string, bool) {
	value, ok := q.equals[field]
	return value, ok
}

// Match reports whether the query finds row. It takes no memory.
func (q *Query) Match(row Fields) bool { return q.where == nil || q.where.Test(row) == Yes }

// Where returns the condition, nil if there is none.
func (q *Query) Where() Condition { return q.where }

// Members returns the paths that the query reads, by their numbers.
func (q *Query) Members() []*Member { return q.members }

// Project appends what the query shows of row, one JSON object, to dst.
// Columns that the row lacks are left out.
func (q *Query) Project(dst []byte, row Row) []byte {
	if q.columns == nil {
		return row.AppendJSON(dst)
	}
	dst = append(dst, '{')
	start := len(dst)
	for _, c := range q.columns {
		v := row.Member(c.member)
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

// column is a selected path with its name, as `"name":`.
type column struct {
	label  []byte
	member *Member
}
