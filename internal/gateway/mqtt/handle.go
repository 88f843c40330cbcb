package mqtt

import (
	"context"
	"errors"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
)

// handleAll handles every whole packet that was read. Its answers wait until
// uncork.
func (c *conn) handleAll(ctx context.Context) *ended {
	handled := 0
	for {
		f, ok, err := c.in.next(maxPacket)
		if err != nil {
			return malformed(err)
		}
		if !ok {
			break
		}
		if handled == 0 {
			c.cork()
		}
		handled++
		if e := c.handle(ctx, f); e != nil {
			c.srv.stats.Received.Add(int64(handled))
			return e
		}
		if c.closed.Load() {
			return &ended{EndLost, nil} // the reason is set already
		}
	}
	if handled > 0 {
		c.srv.stats.Received.Add(int64(handled))
		c.heard = time.Now() // a packet counts, not a byte of one [MQTT-3.1.2-24]
		c.session.Touch()
	}
	return nil
}

// malformed is the end for a packet that breaks the standard [MQTT-4.8.0-1].
func malformed(err error) *ended {
	end := EndMalformed
	if errors.Is(err, packet.ErrTooLarge) {
		end = EndTooLarge
	}
	return &ended{end, &tvilling.Error{Code: tvilling.InvalidArgument, Op: "decode packet", Message: err.Error()}}
}

func (c *conn) handle(ctx context.Context, f packet.Frame) *ended {
	switch f.Type {
	case packet.PUBLISH:
		return c.publish(ctx, f)
	case packet.PUBACK:
		// Nothing is sent at QoS 1 yet, so this acknowledges nothing; an
		// acknowledgement that is not expected does no harm.
		if _, err := packet.DecodeID(f); err != nil {
			return malformed(err)
		}
		return nil
	case packet.SUBSCRIBE:
		return c.subscribe(ctx, f)
	case packet.UNSUBSCRIBE:
		return c.unsubscribe(ctx, f)
	case packet.PINGREQ:
		if err := packet.DecodeEmpty(f); err != nil {
			return malformed(err)
		}
		c.enqueue(func(dst []byte) ([]byte, int) { return packet.AppendPingresp(dst), 1 }) // [MQTT-3.12.4-1]
		return nil
	case packet.DISCONNECT:
		if err := packet.DecodeEmpty(f); err != nil {
			return malformed(err)
		}
		return &ended{end: EndDisconnect} // the will is discarded [MQTT-3.14.4-3]
	case packet.CONNECT:
		return protocolError("A second CONNECT was sent on one connection. [MQTT-3.1.0-2]")
	case packet.PUBREC, packet.PUBREL, packet.PUBCOMP:
		return protocolError("The packet %s belongs to QoS 2, which the hub does not offer.", f.Type)
	case packet.CONNACK, packet.SUBACK, packet.UNSUBACK, packet.PINGRESP:
	}
	return protocolError("The packet %s is sent by servers only.", f.Type)
}

func protocolError(format string, args ...any) *ended {
	return &ended{EndProtocol, tvilling.Errorf(tvilling.InvalidArgument, format, args...)}
}

// publish handles a PUBLISH, by its topic.
func (c *conn) publish(ctx context.Context, f packet.Frame) *ended {
	p, err := packet.DecodePublish(f)
	if err != nil {
		return malformed(err)
	}
	if p.QoS > 1 { // wire §1.3
		return protocolError("QoS 2 was used for a PUBLISH; the hub offers QoS 0 and 1.")
	}
	if len(p.Payload) > maxPayload {
		return &ended{EndTooLarge, tvilling.Errorf(tvilling.TooLarge,
			"A message may have at most %d bytes; this one has %d.", maxPayload, len(p.Payload))}
	}
	t, err := ParseTopic(c.id, string(p.Topic))
	if err != nil {
		return &ended{EndTopic, err}
	}
	switch t.Kind {
	case Telemetry:
		return c.telemetry(&p, t)
	case TwinGet:
		return c.twinGet(ctx, &p, t)
	case TwinReport:
		return c.twinReport(&p, t)
	case MethodResult:
		// No method can be waiting: the hub does not call any.
		c.srv.stats.MethodResults.Add(1)
		if r, ok := c.admit(&p, slotWeight); ok {
			c.settle(nil, r)
		}
		return nil
	}
	return protocolError("The topic %s is not served.", clip(string(p.Topic)))
}
