package mqtt

import (
	"context"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// subscribe handles a SUBSCRIBE. Its subscriptions are kept before SUBACK goes
// out; SUBACK has a code for every filter, in order [MQTT-3.8.4-5]. QoS 2 is
// granted as 1 (wire §1.3).
func (c *conn) subscribe(ctx context.Context, f packet.Frame) *ended {
	s, err := packet.DecodeSubscribe(f)
	if err != nil {
		return malformed(err)
	}
	if e := checkFilters(len(s.Filters)); e != nil {
		return e
	}
	var topics, atLeastOnce state.Topic
	ack := packet.Suback{ID: s.ID, Codes: make([]byte, len(s.Filters))}
	for i, filter := range s.Filters {
		topic, err := ParseFilter(c.id, string(filter.Topic))
		if err != nil {
			// A refusing return code would only be logged by clients, which then
			// wait in vain; an IoT Hub closes, too (wire §1.4).
			return &ended{EndFilter, err}
		}
		ack.Codes[i] = min(filter.QoS, 1)
		topics |= topic
		atLeastOnce &^= topic // the last of equal filters counts [MQTT-3.8.4-3]
		if filter.QoS > 0 {
			atLeastOnce |= topic
		}
	}
	c.letGo()
	if err := c.session.Subscribe(ctx, topics, atLeastOnce); err != nil {
		return &ended{EndUnavailable, err}
	}
	c.cork()
	c.enqueue(func(dst []byte) ([]byte, int) { return ack.Append(dst), 1 })
	return nil
}

// unsubscribe handles an UNSUBSCRIBE. A filter that is legal and was not
// subscribed to is acknowledged like any other [MQTT-3.10.4-5].
func (c *conn) unsubscribe(ctx context.Context, f packet.Frame) *ended {
	u, err := packet.DecodeUnsubscribe(f)
	if err != nil {
		return malformed(err)
	}
	if e := checkFilters(len(u.Filters)); e != nil {
		return e
	}
	var topics state.Topic
	for _, filter := range u.Filters {
		topic, err := ParseFilter(c.id, string(filter))
		if err != nil {
			return &ended{EndFilter, err}
		}
		topics |= topic
	}
	c.letGo()
	if err := c.session.Unsubscribe(ctx, topics); err != nil {
		return &ended{EndUnavailable, err}
	}
	c.cork()
	c.enqueue(func(dst []byte) ([]byte, int) { return packet.AppendUnsuback(dst, u.ID), 1 })
	return nil
}

// letGo gets everything that waits for the reader out before it waits itself.
func (c *conn) letGo() {
	c.submit()
	c.uncork()
}

func checkFilters(n int) *ended {
	if n > maxFilters {
		return &ended{EndFilter, tvilling.Errorf(tvilling.InvalidArgument,
			"A packet may name at most %d topic filters; this one names %d.", maxFilters, n)}
	}
	return nil
}
