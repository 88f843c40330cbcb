package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/tvilling/tvilling"
)

// silence is how long a live query may say nothing, not even that nothing
// happens, until its connection counts as lost.
const silence = time.Minute

// LiveEvent is one step of a live query.
type LiveEvent struct {
	// Kind is entered, changed, left, ready, reset, or idle when there is nothing
	// but a cursor, or nothing at all.
	Kind     string            `json:"event"`
	DeviceID tvilling.DeviceID `json:"deviceId,omitempty"`
	ModuleID tvilling.ModuleID `json:"moduleId,omitempty"`
	// Row is what the query shows of a twin that entered or changed.
	Row json.RawMessage `json:"row,omitempty"`
	// Members is how many rows there are, for ready.
	Members *int `json:"members,omitempty"`
	// Reason says why all rows are told anew, for reset.
	Reason string `json:"reason,omitempty"`
	// Cursor is where to go on from after this event; "" as long as the rows are
	// told for the first time, or anew, or if it is the same as before.
	Cursor string `json:"cursor,omitempty"`
}

// Live yields what a query finds, and then what happens to that, from a cursor
// on or, with "", from all rows on, until the context ends, or the connection
// or the live query does with the error that is the last that is yielded. It
// does not connect anew: whoever wants to go on does so from the last cursor.
func (c *Client) Live(ctx context.Context, text, cursor string) iter.Seq2[*LiveEvent, error] {
	return func(yield func(*LiveEvent, error) bool) {
		q := request{op: "follow query", subject: c.host, method: http.MethodGet, path: "/tvilling/query/live", query: url.Values{"query": {text}}}
		setIf(q.query, "cursor", cursor)
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		lost := time.AfterFunc(silence, func() {
			cancel(&tvilling.Error{Code: tvilling.Unavailable, Op: q.op, Subject: q.subject, Message: "The hub has said nothing for a minute."})
		})
		defer lost.Stop()
		answer, err := c.send(ctx, q)
		if err != nil {
			yield(nil, err)
			return
		}
		defer func() { _ = answer.Body.Close() }() // what was wanted has been read
		s := bufio.NewScanner(answer.Body)
		s.Buffer(make([]byte, 0, 64<<10), maxLine)
		var f frame
		for s.Scan() {
			lost.Reset(silence)
			if !f.line(s.Bytes()) {
				continue
			}
			e, err := f.event(q)
			f = frame{}
			if !yield(e, err) || err != nil {
				return
			}
		}
		err = s.Err()
		switch {
		case ctx.Err() != nil:
			err = context.Cause(ctx)
		case err == nil || errors.Is(err, io.EOF):
			err = &tvilling.Error{Code: tvilling.Unavailable, Op: q.op, Subject: q.subject, Message: "The hub has ended the stream; go on from the last cursor."}
		default:
			err = unreachable(q.op, q.subject, c.host, err)
		}
		yield(nil, err)
	}
}

// frame is one server-sent event while it is read.
type frame struct {
	name, id string
	data     []byte
}

// line reads a line, and reports whether it ends the event.
func (f *frame) line(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	field, value, _ := bytes.Cut(b, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(field) {
	case "event":
		f.name = string(value)
	case "id":
		f.id = string(value)
	case "data":
		f.data = append(f.data, value...)
	}
	return false
}

// event returns what a frame tells.
func (f *frame) event(q request) (*LiveEvent, error) {
	if f.name == "" {
		return &LiveEvent{Kind: "idle", Cursor: f.id}, nil
	}
	e, err := decodeLine[LiveEvent](f.data, q)
	if err != nil {
		return nil, err
	}
	e.Kind, e.Cursor = f.name, f.id
	return e, nil
}
