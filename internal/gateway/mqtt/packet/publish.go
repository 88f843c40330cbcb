package packet

import (
	"bytes"
	"encoding/binary"
)

// Publish is a PUBLISH packet (MQTT 3.1.1 §3.3).
type Publish struct {
	Dup    bool
	QoS    byte
	Retain bool
	// ID is 0 for QoS 0 [MQTT-2.3.1-5].
	ID      uint16
	Topic   []byte
	Payload []byte
}

// DecodePublish reads a PUBLISH. The header's flags were checked by [Next].
func DecodePublish(f Frame) (Publish, error) {
	r := fields{b: f.Body}
	p := Publish{Dup: f.Flags&0x08 != 0, QoS: f.Flags >> 1 & 0x03, Retain: f.Flags&0x01 != 0}
	p.Topic = r.string() // [MQTT-3.3.2-1]
	if r.err != nil {
		return Publish{}, r.err
	}
	if err := checkTopic(p.Topic); err != nil {
		return Publish{}, err
	}
	if p.QoS > 0 {
		p.ID = r.id()
	}
	p.Payload = r.rest()
	if err := r.end(); err != nil {
		return Publish{}, err
	}
	return p, nil
}

func checkTopic(t []byte) error {
	if len(t) == 0 {
		return ErrTopic // [MQTT-4.7.3-1]
	}
	if bytes.IndexByte(t, '#') >= 0 || bytes.IndexByte(t, '+') >= 0 {
		return ErrWildcard // [MQTT-3.3.2-2]
	}
	return nil
}

// Append appends the packet to dst. The topic may not exceed [MaxString] bytes.
func (p *Publish) Append(dst []byte) []byte {
	flags := p.QoS << 1 & 0x06
	if p.Dup {
		flags |= 0x08
	}
	if p.Retain {
		flags |= 0x01
	}
	length := 2 + len(p.Topic) + len(p.Payload)
	if p.QoS > 0 {
		length += 2
	}
	dst = appendHeader(dst, PUBLISH, flags, length)
	dst = appendString(dst, p.Topic)
	if p.QoS > 0 {
		dst = binary.BigEndian.AppendUint16(dst, p.ID)
	}
	return append(dst, p.Payload...)
}

// DecodeID reads the packets that are nothing but a packet identifier: PUBACK,
// PUBREC, PUBREL, PUBCOMP and UNSUBACK [MQTT-2.3.1-6].
func DecodeID(f Frame) (uint16, error) {
	r := fields{b: f.Body}
	id := r.id()
	return id, r.end()
}

// AppendPuback appends a PUBACK to dst.
func AppendPuback(dst []byte, id uint16) []byte {
	return append(dst, byte(PUBACK)<<4, 2, byte(id>>8), byte(id))
}
