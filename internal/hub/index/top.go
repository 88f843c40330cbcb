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
	t := &top{r: r, row: r.row(), limit: max(limit, 1), verdicts: r.verdicts()}
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
	// verdicts tell most rows by their codes alone; nil where that cannot be.
	verdicts *verdicts
	// turn counts how often the key of the last one kept has changed.
	turn uint32
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
			if t.verdicts == nil || !t.passed(b) {
				t.one(b)
			}
		}
	}
	return nil
}

func (t *top) one(b *block) {
	t.row.forget()
	t.key = t.r.q.AppendSortKey(t.key[:0], t.row)
	if !t.row.known() {
		t.doubtful++
		return
	}
	full := len(t.heap) == t.limit
	if t.verdicts != nil {
		t.note()
	}
	if full && bytes.Compare(t.key, t.heap[0].key) > 0 {
		t.more = true
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
		last := t.heap[0].key
		heap.Pop(&t.heap)
		t.more = true
		if !bytes.Equal(last, t.heap[0].key) {
			t.turn++
		}
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
