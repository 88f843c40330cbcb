package schema

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
)

// Source is the system property, and SourceHub its value, by which the hub
// marks the messages that it made itself. No gateway lets a client set it.
const (
	Source    = "tvilling-source"
	SourceHub = "hub"
)

const op = "decode security message"

// Decode reads a security message. Events that cannot be read are in Rejects;
// an error, a [*tvilling.Error] of code InvalidArgument or TooLarge, says that
// nothing of the message can be used: it is too large, not JSON, without
// events, over a limit of the whole message, or each of its events is refused.
//
// The message counts as received when the hub took it, now if m does not say
// when, so that a message that is read again is read the same. The result does
// not refer to m.Body; its texts share one copy of it, so whoever keeps one
// text of a message for long should clone it.
func Decode(m *tvilling.Message, now time.Time) (*event.Message, error) {
	if len(m.Body) > MaxBody {
		return nil, &tvilling.Error{Code: tvilling.TooLarge, Op: op, Subject: m.From.String(), Message: "A security message may have at most " +
			strconv.Itoa(MaxBody) + " bytes; this one has " + strconv.Itoa(len(m.Body)) + "."}
	}
	out := &event.Message{From: m.From, Sequence: m.Sequence, Received: m.Enqueued, Size: len(m.Body)}
	if out.Received.IsZero() {
		out.Received = now
	}
	for _, p := range m.System {
		out.Hub = out.Hub || p.Name == Source && p.Value == SourceHub
	}
	d := newDecoder(m.Body, nowhere)
	d.out = out
	d.message()
	d.finish()
	if d.fault != "" {
		return nil, &tvilling.Error{Code: tvilling.InvalidArgument, Op: op, Subject: m.From.String(), Path: d.faultPath, Message: d.fault}
	}
	return out, nil
}

// decoder reads one message, or the payload of one event.
type decoder struct {
	scanner
	out *event.Message
	// refused is the reason to refuse the event that is being read.
	refused refusal

	derived map[[16]byte]uint32
	items   []event.Item
	count   int // items so far
	details []event.Detail
	payload []byte
	slabs   slabs
}

// place is a place in a message; -1 for no event or item.
type place struct {
	event, item    int
	member, detail string
}

var nowhere = place{event: -1, item: -1}

// refusal says what of an event is refused, and why.
type refusal struct{ path, reason string }

// newDecoder returns a decoder of body, which it is in at the given place.
func newDecoder(body []byte, at place) *decoder {
	d := &decoder{scanner: scanner{place: at}, slabs: slabs{first: 4}}
	if !utf8.Valid(body) {
		i := 0
		for i < len(body) {
			r, n := utf8.DecodeRune(body[i:])
			if r == utf8.RuneError && n == 1 {
				break
			}
			i += n
		}
		d.fail("The message is not UTF-8 (at byte %d).", i)
		return d
	}
	d.body, d.text = body, string(body)
	return d
}

// refuse notes the first reason why the event that is being read is of no use.
func (d *decoder) refuse(reason string) {
	if d.refused.reason == "" {
		d.refused = refusal{path: d.place.String(), reason: reason}
	}
}

// String returns the path of the place: "Events[3].Payload[0].LocalPort".
func (p place) String() string {
	var b strings.Builder
	if p.event >= 0 {
		b.WriteString("Events[" + strconv.Itoa(p.event) + "]")
	}
	if p.item >= 0 {
		b.WriteString(".Payload[" + strconv.Itoa(p.item) + "]")
	}
	if p.member != "" {
		b.WriteString("." + cut(p.member))
	}
	if p.detail != "" {
		b.WriteString("." + cut(p.detail))
	}
	return strings.TrimPrefix(b.String(), ".")
}

// The members of the envelope, as bits.
const (
	seenAgentVersion = 1 << iota
	seenAgentID
	seenVersion
	seenEvents
)

// bom is what some editors and programs put before a text.
const bom = "\ufeff"

func (d *decoder) message() {
	if strings.HasPrefix(d.text, bom) {
		d.i = len(bom)
	}
	switch c := d.peek(); {
	case d.fault != "":
		return
	case c == 0:
		d.fail("The message is empty; a security message is a JSON object with the member Events.")
		return
	case c != '{':
		d.fail("A security message must be a JSON object with the member Events.")
		return
	}
	d.open()
	seen := 0
	for first := true; d.next('}', &first); {
		d.place.member = d.name()
		bit := 0
		switch d.place.member {
		case "AgentVersion":
			bit = seenAgentVersion
			d.out.AgentVersion = d.short()
		case "AgentId":
			bit = seenAgentID
			d.out.AgentID = d.short()
		case "MessageSchemaVersion":
			bit = seenVersion
			d.version()
		case "Events":
			bit = seenEvents
			if seen&bit == 0 {
				d.events()
			}
		default:
			d.skip()
		}
		if seen&bit != 0 {
			d.fail("The member appears twice.")
		}
		seen |= bit
		d.place = nowhere
	}
	if d.peek() != 0 {
		d.malformed("there is something after its end")
	}
	if d.fault == "" && seen&seenEvents == 0 {
		d.fail("The member Events is missing; it must be an array with at least one event.")
	}
}

// finish makes a fault of the whole message of it that no event is of use.
func (d *decoder) finish() {
	if d.fault != "" {
		return
	}
	if n := len(d.out.Rejects); len(d.out.Events) == 0 && n > 0 {
		first := d.out.Rejects[0]
		d.faultPath = first.Path
		d.fault = first.Reason
		if n > 1 {
			d.fault = "None of the " + strconv.Itoa(n) + " events can be used; the first because: " + first.Reason
		}
	}
}

// short reads a text of at most MaxName bytes; "" if it is anything else than
// text or a number.
func (d *decoder) short() string {
	s, _ := d.scalarText()
	if len(s) > MaxName {
		d.fail("It has %d bytes; at most %d are allowed.", len(s), MaxName)
		return ""
	}
	return s
}

// version reads the version of the schema. Whatever 1.x may have more is
// ignored; 2.0 could mean something else.
func (d *decoder) version() {
	v := d.short()
	if v != "" && v != "1" && !strings.HasPrefix(v, "1.") {
		d.fail("The version of the schema is %q; this hub reads 1.0.", v)
	}
}

// scalarText reads a text; a number or a boolean becomes text. Of anything
// else it is "", and ok reports whether that is null.
func (d *decoder) scalarText() (s string, ok bool) {
	switch c := d.peek(); c {
	case '"':
		return d.str(), true
	case '{', '[':
		d.skip()
		return "", false
	case 'n':
		d.scalar(c)
		return "", true
	default:
		return d.scalar(c), true
	}
}

func (d *decoder) events() {
	if d.peek() != '[' {
		d.fail("It must be an array of events.")
		return
	}
	// An event of an agent has 350 bytes and more.
	d.out.Events = make([]event.Event, 0, min(len(d.text)/350+1, 256))
	d.open()
	n := 0
	for first := true; d.next(']', &first); n++ {
		if n == MaxEvents {
			d.fail("A message may have at most %d events.", MaxEvents)
			return
		}
		d.event(n)
		d.place = place{event: -1, item: -1, member: "Events"}
	}
	if n == 0 {
		d.fail("There must be at least one event.")
	}
}
