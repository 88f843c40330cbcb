package index

import (
	"github.com/tvilling/tvilling/internal/hub/query"
)

// program is a condition made ready to be evaluated over blocks of one table.
// Negations are gone from it: NOT x is true where x is false, so every leaf
// asks for one outcome of its test, its hit, and what is above the leaves is AND
// and OR of hits alone.
type program struct {
	// terms are joined by OR if either is set, else by AND; a leaf has none.
	terms  []*program
	either bool
	leaf   *leaf
	// blocks counts the evaluations, asked and kept the rows that this term was
	// asked for and that it left to the others, as long as the order of the terms is not settled.
	blocks      int
	asked, kept int64
}

// leaf is a condition that is evaluated by its own test.
type leaf struct {
	test query.Condition
	want query.Truth
	// defined says that the test asks for presence alone.
	defined bool
	row     *row

	// constant, if it is not open, is the outcome for every row.
	constant outcome
	// column is the one column that the test reads; nil if it reads others, too.
	column   *column
	member   int
	ofDevice bool // it is the device's, and the rows are modules
	activity bool // it only tells of identities that are not connected
	// small and large hold the outcomes for codes of one byte, and for all.
	small [256]outcome
	large []outcome
	// surveyed says as of when the table for one byte is complete, and few are
	// the codes that stand out in it, by being hits or, with others, by being
	// misses; nil if there are many.
	surveyed surveyed
	few      []uint8
	others   bool
	// texts says what is known of hashes, raws of what has no code.
	texts hashes
	raws  interval
}

// surveyed tells the codes that rows of a column can have from those before.
type surveyed struct {
	given          int64
	inexact, inner bool
}

// outcome is what is known of a row: whether it may be a hit, whether that is
// in doubt, and whether it was not found out yet.
type outcome uint8

const (
	miss  outcome = 0
	hit   outcome = 1
	doubt outcome = 3 // may be one
	open  outcome = 0x80
)

// compile makes a program that hits the rows in which c is want.
func (r *run) compile(c query.Condition, want query.Truth) *program {
	switch c := c.(type) {
	case query.All:
		return r.terms(c, want, want == query.No)
	case query.Any:
		return r.terms(c, want, want == query.Yes)
	case query.Negation:
		return r.compile(c.X, want.Not())
	}
	return &program{leaf: r.leaf(c, want)}
}

func (r *run) terms(list []query.Condition, want query.Truth, either bool) *program {
	p := &program{either: either}
	for _, c := range list {
		p.terms = append(p.terms, r.compile(c, want))
	}
	return p
}

// row returns a row to look at.
func (r *run) row() *row {
	w := &row{run: r, sources: r.sources}
	w.given.number = -1
	return w
}

func (r *run) leaf(c query.Condition, want query.Truth) *leaf {
	l := &leaf{test: c, want: want, constant: open, row: r.row()}
	_, l.defined = c.(query.Defined)
	var column *query.Member
	varying := 0
	for _, m := range query.Members(c) {
		if s := r.sources[m.Number]; s.column != nil || s.device {
			varying++
			column = m
		}
	}
	if varying == 0 {
		l.constant = l.outcome()
		return l
	}
	s := r.sources[column.Number]
	if varying > 1 || s.device || s.activity && s.joined {
		return l
	}
	l.activity = s.activity
	l.column, l.member, l.ofDevice, l.surveyed.given = s.column, column.Number, s.joined, -1
	for i := range l.small {
		l.small[i] = open
	}
	if l.texts = l.hashes(); !l.texts.known {
		l.texts = hashes{known: true, other: l.of(code(hashed))} // it is the same for all of them
	}
	l.raws = intervalOf(c, want, s.column.ticks)
	return l
}

// outcome runs the test on the row as it is.
func (l *leaf) outcome() outcome {
	r := l.row
	r.forget()
	truth := l.test.Test(r)
	switch {
	case r.absent, !l.defined && (r.unsure || r.inside):
		return doubt
	case truth == l.want:
		return hit
	}
	return miss
}

// of returns the outcome for a cell of the column.
func (l *leaf) of(v cell) outcome {
	if v.isCode() && v.code()&hashed != 0 && l.texts.known {
		return l.texts.outcome(v.code())
	}
	l.row.given.number, l.row.given.cell = l.member, v
	return l.outcome()
}
