package hubapi

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"unicode/utf8"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/hub/message"
)

const telemetryKind = message.Telemetry

// messageKind reads the query string's kind; missing is telemetry.
func messageKind(c *rest.Call) (message.Kind, error) {
	switch c.Query.Get("kind") {
	case "", message.Telemetry.String():
		return message.Telemetry, nil
	case message.Security.String():
		return message.Security, nil
	default:
		return 0, &tvilling.Error{Code: tvilling.InvalidArgument, Op: "read query string", Path: "kind", Message: `The kind is "telemetry" or "security".`}
	}
}

// messages is GET /tvilling/messages?kind=&after=N&device=&module=&follow=true:
// what devices sent, one message a line:
//
//	{"sequence":3,"enqueuedTime":"…","kind":"telemetry","deviceId":"d","moduleId":"m",
//	 "systemProperties":{"message-id":"1"},"properties":{"a":"b"},"body":{…}}
//
// A body that is JSON stands there as it is, any other as "bodyBase64". A
// property given without "=" is null, one given several times an array of its
// values. A message that is damaged in the store is a line {"error":{…}}.
func (h *Handler) messages(c *rest.Call) error {
	kind, err := messageKind(c)
	if err != nil {
		return err
	}
	after, err := c.After(func() uint64 { return h.Messages.Head(kind) })
	if err != nil {
		return err
	}
	follow, err := c.Flag("follow")
	if err != nil {
		return err
	}
	only := filterOf(c)
	return c.Stream(func(ctx context.Context, emit func([]byte) error) error {
		for m, err := range h.Messages.Read(ctx, kind, after, follow) {
			line, err := messageLine(m, err, kind, only)
			if err != nil {
				return err
			}
			if line == nil {
				continue
			}
			if err := emit(line); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
}

func messageLine(m *tvilling.Message, err error, kind message.Kind, only filter) ([]byte, error) {
	if err != nil {
		return rest.Damaged(err)
	}
	if !only.takes(m.From) {
		return nil, nil
	}
	return append(appendMessage(make([]byte, 0, 256+len(m.Body)), m, kind), '\n'), nil
}

func appendMessage(dst []byte, m *tvilling.Message, kind message.Kind) []byte {
	dst = append(dst, `{"sequence":`...)
	dst = strconv.AppendUint(dst, m.Sequence, 10)
	dst = append(dst, `,"enqueuedTime":`...)
	dst = rest.AppendTime(dst, m.Enqueued)
	dst = append(dst, `,"kind":`...)
	dst = rest.AppendString(dst, kind.String())
	dst = append(dst, `,"deviceId":`...)
	dst = rest.AppendString(dst, string(m.From.Device))
	if m.From.IsModule() {
		dst = append(dst, `,"moduleId":`...)
		dst = rest.AppendString(dst, string(m.From.Module))
	}
	dst = append(dst, `,"systemProperties":`...)
	dst = appendProperties(dst, m.System)
	dst = append(dst, `,"properties":`...)
	dst = appendProperties(dst, m.Properties)
	dst = appendMessageBody(dst, m.Body)
	return append(dst, '}')
}

// appendMessageBody appends the body as JSON on one line, if it is JSON.
func appendMessageBody(dst, body []byte) []byte {
	if utf8.Valid(body) && json.Valid(body) {
		var line bytes.Buffer
		if err := json.Compact(&line, body); err == nil {
			dst = append(dst, `,"body":`...)
			return append(dst, line.Bytes()...)
		}
	}
	dst = append(dst, `,"bodyBase64":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, body)
	return append(dst, '"')
}

func appendProperties(dst []byte, list []tvilling.Property) []byte {
	dst = append(dst, '{')
	first := true
	for i, p := range list {
		if named(list[:i], p.Name) {
			continue // stands in the array of the first
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(rest.AppendString(dst, p.Name), ':')
		if !named(list[i+1:], p.Name) {
			dst = appendValue(dst, p)
			continue
		}
		dst = append(dst, '[')
		for j, q := range list[i:] {
			if q.Name != p.Name {
				continue
			}
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = appendValue(dst, q)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

func named(list []tvilling.Property, name string) bool {
	for _, p := range list {
		if p.Name == name {
			return true
		}
	}
	return false
}

func appendValue(dst []byte, p tvilling.Property) []byte {
	if p.Null {
		return append(dst, "null"...)
	}
	return rest.AppendString(dst, p.Value)
}
