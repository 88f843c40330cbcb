package search

import (
	"bytes"
	"context"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
)

// summary makes a page of groups, or of rows with an order, from the index; nil
// if the index does not know enough for it.
func (r *run) summary(ctx context.Context, at query.Position, o query.Options) (*query.Page, error) {
	if r.query.Grouped() {
		return r.indexGroups(ctx, o)
	}
	for range topTries {
		p, again, err := r.indexTop(ctx, at, o)
		if err != nil || !again {
			return p, err
		}
	}
	return nil, nil
}

// damagedMost is up to how many damaged twins are looked at one by one.
const damagedMost = 1000

// damaged looks at the twins that the index knows to be damaged, after it has
// answered for all others: what the query asks of them may still be readable. It
// is not ok when the index has come to know less of others meanwhile, or has more
// damaged ones: what it answered is then of no use.
func (r *run) damaged(ctx context.Context, add func(query.Row) error, skip func(error) error) (ok bool, err error) {
	f, err := r.opt.Index.FindDoubtful(ctx, r.query, tvilling.Identity{}, damagedMost)
	r.work.Indexed += f.Examined
	if err != nil || f.Doubtful > 0 || f.More {
		return false, err
	}
	l := r.looker(ctx, r.query)
	err = l.gather(l.read(each(f.IDs)), add, skip)
	r.examined.Add(l.examined)
	return err == nil, err
}

func (r *run) indexGroups(ctx context.Context, o query.Options) (*query.Page, error) {
	g := r.query.NewGroups()
	n, err := r.opt.Index.Group(ctx, r.query, g)
	r.work.Indexed += n.Examined
	if err != nil || n.Doubtful > 0 || n.Damaged > damagedMost {
		return nil, err
	}
	if n.Damaged > 0 {
		ok, err := r.damaged(ctx, func(row query.Row) error {
			if err := r.query.Load(row); err != nil {
				return err
			}
			return g.Add(row)
		}, told(o))
		if !ok {
			return nil, err
		}
	}
	p, err := g.Page(o.Size, o.Continuation)
	if err != nil {
		return nil, err
	}
	return r.counted(p), nil
}

// topTries is how often the first rows of an order are asked for, when they
// change while they are read, until all twins are looked at.
const topTries = 3

// indexTop reads the rows that are first in the order, by the index. If they
// have changed since, so that this page or the next may miss a row, it wants to
// be called again. Without a page and without again the index does not know enough.
func (r *run) indexTop(ctx context.Context, at query.Position, o query.Options) (p *query.Page, again bool, err error) {
	limit := query.MaxPage + 1
	if o.Size > 0 && o.Size < query.MaxPage {
		limit = o.Size + 1
	}
	f, err := r.opt.Index.Top(ctx, r.query, at, limit)
	r.work.Indexed += f.Examined
	if err != nil || f.Doubtful > 0 || f.Damaged > damagedMost {
		return nil, false, err
	}
	s, err := r.query.NewSorted(o.Size, o.Continuation)
	if err != nil {
		return nil, false, err
	}
	l := r.looker(ctx, r.query)
	var key, before []byte
	ordered := true
	err = l.gather(l.read(each(f.IDs)), func(row query.Row) error {
		key = r.query.AppendSortKey(key[:0], row)
		ordered = ordered && bytes.Compare(before, key) <= 0
		key, before = before, key
		return s.Add(row)
	}, told(o))
	r.examined.Add(l.examined)
	ok := err == nil
	if ok && f.Damaged > 0 {
		ok, err = r.damaged(ctx, s.Add, told(o))
	}
	if !ok {
		return nil, false, err
	}
	p = s.Page()
	left := r.query.Top() == 0 || p.Count < at.Left
	if f.More && (!ordered || p.Next == "" && left) {
		return nil, true, nil
	}
	return r.counted(p), false, nil
}
