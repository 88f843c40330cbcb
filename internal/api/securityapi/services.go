package securityapi

import (
	"context"
	"iter"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
	"github.com/tvilling/tvilling/internal/security/alert"
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/fleet"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// Ledger reads what the security plane has concluded; a [ledger.Store] does.
type Ledger interface {
	Alert(ctx context.Context, id string) (*ledger.Alert, error)
	Alerts(ctx context.Context, f ledger.AlertFilter, after string) iter.Seq2[*ledger.Alert, error]
	AlertGroups(ctx context.Context, f ledger.AlertFilter, by []string) ([]ledger.Group, error)
	History(ctx context.Context, alert string) ([]ledger.Step, error)
	Recommendation(ctx context.Context, d tvilling.DeviceID, typ string) (*ledger.Recommendation, error)
	Recommendations(ctx context.Context, f ledger.RecommendationFilter, afterDevice tvilling.DeviceID, afterType string) iter.Seq2[*ledger.Recommendation, error]
	RecommendationGroups(ctx context.Context, f ledger.RecommendationFilter, by []string) ([]ledger.Group, error)
	Feed(ctx context.Context, after uint64) iter.Seq2[ledger.Entry, error]
	FeedHead() uint64
}

// Alerts changes alerts on behalf of operators, and explains them; an
// [alert.Service] does.
type Alerts interface {
	Update(ctx context.Context, id string, c alert.Change, match tvilling.Match, actor string) (*ledger.Alert, error)
	UpdateMany(ctx context.Context, ids []string, c alert.Change, actor string) ([]alert.Outcome, error)
	Explain(ctx context.Context, id string) (*alert.Explanation, error)
}

// RecommendationType is a kind of recommendation.
type RecommendationType struct {
	Type, Title, Description string
	Severity                 ledger.Severity
	// Fix is how to mend it, step by step.
	Fix []string
	// Source is what it is judged by.
	Source string
}

// Detections lists and sets detections, and keeps the operators' own rules; a
// [detect.Engine] does.
type Detections interface {
	List() []detect.View
	Get(id string) (detect.View, error)
	// Configure sets a detection on or off and some of its parameters.
	Configure(ctx context.Context, id string, enabled *bool, parameters map[string]int64, actor string) (detect.View, error)
	// Check reads the text of a rule as PutRule would, and changes nothing.
	// What is wrong is an error, [sigma.Problems] in it if it is in the rule.
	Check(text string) (*detect.Info, error)
	// Trial makes a rule ready to be tried on stored events.
	Trial(text string) (*detect.Trial, error)
	Rule(name string) (text string, err error)
	PutRule(ctx context.Context, name, text, actor string) (detect.View, error)
	DeleteRule(ctx context.Context, name, actor string) error
}

// Events is the store of events; an eventdb.DB is one.
type Events interface {
	Events(ctx context.Context, q event.Query) iter.Seq2[*event.Record, error]
	// DeadLetters yields the newest first, those before a position (sequence
	// and index) if it is not zero.
	DeadLetters(ctx context.Context, d tvilling.DeviceID, before event.Position) iter.Seq2[*event.DeadLetter, error]
	// Changed returns a channel that is closed after the next event is stored.
	Changed() <-chan struct{}
}

// Twins reads twins and writes ready patches; a [twin.Service] does.
type Twins interface {
	Get(ctx context.Context, id tvilling.Identity) (twin.View, error)
	Patch(ctx context.Context, id tvilling.Identity, u twin.Update, match tvilling.Match, actor string) (twin.View, error)
}

// Devices tells of one device.
type Devices interface {
	Report(ctx context.Context, d tvilling.DeviceID) (*DeviceReport, error)
}

// Fleet tells of all devices; a [fleet.Service] does.
type Fleet interface {
	Figures(ctx context.Context) (*fleet.Figures, error)
}

// DeviceReport is what the security plane knows of a device.
type DeviceReport struct {
	Device tvilling.DeviceID `json:"device"`
	// State is "healthy", "atRisk", "unhealthy" or "unknown".
	State string `json:"state"`
	// Score is from 0 to 100; absent while the state is unknown.
	Score *int `json:"score,omitempty"`
	// Parts are what the score is made of, each with its reason.
	Parts []ScorePart `json:"parts"`
	// Why tells how state and score come, a sentence each.
	Why             []string         `json:"why"`
	Alerts          map[string]int64 `json:"alerts"`
	Recommendations map[string]int64 `json:"recommendations"`
	Agent           Agent            `json:"agent"`
	Configuration   Configuration    `json:"configuration"`
}

// ScorePart is one thing that counts in a score.
type ScorePart struct {
	Name   string `json:"name"`
	Points int    `json:"points"`
	Why    string `json:"why,omitempty"`
}

// Agent is the security agent of a device.
type Agent struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	// LastSeen is when its newest security message came; absent if none did.
	LastSeen time.Time `json:"lastSeen,omitzero"`
}

// Configuration compares desired and reported agent configuration.
type Configuration struct {
	// Sync is "inSync", "differs", "notReported", or "" if not known.
	Sync        string                   `json:"sync"`
	Differences []agentconfig.Difference `json:"differences"`
}

// Sinks are those who are told of changes in the feed.
type Sinks interface {
	Status(ctx context.Context) ([]Sink, error)
	// Replay has a sink told again of all that follows a sequence.
	Replay(ctx context.Context, name string, after uint64, actor string) error
	// Test sends a sink one entry that is marked as a test.
	Test(ctx context.Context, name, actor string) (TestOutcome, error)
}

// TestOutcome is what came of a test of a sink: whether it was taken, or why not.
type TestOutcome struct {
	Taken bool
	Error string
	Took  time.Duration
}

// Sink is one of them.
type Sink struct {
	Name string `json:"name"`
	// Kind is "webhook" or "syslog".
	Kind string `json:"kind"`
	// Cursor is the newest entry of the feed that it has taken, Behind how many
	// sequences that is behind the newest one.
	Cursor uint64 `json:"cursor"`
	Behind uint64 `json:"behind"`
	// Sent and Failed count deliveries and failed attempts since the start.
	Sent   int64 `json:"sent"`
	Failed int64 `json:"failed"`
	// PassedOver counts entries below the least severity of the sink, Missed
	// those that the feed no longer had when it could take them.
	PassedOver int64 `json:"passedOver"`
	Missed     int64 `json:"missed"`
	// LastSent is when something was last delivered, LastError what was wrong
	// with the last attempt; absent if it went well.
	LastSent  time.Time `json:"lastSent,omitzero"`
	LastError string    `json:"lastError,omitempty"`
	// Next is when a failed attempt is repeated.
	Next time.Time `json:"next,omitzero"`
}
