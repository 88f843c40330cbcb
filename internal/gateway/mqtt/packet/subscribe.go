package packet

import "encoding/binary"

// Filter is one topic filter of a SUBSCRIBE with the QoS asked for.
type Filter struct {
	Topic []byte
	QoS   byte
}

// Subscribe is a SUBSCRIBE packet (MQTT 3.1.1 §3.8).
type Subscribe struct {
	ID      uint16
	Filters []Filter
}

// DecodeSubscribe reads a SUBSCRIBE. Whether a filter's wildcards stand where
// they may is left to whoever knows which filters there are.
func DecodeSubscribe(f Frame) (Subscribe, error) {
	r := fields{b: f.Body}
	s := Subscribe{ID: r.id()}
	for len(r.b) > 0 {
		topic, qos := r.string(), r.uint8() // [MQTT-3.8.3-1]
		if r.err != nil {
			break
		}
		if len(topic) == 0 {
			return Subscribe{}, ErrTopic // [MQTT-4.7.3-1]
		}
		if qos > 2 {
			return Subscribe{}, ErrFilterQoS // [MQTT-3.8.3-4]
		}
		s.Filters = append(s.Filters, Filter{Topic: topic, QoS: qos})
	}
	if err := r.end(); err != nil {
		return Subscribe{}, err
	}
	if len(s.Filters) == 0 {
		return Subscribe{}, ErrNoFilter // [MQTT-3.8.3-3]
	}
	return s, nil
}

// Append appends the packet to dst. No filter may exceed [MaxString] bytes.
func (s *Subscribe) Append(dst []byte) []byte {
	length := 2
	for _, f := range s.Filters {
		length += 3 + len(f.Topic)
	}
	dst = appendHeader(dst, SUBSCRIBE, 0x02, length)
	dst = binary.BigEndian.AppendUint16(dst, s.ID)
	for _, f := range s.Filters {
		dst = appendString(dst, f.Topic)
		dst = append(dst, f.QoS)
	}
	return dst
}

// SubackFailure is the return code of a filter that was not granted.
const SubackFailure byte = 0x80

// Suback is a SUBACK packet (MQTT 3.1.1 §3.9): one code for each filter of the
// SUBSCRIBE, in order [MQTT-3.8.4-5] [MQTT-3.9.3-1].
type Suback struct {
	ID    uint16
	Codes []byte
}

// DecodeSuback reads a SUBACK.
func DecodeSuback(f Frame) (Suback, error) {
	r := fields{b: f.Body}
	s := Suback{ID: r.id()}
	s.Codes = r.rest()
	if err := r.end(); err != nil {
		return Suback{}, err
	}
	for _, c := range s.Codes {
		if c > 2 && c != SubackFailure {
			return Suback{}, ErrReturnCode // [MQTT-3.9.3-2]
		}
	}
	return s, nil
}

// Append appends the packet to dst.
func (s *Suback) Append(dst []byte) []byte {
	dst = appendHeader(dst, SUBACK, 0, 2+len(s.Codes))
	dst = binary.BigEndian.AppendUint16(dst, s.ID)
	return append(dst, s.Codes...)
}

// Unsubscribe is an UNSUBSCRIBE packet (MQTT 3.1.1 §3.10).
type Unsubscribe struct {
	ID      uint16
	Filters [][]byte
}

// DecodeUnsubscribe reads an UNSUBSCRIBE.
func DecodeUnsubscribe(f Frame) (Unsubscribe, error) {
	r := fields{b: f.Body}
	u := Unsubscribe{ID: r.id()}
	for len(r.b) > 0 {
		topic := r.string() // [MQTT-3.10.3-1]
		if r.err != nil {
			break
		}
		if len(topic) == 0 {
			return Unsubscribe{}, ErrTopic // [MQTT-4.7.3-1]
		}
		u.Filters = append(u.Filters, topic)
	}
	if err := r.end(); err != nil {
		return Unsubscribe{}, err
	}
	if len(u.Filters) == 0 {
		return Unsubscribe{}, ErrNoFilter // [MQTT-3.10.3-2]
	}
	return u, nil
}

// Append appends the packet to dst. No filter may exceed [MaxString] bytes.
func (u *Unsubscribe) Append(dst []byte) []byte {
	length := 2
	for _, f := range u.Filters {
		length += 2 + len(f)
	}
	dst = appendHeader(dst, UNSUBSCRIBE, 0x02, length)
	dst = binary.BigEndian.AppendUint16(dst, u.ID)
	for _, f := range u.Filters {
		dst = appendString(dst, f)
	}
	return dst
}

// AppendUnsuback appends an UNSUBACK to dst.
func AppendUnsuback(dst []byte, id uint16) []byte {
	return append(dst, byte(UNSUBACK)<<4, 2, byte(id>>8), byte(id))
}
