package messagelog

import (
	"bytes"
	"encoding/binary"
	"math"
	"time"

	"github.com/tvilling/tvilling"
)

// The encoding of a message; lengths and counts are unsigned varints.
//
//	message  = version:u8 length:varint head[length] body
//	head     = enqueued:i64 device:text module:text system:list properties:list
//	list     = count:varint (name value)*
//	name     = 2*length:varint bytes | 2*index+1:varint    (of systemNames)
//	value    = 2*length+null:varint bytes
//	text     = length:varint bytes
//
// Enqueued is Unix nanoseconds, little-endian; noTime stands for the zero time.
const (
	version = 1
	noTime  = math.MinInt64
)

// systemNames are property names that are stored as a number. The order is
// part of the format: new names go to the end.
var systemNames = [...]string{
	"message-id", "correlation-id", "user-id", "to", "content-type", "content-encoding",
	"iothub-interface-id", "iothub-creation-time-utc", "iothub-message-schema",
	"iothub-connection-device-id", "iothub-connection-module-id",
	"iothub-connection-auth-method", "iothub-connection-auth-generation-id",
	"iothub-enqueuedtime", "iothub-message-source", "iothub-ack", "expiry-time-utc",
	"dt-dataschema", "dt-subject", "iothub-output-name", "iothub-input-name",
	"absolute-expiry-time", "creation-time-utc", "traceparent",
}

// AppendEncoded appends the stored form of m to dst; its sequence is not part
// of it. Times before the year 1678 or after 2262 cannot be stored.
func AppendEncoded(dst []byte, m *tvilling.Message) ([]byte, error) {
	enqueued := int64(noTime)
	if !m.Enqueued.IsZero() {
		if y := m.Enqueued.Year(); y < 1678 || y > 2261 {
			return dst, tvilling.Errorf(tvilling.InvalidArgument, "The year %d of a message cannot be stored; it must be from 1678 to 2261.", y)
		}
		enqueued = m.Enqueued.UnixNano()
	}
	dst = append(dst, version)
	dst = binary.AppendUvarint(dst, uint64(headSize(m)))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(enqueued))
	dst = appendText(dst, string(m.From.Device))
	dst = appendText(dst, string(m.From.Module))
	dst = appendList(dst, m.System)
	dst = appendList(dst, m.Properties)
	return append(dst, m.Body...), nil
}

func headSize(m *tvilling.Message) int {
	return 8 + textSize(len(m.From.Device)) + textSize(len(m.From.Module)) + listSize(m.System) + listSize(m.Properties)
}

func textSize(n int) int { return varintSize(uint64(n)) + n }

func varintSize(v uint64) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}

func listSize(list []tvilling.Property) int {
	n := varintSize(uint64(len(list)))
	for _, p := range list {
		if i := systemIndex(p.Name); i >= 0 {
			n += varintSize(uint64(i)<<1 | 1)
		} else {
			n += varintSize(uint64(len(p.Name))<<1) + len(p.Name)
		}
		n += varintSize(uint64(len(p.Value))<<1) + len(p.Value)
	}
	return n
}

// systemIndex returns the number of a name, or -1. The table is short and
// most names differ in length, which is compared first.
func systemIndex(name string) int {
	for i, s := range systemNames {
		if s == name {
			return i
		}
	}
	return -1
}

func appendText(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func appendList(dst []byte, list []tvilling.Property) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for _, p := range list {
		if i := systemIndex(p.Name); i >= 0 {
			dst = binary.AppendUvarint(dst, uint64(i)<<1|1)
		} else {
			dst = binary.AppendUvarint(dst, uint64(len(p.Name))<<1)
			dst = append(dst, p.Name...)
		}
		null := uint64(0)
		if p.Null {
			null = 1
		}
		dst = binary.AppendUvarint(dst, uint64(len(p.Value))<<1|null)
		dst = append(dst, p.Value...)
	}
	return dst
}

// Decode returns the message that b is the stored form of. It keeps nothing
// of b. Bytes that [AppendEncoded] cannot have written are an error of code
// Corrupt, those of a later version one of code Unsupported.
func Decode(b []byte) (*tvilling.Message, error) {
	if len(b) == 0 {
		return nil, errDecode("it is empty")
	}
	if b[0] != version {
		return nil, tvilling.Errorf(tvilling.Unsupported, "The stored message has version %d; this version of the hub knows version %d.", b[0], version)
	}
	n, w := binary.Uvarint(b[1:])
	if w <= 0 || n > uint64(len(b)-1-w) {
		return nil, errDecode("its length is wrong")
	}
	// One string for all texts: they are cut from it.
	d := decoder{rest: string(b[1+w:][:n])}
	m := &tvilling.Message{}
	if at := d.int64(); at != noTime {
		m.Enqueued = time.Unix(0, at).UTC()
	}
	m.From.Device = tvilling.DeviceID(d.text())
	m.From.Module = tvilling.ModuleID(d.text())
	m.System = d.list()
	m.Properties = d.list()
	if d.bad || d.rest != "" {
		return nil, errDecode("its fields do not fit its length")
	}
	m.Body = bytes.Clone(b[1+w:][n:])
	return m, nil
}

func errDecode(what string) error {
	return tvilling.Errorf(tvilling.Corrupt, "The stored message cannot be decoded: %s.", what)
}

// decoder cuts fields off rest. After a mistake it is bad and yields zeros.
type decoder struct {
	rest string
	bad  bool
}

func (d *decoder) cut(n uint64) string {
	if d.bad || n > uint64(len(d.rest)) {
		d.bad = true
		return ""
	}
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s
}

func (d *decoder) int64() int64 {
	s := d.cut(8)
	if d.bad {
		return 0
	}
	var v uint64
	for i := range 8 {
		v |= uint64(s[i]) << (8 * i)
	}
	return int64(v)
}

func (d *decoder) varint() uint64 {
	var v uint64
	for shift := 0; shift < 63; shift += 7 {
		s := d.cut(1)
		if d.bad {
			return 0
		}
		v |= uint64(s[0]&0x7f) << shift
		if s[0] < 0x80 {
			return v
		}
	}
	d.bad = true
	return 0
}

func (d *decoder) text() string { return d.cut(d.varint()) }

func (d *decoder) list() []tvilling.Property {
	n := d.varint()
	// A property takes two bytes at least, so n is bounded by what is there.
	if d.bad || n > uint64(len(d.rest)/2) {
		d.bad = true
		return nil
	}
	if n == 0 {
		return nil
	}
	list := make([]tvilling.Property, n)
	for i := range list {
		list[i].Name = d.name()
		v := d.varint()
		list[i].Null = v&1 == 1
		list[i].Value = d.cut(v >> 1)
	}
	return list
}

func (d *decoder) name() string {
	v := d.varint()
	if v&1 == 0 {
		return d.cut(v >> 1)
	}
	if v>>1 >= uint64(len(systemNames)) {
		d.bad = true
		return ""
	}
	return systemNames[v>>1]
}
