package query

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// Kind is the type of a [Value].
type Kind uint8

// The kinds. A value that is not there is Undefined. Time is a hub's own time
// stamp: it is written as a string, and compares as a string that is brought
// to the same form first.
const (
	Undefined Kind = iota
	Null
	Bool
	Number
	String
	Time
	Object
	List
)

// Writer is the inside of an Object: it appends itself as JSON.
type Writer interface {
	AppendJSON(dst []byte) []byte
}

// Elements is the inside of a List.
type Elements interface {
	Writer
	Elements(yield func(Value) bool)
}

// Value is one member of a twin, as a [Row] gives it. The zero value is
// undefined.
type Value struct {
	kind Kind
	// dated says that a String reads as a time, which bits and nanos hold.
	dated bool
	nanos int32
	// bits is 0 or 1 of a Bool, the IEEE 754 bits of a Number and the Unix
	// seconds of a Time.
	bits uint64
	text string
	in   Writer
	// doc, if it has a kind, is the value in a document: the text of a String,
	// the inside of an Object or List, and how exactly a Number is written.
	doc doc.Value
}

// NullValue returns JSON's null.
func NullValue() Value { return Value{kind: Null} }

// BoolValue returns true or false.
func BoolValue(b bool) Value {
	if b {
		return Value{kind: Bool, bits: 1}
	}
	return Value{kind: Bool}
}

// NumberValue returns a number.
func NumberValue(f float64) Value { return Value{kind: Number, bits: math.Float64bits(f)} }

// StringValue returns a string.
func StringValue(s string) Value { return Value{kind: String, text: s} }

// TimeValue returns a time stamp of the hub, in the steps of 100 ns that the
// wire shows (wire §2.1).
func TimeValue(t time.Time) Value {
	return Value{kind: Time, bits: uint64(t.Unix()), nanos: int32(t.Nanosecond() / 100 * 100)}
}

// ObjectValue returns an object.
func ObjectValue(w Writer) Value { return Value{kind: Object, in: w} }

// ListValue returns an array.
func ListValue(e Elements) Value { return Value{kind: List, in: e} }

// DocumentValue returns a value of a twin document.
func DocumentValue(v doc.Value) Value {
	switch v.Kind() {
	case doc.Bool:
		return BoolValue(v.Bool())
	case doc.Number:
		return Value{kind: Number, bits: math.Float64bits(v.Number()), doc: v}
	case doc.String:
		return Value{kind: String, doc: v}
	case doc.Object:
		return Value{kind: Object, doc: v}
	case doc.Array:
		return Value{kind: List, doc: v}
	}
	return Value{}
}

// rawJSON is the text of an object or an array.
type rawJSON []byte

// AppendJSON appends the text.
func (r rawJSON) AppendJSON(dst []byte) []byte { return append(dst, r...) }

// Keep returns v as a value that stays good when its row changes. A number
// shows as the value that it is, not as it was written; of an object or array
// nothing but its JSON remains.
func (v Value) Keep() Value {
	switch v.kind {
	case Number:
		return NumberValue(v.Number())
	case String:
		return StringValue(string(v.AppendText(nil)))
	case Object, List:
		return Value{kind: v.kind, in: rawJSON(v.AppendJSON(nil))}
	case Undefined, Null, Bool, Time:
	}
	return v
}

// Kind returns what v is.
func (v Value) Kind() Kind { return v.kind }

// Bool returns whether v is true.
func (v Value) Bool() bool { return v.kind == Bool && v.bits == 1 }

// Number returns what a Number is, 0 for any other kind.
func (v Value) Number() float64 {
	if v.kind != Number {
		return 0
	}
	return math.Float64frombits(v.bits)
}

// Time returns the time that a Time is; meaningless for any other kind.
func (v Value) Time() time.Time { return time.Unix(int64(v.bits), int64(v.nanos)).UTC() }

// stamp is the form of a hub's times: up to seven digits of a second.
const stamp = "2006-01-02T15:04:05.9999999Z"

// AppendText appends what a String or a Time shows.
func (v Value) AppendText(dst []byte) []byte {
	switch {
	case v.kind == Time:
		return v.Time().AppendFormat(dst, stamp)
	case v.doc.Kind() == doc.String:
		return v.doc.AppendText(dst)
	}
	return append(dst, v.text...)
}

// bytes returns what a String or a Time shows, in room if that is needed and
// large enough. They may not be changed.
func (v *Value) bytes(room []byte) []byte {
	if b, ok := v.doc.Plain(); ok {
		return b
	}
	return v.AppendText(room[:0])
}

// isText reports whether v is something that is shown as a string.
func (v Value) isText() bool { return v.kind == String || v.kind == Time }

// elements yields the elements of a List.
func (v Value) elements(yield func(Value) bool) {
	if e, ok := v.in.(Elements); ok {
		e.Elements(yield)
		return
	}
	for e := range v.doc.Elements() {
		if !yield(DocumentValue(e)) {
			return
		}
	}
}

// withTime returns v with what it says about a time noted, if v is a String
// that reads as one: a date, or a date and a time, in UTC unless it names an
// offset.
func (v Value) withTime() Value {
	if v.kind != String || v.dated {
		return v
	}
	t, ok := parseTime(string(v.AppendText(nil)))
	if ok {
		v.dated, v.bits, v.nanos = true, uint64(t.Unix()), int32(t.Nanosecond())
	}
	return v
}

// parseTime reads the ISO 8601 forms that people write in queries.
func parseTime(s string) (time.Time, bool) {
	if len(s) < len("2006-01-02") || s[4] != '-' || s[7] != '-' {
		return time.Time{}, false
	}
	if len(s) == len("2006-01-02") {
		t, err := time.Parse(time.DateOnly, s)
		return t, err == nil
	}
	for _, layout := range [...]string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02T15:04"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// AppendJSON appends v as JSON; v must not be undefined.
func (v Value) AppendJSON(dst []byte) []byte {
	switch {
	case v.in != nil:
		return v.in.AppendJSON(dst)
	case v.doc.Kind() != 0:
		return v.doc.AppendJSON(dst)
	}
	switch v.kind {
	case Bool:
		return strconv.AppendBool(dst, v.Bool())
	case Number:
		return appendNumber(dst, v.Number())
	case String:
		return appendString(dst, v.text)
	case Time:
		return append(v.Time().AppendFormat(append(dst, '"'), stamp), '"')
	case Undefined, Null, Object, List:
	}
	return append(dst, "null"...)
}

// appendNumber appends f as JSON: whole numbers without an exponent as far as
// they are exact.
func appendNumber(dst []byte, f float64) []byte {
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return strconv.AppendInt(dst, int64(f), 10)
	}
	return strconv.AppendFloat(dst, f, 'g', -1, 64)
}

// appendString appends s as a JSON string.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
			continue
		}
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
		i++
	}
	return append(dst, '"')
}

// Truth is the outcome of a condition.
type Truth uint8

// The outcomes. A row is found when its condition is Yes.
const (
	No Truth = iota
	Yes
	Unknown
)

func truthOf(b bool) Truth {
	if b {
		return Yes
	}
	return No
}

// Not returns the opposite of t; Unknown stays so.
func (t Truth) Not() Truth {
	switch t {
	case No:
		return Yes
	case Yes:
		return No
	case Unknown:
	}
	return Unknown
}

// compare applies a comparison. Only primitives of the same type compare;
// everything else is unknown (wire §7.2).
func compare(op Op, a, b *Value) Truth {
	if a.kind == Time || b.kind == Time {
		x, y := alike(*a, *b)
		a, b = &x, &y
	}
	if a.kind != b.kind {
		return Unknown
	}
	var order int
	switch a.kind {
	case Null:
		if op != Equal && op != NotEqual {
			return Unknown
		}
	case Bool:
		order = int(a.bits) - int(b.bits)
	case Number:
		order = compareNumbers(a.Number(), b.Number())
	case String:
		order = compareTexts(a, b)
	case Time:
		order = a.Time().Compare(b.Time())
	case Undefined, Object, List:
		return Unknown
	}
	return truthOf(holds(op, order))
}

// alike makes a time and a string comparable: as times if the string reads as
// one, else as strings.
func alike(a, b Value) (Value, Value) {
	a, b = a.withTime(), b.withTime()
	switch {
	case a.kind == Time && b.dated:
		b.kind = Time
	case b.kind == Time && a.dated:
		a.kind = Time
	case a.kind == Time && b.kind == String:
		a = StringValue(string(a.AppendText(nil)))
	case b.kind == Time && a.kind == String:
		b = StringValue(string(b.AppendText(nil)))
	}
	return a, b
}

// textRoom is how much of a string is looked at without taking memory.
const textRoom = 256

func compareTexts(a, b *Value) int {
	var roomA, roomB [textRoom]byte
	switch inA, inB := a.doc.Kind() != 0, b.doc.Kind() != 0; {
	case inA && inB:
		return bytes.Compare(a.bytes(roomA[:]), b.bytes(roomB[:]))
	case inA:
		return compareText(a.bytes(roomA[:]), b.text)
	case inB:
		return -compareText(b.bytes(roomB[:]), a.text)
	}
	return strings.Compare(a.text, b.text)
}

func compareText(a []byte, b string) int {
	switch {
	case string(a) == b:
		return 0
	case string(a) < b:
		return -1
	}
	return 1
}

func compareNumbers(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// holds reports whether op is true of two values in the given order.
func holds(op Op, order int) bool {
	switch op {
	case Equal:
		return order == 0
	case NotEqual:
		return order != 0
	case Less:
		return order < 0
	case LessEqual:
		return order <= 0
	case Greater:
		return order > 0
	case GreaterEqual:
		return order >= 0
	case Add, Subtract, Multiply, Divide, Modulo:
	}
	return false
}
