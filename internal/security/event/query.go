package event

import (
	"time"

	"github.com/tvilling/tvilling"
)

// Position is the place of an event among all: that of its message in the log
// of security messages, and its place in the message.
type Position struct {
	Sequence uint64
	Index    int
}

// Compare orders positions.
func (p Position) Compare(o Position) int {
	switch {
	case p.Sequence < o.Sequence, p.Sequence == o.Sequence && p.Index < o.Index:
		return -1
	case p == o:
		return 0
	default:
		return 1
	}
}

// Query selects stored events; zero members select all.
type Query struct {
	Device tvilling.DeviceID
	Names  []string
	Type   Type
	// From and To bound Event.Time: From inclusive, To exclusive.
	From, To time.Time
	// After is the last position already seen. With Descending the newest
	// comes first and After is the oldest seen.
	After      Position
	Descending bool
}

// Record is a stored event. Its Event has the Payload as sent and no Items.
type Record struct {
	From     tvilling.Identity
	Position Position
	Received time.Time
	Hub      bool
	AgentID  string
	// AgentVersion is that of the message.
	AgentVersion string
	Event        Event
}

// DeadLetter is something that could not be read.
type DeadLetter struct {
	From     tvilling.Identity
	Sequence uint64
	Received time.Time
	Reject
	// Size is the length of the whole message.
	Size int
}
