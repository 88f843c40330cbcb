package packet

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

// fields reads the body of a packet from front to back. The first error
// sticks; reads after it return nothing.
type fields struct {
	b   []byte
	err error
}

func (f *fields) fail(err error) {
	if f.err == nil {
		f.err = err
	}
	f.b = nil
}

func (f *fields) uint8() byte {
	if len(f.b) < 1 {
		f.fail(ErrTruncated)
		return 0
	}
	v := f.b[0]
	f.b = f.b[1:]
	return v
}

func (f *fields) uint16() uint16 {
	if len(f.b) < 2 {
		f.fail(ErrTruncated)
		return 0
	}
	v := binary.BigEndian.Uint16(f.b)
	f.b = f.b[2:]
	return v
}

// id reads a packet identifier, which is never 0 [MQTT-2.3.1-1].
func (f *fields) id() uint16 {
	v := f.uint16()
	if v == 0 {
		f.fail(ErrPacketID)
	}
	return v
}

func (f *fields) binary() []byte {
	n := int(f.uint16())
	if f.err != nil {
		return nil
	}
	if len(f.b) < n {
		f.fail(ErrTruncated)
		return nil
	}
	v := f.b[:n:n]
	f.b = f.b[n:]
	return v
}

// string reads a UTF-8 encoded string (MQTT 3.1.1 §1.5.3).
func (f *fields) string() []byte {
	v := f.binary()
	if err := checkString(v); err != nil {
		f.fail(err)
		return nil
	}
	return v
}

// rest takes all that is left: the payload of a PUBLISH.
func (f *fields) rest() []byte {
	v := f.b
	f.b = nil
	return v
}

// end reports the first error, or [ErrTrailing] when bytes are left.
func (f *fields) end() error {
	if f.err == nil && len(f.b) > 0 {
		return ErrTrailing
	}
	return f.err
}

func checkString(v []byte) error {
	if !utf8.Valid(v) { // refuses surrogates, too
		return ErrUTF8 // [MQTT-1.5.3-1]
	}
	if bytes.IndexByte(v, 0) >= 0 {
		return ErrNull // [MQTT-1.5.3-2]
	}
	return nil
}

// appendString writes a length-prefixed field. Longer ones than MaxString
// cannot be written; encoders say so in their contract.
func appendString[T string | []byte](dst []byte, s T) []byte {
	if len(s) > MaxString {
		panic("packet: field longer than 65535 bytes")
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(s)))
	return append(dst, s...)
}
