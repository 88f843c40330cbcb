package search

import (
	"context"
	"iter"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
)

// Run returns one page of the result of q, or of the tale of it if q begins
// with EXPLAIN ([Service.Explain]). Errors are those of [query.Query.Run], and
// of code Throttled if too many others look at all twins. A page of plain rows
// is given out short, even without rows but with a continuation, when its time
// is over; what has groups or an order takes as long as ctx lasts.
func (s *Service) Run(ctx context.Context, q *query.Query, o query.Options) (*query.Page, error) {
	if q.Explain() {
		return s.explain(ctx, q, o)
	}
	r, err := s.begin(ctx, q)
	if err != nil {
		return nil, err
	}
	defer r.done()
	return r.page(ctx, o)
}

func (r *run) page(ctx context.Context, o query.Options) (*query.Page, error) {
	// What is wrong is told before anybody waits.
	at, err := r.query.Position(o.Continuation)
	if err != nil {
		return nil, err
	}
	if r.plan == Nothing {
		return r.query.Run(ctx, nil, o)
	}
	if err := r.enter(ctx); err != nil {
		return nil, err
	}
	if r.plan == Index && (r.query.Grouped() || r.query.Order() != nil) {
		p, err := r.summary(ctx, at, o)
		if p != nil || err != nil {
			return p, err
		}
		if err := r.change(ctx); err != nil {
			return nil, err
		}
		if err := r.enter(ctx); err != nil {
			return nil, err
		}
	}
	var p *query.Page
	switch {
	case r.query.Grouped():
		p, err = r.groups(ctx, o)
	case r.query.Order() != nil:
		p, err = r.sorted(ctx, o)
	default:
		p, err = r.plain(ctx, o)
	}
	if err != nil {
		return nil, err
	}
	return r.counted(p), nil
}

// counted notes what a page took.
func (r *run) counted(p *query.Page) *query.Page {
	r.work.Found = int64(p.Count)
	p.Scanned = int(r.examined.Load())
	return p
}

// told tells of a twin that cannot be read; the error, if nobody is to be told,
// ends the query.
func told(o query.Options) func(error) error {
	return func(err error) error {
		if o.Damaged == nil {
			return err
		}
		o.Damaged(err)
		return nil
	}
}

// groups makes a page of groups.
func (r *run) groups(ctx context.Context, o query.Options) (*query.Page, error) {
	begin := func() (*query.Groups, error) { return r.query.NewGroups(), nil }
	list, err := gather(ctx, r, begin, func(g *query.Groups, row query.Row) error {
		if err := r.query.Load(row); err != nil {
			return err
		}
		return g.Add(row)
	}, told(o))
	if err != nil {
		return nil, err
	}
	for _, g := range list[1:] {
		if err := list[0].Merge(g); err != nil {
			return nil, err
		}
	}
	return list[0].Page(o.Size, o.Continuation)
}

// sorted makes a page of the rows that are first in the order of the query.
func (r *run) sorted(ctx context.Context, o query.Options) (*query.Page, error) {
	begin := func() (*query.Sorted, error) { return r.query.NewSorted(o.Size, o.Continuation) }
	list, err := gather(ctx, r, begin, (*query.Sorted).Add, told(o))
	if err != nil {
		return nil, err
	}
	for _, s := range list[1:] {
		list[0].Merge(s)
	}
	return list[0].Page(), nil
}

// plain makes a page of rows in the order of their identities.
func (r *run) plain(ctx context.Context, o query.Options) (*query.Page, error) {
	enough, begin := o.Enough, time.Now()
	o.Enough = func(n int) bool {
		return time.Since(begin) > r.opt.PageTime || enough != nil && enough(n)
	}
	rows := func(after tvilling.Identity) iter.Seq2[query.Row, error] {
		return func(yield func(query.Row, error) bool) {
			for h := range r.stream(ctx, after) {
				if h.err == nil && h.matches {
					h.err = r.query.Load(h.row)
				}
				if h.err != nil && isGone(h.err) {
					continue
				}
				if h.err != nil {
					h.row = nil
				}
				if !yield(h.row, h.err) {
					return
				}
			}
		}
	}
	return r.query.Run(ctx, rows, o)
}

// pageHits is how many rows a page needs: one more, to know that there is a next.
const pageHits = query.MaxPage + 1

// stream gives the rows behind an identity, ascending.
func (r *run) stream(ctx context.Context, after tvilling.Identity) iter.Seq[hit] {
	if ranges := r.ranges(after); len(ranges) > 1 {
		return r.ordered(ctx, ranges)
	}
	return func(yield func(hit) bool) {
		l := r.looker(ctx, r.query)
		defer func() { r.examined.Add(l.examined) }()
		for h := range r.hits(l, after, pageHits) {
			if !yield(h) {
				return
			}
		}
	}
}
