package event

import (
	"time"

	"github.com/tvilling/tvilling"
)

// Type says what an event is about (member EventType).
type Type string

// The types of event.
const (
	Security    Type = "Security"
	Operational Type = "Operational"
	Diagnostics Type = "Diagnostic"
)

// Category says why an event was made (member Category).
type Category string

// The categories. Agents send Aggregated though the published schema lacks it.
const (
	Periodic   Category = "Periodic"
	Triggered  Category = "Triggered"
	Aggregated Category = "Aggregated"
)

// Message is a security message that could be read, in part or whole.
type Message struct {
	// From sent it; events are about From.Device.
	From tvilling.Identity
	// Sequence is its place in the log of security messages, Received when the
	// hub took it.
	Sequence uint64
	Received time.Time
	// Hub says that the hub made it, of what it saw of the device.
	Hub          bool
	AgentID      string
	AgentVersion string
	Events       []Event
	// Rejects are the events that could not be read; the others count.
	Rejects []Reject
	// Size is the length of the body in bytes.
	Size int
}

// Reject is a message, or an event of one, that could not be read.
type Reject struct {
	// Index is the place of the event in its message, -1 for the whole message.
	Index int
	// Path is the place that is refused ("Events[3].Payload[0].LocalPort") and
	// Reason what is wrong there, with the limit if there is one.
	Path, Reason string
	// Raw is what was sent, cut to [MaxRejectBytes].
	Raw []byte
}

// MaxRejectBytes bounds what is kept of something that could not be read.
const MaxRejectBytes = 16 << 10

// Event is one observation in a security message.
type Event struct {
	// ID is unique per event, as the agent made it (a GUID by the schema). An
	// event sent again has the ID it had.
	ID string
	// Kind is the event's name, Unknown for one that this version does not
	// know; Name is the name as it was sent.
	Kind     Kind
	Name     string
	Type     Type
	Category Category
	// Time is when it happened: the device's UTC time where that is plausible,
	// else when the hub received it. Stated is what the device said (zero if
	// nothing readable), Local its local time as text.
	Time   time.Time
	Stated time.Time
	Local  string
	Empty  bool
	// Items are the payload, one each; none for an empty event and for an
	// Unknown one.
	Items []Item
	// Payload is the payload array as it was sent, compact JSON.
	Payload []byte
}

// Item is one element of a payload: one of the structs of this package.
type Item interface {
	// Kind returns the event kind that the item belongs to.
	Kind() Kind
	// Field returns the value of a field; false if the item has no such field
	// or it was not sent.
	Field(f Field) (Value, bool)
	// Details returns the item's ExtraDetails.
	Details() Details
}

// Value is the value of a field: text, or a number with its text.
type Value struct {
	Text     string
	Number   int64
	IsNumber bool
}

// Detail is one member of ExtraDetails; values that were sent as numbers or
// booleans have become text.
type Detail struct{ Name, Value string }

// Details are the ExtraDetails of an item.
type Details []Detail

// Get returns the value of a member, by its exact name.
func (d Details) Get(name string) (string, bool) {
	for _, m := range d {
		if m.Name == name {
			return m.Value, true
		}
	}
	return "", false
}
