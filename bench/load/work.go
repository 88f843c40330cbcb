package load

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
)

// Twins are requests of devices for their twins: answers name the slot as $rid.
type Twins struct {
	// Topic is what a request's topic begins with, up to and with "$rid=".
	Topic string
	// Payload appends the request's payload.
	Payload func(dst []byte, pick uint64) []byte
	// Status is what every answer must have.
	Status string
}

const answerTopic = "$iothub/twin/res/"

// Append implements [Work].
func (t *Twins) Append(dst []byte, slot int, pick uint64) []byte {
	var topic [64]byte
	var payload [512]byte
	p := packet.Publish{Topic: strconv.AppendInt(append(topic[:0], t.Topic...), int64(slot), 10)}
	if t.Payload != nil {
		p.Payload = t.Payload(payload[:0], pick)
	}
	return p.Append(dst)
}

// Slot implements [Work].
func (t *Twins) Slot(f packet.Frame) (int, error) {
	p, err := packet.DecodePublish(f)
	if err != nil {
		return 0, err
	}
	rest, ok := bytes.CutPrefix(p.Topic, []byte(answerTopic))
	if !ok {
		return 0, fmt.Errorf("a message came on %s", p.Topic)
	}
	status, query, _ := bytes.Cut(rest, []byte("/?$rid="))
	if string(status) != t.Status {
		return 0, fmt.Errorf("a request was answered with %s: %s", status, p.Payload)
	}
	rid, _, _ := bytes.Cut(query, []byte("&"))
	slot, err := strconv.Atoi(string(rid))
	if err != nil {
		return 0, fmt.Errorf("an answer came on %s", p.Topic)
	}
	return slot, nil
}

// Telemetry are QoS 1 messages; the slot is the packet identifier. Their plan
// must be sticky.
type Telemetry struct {
	// Topic returns the topic of the messages of a slot.
	Topic func(slot int) []byte
	// Payload appends a message's payload.
	Payload func(dst []byte, pick uint64) []byte
}

// Append implements [Work].
func (t *Telemetry) Append(dst []byte, slot int, pick uint64) []byte {
	var payload [512]byte
	p := packet.Publish{QoS: 1, ID: uint16(slot + 1), Topic: t.Topic(slot), Payload: t.Payload(payload[:0], pick)}
	return p.Append(dst)
}

// Slot implements [Work].
func (t *Telemetry) Slot(f packet.Frame) (int, error) {
	if f.Type != packet.PUBACK {
		return 0, fmt.Errorf("got %s instead of PUBACK", f.Type)
	}
	id, err := packet.DecodeID(f)
	return int(id) - 1, err
}
