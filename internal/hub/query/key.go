package query

import (
	"bytes"
	"encoding/binary"
	"math"
)

// The first bytes of keys: values of different kinds stand in this order.
const (
	keyUndefined byte = iota + 1
	keyNull
	keyFalse
	keyTrue
	keyNumber
	keyText
	keyTime
	keyList
	keyObject
)

// AppendKey appends bytes that compare as values are ordered, whatever follows
// them: undefined, null, false, true, numbers, texts by their bytes, times,
// arrays and objects by their JSON. Only the first room bytes of a text or of
// JSON count; with 0 all do.
func (v Value) AppendKey(dst []byte, room int) []byte {
	switch v.kind {
	case Undefined:
		return append(dst, keyUndefined)
	case Null:
		return append(dst, keyNull)
	case Bool:
		return append(dst, keyFalse+byte(v.bits))
	case Number:
		bits := math.Float64bits(v.Number() + 0) // -0 is 0
		if bits>>63 == 0 {
			bits |= 1 << 63
		} else {
			bits = ^bits
		}
		return binary.BigEndian.AppendUint64(append(dst, keyNumber), bits)
	case String:
		return appendText(append(dst, keyText), v.AppendText, room)
	case Time:
		dst = binary.BigEndian.AppendUint64(append(dst, keyTime), v.bits^1<<63)
		return binary.BigEndian.AppendUint32(dst, uint32(v.nanos))
	case List:
		return appendText(append(dst, keyList), v.AppendJSON, room)
	case Object:
	}
	return appendText(append(dst, keyObject), v.AppendJSON, room)
}

// appendText appends what write appends, in a form that no longer text has as
// its beginning: a zero byte is followed by 255, the end is a zero byte alone.
func appendText(dst []byte, write func([]byte) []byte, room int) []byte {
	start := len(dst)
	dst = write(dst)
	if room > 0 && len(dst) > start+room {
		dst = dst[:start+room]
	}
	if bytes.IndexByte(dst[start:], 0) >= 0 {
		dst = append(dst[:start], bytes.ReplaceAll(dst[start:], []byte{0}, []byte{0, 0xff})...)
	}
	return append(dst, 0, 1)
}

// keyRoom is how many bytes of the texts in a key count altogether, and
// keyTextRoom those of one text. It bounds continuations.
const (
	keyRoom     = 1024
	keyTextRoom = 256
)

// textsRoom returns how many bytes count of each of n texts.
func textsRoom(n int) int { return min(keyTextRoom, keyRoom/max(n, 1)) }

// appendOrdered appends the key of a value, for a descending order with all bits
// turned.
func appendOrdered(dst []byte, v Value, room int, descending bool) []byte {
	start := len(dst)
	dst = v.AppendKey(dst, room)
	if descending {
		for i := start; i < len(dst); i++ {
			dst[i] = ^dst[i]
		}
	}
	return dst
}

// Sort is one term of ORDER BY.
type Sort struct {
	Operand    Operand
	Descending bool
}

// AppendSortKey appends the key that a row has in the order of the query:
// rows ascend by it, and those with the same one by their identity. Of texts
// the first 256 bytes count, fewer if there are more than four terms.
func (q *Query) AppendSortKey(dst []byte, row Fields) []byte {
	room := textsRoom(len(q.order))
	for _, s := range q.order {
		dst = appendOrdered(dst, s.Operand.Value(row), room, s.Descending)
	}
	return dst
}
