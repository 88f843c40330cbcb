package index

import "github.com/tvilling/tvilling/internal/hub/query"

const (
	// blockRows is how many rows are locked, and evaluated, together.
	blockRows  = 4096
	blockWords = blockRows / 64
)

// mask has a bit for each row of a block.
type mask [blockWords]uint64

func (m *mask) has(i int) bool { return m[i/64]>>(i%64)&1 != 0 }

func (m *mask) put(i int, on bool) {
	if on {
		m[i/64] |= 1 << (i % 64)
	} else {
		m[i/64] &^= 1 << (i % 64)
	}
}

// cell is the value of a row in a column: a code, or, unless the upper bits
// are those of a code, the bits of a number or the ticks of a time, which are
// never so.
type cell uint64

// codeBits are the upper 13 bits of every code: those of a NaN, which no
// number in a document is.
const codeBits = 0xfff

func code(c uint32) cell { return codeBits<<51 | cell(c) }

func (c cell) isCode() bool { return c>>51 == codeBits }

func (c cell) code() uint32 { return uint32(c) }

// The codes below firstCode are the same in every column, those from firstCode
// on belong to a column's dictionary, and those with the upper bit set are the
// hash of a string that is not in it.
const (
	undefined uint32 = iota
	isObject         // an object, whose inside is not here
	isList           // an array, likewise
	isFalse
	isTrue
	isNull
	isSome    // something that is there: its value is not here
	isUnknown // not here, not even whether it is there
	firstCode

	hashed    uint32 = 1 << 31
	dictLimit        = 1<<16 - 1 // codes of a dictionary fit in two bytes
)

// fixedValue returns the value of a code below firstCode that has one.
func fixedValue(c uint32) query.Value {
	switch c {
	case isFalse:
		return query.BoolValue(false)
	case isTrue:
		return query.BoolValue(true)
	case isNull:
		return query.NullValue()
	}
	return query.Value{}
}

// segment holds the cells of one column in one block, each in width bytes, or,
// with width 0, says that all of them are the code fill.
type segment struct {
	width uint8
	fill  uint32
	b1    *[blockRows]uint8
	b2    *[blockRows]uint16
	b4    *[blockRows]uint32
	b8    *[blockRows]cell
}

func (s *segment) get(i int) cell {
	switch s.width {
	case 1:
		return code(uint32(s.b1[i]))
	case 2:
		return code(uint32(s.b2[i]))
	case 4:
		return code(s.b4[i])
	case 8:
		return s.b8[i]
	}
	return code(s.fill)
}

// widthOf returns the bytes that c takes.
func widthOf(c cell) uint8 {
	switch {
	case !c.isCode():
		return 8
	case c.code() <= 0xff:
		return 1
	case c.code() <= 0xffff:
		return 2
	}
	return 4
}

// set puts a cell and returns by how many bytes the segment grew.
func (s *segment) set(i int, c cell) int {
	grown := 0
	if s.width == 0 && c == code(s.fill) {
		return 0
	}
	if w := widthOf(c); w > s.width {
		grown = s.widen(max(w, widthOf(code(s.fill))))
	}
	switch s.width {
	case 1:
		s.b1[i] = uint8(c.code())
	case 2:
		s.b2[i] = uint16(c.code())
	case 4:
		s.b4[i] = c.code()
	case 8:
		s.b8[i] = c
	}
	return grown
}

// widen makes the cells wider.
func (s *segment) widen(width uint8) int {
	old := *s
	*s = segment{width: width}
	switch width {
	case 1:
		s.b1 = new([blockRows]uint8)
	case 2:
		s.b2 = new([blockRows]uint16)
	case 4:
		s.b4 = new([blockRows]uint32)
	case 8:
		s.b8 = new([blockRows]cell)
	}
	if old.width == 0 && old.fill == 0 && width < 8 {
		return s.bytes()
	}
	for i := range blockRows {
		c := old.get(i)
		switch width {
		case 1:
			s.b1[i] = uint8(c.code())
		case 2:
			s.b2[i] = uint16(c.code())
		case 4:
			s.b4[i] = c.code()
		case 8:
			s.b8[i] = c
		}
	}
	return s.bytes() - old.bytes()
}

// segmentBytes is what a segment takes beside its cells.
const segmentBytes = 40

func (s *segment) bytes() int { return int(s.width) * blockRows }
