package index

import (
	"fmt"
	"strings"

	"github.com/tvilling/tvilling/internal/hub/query"
)

// Plan says what the index can do for a query.
type Plan struct {
	// Exact says that it knows which rows the query finds, but for damaged
	// ones: what Find and Count say is sure.
	Exact bool
	// Narrows says that it can leave rows out, so that looking at the documents
	// of the candidates is less work than looking at all.
	Narrows bool
	// Slow says that it tests row after row, which takes as long as that of all of
	// them: the work is not bounded by how few different values there are.
	Slow bool
	// Missing are the paths of which it does not know enough; none if the plan
	// is exact.
	Missing []Missing
}

// Missing is a path of which the index does not know enough for a query.
type Missing struct {
	Path string
	// Why is for people, without a full stop: "it is not indexed".
	Why string
}

// Plan says what the index can do for the WHERE of q. What it keeps of a path
// may change with the next write.
func (x *Index) Plan(q *query.Query) Plan {
	r := x.begin(q)
	defer r.end()
	if r.program == nil {
		return Plan{Exact: true}
	}
	p := Plan{Narrows: r.program.narrows(), Slow: r.program.slow()}
	seen := map[*query.Member]bool{}
	r.program.missing(func(m Missing, of *query.Member) {
		if !seen[of] {
			seen[of] = true
			p.Missing = append(p.Missing, m)
		}
	})
	p.Exact = len(p.Missing) == 0
	return p
}

// narrows reports whether some rows are left out.
func (p *program) narrows() bool {
	if p.leaf != nil {
		return p.leaf.constant != doubt
	}
	for _, t := range p.terms {
		if t.narrows() != p.either {
			return !p.either
		}
	}
	return p.either
}

// missing tells of what the leaves would have to know.
func (p *program) missing(tell func(Missing, *query.Member)) {
	for _, t := range p.terms {
		t.missing(tell)
	}
	if p.leaf != nil {
		p.leaf.missing(tell)
	}
}

func (l *leaf) missing(tell func(Missing, *query.Member)) {
	if l.constant != open && l.constant != doubt {
		return
	}
	for _, m := range query.Members(l.test) {
		if why := l.why(&l.row.sources[m.Number]); why != "" {
			path := strings.Join(m.Segments, ".")
			if m.Module {
				path = "modules." + path
			}
			tell(Missing{Path: path, Why: why}, m)
		}
	}
}

// why says why a source does not tell the leaf enough, "" if it does.
func (l *leaf) why(s *source) string {
	c := s.column
	switch {
	case s.device:
		return ""
	case c == nil && s.why == "" && l.constant == doubt:
		return "the index does not look into objects and arrays"
	case c == nil:
		return s.why
	case c.inexact.Load() > 0 && !l.defined:
		return whyInexact(s)
	case c.inner.Load() > 0 && (l.column == nil || l.of(code(isObject)) == doubt || l.of(code(isList)) == doubt):
		return "the index does not look into objects and arrays"
	}
	return ""
}

func whyInexact(s *source) string {
	n := s.column.inexact.Load()
	switch {
	case s.activity:
		return fmt.Sprintf("that of %d twins is still being read", n)
	case s.column.coarse.Load():
		return fmt.Sprintf("the memory budget of the index is spent; of %d twins it only knows that they have it", n)
	}
	return fmt.Sprintf("there are too many different texts; the index keeps hashes of those of %d twins", n)
}
