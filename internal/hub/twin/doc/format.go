package doc

import "encoding/binary"

// format is the version of the compact form that this package writes.
const format = 1

// kind is the kind of a stored or patched value. The numbers are stored.
type kind uint8

const (
	kindFalse kind = iota
	kindTrue
	kindNumber
	// kindText is a string whose JSON text is the string itself and which
	// holds no control character, so that its length is its size.
	kindText
	// kindEscaped is any other string.
	kindEscaped
	kindObject
	// kindArray is an array as compact JSON text: an array is one leaf.
	kindArray
	// kindNull deletes; it occurs in patches only.
	kindNull
)

// uvarint reads an unsigned varint at i and returns the index after it. A
// negative index means malformed, comes back as such, and so can be checked
// once after several reads.
func uvarint(b []byte, i int) (uint64, int) {
	if uint(i) < uint(len(b)) && b[i] < 0x80 {
		return uint64(b[i]), i + 1
	}
	return longUvarint(b, i)
}

func longUvarint(b []byte, i int) (uint64, int) {
	if i < 0 {
		return 0, -1
	}
	v, n := binary.Uvarint(b[i:])
	if n <= 0 {
		return 0, -1
	}
	return v, i + n
}

// member is a stored member as it is read.
type member struct {
	key    []byte
	quoted bool // key must be escaped in JSON
	stamp  uint32
	kind   kind
	val    []byte
}

// read reads the member at i of b and returns the index after it, or a
// negative one when b is malformed there.
func (m *member) read(b []byte, i int) int {
	head, i := uvarint(b, i)
	if i < 0 || head>>1 > uint64(len(b)-i) {
		return -1
	}
	j := i + int(head>>1)
	m.key, m.quoted = b[i:j], head&1 != 0
	stamp, j := uvarint(b, j)
	tag, j := uvarint(b, j)
	if j < 0 || tag>>3 > uint64(len(b)-j) || stamp > maxStored {
		return -1
	}
	end := j + int(tag>>3)
	m.stamp, m.kind, m.val = uint32(stamp), kind(tag&7), b[j:end]
	return end
}

// appendMember appends a member up to its value's bytes.
func appendMember(dst, key []byte, quoted bool, stamp uint32, k kind, length int) []byte {
	head := uint64(len(key)) << 1
	if quoted {
		head |= 1
	}
	tag := uint64(length)<<3 | uint64(k)
	if head|uint64(stamp) < 0x80 && tag < 0x4000 { // as it mostly is
		dst = append(dst, byte(head))
		dst = append(dst, key...)
		if tag < 0x80 {
			return append(dst, byte(stamp), byte(tag))
		}
		return append(dst, byte(stamp), byte(tag)|0x80, byte(tag>>7))
	}
	dst = appendUvarint(dst, head)
	dst = append(dst, key...)
	dst = appendUvarint(dst, uint64(stamp))
	return appendUvarint(dst, tag)
}

func appendUvarint(dst []byte, v uint64) []byte {
	if v < 0x80 {
		return append(dst, byte(v))
	}
	return binary.AppendUvarint(dst, v)
}

// uvarintLen is the number of bytes that appendUvarint takes for v.
func uvarintLen(v uint64) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}

// closeObject sets the length of the object whose members were appended to
// dst from start on, after a tag of guess bytes that was left to be filled in.
func closeObject(dst []byte, start, guess int) []byte {
	tag := uint64(len(dst)-start)<<3 | uint64(kindObject)
	n := uvarintLen(tag)
	switch {
	case n > guess:
		var pad [binary.MaxVarintLen64]byte
		dst = append(dst, pad[:n-guess]...)
		copy(dst[start+n-guess:], dst[start:len(dst)-(n-guess)])
	case n < guess:
		copy(dst[start-(guess-n):], dst[start:])
		dst = dst[:len(dst)-(guess-n)]
	}
	at := start - guess
	binary.AppendUvarint(dst[:at], tag)
	return dst
}
