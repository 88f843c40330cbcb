package schema

import (
	"strconv"
	"time"

	"github.com/tvilling/tvilling/internal/security/event"
)

// Append appends m as the JSON that an agent would send, which Decode reads
// back: sender, sequence, and when it was received are not part of it. Of an
// event without Items the Payload is written as it is. What has a default is
// written with it: category, type and emptiness by the kind and the items, the
// local time as UTC.
func Append(dst []byte, m *event.Message) []byte {
	dst = append(dst, `{"AgentVersion":`...)
	dst = appendString(dst, m.AgentVersion)
	dst = append(dst, `,"AgentId":`...)
	dst = appendString(dst, m.AgentID)
	dst = append(dst, `,"MessageSchemaVersion":"1.0","Events":[`...)
	for i := range m.Events {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendEvent(dst, &m.Events[i])
	}
	return append(dst, "]}"...)
}

// AppendEvent appends one element of a message's Events, as Append does.
func AppendEvent(dst []byte, e *event.Event) []byte {
	h := header{Event: e}
	at := e.Stated
	if at.IsZero() {
		at = e.Time
	}
	dst = append(dst, '{')
	if e.ID != "" {
		dst = append(dst, `"Id":`...)
		dst = appendString(dst, e.ID)
		dst = append(dst, ',')
	}
	if e.Local != "" {
		dst = append(dst, `"TimestampLocal":`...)
		dst = appendString(dst, e.Local)
		dst = append(dst, ',')
	} else if !at.IsZero() {
		dst = append(dst, `"TimestampLocal":`...)
		dst = appendTime(dst, at)
		dst = append(dst, ',')
	}
	if !at.IsZero() {
		dst = append(dst, `"TimestampUTC":`...)
		dst = appendTime(dst, at)
		dst = append(dst, ',')
	}
	dst = append(dst, `"Category":`...)
	dst = appendString(dst, string(categoryOf(&h)))
	dst = append(dst, `,"Name":`...)
	if e.Kind != event.Unknown {
		dst = appendString(dst, e.Kind.String())
	} else {
		dst = appendString(dst, e.Name)
	}
	dst = append(dst, `,"EventType":`...)
	dst = appendString(dst, string(typeOf(&h)))
	dst = append(dst, `,"IsEmpty":`...)
	dst = strconv.AppendBool(dst, len(e.Items) == 0 && len(e.Payload) <= len("[]"))
	dst = append(dst, `,"PayloadSchemaVersion":"1.0","Payload":`...)
	dst = appendPayload(dst, e)
	return append(dst, '}')
}

func appendPayload(dst []byte, e *event.Event) []byte {
	if len(e.Items) == 0 && len(e.Payload) > 0 {
		return append(dst, e.Payload...)
	}
	dst = append(dst, '[')
	for i, it := range e.Items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendItem(dst, it)
	}
	return append(dst, ']')
}

// appendTime appends a time in UTC as RFC 3339 has it, in quotes.
func appendTime(dst []byte, t time.Time) []byte {
	dst = append(dst, '"')
	dst = t.UTC().AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}

// AppendItem appends the JSON object of an item with the member names of the
// wire. Members that say nothing are left out, unless the published schema
// requires them.
func AppendItem(dst []byte, it event.Item) []byte {
	s := &shapes[it.Kind()]
	dst = append(dst, '{')
	first := true
	for _, f := range s.fields {
		if _, ok := it.Field(f); !ok && s.required&(1<<f) == 0 {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, '"')
		dst = append(dst, f.String()...)
		dst = append(dst, '"', ':')
		switch from := s.slot(it, f); {
		case from.text != nil:
			dst = appendString(dst, *from.text)
		case from.number != nil:
			dst = strconv.AppendInt(dst, *from.number, 10)
		default:
			dst = strconv.AppendBool(dst, *from.flag)
		}
	}
	if details := it.Details(); len(details) > 0 {
		if !first {
			dst = append(dst, ',')
		}
		dst = append(dst, `"ExtraDetails":{`...)
		for i, m := range details {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendString(dst, m.Name)
			dst = append(dst, ':')
			dst = appendString(dst, m.Value)
		}
		dst = append(dst, '}')
	}
	return append(dst, '}')
}
