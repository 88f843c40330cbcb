package index

import "github.com/tvilling/tvilling/internal/hub/query"

// Plan says what the index can do for a query.
type Plan struct {
	// Exact says that it knows which rows the query finds, but for damaged
	// ones: what Find and Count say is sure.
	Exact bool
	// Narrows says that it can leave rows out, so that looking at the documents
	// of the candidates is less work than looking at all.
	Narrows bool
	// Missing are the paths of which it does not know enough, with the reason.
	Missing []Missing
}

// Missing is a path that the index does not answer for.
type Missing struct{ Path, Why string }

// Plan says what the index can do for the WHERE of q.
func (x *Index) Plan(q *query.Query) Plan {
	r := x.begin(q)
	defer r.end()
	if r.program == nil {
		return Plan{Exact: true}
	}
	return Plan{Exact: r.program.exact(), Narrows: r.program.narrows()}
}

// exact reports whether all hits are sure.
func (p *program) exact() bool {
	if p.leaf != nil {
		return p.leaf.exact()
	}
	for _, t := range p.terms {
		if !t.exact() {
			return false
		}
	}
	return true
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
