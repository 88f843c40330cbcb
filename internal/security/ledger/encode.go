package ledger

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/tvilling/tvilling"
)

// alertJSON is an alert as the feed, the REST API and the sinks show it.
type alertJSON struct {
	ID             string            `json:"id"`
	Type           string            `json:"type"`
	Title          string            `json:"title"`
	Severity       string            `json:"severity"`
	Status         Status            `json:"status"`
	Device         tvilling.DeviceID `json:"device"`
	Cause          string            `json:"cause,omitempty"`
	Rule           string            `json:"rule"`
	RuleVersion    string            `json:"ruleVersion"`
	Reason         string            `json:"reason,omitempty"`
	Note           string            `json:"note,omitempty"`
	Owner          string            `json:"owner,omitempty"`
	DismissedUntil time.Time         `json:"dismissedUntil,omitzero"`
	Count          int64             `json:"count"`
	Reopened       int               `json:"reopened"`
	First          time.Time         `json:"first"`
	Last           time.Time         `json:"last"`
	Created        time.Time         `json:"created"`
	Updated        time.Time         `json:"updated"`
	Version        uint64            `json:"version"`
	Evidence       []Evidence        `json:"evidence"`
}

// EncodeAlert returns the JSON form of an alert.
func EncodeAlert(a *Alert) (json.RawMessage, error) {
	evidence := a.Evidence
	if evidence == nil {
		evidence = []Evidence{}
	}
	b, err := json.Marshal(alertJSON{
		ID: a.ID, Type: a.Type, Title: a.Title, Severity: a.Severity.String(), Status: a.Status, Device: a.Device, Cause: a.Cause,
		Rule: a.Rule, RuleVersion: a.RuleVersion, Reason: a.Reason, Note: a.Note, Owner: a.Owner, DismissedUntil: a.DismissedUntil,
		Count: a.Count, Reopened: a.Reopened, First: a.First, Last: a.Last, Created: a.Created, Updated: a.Updated, Version: a.Version,
		Evidence: evidence,
	})
	if err != nil {
		return nil, fmt.Errorf("encode alert %s: %w", a.ID, err)
	}
	return b, nil
}

// recommendationJSON is a recommendation as the feed, the REST API and the
// sinks show it.
type recommendationJSON struct {
	Device     tvilling.DeviceID `json:"device"`
	Type       string            `json:"type"`
	Severity   string            `json:"severity"`
	State      State             `json:"state"`
	Details    json.RawMessage   `json:"details,omitempty"`
	Module     tvilling.ModuleID `json:"module,omitempty"`
	Patch      json.RawMessage   `json:"patch,omitempty"`
	Discovered time.Time         `json:"discovered"`
	Resolved   time.Time         `json:"resolved,omitzero"`
	Updated    time.Time         `json:"updated"`
	Version    uint64            `json:"version"`
}

// EncodeRecommendation returns the JSON form of a recommendation.
func EncodeRecommendation(r *Recommendation) (json.RawMessage, error) {
	b, err := json.Marshal(recommendationJSON{
		Device: r.Device, Type: r.Type, Severity: r.Severity.String(), State: r.State, Details: r.Details, Module: r.Module, Patch: r.Patch,
		Discovered: r.Discovered, Resolved: r.Resolved, Updated: r.Updated, Version: r.Version,
	})
	if err != nil {
		return nil, fmt.Errorf("encode recommendation %s of %s: %w", r.Type, r.Device, err)
	}
	return b, nil
}
