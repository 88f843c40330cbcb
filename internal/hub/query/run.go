package query

import (
	"context"
	"iter"
	"strconv"

	"github.com/tvilling/tvilling"
)

// MaxPage is the largest number of rows on a page; larger wishes are cut to it
// (wire §7.1).
const MaxPage = 100

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
	// time that a page takes. COUNT() has one row and looks at all of them; what
	// bounds it is the context.
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

// Run returns one page of the result of q. It holds no more than the page in
// memory and stops when ctx is done. An error is of code InvalidArgument if the
// continuation is malformed or of another query.
func (q *Query) Run(ctx context.Context, rows Rows, o Options) (*Page, error) {
	at, err := q.decode(o.Continuation)
	if err != nil {
		return nil, err
	}
	if o.Size <= 0 || o.Size > MaxPage {
		o.Size = MaxPage
	}
	r := &run{query: q, options: o, at: at, page: &Page{Body: []byte{'['}}}
	for row, err := range rows(at.after) {
		if r.page.Scanned++; r.page.Scanned%cancelEvery == 1 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			if o.Damaged == nil || tvilling.CodeOf(err) != tvilling.Corrupt {
				return nil, err
			}
			o.Damaged(err)
			continue
		}
		if r.full(row) {
			return r.done(), nil
		}
		if o.Enough != nil && q.count == nil && o.Enough(r.page.Scanned) {
			r.page.Next = q.encode(r.at)
			return r.done(), nil
		}
	}
	// An iterator that ended because ctx is done has not seen all rows.
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return r.done(), nil
}

// run is the making of one page.
type run struct {
	query   *Query
	options Options
	at      position
	page    *Page
	counted int64
}

// full looks at row and reports whether the page is complete without it. A page
// is complete only once there is a row for the next one, so that the last page
// has no continuation; or when TOP is reached.
func (r *run) full(row Row) bool {
	q := r.query
	matches := q.Match(row)
	switch {
	case q.count != nil:
		if matches {
			r.counted++
		}
		return false
	case matches && r.page.Count == r.options.Size:
		r.page.Next = q.encode(r.at)
		return true
	}
	r.at.after = row.ID()
	if !matches {
		return false
	}
	if r.page.Count > 0 {
		r.page.Body = append(r.page.Body, ',')
	}
	r.page.Body = q.Project(r.page.Body, row)
	r.page.Count++
	if q.top == 0 {
		return false
	}
	r.at.left--
	return r.at.left == 0
}

// done closes the page.
func (r *run) done() *Page {
	if r.query.count != nil {
		r.page.Body = append(append(r.page.Body, '{'), r.query.count...)
		r.page.Body = append(strconv.AppendInt(r.page.Body, r.counted, 10), '}')
		r.page.Count = 1
	}
	r.page.Body = append(r.page.Body, ']')
	return r.page
}
