package index

import (
	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/commit"
)

// holdFor is how many identities the writer takes on before it lets another
// one write.
const holdFor = 64

// Committed makes the index say what a durable round of changes left. It is
// called from the committer's goroutine, round by round, before the changes
// are answered: a query that begins after an answer sees what was answered.
func (x *Index) Committed(round []commit.Touched) {
	for len(round) > 0 {
		n := min(len(round), holdFor)
		x.hold(func() {
			for i := range round[:n] {
				x.commit(&round[i])
			}
		})
		round = round[n:]
	}
}

// Moved makes the index say whether id is connected. It is called after that
// has changed, from any goroutine.
func (x *Index) Moved(id tvilling.Identity) {
	x.hold(func() {
		if slot, ok := x.find(id); ok {
			t := x.of(id)
			if t.block(slot).parts[slot%blockRows]&isKnown != 0 {
				x.connection(t, id)
				x.write(t, slot, 0)
			}
		}
	})
}

// hold runs f as the writer.
func (x *Index) hold(f func()) {
	x.writing.Lock()
	defer x.writing.Unlock()
	f()
	x.keepWithin()
}

// of returns the table that an identity belongs to.
func (x *Index) of(id tvilling.Identity) *table {
	if id.IsModule() {
		return &x.modules
	}
	return &x.devices
}

// commit takes on what a round left of one identity.
func (x *Index) commit(c *commit.Touched) {
	t := x.of(c.ID)
	slot, found := x.find(c.ID)
	if c.HasIdentity && c.Identity == nil || c.HasTwin && c.Twin == nil {
		if found {
			x.remove(t, slot)
		}
		if x.filling {
			x.gone[c.ID] = struct{}{}
		}
		return
	}
	known := found && t.block(slot).parts[slot%blockRows]&isKnown != 0
	if !known && !c.HasIdentity && !c.HasTwin {
		return // a session of nobody, or of one that the build is still to bring
	}
	if slot, found = x.row(t, c.ID, slot, found); !found {
		return
	}
	var add parts
	if c.HasIdentity {
		x.identity(t, c.Identity)
		add |= hasIdentity
	}
	if c.HasTwin {
		before := c.Before
		if t.block(slot).parts[slot%blockRows]&(hasTwin|isDamaged) != hasTwin {
			before = nil
		}
		x.twin(t, slot, before, c.Twin)
		add |= hasTwin
	}
	if c.HasSession {
		x.session(t, c.Session)
		add |= hasSession
	}
	x.write(t, slot, add)
}

// row returns the slot of an identity as a row of its table, a new one if need
// be; false if there is no room for its name, and the table then no longer ready.
func (x *Index) row(t *table, id tvilling.Identity, slot uint32, found bool) (uint32, bool) {
	if !found {
		var ok bool
		if slot, ok = x.addSlot(id); !ok {
			t.short.Store(true)
			return 0, false
		}
	}
	if b := t.block(slot); b.parts[slot%blockRows]&isKnown == 0 {
		if t.modules {
			x.set(t.module, x.text(t, t.module, []byte(id.Module)))
		}
		x.connection(t, id)
		if x.whole {
			x.session(t, nil)
		} else {
			x.set(t.activity, code(isUnknown)) // the build is to tell
		}
		x.write(t, slot, isKnown)
		t.rows.Add(1)
	}
	return slot, true
}

// assignment is a cell that a row is to have.
type assignment struct {
	column *column
	cell   cell
}

// set notes a cell of the row that is being changed.
func (x *Index) set(c *column, v cell) {
	x.cells = append(x.cells, assignment{c, v})
}

// write gives a row the cells that were noted, all at once, and adds to the
// parts of it that are there.
func (x *Index) write(t *table, slot uint32, add parts) {
	b, i := t.block(slot), int(slot%blockRows)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range x.cells {
		x.put(b, i, a.column, a.cell)
	}
	x.cells = x.cells[:0]
	if b.parts[i] |= add; add&visible != 0 && b.parts[i] == b.parts[i]|visible|isDamaged {
		x.mend(t, b, i)
	}
	b.live.put(i, b.parts[i]&visible == visible || b.parts[i]&isDamaged != 0)
}

// put gives a row a cell. The caller holds the lock of the block.
func (x *Index) put(b *block, row int, c *column, v cell) {
	old := b.cell(c.number, row)
	if old == v || c.gone.Load() {
		return
	}
	c.count(v, 1)
	c.count(old, -1)
	if grown := x.segment(b, c.number).set(row, v); grown != 0 {
		x.grow(c, grown)
	}
}

// mend makes a damaged row an ordinary one.
func (x *Index) mend(t *table, b *block, row int) {
	b.parts[row] &^= isDamaged
	b.damaged.put(row, false)
	b.hurt--
	t.damaged.Add(-1)
}

// remove takes a row out. Its slot stays its own until no query can know it.
func (x *Index) remove(t *table, slot uint32) {
	x.reclaim()
	b, i := t.block(slot), int(slot%blockRows)
	if b.parts[i]&isKnown == 0 {
		return
	}
	func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.live.put(i, false)
		for _, c := range t.columns {
			x.put(b, i, c, code(undefined))
		}
		if b.parts[i]&isDamaged != 0 {
			x.mend(t, b, i)
		}
		b.parts[i] = 0
	}()
	t.rows.Add(-1)
	r := retired{place{t.modules, slot}, x.queries.now()}
	x.retired = append(x.retired, r)
	x.retiring[r.place] = r.when
}
