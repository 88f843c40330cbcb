package index

import "math/bits"

// lockDevices takes the locks of the blocks in which the devices of some modules
// are, so that both twins of a row are seen as of one moment. The caller holds
// that of the modules' block. The writer never holds one while it waits for
// another, so nobody waits for good.
func (r *run) lockDevices(b *block, s span) {
	blocks := r.x.devices.blocks()
	for len(r.marked) < len(blocks) {
		r.marked = append(r.marked, false)
	}
	for w := s.from; w < s.to; w++ {
		for live := b.live[w]; live != 0; live &= live - 1 {
			n := b.device[w*64+bits.TrailingZeros64(live)] / blockRows
			if !r.marked[n] {
				r.marked[n] = true
				r.locked = append(r.locked, n)
				blocks[n].mu.RLock()
			}
		}
	}
}

func (r *run) unlockDevices() {
	blocks := r.x.devices.blocks()
	for _, n := range r.locked {
		blocks[n].mu.RUnlock()
		r.marked[n] = false
	}
	r.locked = r.locked[:0]
}

// gather finds the cells that the devices of 64 modules have in a column, for
// those rows that are needed. Their blocks are locked.
func (r *run) gather(b *block, w int, need uint64, column int, to *[64]cell) {
	blocks := r.x.devices.blocks()
	for ; need != 0; need &= need - 1 {
		i := bits.TrailingZeros64(need)
		slot := b.device[w*64+i]
		d, row := blocks[slot/blockRows], int(slot%blockRows)
		if to[i] = d.cell(column, row); d.damaged.has(row) {
			to[i] = code(isUnknown)
		}
	}
}

// deviceCell returns a cell of the device of one module.
func (r *run) deviceCell(b *block, row int, c *column) cell {
	var cells [64]cell
	r.gather(b, row/64, 1<<(row%64), c.number, &cells)
	return cells[row%64]
}

// joined finds the outcomes for the devices of modules.
func (l *leaf) joined(b *block, s span, need, may, sure *mask) {
	var cells [64]cell
	for w := s.from; w < s.to; w++ {
		may[w], sure[w] = 0, 0
		l.row.run.gather(b, w, need[w], l.column.number, &cells)
		l.cover()
		for left := need[w]; left != 0; left &= left - 1 {
			i := bits.TrailingZeros64(left)
			o := l.cell(cells[i])
			may[w] |= uint64(o&hit) << i
			sure[w] |= uint64(o&hit&^(o>>1)) << i
		}
	}
}
