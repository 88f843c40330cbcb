package index

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/tvilling/tvilling/internal/hub/query"
)

// bytes finds the outcomes of one-byte codes, 64 rows at a time.
func (l *leaf) bytes(g *segment, s span, need, may, sure *mask) {
	l.survey()
	for w := s.from; w < s.to; w++ {
		if need[w] == 0 {
			may[w], sure[w] = 0, 0
			continue
		}
		codes := (*[64]uint8)(g.b1[w*64:])
		if l.few != nil {
			m := uint64(0)
			for _, c := range l.few {
				m |= equal(codes, c)
			}
			if l.others {
				m = ^m
			}
			m &= need[w]
			may[w], sure[w] = m, m
			continue
		}
		m, all := l.lookup(codes)
		m &= need[w]
		may[w], sure[w] = m, m
		if all&doubt == doubt {
			for left := m; left != 0; left &= left - 1 {
				if i := bits.TrailingZeros64(left); l.small[codes[i]] != hit {
					sure[w] &^= 1 << i
				}
			}
		}
	}
}

// maxFew is how many codes are looked for one by one rather than all looked up.
const maxFew = 2

// survey finds the outcomes of all codes of one byte that rows can have now.
// The caller holds the lock of a block: its rows have none that came later.
func (l *leaf) survey() {
	c := l.column
	inexact, inner := c.inexact.Load() > 0, c.inner.Load() > 0
	now := surveyed{c.given.Load(), inexact, inner}
	if now == l.surveyed {
		return
	}
	l.surveyed = now
	var hits, misses []uint8
	doubtful := false
	for i := range min(c.codes(), len(l.small)) {
		k := uint32(i)
		if !inexact && (k == isSome || k == isUnknown) || !inner && (k == isObject || k == isList) ||
			k >= firstCode && c.value(k).Kind() == query.Undefined {
			continue // no row has it
		}
		l.small[k] = l.of(code(k))
		switch l.small[k] {
		case hit:
			hits = append(hits, uint8(k))
		case miss:
			misses = append(misses, uint8(k))
		default:
			doubtful = true
		}
	}
	l.few, l.others = nil, false
	switch {
	case doubtful:
	case len(hits) <= maxFew:
		l.few = append([]uint8{}, hits...)
	case len(misses) <= maxFew:
		l.few, l.others = append([]uint8{}, misses...), true
	}
}

// equal returns the rows that have a code.
func equal(codes *[64]uint8, c uint8) (m uint64) {
	const low, high = 0x7f7f7f7f7f7f7f7f, 0x8080808080808080
	same := uint64(c) * 0x0101010101010101
	for i := uint(0); i < 64; i += 8 {
		x := binary.LittleEndian.Uint64(codes[i:]) ^ same
		// The upper bit of each byte says whether the byte is 0; the product
		// gathers these bits in the top byte.
		x = ^((x&low + low) | x) & high
		m |= x * 0x0002040810204081 >> 56 << (i & 63)
	}
	return m
}

// lookup returns the rows that may be hits, and all outcomes put together.
func (l *leaf) lookup(codes *[64]uint8) (m uint64, all outcome) {
	for i := uint(0); i < 64; i += 4 {
		a, b, c, d := l.small[codes[i]], l.small[codes[i+1]], l.small[codes[i+2]], l.small[codes[i+3]]
		all |= a | b | c | d
		m |= (uint64(a&1) | uint64(b&1)<<1 | uint64(c&1)<<2 | uint64(d&1)<<3) << (i & 63)
	}
	return m, all
}

// fewRows is how many rows of 64 are looked at one by one rather than together.
const fewRows = 12

// cells finds the outcomes of wider cells.
func (l *leaf) cells(g *segment, s span, need, may, sure *mask) {
	l.cover()
	for w := s.from; w < s.to; w++ {
		may[w], sure[w] = 0, 0
		if need[w] == 0 {
			continue
		}
		var m, n uint64
		switch at := w * 64; {
		case bits.OnesCount64(need[w]) <= fewRows:
			for left := need[w]; left != 0; left &= left - 1 {
				i := bits.TrailingZeros64(left)
				o := l.cell(g.get(at + i))
				m |= uint64(o&1) << i
				n |= uint64(o>>1&1) << i
			}
		case g.width == 2:
			m, n = l.lookupLarge((*[64]uint16)(g.b2[at:]))
		case g.width == 4:
			m, n = l.lookupHashes((*[64]uint32)(g.b4[at:]))
		default:
			m, n = l.lookupRaws((*[64]cell)(g.b8[at:]))
		}
		may[w] = m & need[w]
		sure[w] = may[w] &^ n
	}
}

// lookupLarge looks the outcomes of two-byte codes up: the rows that may be
// hits, and those in doubt.
func (l *leaf) lookupLarge(codes *[64]uint16) (m, n uint64) {
	var all outcome
	table := l.large
	last := len(table) - 1
	for i := uint(0); i < 64; i += 2 {
		a, b := table[int(codes[i])&last], table[int(codes[i+1])&last]
		all |= a | b
		m |= (uint64(a&1) | uint64(b&1)<<1) << (i & 63)
	}
	if all&(open|2) == 0 {
		return m, 0
	}
	m = 0
	for i, c := range codes {
		o := l.coded(uint32(c))
		m |= uint64(o&1) << (i & 63)
		n |= uint64(o>>1&1) << (i & 63)
	}
	return m, n
}

// lookupHashes is lookupLarge for codes some of which are hashes.
func (l *leaf) lookupHashes(codes *[64]uint32) (m, n uint64) {
	some, other := l.texts.some, uint64(l.texts.other)
	for i, c := range codes {
		switch {
		case c&hashed == 0:
			o := l.coded(c)
			m |= uint64(o&1) << (i & 63)
			n |= uint64(o>>1&1) << (i & 63)
		case len(some) == 0 || len(some) == 1 && c != some[0]:
			m |= other & 1 << (i & 63)
			n |= other >> 1 & 1 << (i & 63)
		default:
			o := l.texts.outcome(c)
			m |= uint64(o&1) << (i & 63)
			n |= uint64(o>>1&1) << (i & 63)
		}
	}
	return m, n
}

// lookupRaws is lookupLarge for cells some of which are numbers or ticks.
func (l *leaf) lookupRaws(cells *[64]cell) (m, n uint64) {
	if !l.raws.known || l.column.ticks {
		for i, c := range cells {
			o := l.cell(c)
			m |= uint64(o&1) << (i & 63)
			n |= uint64(o>>1&1) << (i & 63)
		}
		return m, n
	}
	low, high := l.raws.low, l.raws.high
	for i, c := range cells {
		if f := math.Float64frombits(uint64(c)); f >= low && f <= high {
			m |= 1 << (i & 63)
		} else if c.isCode() { // which is not a number
			n |= 1 << (i & 63)
		}
	}
	coded := n
	n = 0
	if l.raws.outside {
		m = ^m &^ coded
	}
	for ; coded != 0; coded &= coded - 1 {
		i := bits.TrailingZeros64(coded)
		o := l.cell(cells[i])
		m |= uint64(o&1) << i
		n |= uint64(o>>1&1) << i
	}
	return m, n
}

// cover makes the table of outcomes large enough for the codes that there are,
// and as long as a power of two.
func (l *leaf) cover() {
	codes := l.column.codes()
	if len(l.large) >= codes {
		return
	}
	size := 1 << bits.Len(uint(max(codes, 256)-1))
	for len(l.large) < size {
		l.large = append(l.large, open)
	}
}

// cell returns the outcome for any cell.
func (l *leaf) cell(c cell) outcome {
	switch {
	case !c.isCode():
		switch {
		case !l.raws.known:
			return l.of(c)
		case l.column.ticks:
			return l.raws.time(c)
		}
		return l.raws.number(c)
	case c.code()&hashed != 0:
		return l.texts.outcome(c.code())
	}
	return l.coded(c.code())
}

// coded returns the outcome for a code of the dictionary or a fixed one. The
// table must cover it.
func (l *leaf) coded(c uint32) outcome {
	o := l.large[c]
	if o == open {
		o = l.of(code(c))
		l.large[c] = o
	}
	return o
}
