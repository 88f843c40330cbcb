package query

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxPattern is the longest pattern of LIKE, in characters. It bounds what is
// done for each character of a text.
const maxPattern = 256

// like compiles LIKE, an extension of this hub: % stands for any text, _ for any
// character, and a backslash takes the meaning from one of the three.
func (c *checker) like(e *Like) (Condition, error) {
	x, err := c.operand(e.X)
	if err != nil {
		return nil, err
	}
	if n := utf8.RuneCountInString(e.Pattern); n > maxPattern {
		return nil, invalid(c.text, e.PatternAt.At(), "the pattern has %d characters; the limit is %d.", n, maxPattern)
	}
	l := like{x: x}
	if l.pieces, err = c.pieces(e); err != nil {
		return nil, err
	}
	if e.Negated {
		return Negation{l}, nil
	}
	return l, nil
}

// pieces cuts a pattern at each %.
func (c *checker) pieces(e *Like) ([]piece, error) {
	var pieces []piece
	var text []byte
	var free []bool // which characters of text are _
	end := func() {
		pieces = append(pieces, newPiece(text, free))
		text, free = nil, nil
	}
	for rest := e.Pattern; rest != ""; {
		r, n := utf8.DecodeRuneInString(rest)
		literal := rest[:n]
		rest = rest[n:]
		switch r {
		case '%':
			end()
			continue
		case '_':
			free = append(free, true)
			text = append(text, '_')
			continue
		case '\\':
			if rest == "" || !strings.ContainsRune(`%_\`, rune(rest[0])) {
				return nil, invalid(c.text, e.PatternAt.At(), `a backslash in a pattern stands before %%, _ or \; in the text of a query it is written twice: '50\\%%'.`)
			}
			literal, rest = rest[:1], rest[1:]
		}
		free = append(free, false)
		text = append(text, literal...)
	}
	end()
	return pieces, nil
}

// piece is a part of a pattern without %.
type piece struct {
	text []byte
	// free tells which characters of text stand for any; nil when none does.
	free []bool
	// places are, of each character, where in a piece with free ones it may
	// stand; any are the free ones, where every other may.
	places map[rune]places
	any    places
}

// places is a set of the places in a piece: a bit for each.
type places [maxPattern / 64]uint64

func (p *places) set(i int) { p[i/64] |= 1 << (i % 64) }

func newPiece(text []byte, free []bool) piece {
	if !slices.Contains(free, true) {
		return piece{text: text}
	}
	p := piece{text: text, free: free, places: map[rune]places{}}
	for i, f := range free {
		if f {
			p.any.set(i)
		}
	}
	i := 0
	for _, r := range string(text) {
		if !free[i] {
			at, ok := p.places[r]
			if !ok {
				at = p.any
			}
			at.set(i)
			p.places[r] = at
		}
		i++
	}
	return p
}

// prefix returns the length of the part at the beginning of s that is of the
// piece, -1 if there is none.
func (p piece) prefix(s []byte) int {
	if p.free == nil {
		if bytes.HasPrefix(s, p.text) {
			return len(p.text)
		}
		return -1
	}
	at, rest := 0, p.text
	for _, free := range p.free {
		_, n := utf8.DecodeRune(rest)
		_, m := utf8.DecodeRune(s[at:])
		if m == 0 || !free && !bytes.Equal(rest[:n], s[at:at+m]) {
			return -1
		}
		at, rest = at+m, rest[n:]
	}
	return at
}

// find returns where the first part of s that is of the piece ends, -1 if there
// is none.
func (p piece) find(s []byte) int {
	if p.free == nil {
		if i := bytes.Index(s, p.text); i >= 0 {
			return i + len(p.text)
		}
		return -1
	}
	// All beginnings at once: bit i says that the characters up to here are
	// of the first i+1 of the piece.
	var begun places
	last := len(p.free) - 1
	for at := 0; at < len(s); {
		r, n := utf8.DecodeRune(s[at:])
		at += n
		may, ok := p.places[r]
		if !ok {
			may = p.any
		}
		carry := uint64(1)
		for i := range begun {
			carry, begun[i] = begun[i]>>63, (begun[i]<<1|carry)&may[i]
		}
		if begun[last/64]>>(last%64)&1 == 1 {
			return at
		}
	}
	return -1
}

// like asks whether a text is of a pattern: the first piece at its beginning,
// the last one at its end, the others between them, each as early as it can be.
type like struct {
	x      Operand
	pieces []piece
}

// Test reports whether the text is of the pattern; it is unknown of what is no
// text.
func (l like) Test(row Fields) Truth {
	v := l.x.Value(row)
	if !v.isText() {
		return Unknown
	}
	var room [textRoom]byte
	return truthOf(l.matches(v.bytes(room[:])))
}

func (l like) matches(s []byte) bool {
	n := l.pieces[0].prefix(s)
	if n < 0 {
		return false
	}
	if len(l.pieces) == 1 {
		return n == len(s)
	}
	s = s[n:]
	last := len(l.pieces) - 1
	for _, p := range l.pieces[1:last] {
		if n = p.find(s); n < 0 {
			return false
		}
		s = s[n:]
	}
	return l.pieces[last].suffix(s)
}

// suffix reports whether the end of s is of the piece.
func (p piece) suffix(s []byte) bool {
	if p.free == nil {
		return bytes.HasSuffix(s, p.text)
	}
	at := len(s)
	for range p.free {
		if at == 0 {
			return false
		}
		_, n := utf8.DecodeLastRune(s[:at])
		at -= n
	}
	return p.prefix(s[at:]) == len(s)-at
}

func (l like) members(dst []*Member) []*Member { return l.x.members(dst) }
