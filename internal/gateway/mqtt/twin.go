package mqtt

import (
	"bytes"
	"context"
	"log/slog"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// twinGet answers with the twin. The payload of the request means nothing:
// some clients send a space, others nothing.
func (c *conn) twinGet(ctx context.Context, p *packet.Publish, t Topic) *ended {
	r, ok := c.admit(p, documentWeight)
	if !ok {
		return nil
	}
	c.srv.stats.TwinGets.Add(1)
	if c.pending.Load() > 0 {
		// The client reported before it asked, so the answer shows the report.
		c.pending.Add(1)
		c.srv.opt.Twins.DeviceInOrder(c.id, func(body []byte, err error) {
			c.answer("get twin", t.RequestID, 200, 0, body, err, r)
			c.pending.Add(-1)
		})
		return nil
	}
	// Reading and enqueueing happen at the sequence point: a patch of a later
	// version than the answer's comes after it, never before (wire §2.6).
	c.session.Sequence(func() {
		body, err := c.srv.opt.Twins.Device(ctx, c.id)
		c.answer("get twin", t.RequestID, 200, 0, body, err, r)
	})
	return nil
}

// twinReport merges a patch into the reported properties and answers once that
// is durable, as does the PUBACK.
func (c *conn) twinReport(p *packet.Publish, t Topic) *ended {
	r, ok := c.admit(p, slotWeight+len(p.Topic)+len(p.Payload))
	if !ok {
		return nil
	}
	c.srv.stats.TwinReports.Add(1)
	if t.BadVersion {
		c.answer("patch reported", t.RequestID, 0, 0, nil,
			tvilling.Errorf(tvilling.InvalidArgument, "The $version in the topic must be a whole number, 0 or more."), r)
		return nil
	}
	c.pending.Add(1)
	c.srv.opt.Twins.Report(c.id, c.actor, bytes.Clone(p.Payload), t.Version, func(version int64, err error) {
		c.answer("patch reported", t.RequestID, 204, version, nil, err, r)
		c.pending.Add(-1)
	})
	return nil
}

// answer sends the answer to a twin request and settles it. A client that does
// not subscribe to answers gets none, as from an IoT Hub; that is counted.
// Answers have QoS 0, which a server may always choose.
func (c *conn) answer(op, rid string, code int, version int64, body []byte, err error, r receipt) {
	if err != nil {
		code, body = c.refused(op, rid, err)
		version = 0
	}
	if topics, _ := c.session.Topics(); topics&state.TwinResponses == 0 {
		c.srv.stats.Unanswered.Add(1)
		c.settle(nil, r)
		return
	}
	var topic [128]byte
	c.settle(&packet.Publish{Topic: appendResponseTopic(topic[:0], code, rid, version), Payload: body}, r)
}

// refused counts and logs the refusal of a twin request, and returns its
// status and body. The log line holds the tracking id of the body.
func (c *conn) refused(op, rid string, err error) (code int, body []byte) {
	code, body, tracking := failureBody(err, time.Now())
	c.srv.stats.TwinRefused.Add(1)
	level := slog.LevelInfo
	if code >= 500 {
		level = slog.LevelError
	}
	c.srv.log.LogAttrs(context.Background(), level, "twin request refused",
		slog.String("identity", c.id.String()), slog.String("op", op), slog.String("rid", clip(rid)),
		slog.Int("status", code), slog.String("tracking_id", tracking), slog.Any("error", err))
	return code, body
}
