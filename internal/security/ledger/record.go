package ledger

import (
	"encoding/json"
	"time"

	"github.com/tvilling/tvilling"
)

// Severity orders alerts and recommendations.
type Severity uint8

// The severities.
const (
	Informational Severity = iota
	Low
	Medium
	High
	Severities // how many there are
)

var severityNames = [Severities]string{"informational", "low", "medium", "high"}

// String returns the name in lower case.
func (s Severity) String() string {
	if s >= Severities {
		return ""
	}
	return severityNames[s]
}

// ParseSeverity returns the severity of a name as String gives it.
func ParseSeverity(name string) (Severity, bool) {
	for s, n := range severityNames {
		if n == name {
			return Severity(s), true
		}
	}
	return 0, false
}

// Status is where an alert stands.
type Status string

// The statuses of an alert; the first three are open.
const (
	New          Status = "new"
	Acknowledged Status = "acknowledged"
	InProgress   Status = "inProgress"
	Resolved     Status = "resolved"
	Dismissed    Status = "dismissed"
)

// Open reports whether somebody still has to do with the alert.
func (s Status) Open() bool { return s == New || s == Acknowledged || s == InProgress }

// Key says what alerts fold into one: the same type on the same device for
// the same cause.
type Key struct {
	Device tvilling.DeviceID
	Type   string
	// Cause is what the rule names besides, "" if nothing: a user, an address.
	Cause string
}

// Alert is something that happened.
type Alert struct {
	// ID is a GUID made of the key and the first evidence.
	ID string
	Key
	Title    string
	Severity Severity
	// Rule and RuleVersion say which detection raised it.
	Rule, RuleVersion string

	Status Status
	// Reason, Note and Owner are the operator's; Reason is set when resolved
	// or dismissed.
	Reason, Note, Owner string
	// DismissedUntil, if set, ends a dismissal: later evidence reopens.
	DismissedUntil time.Time

	// Count is how many observations it stands for, Reopened how often new
	// evidence brought it back.
	Count    int64
	Reopened int
	// First and Last are the times of the evidence, Created and Updated of the record.
	First, Last, Created, Updated time.Time
	// Version counts changes of the record; its etag is made of it.
	Version uint64

	// Evidence is the first and the newest of what was observed; see MaxEvidence.
	Evidence []Evidence
}

// MaxEvidence is how many observations stay with an alert: half of them the
// first ones, half the newest.
const MaxEvidence = 10

// Evidence is one observation that made or repeated an alert.
type Evidence struct {
	// Sequence is that of the security message, Event the id of the event in it.
	Sequence uint64    `json:"sequence"`
	Event    string    `json:"event,omitempty"`
	Name     string    `json:"name,omitempty"`
	Time     time.Time `json:"time"`
	Received time.Time `json:"received"`
	// RuleVersion is the version of the rule that matched.
	RuleVersion string  `json:"ruleVersion,omitempty"`
	Hits        int64   `json:"hits"`
	Matched     []Match `json:"matched,omitempty"`
	// Item is the payload item, as JSON; cut values end with "…".
	Item json.RawMessage `json:"item,omitempty"`
}

// Match is one value that a rule looked for and found.
type Match struct {
	// Selection is the part of the rule ("selection_img"), Pattern what it asks.
	Selection string `json:"selection,omitempty"`
	Field     string `json:"field"`
	Value     string `json:"value"`
	Pattern   string `json:"pattern,omitempty"`
}

// State of a recommendation.
type State string

// The states of a recommendation.
const (
	Active State = "active"
	Mended State = "resolved"
)

// Recommendation says that something is weak; one per device and type.
type Recommendation struct {
	Device   tvilling.DeviceID
	Type     string
	Severity Severity
	State    State
	// Details are facts of the finding as a JSON object, by type.
	Details json.RawMessage
	// Module and Patch are a change of desired properties that would mend it:
	// a JSON patch body for the twin of Module ({"properties":{"desired":…}}).
	Module tvilling.ModuleID
	Patch  json.RawMessage
	// Discovered is when it became active (the newest time), Resolved when it
	// last ceased to be, Updated when anything of it changed.
	Discovered, Resolved, Updated time.Time
	Version                       uint64
}

// Device is what the security plane remembers of one device.
type Device struct {
	ID tvilling.DeviceID
	// LastSeen is when its newest security message was received; zero if never.
	LastSeen     time.Time
	AgentID      string
	AgentVersion string
	// Alerts counts open alerts by severity, Recommendations active ones.
	Alerts          [Severities]int32
	Recommendations [Severities]int32
	// Sync is how desired and reported agent configuration compare: "inSync",
	// "differs", "notReported", "" if not known yet.
	Sync string
	// State is that of the posture last written to the twin: "healthy",
	// "atRisk", "unhealthy", "unknown"; "" if none was written yet.
	State string
	// Due is when a detection wants to look at the device again though nothing
	// happens; zero if never.
	Due time.Time
	// Memory is what stateful detections remember, by the id of the detection.
	Memory map[string][]byte
	// Posture says that the posture in the twin may be out of date.
	Posture bool
	// Gone says that the device is no longer registered.
	Gone bool
}

// Step is one line of an alert's history.
type Step struct {
	// Sequence orders all entries of the feed.
	Sequence uint64    `json:"sequence"`
	Alert    string    `json:"alert"`
	Time     time.Time `json:"time"`
	// Actor is who: "hub:detection", "policy:iothubowner".
	Actor string `json:"actor"`
	// Action is raised, reopened, acknowledged, started, resolved, dismissed,
	// assigned, noted.
	Action string `json:"action"`
	From   Status `json:"from,omitempty"`
	To     Status `json:"to,omitempty"`
	Reason string `json:"reason,omitempty"`
	Note   string `json:"note,omitempty"`
	Owner  string `json:"owner,omitempty"`
}

// Entry is one line of the feed: the order in which alerts and recommendations
// changed, followed by sinks and live pages.
type Entry struct {
	Sequence uint64
	Time     time.Time
	// Subject is "alert" or "recommendation", ID the alert's id or "type|device".
	Subject string
	ID      string
	Device  tvilling.DeviceID
	// Action is a Step's for alerts ("folded" beside: count and evidence grew),
	// "active", "updated" or "resolved" for recommendations.
	Action string
	Actor  string
	// Body is the record as it then was, as JSON ([EncodeAlert],
	// [EncodeRecommendation]); of an alert that was folded it has the newest
	// evidence only.
	Body json.RawMessage
}
