package ledger

import (
	"context"
	"iter"
	"time"

	"github.com/tvilling/tvilling"
)

// Batch is what one transaction changes, whole or not at all.
type Batch struct {
	Alerts          []*Alert
	Recommendations []*Recommendation
	Devices         []*Device
	// Forget removes the record and the recommendations of devices that were
	// deleted, before anything else of the batch is put; alerts and history stay.
	Forget []tvilling.DeviceID
	Steps  []Step
	Feed   []Entry
	// Cursors are how far readers have come, by name.
	Cursors map[string]uint64
	// Values are small settings of the plane, by name; nil deletes.
	Values map[string][]byte
	// Credentials replaces what is known of identities' credentials.
	Credentials []Credential
}

// Credential is a keyed fingerprint of a key or certificate of an identity.
type Credential struct {
	ID           tvilling.Identity
	Fingerprints [][]byte // none: forget the identity
}

// AlertFilter selects alerts; zero members select all.
type AlertFilter struct {
	Device   tvilling.DeviceID
	Type     string
	Severity []Severity
	Status   []Status
	Owner    string
	// From and To bound Last, RaisedFrom and RaisedTo bound Created: from and
	// not to.
	From, To, RaisedFrom, RaisedTo time.Time
}

// RecommendationFilter selects recommendations; zero members select all.
type RecommendationFilter struct {
	Device   tvilling.DeviceID
	Type     string
	Severity []Severity
	State    State
}

// Group is a line of a summary: a value per column asked for, and counts.
type Group struct {
	Values  []string `json:"values"`
	Count   int64    `json:"count"`
	Devices int64    `json:"devices"`
}

// Store holds the records. Commit is called by one goroutine at a time; reads
// run beside it and see whole batches only. Values handed out are the
// caller's to keep and not to change.
type Store interface {
	// Commit makes b durable, then visible. An error of code Unavailable means
	// that nothing of it is kept and that a later call may succeed; any other
	// that the store is lost.
	Commit(ctx context.Context, b *Batch) error

	Cursor(ctx context.Context, name string) (uint64, error)
	Value(ctx context.Context, name string) ([]byte, error)
	Alert(ctx context.Context, id string) (*Alert, error)
	// Newest returns the newest alert of a key, nil if there never was one.
	Newest(ctx context.Context, k Key) (*Alert, error)
	// Alerts yields alerts, newest Created first, ties by ID; after is the last
	// one already seen, "" at the start.
	Alerts(ctx context.Context, f AlertFilter, after string) iter.Seq2[*Alert, error]
	// CountAlerts counts alerts, and stops at most.
	CountAlerts(ctx context.Context, f AlertFilter, most int) (int, error)
	// AlertGroups counts alerts by columns out of device, type, severity, status,
	// day (of Last) and raisedHour (of Created).
	AlertGroups(ctx context.Context, f AlertFilter, by []string) ([]Group, error)
	History(ctx context.Context, alert string) ([]Step, error)

	Recommendation(ctx context.Context, d tvilling.DeviceID, typ string) (*Recommendation, error)
	// Recommendations yields in ascending order of device, then type.
	Recommendations(ctx context.Context, f RecommendationFilter, afterDevice tvilling.DeviceID, afterType string) iter.Seq2[*Recommendation, error]
	// CountRecommendations counts recommendations, and stops at most.
	CountRecommendations(ctx context.Context, f RecommendationFilter, most int) (int, error)
	// RecommendationGroups counts by columns out of device, type, severity, state.
	RecommendationGroups(ctx context.Context, f RecommendationFilter, by []string) ([]Group, error)

	Device(ctx context.Context, d tvilling.DeviceID) (*Device, error)
	// Due yields devices whose Due has come, earliest first, at most limit.
	Due(ctx context.Context, now time.Time, limit int) ([]tvilling.DeviceID, error)
	// Postures yields devices whose Posture is set, at most limit.
	Postures(ctx context.Context, limit int) ([]tvilling.DeviceID, error)
	// States counts devices by their State.
	States(ctx context.Context) (map[string]int64, error)
	// Sharing returns the identities that have one of the fingerprints, those
	// of the given identity left out, at most limit.
	Sharing(ctx context.Context, c Credential, limit int) ([]tvilling.Identity, error)
	// Fingerprints returns what is known of an identity's credentials.
	Fingerprints(ctx context.Context, id tvilling.Identity) ([][]byte, error)

	// Feed yields entries after a sequence, oldest first.
	Feed(ctx context.Context, after uint64) iter.Seq2[Entry, error]
	// FeedHead returns the newest sequence of the feed.
	FeedHead() uint64
	// Trim drops feed entries up to a sequence and resolved or dismissed alerts
	// not updated since a time, with their history, in steps that are short.
	Trim(ctx context.Context, feed uint64, alerts time.Time) (dropped int, err error)

	Close() error
}
