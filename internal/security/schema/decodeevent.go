package schema

import (
	"strconv"
	"time"

	"github.com/tvilling/tvilling/internal/security/event"
)

// header is what an event says before and after its payload.
type header struct {
	*event.Event
	seen uint
	// utc is TimestampUTC as it was sent.
	utc string
	// empty says that IsEmpty is true.
	empty bool
	// decoded says that the items have been read. Else payload is where the
	// payload begins, 0 if there is none, and depth and blanks belong to it.
	decoded bool
	payload int
}

// The members of an event, as bits.
const (
	seenID = 1 << iota
	seenLocal
	seenUTC
	seenCategory
	seenName
	seenType
	seenEmpty
	seenPayload
)

// event reads the event at place n: it goes to the events of the message or to
// its rejects.
func (d *decoder) event(n int) {
	d.place = place{event: n, item: -1}
	d.refused = refusal{}
	d.peek()
	start := d.i
	if d.peek() != '{' {
		d.skip()
		d.refuse("An event must be an object.")
	} else {
		last := len(d.out.Events)
		d.out.Events = append(d.out.Events, event.Event{})
		h := header{Event: &d.out.Events[last]}
		d.header(&h)
		d.complete(&h, start)
		if d.fault == "" && d.refused.reason == "" {
			return
		}
		d.out.Events[last] = event.Event{}
		d.out.Events = d.out.Events[:last]
	}
	if d.fault != "" {
		return
	}
	raw := d.body[start:d.i]
	d.out.Rejects = append(d.out.Rejects, event.Reject{
		Index: n, Path: d.refused.path, Reason: d.refused.reason,
		Raw: append([]byte(nil), raw[:min(len(raw), event.MaxRejectBytes)]...),
	})
}

// header reads the members of an event.
func (d *decoder) header(h *header) {
	d.open()
	for first := true; d.next('}', &first); {
		d.place.member = d.name()
		bit := memberBit(d.place.member)
		if bit != 0 && h.seen&bit != 0 {
			d.refuse("The member appears twice.")
			bit = 0
		}
		h.seen |= bit
		switch bit {
		case seenID:
			h.ID = d.headText()
		case seenLocal:
			h.Local = d.headText()
		case seenUTC:
			h.utc = d.headText()
		case seenCategory:
			h.Category = event.Category(d.headText())
		case seenName:
			d.eventName(h)
		case seenType:
			h.Type = event.Type(d.headText())
		case seenEmpty:
			s, _ := d.scalarText()
			h.empty = s == "true" || s == "True"
		case seenPayload:
			d.payloadMember(h)
		default:
			d.skip()
		}
		d.place = place{event: d.place.event, item: -1}
	}
}

func memberBit(name string) uint {
	switch name {
	case "Id":
		return seenID
	case "TimestampLocal":
		return seenLocal
	case "TimestampUTC":
		return seenUTC
	case "Category":
		return seenCategory
	case "Name":
		return seenName
	case "EventType":
		return seenType
	case "IsEmpty":
		return seenEmpty
	case "Payload":
		return seenPayload
	default:
		return 0
	}
}

// headText reads a member of an event that is text. One that is not counts as
// not sent: there is a default for each.
func (d *decoder) headText() string {
	s, _ := d.scalarText()
	if len(s) > MaxName {
		d.refuse("It has " + strconv.Itoa(len(s)) + " bytes; at most " + strconv.Itoa(MaxName) + " are allowed.")
		return ""
	}
	return s
}

func (d *decoder) eventName(h *header) {
	if d.peek() != '"' {
		d.skip()
		d.refuse("The name of an event must be text.")
		return
	}
	h.Name = d.headText()
	h.Kind = event.KindOf(h.Name)
	if h.Kind == event.HubAuthenticationKind && !d.out.Hub {
		// Only the hub can tell of what it refused.
		h.Kind = event.Unknown
	}
	if h.Kind != event.Unknown {
		h.Name = h.Kind.String()
	}
}

// payloadMember reads the payload at once if the name came before it, as it
// does from most agents; else it notes where it is.
func (d *decoder) payloadMember(h *header) {
	switch d.peek() {
	case '[':
	case 'n':
		d.skip()
		h.seen &^= seenPayload
		return
	default:
		d.skip()
		d.refuse("The payload must be an array.")
		return
	}
	h.payload = d.i
	if h.seen&seenName == 0 {
		d.skip()
		return
	}
	d.decodePayload(h)
}

// decodePayload reads the payload that begins at the next byte.
func (d *decoder) decodePayload(h *header) {
	h.decoded = true
	start, blanks := d.i, d.blanks
	switch {
	case d.refused.reason != "":
		d.skip()
		return
	case h.Kind == event.Unknown || h.Kind == event.HeartbeatKind:
		d.skip()
	default:
		h.Items = d.array(h.Kind)
	}
	if d.fault != "" || d.refused.reason != "" {
		return
	}
	if d.payload == nil {
		d.payload = make([]byte, 0, len(d.body))
	}
	from := len(d.payload)
	if d.blanks == blanks {
		d.payload = append(d.payload, d.body[start:d.i]...)
	} else {
		d.payload = compact(d.payload, d.text[start:d.i])
	}
	h.Payload = d.payload[from:len(d.payload):len(d.payload)]
}

// complete makes an event of its members: what was not sent gets its default.
func (d *decoder) complete(h *header, start int) {
	if d.fault != "" || d.refused.reason != "" {
		return
	}
	d.place.member = "Name"
	if h.Name == "" {
		d.refuse("The name of the event is missing.")
		return
	}
	d.place.member = "Payload"
	switch {
	case h.decoded:
	case h.payload > 0:
		// The payload came before the name: go back for it.
		end, depth, blanks := d.i, d.depth, d.blanks
		d.i, d.depth = h.payload, d.depth+1
		d.decodePayload(h)
		d.i, d.depth, d.blanks = end, depth, blanks
	default:
		// That a snapshot is empty means that nothing is there. It must be said.
		if h.Kind.Snapshot() && !h.empty {
			d.refuse("The payload is missing, and IsEmpty does not say that there is none.")
			return
		}
		h.Payload = []byte("[]")
	}
	if d.fault != "" || d.refused.reason != "" {
		return
	}
	h.Empty = len(h.Payload) == len("[]")
	h.Category, h.Type = categoryOf(h), typeOf(h)
	if !validID(h.ID) {
		h.ID = d.deriveID(d.text[start:d.i])
	}
	h.Stated = stated(h)
	h.Time = when(h.Stated, d.out.Received)
}

// stated returns the time of an event as the device told it. Its local time
// helps only where it has an offset: the C agent writes Z behind times that
// are not UTC (asc §3.3).
func stated(h *header) time.Time {
	if t, _, ok := parseTime(h.utc); ok {
		return t
	}
	if t, offset, ok := parseTime(h.Local); ok && offset {
		return t
	}
	return time.Time{}
}

func categoryOf(h *header) event.Category {
	if h.Category != "" {
		return event.Category(fold(string(h.Category), categories))
	}
	switch {
	case h.Kind.Snapshot(), h.Kind == event.HeartbeatKind:
		return event.Periodic
	case h.Kind == event.Unknown:
		return ""
	default:
		return event.Triggered
	}
}

func typeOf(h *header) event.Type {
	if h.Type != "" {
		return event.Type(fold(string(h.Type), types))
	}
	switch h.Kind {
	case event.Unknown:
		return ""
	case event.ConfigurationErrorKind, event.DroppedEventsStatisticsKind, event.MessageStatisticsKind:
		return event.Operational
	case event.DiagnosticKind:
		return event.Diagnostics
	default:
		return event.Security
	}
}
