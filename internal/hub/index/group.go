package index

import (
	"context"
	"errors"
	"math/bits"

	"github.com/tvilling/tvilling/internal/hub/query"
)

// Group adds the rows that q finds to its groups. When some are doubtful, which
// the count says, or something that the groups need of a row is not in the index,
// they are not whole, and of no use. The error is [query.ErrTooManyGroups], or
// the cause of ctx when that ends first.
func (x *Index) Group(ctx context.Context, q *query.Query, g *query.Groups) (Count, error) {
	r := x.begin(q)
	defer r.end()
	c := r.grouping(g)
	if c.parts == nil {
		r.step = slowStep
	}
	err := r.each(ctx, func(b *block, s span, may, sure *mask) error {
		for w := s.from; w < s.to; w++ {
			c.n.Doubtful += int64(bits.OnesCount64(may[w] &^ sure[w]))
		}
		if c.n.Doubtful > 0 {
			return errDoubtful
		}
		return c.add(b, s, sure)
	})
	if errors.Is(err, errDoubtful) {
		err, c.n.Doubtful = nil, max(c.n.Doubtful, 1)
	} else if err == nil {
		err = c.finish()
	}
	c.n.Examined, c.n.Damaged = r.examined, r.damaged
	return c.n, err
}

// errDoubtful ends a query that the index turns out not to answer.
var errDoubtful = errors.New("the index does not know enough of a row")

// grouping collects the groups of a query.
type grouping struct {
	groups *query.Groups
	row    *row
	n      Count
	// parts are the keys, and then the operands of aggregates, if a column is
	// all that each of them is; rows are then counted by the codes that they
	// have in them. Nil otherwise.
	parts []groupPart
	keys  int
	all   int // aggregates
	// dense counts rows by their codes put together, sparse those whose codes
	// are wider than was thought.
	dense  []int64
	sparse map[codes]int64
	cells  [maxGrouped][64]uint16
}

// groupPart is a key, or the operand of an aggregate.
type groupPart struct {
	source *source
	width  uint // bits of its codes
	// number and function are those of the aggregate.
	number   int
	function query.Function
	// values are what the codes stand for that rows were seen to have.
	values []query.Value
	seen   []bool
}

const (
	// maxGrouped is how many columns are put together at most.
	maxGrouped = 4
	// denseBits bounds the counters that are kept side by side.
	denseBits = 18
)

// codes are the codes of a row in the parts of a grouping.
type codes [maxGrouped]uint16

func (r *run) grouping(g *query.Groups) *grouping {
	c := &grouping{groups: g, row: r.row(), keys: len(r.q.Keys()), all: len(r.q.Aggregates()), sparse: make(map[codes]int64)}
	var parts []groupPart
	add := func(o query.Operand, p groupPart) bool {
		m, ok := o.(*query.Member)
		if !ok || len(parts) == maxGrouped {
			return false
		}
		p.source = &r.sources[m.Number]
		if p.source.column == nil || p.source.activity {
			return false
		}
		p.width = uint(bits.Len(uint(p.source.column.codes() - 1)))
		parts = append(parts, p)
		return true
	}
	for _, k := range r.q.Keys() {
		if !add(k, groupPart{}) {
			return c
		}
	}
	for i, a := range r.q.Aggregates() {
		if a.Operand != nil && !add(a.Operand, groupPart{number: i, function: a.Func}) {
			return c
		}
	}
	width := uint(0)
	for _, p := range parts {
		width += p.width
	}
	if width <= denseBits {
		c.dense = make([]int64, 1<<width)
	}
	c.parts = parts
	return c
}

// add adds rows of a block, whose lock the caller holds.
func (c *grouping) add(b *block, s span, rows *mask) error {
	c.row.block = b
	for w := s.from; w < s.to; w++ {
		if rows[w] == 0 {
			continue
		}
		c.n.Sure += int64(bits.OnesCount64(rows[w]))
		var err error
		if c.load(b, w, rows[w]) {
			err = c.count(rows[w])
		} else {
			err = c.rows(w, rows[w])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// rows adds rows one by one.
func (c *grouping) rows(w int, rows uint64) error {
	for ; rows != 0; rows &= rows - 1 {
		c.row.at = w*64 + bits.TrailingZeros64(rows)
		c.row.forget()
		if err := c.groups.Add(c.row); err != nil {
			return err
		}
		if !c.row.known() {
			return errDoubtful
		}
	}
	return nil
}

// load finds the codes of 64 rows; false if there are cells of other sorts, or
// other parts than columns.
func (c *grouping) load(b *block, w int, rows uint64) bool {
	if c.parts == nil {
		return c.keys+c.all == 0
	}
	for p := range c.parts {
		s := c.parts[p].source
		if s.joined && !c.loadJoined(&c.cells[p], b, w, rows, s.column.number) || !s.joined && !loadCodes(&c.cells[p], b, s.column.number, w*64) {
			return false
		}
	}
	return true
}

func (c *grouping) loadJoined(to *[64]uint16, b *block, w int, rows uint64, column int) bool {
	var cells [64]cell
	c.row.run.gather(b, w, rows, column, &cells)
	for ; rows != 0; rows &= rows - 1 {
		i := bits.TrailingZeros64(rows)
		if !cells[i].isCode() || cells[i].code() > dictLimit {
			return false
		}
		to[i] = uint16(cells[i].code())
	}
	return true
}

func loadCodes(to *[64]uint16, b *block, column, at int) bool {
	if column >= len(b.segs) {
		*to = [64]uint16{}
		return true
	}
	g := &b.segs[column]
	switch g.width {
	case 0:
		for i := range to {
			to[i] = uint16(g.fill)
		}
	case 1:
		for i, c := range g.b1[at : at+64] {
			to[i] = uint16(c)
		}
	case 2:
		copy(to[:], g.b2[at:at+64])
	default:
		for i := range to {
			v := g.get(at + i)
			if !v.isCode() || v.code() > dictLimit {
				return false
			}
			to[i] = uint16(v.code())
		}
	}
	return true
}

// count counts rows by the codes that were loaded.
func (c *grouping) count(rows uint64) error {
	for ; rows != 0; rows &= rows - 1 {
		i := bits.TrailingZeros64(rows)
		index, shift, wide := uint(0), uint(0), c.dense == nil
		for p := range c.parts {
			part, k := &c.parts[p], uint(c.cells[p][i])
			if int(k) >= len(part.seen) || !part.seen[k] {
				if err := c.see(part, p < c.keys, uint32(k)); err != nil {
					return err
				}
			}
			wide = wide || k>>part.width != 0
			index |= k << shift
			shift += part.width
		}
		if !wide {
			c.dense[index]++
			continue
		}
		var k codes
		for p := range c.parts {
			k[p] = c.cells[p][i]
		}
		if c.sparse[k]++; len(c.sparse) >= maxSparse {
			if err := c.giveSparse(); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxSparse bounds the combinations of codes that are counted at once.
const maxSparse = 1 << 14

// giveSparse gives what was counted of wider codes to the groups.
func (c *grouping) giveSparse() error {
	for k, n := range c.sparse {
		if err := c.give(k, n); err != nil {
			return err
		}
	}
	clear(c.sparse)
	return nil
}

// see notes what a code stands for, while a row has it.
func (c *grouping) see(p *groupPart, key bool, k uint32) error {
	for int(k) >= len(p.seen) {
		p.seen, p.values = append(p.seen, false), append(p.values, query.Value{})
	}
	c.row.forget()
	v := c.row.value(p.source, code(k))
	if !c.row.known() || key && (v.Kind() == query.Object || v.Kind() == query.List) {
		return errDoubtful
	}
	p.seen[k], p.values[k] = true, v
	return nil
}

// finish gives what was counted to the groups.
func (c *grouping) finish() error {
	for i, n := range c.dense {
		if n == 0 {
			continue
		}
		var k codes
		rest := uint(i)
		for p := range c.parts {
			width := c.parts[p].width
			k[p] = uint16(rest & (1<<width - 1))
			rest >>= width
		}
		if err := c.give(k, n); err != nil {
			return err
		}
	}
	if err := c.giveSparse(); err != nil {
		return err
	}
	if c.parts == nil && c.keys+c.all == 0 {
		return c.groups.AddCell(nil, query.Cell{Rows: c.n.Sure})
	}
	return nil
}

func (c *grouping) give(k codes, n int64) error {
	keys := make([]query.Value, c.keys)
	cell := query.Cell{Rows: n, Tallies: make([]query.Tally, c.all)}
	for i, p := range c.parts {
		if v := p.values[k[i]]; i < c.keys {
			keys[i] = v
		} else {
			cell.Tallies[p.number].Add(p.function, v, n)
		}
	}
	return c.groups.AddCell(keys, cell)
}
