package doc

import (
	"bytes"
	"iter"
	"strconv"
)

// Kind says what a [Value] is. A section holds no null.
type Kind uint8

// The kinds of a value; the zero Kind is that of no value.
const (
	Bool Kind = iota + 1
	Number
	String
	Object
	Array
)

// Value is a value inside a section. It refers to the section's bytes.
type Value struct {
	kind Kind
	form form
	raw  []byte
	n    int64
	meta *metaObject
}

// form says how a value is held.
type form uint8

const (
	formText    form = iota // String: raw is the string
	formEscaped             // String: raw is what stands between the quotation marks
	formPlain               // String: raw is the string, which may need escapes in JSON
	formTicks               // String: n is a time
	formInt                 // Number: n
	formBool                // Bool: n is 0 or 1
	formJSON                // Number, Array or Object: raw is its JSON text
	formMembers             // Object: raw is its stored members
	formMeta                // Object: a level of $metadata
)

// Kind returns the kind of v.
func (v Value) Kind() Kind { return v.kind }

// Bool returns a Bool; false for another kind.
func (v Value) Bool() bool { return v.form == formBool && v.n != 0 }

// Number returns a Number; 0 for another kind.
func (v Value) Number() float64 {
	if v.kind != Number {
		return 0
	}
	if v.form == formInt {
		return float64(v.n)
	}
	f, _ := strconv.ParseFloat(string(v.raw), 64) // checked when it was stored
	return f
}

// Text returns a String, decoded; "" for another kind. A text of up to 32
// bytes that is only compared is not allocated.
func (v Value) Text() string {
	if v.form == formText {
		return string(v.raw)
	}
	return string(v.AppendText(nil))
}

// AppendText appends a String, decoded; nothing for another kind.
func (v Value) AppendText(dst []byte) []byte {
	switch {
	case v.kind != String:
		return dst
	case v.form == formEscaped:
		return appendUnescaped(dst, v.raw)
	case v.form == formTicks:
		return appendTime(dst, v.n)
	}
	return append(dst, v.raw...)
}

// Plain returns a String that is stored as it is, and false for another. The
// bytes are the section's and may not be changed.
func (v Value) Plain() ([]byte, bool) {
	return v.raw, v.kind == String && (v.form == formText || v.form == formPlain)
}

// AppendJSON appends v as JSON.
func (v Value) AppendJSON(dst []byte) []byte {
	switch v.form {
	case formText, formEscaped:
		if v.kind == String {
			return appendLeaf(dst, kindText, v.raw)
		}
		return dst
	case formPlain:
		return appendString(dst, v.raw)
	case formTicks:
		return append(appendTime(append(dst, '"'), v.n), '"')
	case formInt:
		return strconv.AppendInt(dst, v.n, 10)
	case formBool:
		return strconv.AppendBool(dst, v.n != 0)
	case formJSON:
		return append(dst, v.raw...)
	case formMembers:
		start := len(dst)
		dst, ok := appendMembers(append(dst, '{'), v.raw, 0)
		if !ok {
			return dst[:start]
		}
		return append(dst, '}')
	case formMeta:
		return v.meta.appendJSON(dst)
	}
	return dst
}

// Elements yields the elements of an Array; nothing for another kind.
func (v Value) Elements() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.kind != Array {
			return
		}
		for _, e := range v.parts() {
			if !yield(e) {
				return
			}
		}
	}
}

// Members yields the members of an Object; nothing for another kind.
func (v Value) Members() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		switch {
		case v.kind != Object:
		case v.form == formMembers:
			yieldMembers(v.raw, yield)
		case v.form == formMeta:
			v.meta.members(yield)
		default:
			for key, e := range v.parts() {
				if !yield(string(appendUnescaped(nil, key)), e) {
					return
				}
			}
		}
	}
}

func yieldMembers(b []byte, yield func(string, Value) bool) {
	var m member
	for i := 0; i < len(b); {
		if i = m.read(b, i); i < 0 || !yield(string(m.key), stored(m.kind, m.val)) {
			return
		}
	}
}

// parts yields what the JSON text of an array or object consists of, with the
// raw keys of an object, and stops where it is malformed.
func (v Value) parts() iter.Seq2[[]byte, Value] {
	return func(yield func([]byte, Value) bool) {
		b := v.raw
		for i := 1; i < len(b) && b[i] != ']' && b[i] != '}'; i++ {
			var key []byte
			if v.kind == Object {
				if b[i] != '"' {
					return
				}
				t, ok := scanString(b, i+1)
				if !ok {
					return
				}
				key, i = b[i+1:t.end], t.end+2 // over the colon
			}
			end, ok := scanValue(b, i, 0)
			if !ok || !yield(key, fromJSON(b[i:end])) || end >= len(b) || b[end] != ',' {
				return
			}
			i = end
		}
	}
}

// stored returns the value of a stored member.
func stored(k kind, val []byte) Value {
	switch k {
	case kindFalse:
		return Value{kind: Bool, form: formBool}
	case kindTrue:
		return Value{kind: Bool, form: formBool, n: 1}
	case kindNumber:
		return Value{kind: Number, form: formJSON, raw: val}
	case kindText:
		return Value{kind: String, form: formText, raw: val}
	case kindEscaped:
		return Value{kind: String, form: formEscaped, raw: val}
	case kindObject:
		return Value{kind: Object, form: formMembers, raw: val}
	case kindArray:
		return Value{kind: Array, form: formJSON, raw: val}
	case kindNull:
	}
	return Value{}
}

// fromJSON returns the value that compact JSON text stands for.
func fromJSON(b []byte) Value {
	switch b[0] {
	case 't':
		return Value{kind: Bool, form: formBool, n: 1}
	case 'f':
		return Value{kind: Bool, form: formBool}
	case '"':
		b = b[1 : len(b)-1]
		if bytes.IndexByte(b, '\\') >= 0 {
			return Value{kind: String, form: formEscaped, raw: b}
		}
		return Value{kind: String, form: formText, raw: b}
	case '{':
		return Value{kind: Object, form: formJSON, raw: b}
	case '[':
		return Value{kind: Array, form: formJSON, raw: b}
	case 'n':
		return Value{}
	}
	return Value{kind: Number, form: formJSON, raw: b}
}
