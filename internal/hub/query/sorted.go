package query

import (
	"bytes"
	"container/heap"
	"slices"

	"github.com/tvilling/tvilling"
)

// Sorted collects one page of a query with ORDER BY: the first rows behind the
// page before. It holds no more than the page. It is for one goroutine.
type Sorted struct {
	query *Query
	after Position
	begin bool // nothing is before the page
	limit int
	heap  lasts
	// more says that there are rows behind those kept.
	more bool
	key  []byte // room for the key of a row
}

// NewSorted returns a page without rows yet, of the size of [Options]. An error
// is of code InvalidArgument if the continuation is malformed or of another
// query.
func (q *Query) NewSorted(size int, continuation string) (*Sorted, error) {
	at, err := q.Position(continuation)
	if err != nil {
		return nil, err
	}
	s := &Sorted{query: q, after: at, begin: continuation == "", limit: pageSize(size)}
	if q.top > 0 {
		s.limit = min(s.limit, at.Left)
	}
	return s, nil
}

// Add adds a row that the query finds. The error is [Row.Err], with which the
// row is left out.
func (s *Sorted) Add(row Row) error {
	s.key = s.query.AppendSortKey(s.key[:0], row)
	e := sortedRow{key: s.key, id: row.ID()}
	if err := row.Err(); err != nil {
		return err
	}
	if !s.begin && e.compare(sortedRow{key: s.after.Key, id: s.after.After}) <= 0 {
		return nil
	}
	if len(s.heap) == s.limit && e.compare(s.heap[0]) >= 0 {
		s.more = true
		return nil
	}
	e.body = s.query.Project(nil, row)
	if err := row.Err(); err != nil {
		return err
	}
	e.key = slices.Clone(e.key)
	s.push(e)
	return nil
}

// Merge adds the rows of the same page of the same query, collected over other
// twins.
func (s *Sorted) Merge(other *Sorted) {
	s.more = s.more || other.more
	for _, e := range other.heap {
		s.push(e)
	}
}

func (s *Sorted) push(e sortedRow) {
	heap.Push(&s.heap, e)
	if len(s.heap) > s.limit {
		heap.Pop(&s.heap)
		s.more = true
	}
}

// Page returns the page. Its Scanned is for the caller to say.
func (s *Sorted) Page() *Page {
	slices.SortFunc(s.heap, sortedRow.compare)
	p := &Page{Body: []byte{'['}, Count: len(s.heap)}
	for i, e := range s.heap {
		if i > 0 {
			p.Body = append(p.Body, ',')
		}
		p.Body = append(p.Body, e.body...)
	}
	p.Body = append(p.Body, ']')
	left := 0
	if s.query.top > 0 {
		left = s.after.Left - p.Count
	}
	if s.more && (s.query.top == 0 || left > 0) {
		last := s.heap[len(s.heap)-1]
		p.Next = s.query.encode(Position{Key: last.key, After: last.id, Left: left})
	}
	return p
}

// sortedRow is a row with its place.
type sortedRow struct {
	key  []byte
	id   tvilling.Identity
	body []byte
}

func (r sortedRow) compare(o sortedRow) int {
	if c := bytes.Compare(r.key, o.key); c != 0 {
		return c
	}
	return r.id.Compare(o.id)
}

// lasts is a heap whose first row is the last of the order.
type lasts []sortedRow

func (l lasts) Len() int           { return len(l) }
func (l lasts) Less(i, j int) bool { return l[i].compare(l[j]) > 0 }
func (l lasts) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }

// Push implements heap.Interface.
func (l *lasts) Push(x any) {
	if row, ok := x.(sortedRow); ok {
		*l = append(*l, row)
	}
}

// Pop implements heap.Interface.
func (l *lasts) Pop() any {
	last := (*l)[len(*l)-1]
	*l = (*l)[:len(*l)-1]
	return last
}
