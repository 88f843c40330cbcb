package rest

import "context"

const (
	eventsType = "text/event-stream; charset=utf-8"
	// eventsAhead bounds the events that wait for a client. Each may hold a whole
	// twin, and there are many clients that stay.
	eventsAhead = 8
)

// Event is one server-sent event, as browsers read them.
type Event struct {
	// Name is the type of the event; an event without one is not handed to the
	// client's program, but its ID is kept.
	Name string
	// ID is what the client sends as Last-Event-ID when it connects anew, "" to
	// leave that as it is.
	ID string
	// Forget makes the client send none.
	Forget bool
	// Data is one line, such as JSON.
	Data []byte
}

// Events answers with server-sent events. An error of the producer becomes the
// last of them, of type "fault", with the data {"error":{"code":…,"message":…}}.
func (c *Call) Events(produce func(ctx context.Context, emit func(Event) error) error) error {
	c.W.Header().Set("X-Accel-Buffering", "no") // proxies that gather answers must not
	return c.stream(eventsType, eventsAhead, func(ctx context.Context, emit func([]byte) error) error {
		return produce(ctx, func(e Event) error { return emit(appendEvent(nil, e)) })
	}, appendEventFault)
}

// appendEvent appends an event with the empty line that ends it.
func appendEvent(dst []byte, e Event) []byte {
	if e.Name == "" && e.ID == "" {
		dst = append(dst, ":\n"...) // a comment: the connection lives
	}
	if e.Name != "" {
		dst = append(append(append(dst, "event: "...), e.Name...), '\n')
	}
	if e.ID != "" {
		dst = append(append(append(dst, "id: "...), e.ID...), '\n')
	} else if e.Forget {
		dst = append(dst, "id\n"...)
	}
	if e.Name != "" {
		dst = append(append(append(dst, "data: "...), e.Data...), '\n')
	}
	return append(dst, '\n')
}

func appendEventFault(dst []byte, f fault, tracking string) []byte {
	line := appendStreamFault(nil, f, tracking)
	return appendEvent(dst, Event{Name: "fault", Data: line[:len(line)-1]})
}
