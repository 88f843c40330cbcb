package query

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxText is the longest text that a function makes, in bytes; one that would
// be longer is undefined.
const MaxText = 8192

// text makes a function of one of a text.
func text(f func(string) string) func(a, b, c Value) Value {
	return func(a, _, _ Value) Value {
		if !a.isText() {
			return Value{}
		}
		return made(f(string(a.AppendText(nil))))
	}
}

// made returns a text that a function made.
func made(s string) Value {
	if len(s) > MaxText {
		return Value{}
	}
	return StringValue(s)
}

// asNumber reads a text as a decimal number; a number stays as it is.
func asNumber(a, _, _ Value) Value {
	if a.kind == Number {
		return a
	}
	if !a.isText() {
		return Value{}
	}
	s := strings.TrimSpace(string(a.AppendText(nil)))
	if strings.Trim(s, "0123456789+-.eE") != "" { // what else the parser takes: hexadecimal, infinities, _
		return Value{}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return Value{} // what is no number is undefined
	}
	return finite(f)
}

// length counts the characters of a text.
func length(a, _, _ Value) Value {
	if !a.isText() {
		return Value{}
	}
	var room [textRoom]byte
	return NumberValue(float64(utf8.RuneCount(a.bytes(room[:]))))
}

// substring returns the characters of a text from the one with number start on,
// from 0 on, at most length ones.
func substring(a, start, length Value) Value {
	if !a.isText() || start.kind != Number || length.kind != Number {
		return Value{}
	}
	from, n := start.Number(), length.Number()
	if from < 0 || n < 0 || from != math.Trunc(from) || n != math.Trunc(n) {
		return Value{}
	}
	s := string(a.AppendText(nil))
	begin := skipRunes(s, from)
	end := begin + skipRunes(s[begin:], n)
	return StringValue(s[begin:end])
}

// skipRunes returns the length of the first n characters of s, or of s.
func skipRunes(s string, n float64) int {
	for i := range s {
		if n < 1 {
			return i
		}
		n--
	}
	return len(s)
}

// indexOf returns how many characters of a text stand before another one, -1 if
// it is not in it.
func indexOf(a, b, _ Value) Value {
	if !a.isText() || !b.isText() {
		return Value{}
	}
	var roomA, roomB [textRoom]byte
	whole := a.bytes(roomA[:])
	i := bytes.Index(whole, b.bytes(roomB[:]))
	if i > 0 {
		i = utf8.RuneCount(whole[:i])
	}
	return NumberValue(float64(i))
}

// concat compiles CONCAT, which takes any number of texts.
func (c *checker) concat(e *Call) (Operand, error) {
	args, err := c.arguments(e, 2, math.MaxInt)
	return concat(args), err
}

// concat joins texts.
type concat []Operand

// Value returns the joined texts.
func (c concat) Value(row Fields) Value {
	var joined []byte
	for _, x := range c {
		v := x.Value(row)
		if !v.isText() || len(joined) > MaxText {
			return Value{}
		}
		joined = v.AppendText(joined)
	}
	return made(string(joined))
}

func (c concat) members(dst []*Member) []*Member { return membersOf(dst, c) }
