package index

import (
	"context"
	"math/bits"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
)

// Count is how many rows a query finds.
type Count struct {
	// Sure is how many it finds for sure, Doubtful how many more it may find:
	// what it asks of them is not in the index.
	Sure, Doubtful int64
	// Examined is how many rows were looked at.
	Examined int64
}

// Count counts the rows that the WHERE of q finds. It returns the cause of ctx
// when that ends first.
func (x *Index) Count(ctx context.Context, q *query.Query) (Count, error) {
	r := x.begin(q)
	defer r.end()
	var n Count
	err := r.each(ctx, func(_ *block, _ int, may, sure *mask) error {
		for w := range may {
			n.Sure += int64(bits.OnesCount64(sure[w]))
			n.Doubtful += int64(bits.OnesCount64(may[w] &^ sure[w]))
		}
		return nil
	})
	n.Examined = r.examined
	return n, err
}

// Found is a part of what a query finds, ascending by identity.
type Found struct {
	IDs []tvilling.Identity
	// More says that there may be more behind the last one.
	More bool
	// Doubtful is how many of them the query may find, or not: the document
	// is to tell.
	Doubtful int
	// Examined is how many rows were looked at.
	Examined int64
}

// Find returns up to limit identities after a given one that the WHERE of q
// finds or, unless the plan is exact, may find. It returns the cause of ctx
// when that ends first.
func (x *Index) Find(ctx context.Context, q *query.Query, after tvilling.Identity, limit int) (Found, error) {
	return x.search(ctx, q, after, limit, false)
}

// FindDoubtful is Find for those alone of which the index is not sure.
func (x *Index) FindDoubtful(ctx context.Context, q *query.Query, after tvilling.Identity, limit int) (Found, error) {
	return x.search(ctx, q, after, limit, true)
}

func (x *Index) search(ctx context.Context, q *query.Query, after tvilling.Identity, limit int, doubtful bool) (Found, error) {
	r := x.begin(q)
	defer r.end()
	var f Found
	hits := make([]*hits, len(r.blocks))
	w := x.walk(r.t.modules, after)
	for slots := w.next(); slots != nil; slots = w.next() {
		if ctx.Err() != nil {
			return Found{}, context.Cause(ctx)
		}
		for _, slot := range slots {
			n, i := int(slot/blockRows), int(slot%blockRows)
			if n >= len(hits) {
				continue // it came after the query began
			}
			h := hits[n]
			if h == nil {
				h = r.hits(n)
				hits[n] = h
			}
			if !h.may.has(i) || doubtful && h.sure.has(i) {
				continue
			}
			if len(f.IDs) == limit {
				f.More = true
				f.Examined = r.examined
				return f, nil
			}
			if !h.sure.has(i) {
				f.Doubtful++
			}
			f.IDs = append(f.IDs, x.id(r.t, r.blocks[n], i))
		}
	}
	f.Examined = r.examined
	return f, nil
}

// hits are the rows of a block that a query may find, and does.
type hits struct{ may, sure mask }

func (r *run) hits(n int) *hits {
	h := new(hits)
	r.evaluate(r.blocks[n], &h.may, &h.sure)
	return h
}
