package index

import (
	"math/bits"
)

// slow reports whether the leaf is tested row by row.
func (l *leaf) slow() bool {
	if l.constant != open {
		return false
	}
	return l.column == nil || l.activity || l.column.raws.Load() > 0 && !l.raws.known
}

// evaluate finds the hits among the rows in need. The caller holds the lock of
// the block.
func (l *leaf) evaluate(b *block, s span, need, may, sure *mask) {
	if l.constant != open {
		l.fill(l.constant, s, need, may, sure)
		return
	}
	l.row.block = b
	if l.column == nil {
		l.rows(s, need, may, sure)
		return
	}
	switch {
	case l.ofDevice:
		l.joined(b, s, need, may, sure)
		return
	case l.activity:
		l.silent(b, s, need, may, sure)
		return
	}
	if l.column.number >= len(b.segs) {
		l.fill(l.of(code(undefined)), s, need, may, sure)
		return
	}
	g := &b.segs[l.column.number]
	switch g.width {
	case 0:
		l.fill(l.of(code(g.fill)), s, need, may, sure)
	case 1:
		l.bytes(g, s, need, may, sure)
	default:
		l.cells(g, s, need, may, sure)
	}
}

// fill gives all rows one outcome.
func (l *leaf) fill(o outcome, s span, need, may, sure *mask) {
	for w := s.from; w < s.to; w++ {
		may[w], sure[w] = 0, 0
		if o&hit != 0 {
			may[w] = need[w]
		}
		if o == hit {
			sure[w] = need[w]
		}
	}
}

// rows tests the rows in need one by one.
func (l *leaf) rows(s span, need, may, sure *mask) {
	for w := s.from; w < s.to; w++ {
		may[w], sure[w] = 0, 0
		for left := need[w]; left != 0; left &= left - 1 {
			i := bits.TrailingZeros64(left)
			l.row.at = w*64 + i
			o := l.outcome()
			may[w] |= uint64(o&hit) << i
			sure[w] |= uint64(o&hit&^(o>>1)) << i
		}
	}
}

// silent tests the last activity: the column tells that of identities that are
// not connected, others are asked.
func (l *leaf) silent(b *block, s span, need, may, sure *mask) {
	l.cover()
	state := l.row.run.t.connected.number
	for w := s.from; w < s.to; w++ {
		may[w], sure[w] = 0, 0
		for left := need[w]; left != 0; left &= left - 1 {
			i := bits.TrailingZeros64(left)
			var o outcome
			if l.row.at = w*64 + i; b.cell(state, l.row.at) == isDisconnected {
				o = l.cell(b.cell(l.column.number, l.row.at))
			} else {
				l.row.given.number = -1
				o = l.outcome()
			}
			may[w] |= uint64(o&hit) << i
			sure[w] |= uint64(o&hit&^(o>>1)) << i
		}
	}
}
