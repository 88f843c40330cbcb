package detect

import (
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// Where a detection comes from.
const (
	Builtin  = "builtin"
	Operator = "operator"
)

// Info says what a detection is.
type Info struct {
	// ID names the detection: its file's name without extension.
	ID string
	// Type is the type of the alerts it raises ("IoT_CryptoMiner").
	Type               string
	Title, Description string
	Severity           ledger.Severity
	// Version changes whenever what it looks for changes.
	Version     string
	Remediation []string
	// Techniques are MITRE ATT&CK ids ("T1496"), Tactics the names of tactics.
	Techniques, Tactics []string
	References          []string
	FalsePositives      []string
	// Source is [Builtin] or [Operator].
	Source     string
	Parameters []Parameter
	// Text is the Sigma rule's text, "" for a detection written in Go.
	Text string
}

// Parameter is a threshold that operators may set.
type Parameter struct {
	Name, Description string
	// Unit is "count", "seconds" or "bytes".
	Unit              string
	Default, Min, Max int64
}

// Values gives the value in force of a parameter.
type Values func(name string) int64

// Finding is one observation that a detection takes for what it looks for.
type Finding struct {
	// Cause is what folds besides device and type: "" for nothing.
	Cause string
	// Hits is how many observations it stands for, at least 1.
	Hits int64
	Time time.Time
	// Event is what was seen; nil if it follows from time alone. Item is the
	// place of the item in it, -1 for none.
	Event   *event.Event
	Item    int
	Matched []ledger.Match
	// Least is the severity that the alert has at least, for a finding that is
	// graver than others of its detection; the zero value changes nothing.
	Least ledger.Severity
}

// Scope is a detection's view of one device, and its way to report. It is
// valid during one call.
type Scope interface {
	Device() tvilling.DeviceID
	// Message is the message under observation; nil in a Tick.
	Message() *event.Message
	// Received is when the hub received the message, or the time of the Tick.
	Received() time.Time
	// LastSeen is when the device's newest security message before this one
	// was received; zero if there was none.
	LastSeen() time.Time
	// Started is when the hub began to take messages: what it did not hear
	// before proves nothing.
	Started() time.Time
	// Memory is what the detection remembers of the device; nil for nothing.
	// It survives a restart. Remember replaces it; nil forgets.
	Memory() []byte
	Remember(b []byte)
	// Wake has Tick called when the time has come; zero for never. A detection
	// has one such time per device.
	Wake(at time.Time)
	Report(f Finding)
}

// Stateful is a detection with a memory. Its methods are called by one
// goroutine at a time.
type Stateful interface {
	Info() *Info
	// Kinds are the events that Observe wants to see.
	Kinds() []event.Kind
	Observe(s Scope, e *event.Event, p Values)
}

// Timed is a detection that acts though nothing happens.
type Timed interface {
	Stateful
	// Heard is called once for every security message of a device, whatever
	// it holds.
	Heard(s Scope, p Values)
	// Tick is called when a Wake has come due.
	Tick(s Scope, now time.Time, p Values)
}
