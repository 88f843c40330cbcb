package index

import (
	"bytes"
	"context"
	"math/bits"
	"slices"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
)

// Count is how many rows a query finds.
type Count struct {
	// Sure is how many it finds for sure, Doubtful how many more it may find:
	// what it asks of them is not in the index.
	Sure, Doubtful int64
	// Damaged is how many rows cannot be read; they are not among the others.
	Damaged int64
	// Examined is how many rows were looked at.
	Examined int64
}

// Count counts the rows that the WHERE of q finds. It returns the cause of ctx
// when that ends first.
func (x *Index) Count(ctx context.Context, q *query.Query) (Count, error) {
	r := x.begin(q)
	defer r.end()
	var n Count
	err := r.each(ctx, func(_ *block, s span, may, sure *mask) error {
		for w := s.from; w < s.to; w++ {
			n.Sure += int64(bits.OnesCount64(sure[w]))
			n.Doubtful += int64(bits.OnesCount64(may[w] &^ sure[w]))
		}
		return nil
	})
	n.Examined, n.Damaged = r.examined, r.damaged
	return n, err
}

// Found is a part of what a query finds, ascending by identity.
type Found struct {
	IDs []tvilling.Identity
	// More says that there may be more behind the last one.
	More bool
	// Doubtful is how many of them the query may find, or not: the document
	// is to tell. Damaged is how many others of them cannot be read.
	Doubtful, Damaged int
	// Examined is how many rows were looked at.
	Examined int64
}

// Find returns up to limit identities after a given one that the WHERE of q
// finds or, unless the plan is exact, may find, and those that are damaged, so
// that whoever reads them meets the damage. It returns the cause of ctx
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
	s := &search{r: r, doubtful: doubtful, limit: limit, few: -1, hits: make([]*hits, len(r.blocks))}
	w := x.walk(r.t.modules, after)
	walked := 0
	for slots := w.next(); slots != nil && !s.found.More; slots = w.next() {
		if ctx.Err() != nil {
			return Found{}, context.Cause(ctx)
		}
		if walked += len(slots); walked > x.limits.walkFirst && s.few < 0 {
			if err := s.evaluateAll(ctx); err != nil {
				return Found{}, err
			}
			if s.few <= x.limits.selectUpTo {
				s.choose(after)
				break
			}
		}
		s.look(slots)
	}
	s.found.Examined = r.examined
	return s.found, nil
}

// search is a Find under way.
type search struct {
	r        *run
	doubtful bool
	limit    int
	hits     []*hits
	found    Found
	// few is how many rows are to be found, once all are evaluated.
	few int
}

// hits are the rows of a block that are to be found, those of them for sure, and
// those that are damaged.
type hits struct{ may, sure, damaged mask }

// block returns the hits of a block.
func (s *search) block(n int) *hits {
	h := s.hits[n]
	if h == nil {
		h = new(hits)
		_ = s.r.evaluate(s.r.blocks[n], &h.may, &h.sure, func(b *block, in span, may, sure *mask) error {
			for w := in.from; w < in.to; w++ {
				if s.doubtful {
					may[w] &^= sure[w]
				}
				h.damaged[w] = b.damaged[w]
				may[w] |= b.damaged[w]
			}
			return nil
		}) // fails by what it is given only
		s.hits[n] = h
	}
	return h
}

// look adds what is to be found among slots that are in order.
func (s *search) look(slots []uint32) {
	for _, slot := range slots {
		n, i := int(slot/blockRows), int(slot%blockRows)
		if n >= len(s.hits) {
			continue // it came after the query began
		}
		if s.block(n).may.has(i) {
			if len(s.found.IDs) == s.limit {
				s.found.More = true
				return
			}
			s.add(slot)
		}
	}
}

func (s *search) add(slot uint32) {
	n, i := int(slot/blockRows), int(slot%blockRows)
	switch h := s.hits[n]; {
	case h.damaged.has(i):
		s.found.Damaged++
	case !h.sure.has(i):
		s.found.Doubtful++
	}
	s.found.IDs = append(s.found.IDs, s.r.x.id(s.r.t, s.r.blocks[n], i))
}

// evaluateAll finds all hits, and how many they are.
func (s *search) evaluateAll(ctx context.Context) error {
	s.few = 0
	for n := range s.hits {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		for _, w := range s.block(n).may {
			s.few += bits.OnesCount64(w)
		}
	}
	return nil
}

// choose finds the first hits in order after what is found already.
func (s *search) choose(after tvilling.Identity) {
	r := s.r
	if n := len(s.found.IDs); n > 0 {
		after = s.found.IDs[n-1]
	}
	from := key{[]byte(after.Device), []byte(after.Module)}
	var rest []candidate
	for n, h := range s.hits {
		for w, word := range h.may {
			for ; word != 0; word &= word - 1 {
				i := w*64 + bits.TrailingZeros64(word)
				c := candidate{key: r.key(r.blocks[n], i), slot: uint32(n*blockRows + i)}
				if c.compare(from) > 0 {
					rest = append(rest, c)
				}
			}
		}
	}
	slices.SortFunc(rest, func(a, b candidate) int { return a.compare(b.key) })
	for _, c := range rest {
		if len(s.found.IDs) == s.limit {
			s.found.More = true
			return
		}
		s.add(c.slot)
	}
}

// key is an identity in the bytes of the names of rows.
type key struct{ device, module []byte }

type candidate struct {
	key

	slot uint32
}

func (k key) compare(o key) int {
	if c := bytes.Compare(k.device, o.device); c != 0 {
		return c
	}
	return bytes.Compare(k.module, o.module)
}

func (r *run) key(b *block, row int) key {
	k := key{device: r.deviceName(b, row)}
	if r.t.modules {
		k.module = r.x.names.get(b.who[row])
	}
	return k
}
