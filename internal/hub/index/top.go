package index

import (
	"bytes"
	"container/heap"
	"context"
	"math/bits"
	"slices"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
)

// Top returns up to limit identities, at least one, that q, which has an ORDER BY, finds behind
// a position, in that order. When some rows are doubtful, or their place is, it
// does not tell the first ones, and is of no use. It returns the cause of ctx
// when that ends first.
func (x *Index) Top(ctx context.Context, q *query.Query, at query.Position, limit int) (Found, error) {
	r := x.begin(q)
	defer r.end()
	r.step = slowStep
	t := &top{r: r, row: r.row(), limit: max(limit, 1), first: r.first()}
	if at.Key != nil {
		t.after = &sorted{key: at.Key, id: at.After}
	}
	err := r.each(ctx, t.add)
	f := Found{More: t.more, Doubtful: t.doubtful, Damaged: int(r.damaged), Examined: r.examined}
	slices.SortFunc(t.heap, sorted.compare)
	for _, s := range t.heap {
		f.IDs = append(f.IDs, s.id)
	}
	return f, err
}

// top keeps the first rows of an order.
type top struct {
	r        *run
	row      *row
	limit    int
	after    *sorted
	heap     lasts
	more     bool
	doubtful int
	key      []byte
	// first is where the first term of the order comes from, if a column of the
	// rows themselves is all that it is; nil otherwise. Codes of it that only
	// rows behind those that are kept can have are late; kept rows only move to
	// the front, so that what is late stays so.
	first *source
	late  []bool
}

// sorted is a row with its place in an order.
type sorted struct {
	key []byte
	id  tvilling.Identity
}

func (s sorted) compare(o sorted) int {
	if c := bytes.Compare(s.key, o.key); c != 0 {
		return c
	}
	return s.id.Compare(o.id)
}

func (t *top) add(b *block, s span, may, sure *mask) error {
	t.row.block = b
	for w := s.from; w < s.to; w++ {
		t.doubtful += bits.OnesCount64(may[w] &^ sure[w])
		for left := sure[w]; left != 0; left &= left - 1 {
			t.row.at = w*64 + bits.TrailingZeros64(left)
			if !t.isLate(b) {
				t.one(b)
			}
		}
	}
	return nil
}

// first returns the source of the first term of the order, if a column of the
// rows is all that it is.
func (r *run) first() *source {
	m, ok := r.q.Order()[0].Operand.(*query.Member)
	if !ok {
		return nil
	}
	s := &r.sources[m.Number]
	if s.column == nil || s.joined || s.activity || s.device {
		return nil
	}
	return s
}

// isLate reports whether a row is known to be behind all that are kept, by the
// code that it has in the first column of the order. Most rows are told so: of
// a million only few are among the first.
func (t *top) isLate(b *block) bool {
	if len(t.late) == 0 {
		return false
	}
	c := b.cell(t.first.column.number, t.row.at)
	k := int(c.code())
	return c.isCode() && k < len(t.late) && t.late[k]
}

// behind notes that a row was found to be behind all that are kept, if the
// first term alone says so.
func (t *top) behind(b *block) {
	if t.first == nil {
		return
	}
	c := b.cell(t.first.column.number, t.row.at)
	k := c.code()
	if !c.isCode() || k&hashed != 0 {
		return
	}
	if t.key = t.r.q.AppendFirstSortKey(t.key[:0], t.row); bytes.Compare(t.key, t.heap[0].key) <= 0 {
		return
	}
	for len(t.late) <= int(k) {
		t.late = append(t.late, false)
	}
	t.late[k] = true
}

func (t *top) one(b *block) {
	t.row.forget()
	t.key = t.r.q.AppendSortKey(t.key[:0], t.row)
	if !t.row.known() {
		t.doubtful++
		return
	}
	full := len(t.heap) == t.limit
	if full && bytes.Compare(t.key, t.heap[0].key) > 0 {
		t.more = true
		t.behind(b)
		return
	}
	e := sorted{key: t.key, id: t.r.x.id(t.r.t, b, t.row.at)}
	if t.after != nil && e.compare(*t.after) <= 0 {
		return
	}
	if full && e.compare(t.heap[0]) > 0 {
		t.more = true
		return
	}
	e.key = slices.Clone(e.key)
	heap.Push(&t.heap, e)
	if len(t.heap) > t.limit {
		heap.Pop(&t.heap)
		t.more = true
	}
}

// lasts is a heap whose first row is the last of the order.
type lasts []sorted

func (l lasts) Len() int           { return len(l) }
func (l lasts) Less(i, j int) bool { return l[i].compare(l[j]) > 0 }
func (l lasts) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }

// Push adds a row.
func (l *lasts) Push(x any) { *l = append(*l, x.(sorted)) }

// Pop takes the last one away.
func (l *lasts) Pop() any {
	old := *l
	x := old[len(old)-1]
	*l = old[:len(old)-1]
	return x
}
