package hubapi

import (
	"context"
	"strconv"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/hub/live"
)

// live is GET /tvilling/query/live?query=…&cursor=…: what a query finds, as
// server-sent events, and then what happens to that:
//
//	event: entered          data: {"deviceId":"d","moduleId":"m","row":{…}}
//	event: changed          data: {"deviceId":"d","row":{…}}
//	event: left             data: {"deviceId":"d"}
//	event: ready            data: {"members":7}
//	event: reset            data: {"reason":"…"}
//
// The id of an event is the cursor to go on from, as Last-Event-ID or cursor;
// the header counts when there are both, for browsers send it by themselves. It
// also comes alone when nothing happens for a while. The credential ends what it
// opened when it expires.
func (h *Handler) live(c *rest.Call) error {
	text := c.Query.Get("query")
	if text == "" {
		return rest.BadMember("query", "The query string needs the text of a query, as ?query=SELECT%20*%20FROM%20devices.")
	}
	cursor := c.R.Header.Get("Last-Event-ID")
	if cursor == "" {
		cursor = c.Query.Get("cursor")
	}
	l, err := h.Live.Open(c.Context(), text, cursor)
	if err != nil {
		return err
	}
	defer l.Close()
	return c.Events(func(ctx context.Context, emit func(rest.Event) error) error {
		ctx, cancel := context.WithDeadlineCause(ctx, c.Who.Expires, tvilling.Errorf(tvilling.Unauthorized, "The credential that opened the stream has expired; go on from the last id with a new one."))
		defer cancel()
		for e, err := range l.Events(ctx) {
			if err != nil {
				return err
			}
			if err := emit(liveEvent(e)); err != nil {
				return err
			}
		}
		return context.Cause(ctx)
	})
}

func liveEvent(e live.Event) rest.Event {
	out := rest.Event{Name: e.Kind.String(), ID: e.Cursor}
	switch e.Kind {
	case live.Entered, live.Changed, live.Left:
		out.Data = appendLive(nil, e)
	case live.Ready:
		out.Data = append(strconv.AppendInt([]byte(`{"members":`), int64(e.Members), 10), '}')
	case live.Reset:
		out.Data = append(rest.AppendString([]byte(`{"reason":`), e.Reason), '}')
		out.Forget = true
	case live.Idle:
		out.Name = ""
	}
	return out
}

// appendLive appends what an event tells of an identity.
func appendLive(dst []byte, e live.Event) []byte {
	dst = rest.AppendString(append(dst, `{"deviceId":`...), string(e.ID.Device))
	if e.ID.IsModule() {
		dst = rest.AppendString(append(dst, `,"moduleId":`...), string(e.ID.Module))
	}
	if e.Row != nil {
		dst = append(append(dst, `,"row":`...), e.Row...)
	}
	return append(dst, '}')
}
