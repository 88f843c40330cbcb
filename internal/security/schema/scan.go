package schema

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"
)

// scanner reads JSON that is known to be valid UTF-8. Once something is wrong
// it stands at the end of the text, so that every loop over it ends by itself.
type scanner struct {
	body  []byte
	text  string // the same bytes; what is read out of it shares it
	i     int
	depth int
	// blanks counts the bytes of white space that were skipped.
	blanks int
	// place is where the decoder is, for what it refuses.
	place place
	// fault says what is wrong with the whole text, "" while nothing is, and
	// faultPath where.
	fault, faultPath string
	// arena has the texts that had to be unescaped.
	arena strings.Builder
}

// fail notes the first thing that is wrong.
func (s *scanner) fail(format string, args ...any) {
	if s.fault == "" {
		s.fault, s.faultPath = fmt.Sprintf(format, args...), s.place.String()
	}
	s.i = len(s.body)
}

// malformed notes that the text is not JSON.
func (s *scanner) malformed(what string) {
	if s.fault == "" && s.i >= len(s.body) {
		what = "it ends too early"
	}
	s.fail("The message is not JSON: %s (at byte %d).", what, s.i)
}

// peek returns the next byte that is not white space, 0 at the end.
func (s *scanner) peek() byte {
	for s.i < len(s.body) {
		c := s.body[s.i]
		if c > ' ' {
			return c
		}
		if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			s.malformed("there is a control character")
			return 0
		}
		s.i++
		s.blanks++
	}
	return 0
}

// open goes into the object or array whose bracket is the next byte.
func (s *scanner) open() {
	s.i++
	s.depth++
	if s.depth > MaxDepth {
		s.fail("Objects and arrays may be at most %d deep (at byte %d).", MaxDepth, s.i-1)
	}
}

// next reports whether another member or element follows, and goes to it; at
// the end it goes behind the closing bracket.
func (s *scanner) next(closing byte, first *bool) bool {
	c := s.peek()
	if c == closing {
		s.i++
		s.depth--
		return false
	}
	if *first {
		*first = false
		return s.fault == ""
	}
	if c != ',' {
		s.malformed("a comma or a closing bracket is missing")
		return false
	}
	s.i++
	if s.peek() == closing {
		s.malformed("a comma has nothing behind it")
		return false
	}
	return s.fault == ""
}

// name reads the name of a member and goes to its value.
func (s *scanner) name() string {
	if s.peek() != '"' {
		s.malformed("the name of a member is missing")
		return ""
	}
	n := s.str()
	if s.peek() != ':' {
		s.malformed("a colon is missing")
		return ""
	}
	s.i++
	return n
}

// plain marks the bytes that stand for themselves in a string.
var plain = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= ' ' && c != '"' && c != '\\'
	}
	return t
}()

// str reads the string whose quote is the next byte, unescaped.
func (s *scanner) str() string {
	raw, escaped := s.token()
	if !escaped {
		return raw
	}
	return s.unescape(raw)
}

// token reads the string whose quote is the next byte, as it stands.
func (s *scanner) token() (raw string, escaped bool) {
	start := s.i + 1
	i := start
	for {
		i = skipPlain(s.body, i)
		if i >= len(s.body) {
			s.i = i
			s.malformed("a string is not closed")
			return "", false
		}
		switch s.body[i] {
		case '"':
			s.i = i + 1
			return s.text[start:i], escaped
		case '\\':
			n := escape(s.body[i:])
			if n == 0 {
				s.i = i
				s.malformed("a string has a wrong escape")
				return "", false
			}
			escaped = true
			i += n
		default:
			s.i = i
			s.malformed("a string has a control character")
			return "", false
		}
	}
}

// skipPlain returns the place of the first byte at or behind i that does not
// stand for itself in a string, eight bytes at a time.
func skipPlain(b []byte, i int) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		quote, back := w^('"'*ones), w^('\\'*ones)
		// The lowest top bit that is set belongs to the first byte that is a
		// control character, a quote or a backslash.
		found := ((w-' '*ones) & ^w | (quote-ones) & ^quote | (back-ones) & ^back) & tops
		if found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(b) && plain[b[i]] {
		i++
	}
	return i
}

// escape returns the length of the escape at the start of b, 0 if it is none.
func escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) < 6 || hex4(b[2:6]) < 0 {
			return 0
		}
		return 6
	default:
		return 0
	}
}

// number reads the number that begins at the next byte.
func (s *scanner) number() string {
	start, b := s.i, s.body
	i := start
	if b[i] == '-' {
		i++
	}
	n := digits(b[i:])
	ok := n > 0 && (n == 1 || b[i] != '0')
	i += n
	if ok && i < len(b) && b[i] == '.' {
		n = digits(b[i+1:])
		ok = n > 0
		i += n + 1
	}
	if ok && i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		n = digits(b[i:])
		ok = n > 0
		i += n
	}
	if !ok {
		s.malformed("a value is missing or wrong")
		return ""
	}
	s.i = i
	return s.text[start:i]
}

func digits(b []byte) int {
	n := 0
	for n < len(b) && b[n]-'0' <= 9 {
		n++
	}
	return n
}

// word reads true, false or null.
func (s *scanner) word(w string) {
	if !strings.HasPrefix(s.text[s.i:], w) {
		s.malformed("a value is missing or wrong")
		return
	}
	s.i += len(w)
}

// skip goes over any value.
func (s *scanner) skip() {
	switch c := s.peek(); c {
	case '{':
		s.open()
		for first := true; s.next('}', &first); {
			if s.peek() != '"' {
				s.malformed("the name of a member is missing")
				return
			}
			s.token()
			if s.peek() != ':' {
				s.malformed("a colon is missing")
				return
			}
			s.i++
			s.skip()
		}
	case '[':
		s.open()
		for first := true; s.next(']', &first); {
			s.skip()
		}
	case '"':
		s.token()
	default:
		s.scalar(c)
	}
}

// scalar reads a value that is neither string, object nor array, and returns
// its text.
func (s *scanner) scalar(c byte) string {
	start := s.i
	switch c {
	case 't':
		s.word("true")
	case 'f':
		s.word("false")
	case 'n':
		s.word("null")
	case 0:
		s.malformed("a value is missing")
		return ""
	default:
		return s.number()
	}
	if s.fault != "" {
		return ""
	}
	return s.text[start:s.i]
}
