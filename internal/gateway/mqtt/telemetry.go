package mqtt

import (
	"bytes"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
)

// batch holds the messages of one read, which go to the hub together.
type batch struct {
	msgs     []*tvilling.Message
	receipts []receipt
}

// telemetry adds a message to the batch. What it keeps is copied out of the
// read buffer.
func (c *conn) telemetry(p *packet.Publish, t Topic) *ended {
	m, err := newMessage(c.id, t.Bag, p.Payload, p.Retain)
	if err != nil {
		return &ended{EndTopic, err}
	}
	r, ok := c.admit(p, slotWeight+len(p.Topic)+len(p.Payload))
	if !ok {
		return nil
	}
	c.batch.msgs = append(c.batch.msgs, m)
	c.batch.receipts = append(c.batch.receipts, r)
	return nil
}

// newMessage makes the message of a PUBLISH or a will.
func newMessage(from tvilling.Identity, bag string, payload []byte, retain bool) (*tvilling.Message, error) {
	m := &tvilling.Message{From: from, Body: bytes.Clone(payload)}
	if err := ParseBag(bag, m); err != nil {
		return nil, err
	}
	if retain { // nothing is retained, but the wish is passed on (wire §1.3)
		m.Properties = append(m.Properties, tvilling.Property{Name: "mqtt-retain", Value: "true"})
	}
	return m, nil
}

// submit hands the batch to the hub. PUBACKs go out when it is durable; if it
// cannot be made so the connection ends without any, and the client sends
// everything again.
func (c *conn) submit() {
	b := c.batch
	if len(b.msgs) == 0 {
		return
	}
	c.batch = batch{}
	c.srv.stats.Messages.Add(int64(len(b.msgs)))
	c.srv.opt.Messages.Append(b.msgs, func(err error) {
		if err != nil {
			c.shut(&ended{EndUnavailable, err})
			return
		}
		c.settle(nil, b.receipts...)
	})
}

// newWill makes the message that stands for the end of the connection.
func newWill(id tvilling.Identity, w *packet.Will) (*tvilling.Message, error) {
	if w.QoS > 1 {
		return nil, tvilling.Errorf(tvilling.InvalidArgument, "The will has QoS 2; the hub offers QoS 0 and 1.")
	}
	t, err := ParseTopic(id, string(w.Topic))
	if err != nil {
		return nil, err
	}
	if t.Kind != Telemetry {
		return nil, topicError(string(w.Topic), "a will may go to messages/events/ only")
	}
	m, err := newMessage(id, t.Bag, w.Payload, w.Retain)
	if err != nil {
		return nil, err
	}
	m.Properties = append(m.Properties, tvilling.Property{Name: "iothub-MessageType", Value: "Will"})
	return m, nil
}

// sendWill sends the will [MQTT-3.1.2-8].
func (c *conn) sendWill() {
	stats, log, id := &c.srv.stats, c.srv.log, c.id
	c.srv.opt.Messages.Append([]*tvilling.Message{c.will}, func(err error) {
		if err != nil {
			stats.LostWills.Add(1)
			log.Warn("will not stored", "identity", id.String(), "error", err)
			return
		}
		stats.Wills.Add(1)
	})
}
