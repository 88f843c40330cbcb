package packet

import "strconv"

// Type is the type of a control packet (MQTT 3.1.1 §2.2.1).
type Type byte

// The packet types.
const (
	CONNECT     Type = 1
	CONNACK     Type = 2
	PUBLISH     Type = 3
	PUBACK      Type = 4
	PUBREC      Type = 5
	PUBREL      Type = 6
	PUBCOMP     Type = 7
	SUBSCRIBE   Type = 8
	SUBACK      Type = 9
	UNSUBSCRIBE Type = 10
	UNSUBACK    Type = 11
	PINGREQ     Type = 12
	PINGRESP    Type = 13
	DISCONNECT  Type = 14
)

var typeNames = [...]string{
	"", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP",
	"SUBSCRIBE", "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT",
}

// String returns the name of the type, as the standard writes it.
func (t Type) String() string {
	if t == 0 || int(t) >= len(typeNames) {
		return "type " + strconv.Itoa(int(t))
	}
	return typeNames[t]
}

const (
	// MaxLength is the largest remaining length that the encoding can say.
	MaxLength = 268_435_455
	// MaxString is the longest string or binary field, in bytes.
	MaxString = 65_535
	// MaxHeader is the longest fixed header, in bytes.
	MaxHeader = 5
)

// Frame is one control packet as it lies in a buffer.
type Frame struct {
	Type  Type
	Flags byte
	// Body is the variable header and payload.
	Body []byte
}

// Next returns the frame at the start of buf and the number of bytes it takes.
// n is 0 without an error when buf holds no whole packet yet. A packet whose
// remaining length exceeds limit is [ErrTooLarge] as soon as its header is
// there; a wrong type or wrong flags are refused at the first byte.
func Next(buf []byte, limit int) (f Frame, n int, err error) {
	if len(buf) == 0 {
		return Frame{}, 0, nil
	}
	f.Type, f.Flags = Type(buf[0]>>4), buf[0]&0x0f
	if err := checkFlags(f.Type, f.Flags); err != nil {
		return Frame{}, 0, err
	}
	length, n, err := decodeLength(buf[1:])
	if err != nil {
		return Frame{}, 0, err
	}
	if n == 0 {
		return Frame{}, 0, nil
	}
	if length > limit {
		return Frame{}, 0, ErrTooLarge
	}
	n++
	if len(buf)-n < length {
		return Frame{}, 0, nil
	}
	f.Body = buf[n : n+length : n+length]
	return f, n + length, nil
}

// checkFlags demands the flags of MQTT 3.1.1 table 2.2 [MQTT-2.2.2-1].
func checkFlags(t Type, flags byte) error {
	switch t {
	case PUBLISH:
		if flags&0x06 == 0x06 {
			return ErrQoS // [MQTT-3.3.1-4]
		}
		if flags&0x0e == 0x08 {
			return ErrDup // [MQTT-3.3.1-2]
		}
	case PUBREL, SUBSCRIBE, UNSUBSCRIBE:
		if flags != 0x02 {
			return ErrFlags // [MQTT-3.6.1-1] [MQTT-3.8.1-1] [MQTT-3.10.1-1]
		}
	case CONNECT, CONNACK, PUBACK, PUBREC, PUBCOMP, SUBACK, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT:
		if flags != 0 {
			return ErrFlags // [MQTT-2.2.2-2], for DISCONNECT also [MQTT-3.14.1-1]
		}
	default:
		return ErrType
	}
	return nil
}

// decodeLength reads a remaining length; n is 0 when more bytes are needed.
// MQTT 3.1.1 §2.2.3 does not demand the shortest form, so none is demanded.
func decodeLength(b []byte) (length, n int, err error) {
	for i := range 4 {
		if i == len(b) {
			return 0, 0, nil
		}
		length |= int(b[i]&0x7f) << (7 * i)
		if b[i]&0x80 == 0 {
			return length, i + 1, nil
		}
	}
	return 0, 0, ErrLength
}

func appendHeader(dst []byte, t Type, flags byte, length int) []byte {
	dst = append(dst, byte(t)<<4|flags)
	for length > 0x7f {
		dst = append(dst, byte(length)|0x80)
		length >>= 7
	}
	return append(dst, byte(length))
}
