package live

import "github.com/tvilling/tvilling"

// Kind says what an [Event] tells.
type Kind uint8

// The kinds of events.
const (
	// Entered: a row is in the result now. It is also what a client gets that
	// may have it already; it then takes its place.
	Entered Kind = iota
	// Changed: a row shows something else than before.
	Changed
	// Left: the row of an identity is no longer in the result. A client that
	// goes on from a cursor may get it for a row that it does not have.
	Left
	// Ready: the events so far lead to the whole result as it was when this is
	// told.
	Ready
	// Reset: the client forgets its rows, since all are told anew.
	Reset
	// Idle: nothing happened for a while, or who may do what has changed.
	// Nothing follows of it but the cursor.
	Idle
)

// String returns the name that the wire has for a kind.
func (k Kind) String() string {
	switch k {
	case Entered:
		return "entered"
	case Changed:
		return "changed"
	case Left:
		return "left"
	case Ready:
		return "ready"
	case Reset:
		return "reset"
	case Idle:
	}
	return "idle"
}

// Event is one step of a live query.
type Event struct {
	Kind Kind
	// ID is whose row entered, changed or left.
	ID tvilling.Identity
	// Row is what the query shows of it, a JSON object; nil unless it entered or
	// changed.
	Row []byte
	// Members is how many rows there are, for Ready.
	Members int
	// Reason says why all is told anew, for Reset.
	Reason string
	// Cursor is where a client that had all events up to this one can go on;
	// "" while the rows are told for the first time, or anew: whoever is cut off
	// then begins again, with no rows.
	Cursor string
}
