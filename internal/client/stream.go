package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tvilling/tvilling"
)

// maxLine is the longest line of a stream: an event of full size, each of its
// bytes escaped, and some room.
const maxLine = 4 << 20

// StreamOptions select what a stream yields.
type StreamOptions struct {
	// After is the sequence after which to begin; Latest begins with what is
	// new and sets After aside.
	After  uint64
	Latest bool
	// Device and Module, if set, narrow the stream to them.
	Device tvilling.DeviceID
	Module tvilling.ModuleID
	// Follow waits for more at the end, until the context ends.
	Follow bool
}

func (o StreamOptions) query() url.Values {
	q := url.Values{}
	switch {
	case o.Latest:
		q.Set("after", "latest")
	case o.After > 0:
		q.Set("after", strconv.FormatUint(o.After, 10))
	}
	setIf(q, "device", string(o.Device))
	setIf(q, "module", string(o.Module))
	if o.Follow {
		q.Set("follow", "true")
	}
	return q
}

// Change is one change of the hub.
type Change struct {
	Sequence        uint64            `json:"sequence"`
	Time            time.Time         `json:"time"`
	Op              string            `json:"op"`
	DeviceID        tvilling.DeviceID `json:"deviceId"`
	ModuleID        tvilling.ModuleID `json:"moduleId"`
	Actor           string            `json:"actor"`
	Cause           string            `json:"cause"`
	Version         int64             `json:"version"`
	DesiredVersion  int64             `json:"desiredVersion"`
	ReportedVersion int64             `json:"reportedVersion"`
	Body            json.RawMessage   `json:"body"`
	// Raw is the whole line.
	Raw json.RawMessage `json:"-"`
}

func (c *Change) keep(raw json.RawMessage) { c.Raw = raw }

// Message is one message that a device or module sent.
type Message struct {
	Sequence uint64            `json:"sequence"`
	Enqueued time.Time         `json:"enqueuedTime"`
	Kind     string            `json:"kind"`
	DeviceID tvilling.DeviceID `json:"deviceId"`
	ModuleID tvilling.ModuleID `json:"moduleId"`
	// The values of properties are strings, null, or, for a name given several
	// times, arrays of those.
	System     map[string]any `json:"systemProperties"`
	Properties map[string]any `json:"properties"`
	// Body is the body when it is JSON; otherwise it is in Data.
	Body json.RawMessage `json:"body"`
	Data []byte          `json:"bodyBase64"`
	// Raw is the whole line.
	Raw json.RawMessage `json:"-"`
}

func (m *Message) keep(raw json.RawMessage) { m.Raw = raw }

// The kinds of messages.
const (
	Telemetry = "telemetry"
	Security  = "security"
)

// Changes yields the journal of the hub. An error of code Corrupt is a change
// that is damaged in the store; further ones may follow. Any other ends it.
func (c *Client) Changes(ctx context.Context, o StreamOptions) iter.Seq2[*Change, error] {
	return lines[Change](ctx, c, request{op: "read changes", subject: c.host, method: http.MethodGet, path: "/tvilling/changes", query: o.query()})
}

// Messages yields what devices sent, of kind [Telemetry] or [Security]. Errors
// are as for [Client.Changes].
func (c *Client) Messages(ctx context.Context, kind string, o StreamOptions) iter.Seq2[*Message, error] {
	q := o.query()
	q.Set("kind", kind)
	return lines[Message](ctx, c, request{op: "read messages", subject: c.host, method: http.MethodGet, path: "/tvilling/messages", query: q})
}

// lines yields the lines of a stream, decoded.
func lines[T any, P interface {
	*T
	keep(raw json.RawMessage)
}](ctx context.Context, c *Client, q request) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		answer, err := c.send(ctx, q)
		if err != nil {
			yield(nil, err)
			return
		}
		defer func() { _ = answer.Body.Close() }() // what was wanted has been read
		s := bufio.NewScanner(answer.Body)
		s.Buffer(make([]byte, 0, 64<<10), maxLine)
		for s.Scan() {
			v, err := decodeLine[T](s.Bytes(), q)
			if err != nil && s.Err() != nil && !json.Valid(s.Bytes()) {
				break // the connection ended within this line
			}
			if err == nil {
				P(v).keep(append(json.RawMessage(nil), s.Bytes()...))
			}
			if !yield(v, err) {
				return
			}
		}
		if err := s.Err(); err != nil && !errors.Is(err, io.EOF) {
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			} else {
				err = unreachable(q.op, q.subject, c.host, err)
			}
			yield(nil, err)
		}
	}
}

func decodeLine[T any](line []byte, q request) (*T, error) {
	var fault struct {
		Error *struct {
			Code                tvilling.Code
			Message, TrackingID string
		}
	}
	v := new(T)
	err := json.Unmarshal(line, v)
	if err == nil {
		err = json.Unmarshal(line, &fault)
	}
	if err != nil {
		return nil, &tvilling.Error{Code: tvilling.Internal, Op: q.op, Subject: q.subject, Message: "A line of the stream is not what this client knows.", Err: err}
	}
	if f := fault.Error; f != nil {
		return nil, &tvilling.Error{Code: f.Code, Op: q.op, Subject: q.subject, Message: f.Message, Err: &Answer{Status: http.StatusOK, Tracking: f.TrackingID}}
	}
	return v, nil
}
