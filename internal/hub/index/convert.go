package index

import (
	"math"
	"sync/atomic"

	"github.com/tvilling/tvilling/internal/hub/query"
)

// open gives up the dictionary of a column for strings or for numbers, of which
// there are too many: rows get hashes, or the numbers themselves.
func (x *Index) open(t *table, c *column, flag *atomic.Bool) {
	flag.Store(true)
	texts := flag == &c.openTexts
	x.recode(t, c, func(v query.Value) (cell, bool) {
		switch v.Kind() {
		case query.String:
			return hashOf(v.AppendText(nil)), texts
		case query.Number:
			return cell(math.Float64bits(v.Number())), !texts
		default:
		}
		return 0, false
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	if texts {
		for s, k := range c.texts {
			x.condemn(c, k, len(s))
		}
		c.texts = nil
		return
	}
	for _, k := range c.numbers {
		x.condemn(c, k, 0)
	}
	c.numbers = nil
}

// recode gives the rows whose codes stand for certain values other cells.
func (x *Index) recode(t *table, c *column, to func(query.Value) (cell, bool)) {
	cells := make([]cell, c.codes())
	for k := range cells {
		cells[k] = code(uint32(k))
		if k >= int(firstCode) {
			if v, ok := to(c.value(uint32(k))); ok {
				cells[k] = v
			}
		}
	}
	for _, b := range t.blocks() {
		x.recodeBlock(b, c, cells)
	}
}

func (x *Index) recodeBlock(b *block, c *column, cells []cell) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.number >= len(b.segs) {
		return
	}
	for i := range blockRows {
		if v := b.segs[c.number].get(i); v.isCode() && int(v.code()) < len(cells) && cells[v.code()] != v {
			x.put(b, i, c, cells[v.code()])
		}
	}
}

// coarsen keeps of a column no more than whether there is a value, and of
// booleans, which take no more, which.
func (x *Index) coarsen(t *table, c *column) {
	c.coarse.Store(true)
	for _, b := range t.blocks() {
		x.coarsenBlock(b, c)
	}
	x.forget(c)
}

// forget gives up the dictionary of a column that no row has a code of, and that
// gives out none any more.
func (x *Index) forget(c *column) {
	c.mu.Lock()
	defer c.mu.Unlock()
	bytes := len(c.values)*valueBytes + (len(c.texts)+len(c.numbers))*entryBytes
	for s := range c.texts {
		bytes += len(s)
	}
	x.grow(c, -bytes)
	c.texts, c.numbers, c.values = nil, nil, nil
	c.refs, c.free, c.condemned, c.dead = make([]int32, firstCode), nil, nil, 0
}

func (x *Index) coarsenBlock(b *block, c *column) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.number >= len(b.segs) {
		return
	}
	old := b.segs[c.number]
	b.segs[c.number] = segment{}
	x.grow(c, -old.bytes())
	for i := range blockRows {
		v := old.get(i)
		to := v
		if !v.isCode() || v.code() >= firstCode {
			to = code(isSome)
			c.count(to, 1)
			c.count(v, -1)
		}
		if grown := b.segs[c.number].set(i, to); grown != 0 {
			x.grow(c, grown)
		}
	}
}

// drop keeps nothing of a column. Queries under way that read it are told that
// its values are not known, later ones that it is not there.
func (x *Index) drop(t *table, c *column) {
	c.gone.Store(true)
	for _, b := range t.blocks() {
		func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			x.grow(c, -x.segment(b, c.number).bytes())
			b.segs[c.number] = segment{fill: isUnknown}
		}()
	}
	for _, n := range []*atomic.Int64{&c.defined, &c.inexact, &c.raws, &c.inner} {
		n.Store(0)
	}
}

// keepWithin makes columns coarse, and then drops them, those first that take
// most for what they were used, until the index is within its budget. The
// columns of what is in no section stay.
func (x *Index) keepWithin() {
	for x.bytes.Load() > x.opt.Budget {
		t, c := x.widest()
		if c == nil {
			return
		}
		x.full.Store(true)
		if c.coarse.Load() {
			x.drop(t, c)
		} else {
			x.coarsen(t, c)
		}
	}
}

// widest returns the column that is to be made coarse, or dropped, next; nil if
// none can be.
func (x *Index) widest() (of *table, worst *column) {
	most := int64(0)
	for _, t := range []*table{&x.devices, &x.modules} {
		for _, c := range t.columns[t.tags.column.number+1:] {
			// A column that queries read is worth several that none does.
			weight := c.bytes.Load() / (1 + min(c.used.Load(), 7))
			if !c.coarse.Load() && weight > most {
				of, worst, most = t, c, weight
			}
		}
	}
	if worst != nil {
		return of, worst
	}
	for _, t := range []*table{&x.devices, &x.modules} {
		for _, c := range t.columns[t.tags.column.number+1:] {
			if bytes := c.bytes.Load(); !c.gone.Load() && bytes > most {
				of, worst, most = t, c, bytes
			}
		}
	}
	return of, worst
}
