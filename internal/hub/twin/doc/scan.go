package doc

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
	"unicode/utf8"
)

// plain says which bytes stand for themselves in a string, count to its size
// and need no second look: printable ASCII without quotation mark and backslash.
var plain = func() (t [256]bool) {
	for b := ' '; b <= '~'; b++ {
		t[b] = b != '"' && b != '\\'
	}
	return t
}()

// keyByte says the same of keys, which may not hold a dot, dollar or space.
var keyByte = func() (t [256]bool) {
	t = plain
	t['.'], t['$'], t[' '] = false, false, false
	return t
}()

const (
	ones = 0x0101010101010101 // times c: the byte c, eight times
	tops = 0x80 * ones
)

// skipPlain returns the index of the first byte from i on that is not plain. It
// looks at eight bytes at a time: x-c*ones sets the top bit of a byte below c,
// and so (x^c*ones)-ones that of a byte c. A borrow may set more of them, but
// only above the first that is rightly set, and no other one counts.
func skipPlain(b []byte, i int) int {
	for ; len(b)-i >= 8; i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		hit := (x - ' '*ones) | (x ^ '"'*ones - ones) | (x ^ '\\'*ones - ones) | (x + ones) | x
		if hit &= tops; hit != 0 {
			return i + bits.TrailingZeros64(hit)/8
		}
	}
	for i < len(b) && plain[b[i]] {
		i++
	}
	return i
}

// skipKey does the same for the bytes of a key.
func skipKey(b []byte, i int) int {
	for ; len(b)-i >= 8; i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		hit := (x - '!'*ones) | (x ^ '"'*ones - ones) | (x ^ '\\'*ones - ones) | (x ^ '.'*ones - ones) | (x ^ '$'*ones - ones) | (x + ones) | x
		if hit &= tops; hit != 0 {
			return i + bits.TrailingZeros64(hit)/8
		}
	}
	for i < len(b) && keyByte[b[i]] {
		i++
	}
	return i
}

// text is what scanString finds out about a string.
type text struct {
	end     int // index of the closing quotation mark, or of the fault
	length  int // bytes of the decoded string
	control int // bytes of it that are control characters
	escaped bool
}

// kind returns the kind under which the string is stored.
func (t text) kind() kind {
	if t.escaped || t.control > 0 {
		return kindEscaped
	}
	return kindText
}

// scanString checks the string whose content begins at i, after the opening
// quotation mark (RFC 8259 §7, RFC 3629). Escapes of lone surrogates are
// refused: they stand for no character.
func scanString(b []byte, i int) (text, bool) {
	t := text{}
	start, extra := i, 0 // extra: bytes of escapes beyond what they stand for
	for {
		i = skipPlain(b, i)
		t.end = i
		if i >= len(b) || b[i] < ' ' {
			return t, false
		}
		switch c := b[i]; c {
		case '"':
			t.length = i - start - extra
			return t, true
		case '\\':
			t.escaped = true
			r, n := unescape(b[i:])
			if n == 0 {
				return t, false
			}
			size := utf8.RuneLen(r)
			extra += n - size
			if isControl(r) {
				t.control += size
			}
			i += n
		default:
			r, n := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && n == 1 {
				return t, false
			}
			if isControl(r) {
				t.control += n
			}
			i += n
		}
	}
}

// isControl reports whether r is a C0 or C1 control character or DEL.
func isControl(r rune) bool { return r < ' ' || r >= 0x7f && r <= 0x9f }

// unescape returns the character that the escape at the start of b stands for
// and the length of the escape, 0 if it is none.
func unescape(b []byte) (rune, int) {
	if len(b) < 2 {
		return 0, 0
	}
	switch b[1] {
	case '"', '\\', '/':
		return rune(b[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		r := hex4(b[2:])
		if r < 0 || r >= 0xdc00 && r <= 0xdfff {
			return 0, 0
		}
		if r < 0xd800 || r > 0xdbff {
			return r, 6
		}
		if len(b) < 12 || b[6] != '\\' || b[7] != 'u' {
			return 0, 0
		}
		low := hex4(b[8:])
		if low < 0xdc00 || low > 0xdfff {
			return 0, 0
		}
		return (r-0xd800)<<10 + (low - 0xdc00) + 0x10000, 12
	}
	return 0, 0
}

// hex4 reads four hexadecimal digits; -1 if there are none.
func hex4(b []byte) rune {
	if len(b) < 4 {
		return -1
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

// appendUnescaped appends the string that the JSON text s stands for. What is
// no escape is taken as it is.
func appendUnescaped(dst, s []byte) []byte {
	for i := 0; i < len(s); {
		if s[i] == '\\' {
			if r, n := unescape(s[i:]); n > 0 {
				dst = utf8.AppendRune(dst, r)
				i += n
				continue
			}
		}
		dst = append(dst, s[i])
		i++
	}
	return dst
}

// numeral is how a number is written.
type numeral uint8

const (
	noNumber   numeral = iota
	integer            // digits alone
	fraction           // with a decimal point
	scientific         // with an exponent
)

// scanNumber checks the number at i and returns the index after it, or the
// index of the fault and noNumber.
func scanNumber(b []byte, i int) (int, numeral) {
	if i < len(b) && b[i] == '-' {
		i++
	}
	start := i
	if i = digits(b, i); i == start || b[start] == '0' && i > start+1 {
		return start, noNumber
	}
	n := integer
	if i < len(b) && b[i] == '.' {
		n = fraction
		if start, i = i+1, digits(b, i+1); i == start {
			return i, noNumber
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		n = scientific
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if start, i = i, digits(b, i); i == start {
			return i, noNumber
		}
	}
	return i, n
}

func digits(b []byte, i int) int {
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	return i
}

// inRange reports whether an integer is in ±2^52 (wire §2.5) and any other
// number finite as a float64.
func inRange(number []byte, n numeral) bool {
	switch {
	case n == integer && len(number) <= 15:
		return true // below 1e15, without looking
	case n == integer:
		// A sign and 16 digits are the most that can be in range.
		if len(number) > 17 {
			return false
		}
		v, err := strconv.ParseInt(string(number), 10, 64)
		return err == nil && v >= minInt && v <= maxInt
	case n == fraction && len(number) < 300:
		return true // below 1e300, without looking
	}
	v, err := strconv.ParseFloat(string(number), 64)
	return err == nil && !math.IsInf(v, 0)
}

// skipSpace returns the index of the first byte from i on that is no JSON
// white space.
func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// maxSkipped is how deep a value may nest that is only stepped over.
const maxSkipped = 64

// scanValue checks the JSON value at i and returns the index after it, or the
// index of the fault and false. It knows the grammar but no limit of twins.
func scanValue(b []byte, i, depth int) (int, bool) {
	if i >= len(b) || depth > maxSkipped {
		return i, false
	}
	switch c := b[i]; c {
	case '"':
		t, ok := scanString(b, i+1)
		if !ok {
			return t.end, false
		}
		return t.end + 1, true
	case '{', '[':
		return scanContainer(b, i, depth)
	case 't':
		return scanWord(b, i, "true")
	case 'f':
		return scanWord(b, i, "false")
	case 'n':
		return scanWord(b, i, "null")
	default:
		end, n := scanNumber(b, i)
		return end, n != noNumber
	}
}

func scanWord(b []byte, i int, word string) (int, bool) {
	if len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
		return i, false
	}
	return i + len(word), true
}

func scanContainer(b []byte, i, depth int) (int, bool) {
	object := b[i] == '{'
	closing := b[i] + 2 // in ASCII, } and ] are two after { and [
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == closing {
		return i + 1, true
	}
	for {
		if object {
			if i >= len(b) || b[i] != '"' {
				return i, false
			}
			t, ok := scanString(b, i+1)
			if !ok {
				return t.end, false
			}
			if i = skipSpace(b, t.end+1); i >= len(b) || b[i] != ':' {
				return i, false
			}
			i = skipSpace(b, i+1)
		}
		var ok bool
		if i, ok = scanValue(b, i, depth+1); !ok {
			return i, false
		}
		i = skipSpace(b, i)
		switch {
		case i >= len(b):
			return i, false
		case b[i] == closing:
			return i + 1, true
		case b[i] != ',':
			return i, false
		}
		i = skipSpace(b, i+1)
	}
}
