package query

import (
	"context"
	"iter"
	"slices"

	"github.com/tvilling/tvilling"
)

// MaxPage is the largest number of rows on a page; larger wishes are cut to it
// (wire §7.1).
const MaxPage = 100

// pageSize returns the number of rows for a wish.
func pageSize(wish int) int {
	if wish <= 0 || wish > MaxPage {
		return MaxPage
	}
	return wish
}

// Rows yields the twins of a query's kind in ascending order of their
// identities, those after a given one. It may leave out twins that the query
// cannot find ([Query.EqualityOn]). A twin that cannot be read is an error, and
// the next twins may follow it. A row need not stay as it is once the next one
// is asked for.
type Rows func(after tvilling.Identity) iter.Seq2[Row, error]

// Options says which part of a result is wanted.
type Options struct {
	// Size is the number of rows wanted. Sizes that are too large, zero or
	// negative mean [MaxPage].
	Size int
	// Continuation is the Next of the page before, "" for the first page. The
	// page before may have had another Size.
	Continuation string
	// Enough, if set, is asked after each row, with the number of rows looked at
	// so far, whether to end the page there, though it holds fewer than Size
	// rows or none; the next page then goes on behind that row. It bounds the
	// time that a page takes. Groups and an order need all rows: what bounds
	// their time is the context.
	Enough func(scanned int) bool
	// Damaged, if set, is told of each row that is left out because its stored
	// bytes are damaged (code Corrupt). Without it such a row ends the query.
	Damaged func(error)
}

// Page is one page of a result.
type Page struct {
	// Body is a JSON array of the rows; Count is how many they are.
	Body  []byte
	Count int
	// Scanned is how many rows were looked at to make the page.
	Scanned int
	// Next is the continuation for the page after, "" if there is none.
	Next string
}

// cancelEvery is how many rows pass between two looks at the context.
const cancelEvery = 64

// Run returns one page of the result of q. It holds no more than the page, or
// the groups, in memory and stops when ctx is done. Jobs have no rows yet. An
// error is of code InvalidArgument if the continuation is malformed or of
// another query, and of code TooLarge if there are too many groups.
func (q *Query) Run(ctx context.Context, rows Rows, o Options) (*Page, error) {
	at, err := q.Position(o.Continuation)
	if err != nil {
		return nil, err
	}
	r := &run{query: q, options: o, at: at, page: &Page{Body: []byte{'['}}}
	switch {
	case q.collection == Jobs:
		return r.done(), nil
	case q.grouped:
		return r.groups(ctx, rows)
	case q.order != nil:
		return r.sorted(ctx, rows)
	}
	return r.plain(ctx, rows)
}

// run is the making of one page.
type run struct {
	query   *Query
	options Options
	at      Position
	page    *Page
}

// each gives the rows after an identity to see until that wants no more.
func (r *run) each(ctx context.Context, rows Rows, after tvilling.Identity, see func(row Row, matches bool) (stop bool, err error)) error {
	for row, err := range rows(after) {
		if r.page.Scanned++; r.page.Scanned%cancelEvery == 1 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		matches := false
		if err == nil {
			if matches = r.query.Match(row); matches {
				err = r.query.Load(row)
			} else {
				err = row.Err()
			}
		}
		if err != nil {
			if err := r.damaged(err); err != nil {
				return err
			}
			continue
		}
		if stop, err := see(row, matches); err != nil || stop {
			return err
		}
	}
	// An iterator that ended because ctx is done has not seen all rows.
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// damaged tells of a row that cannot be read; an error ends the query.
func (r *run) damaged(err error) error {
	if r.options.Damaged == nil || tvilling.CodeOf(err) != tvilling.Corrupt {
		return err
	}
	r.options.Damaged(err)
	return nil
}

// groups makes a page of groups, all of which need all rows.
func (r *run) groups(ctx context.Context, rows Rows) (*Page, error) {
	g := r.query.NewGroups()
	err := r.each(ctx, rows, tvilling.Identity{}, func(row Row, matches bool) (bool, error) {
		if !matches {
			return false, nil
		}
		return false, g.Add(row)
	})
	if err != nil {
		return nil, err
	}
	return r.counted(g.Page(r.options.Size, r.options.Continuation))
}

// sorted makes a page of the rows that are first in the order of the query.
func (r *run) sorted(ctx context.Context, rows Rows) (*Page, error) {
	s, err := r.query.NewSorted(r.options.Size, r.options.Continuation)
	if err != nil {
		return nil, err
	}
	err = r.each(ctx, rows, tvilling.Identity{}, func(row Row, matches bool) (bool, error) {
		if !matches {
			return false, nil
		}
		if err := s.Add(row); err != nil {
			return false, r.damaged(err)
		}
		return false, nil
	})
	if err != nil {
		return nil, err
	}
	return r.counted(s.Page(), nil)
}

// counted adds to a page how many rows were looked at.
func (r *run) counted(p *Page, err error) (*Page, error) {
	if err != nil {
		return nil, err
	}
	p.Scanned = r.page.Scanned
	return p, nil
}

// plain makes a page of rows as they come.
func (r *run) plain(ctx context.Context, rows Rows) (*Page, error) {
	err := r.each(ctx, rows, r.at.After, func(row Row, matches bool) (bool, error) {
		if r.full(row, matches) {
			return true, nil
		}
		if r.options.Enough == nil || !r.options.Enough(r.page.Scanned) {
			return false, nil
		}
		r.page.Next = r.query.encode(r.at)
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	return r.done(), nil
}

// A page makes room for all of its rows after the first sampleRows, as if the
// others were like them, but no more than mostAhead bytes.
const (
	sampleRows = 4
	mostAhead  = 512 << 10
)

// full looks at row and reports whether the page is complete without it. A page
// is complete only once there is a row for the next one, so that the last page
// has no continuation; or when TOP is reached.
func (r *run) full(row Row, matches bool) bool {
	if matches && r.page.Count == pageSize(r.options.Size) {
		r.page.Next = r.query.encode(r.at)
		return true
	}
	r.at.After = row.ID()
	if !matches {
		return false
	}
	if r.page.Count > 0 {
		r.page.Body = append(r.page.Body, ',')
	}
	r.page.Body = r.query.Project(r.page.Body, row)
	if r.page.Count++; r.page.Count == sampleRows {
		rest := len(r.page.Body) / sampleRows * (pageSize(r.options.Size) - sampleRows)
		r.page.Body = slices.Grow(r.page.Body, max(min(rest, mostAhead), 0))
	}
	if r.query.top == 0 {
		return false
	}
	r.at.Left--
	return r.at.Left == 0
}

// done closes the page.
func (r *run) done() *Page {
	r.page.Body = append(r.page.Body, ']')
	return r.page
}
