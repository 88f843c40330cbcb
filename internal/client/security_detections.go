package client

import (
	"context"
	"net/http"
	"time"

	"github.com/tvilling/tvilling"
)

// ruleKind is the media type of a Sigma rule.
const ruleKind = "application/yaml; charset=utf-8"

// DetectionInfo says what a detection is.
type DetectionInfo struct {
	ID          string `json:"id"`
	Type        string `json:"type"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Severity    string `json:"severity"`
	Version     string `json:"version"`
	// Source is "builtin" or "operator".
	Source         string   `json:"source"`
	Remediation    []string `json:"remediation"`
	Techniques     []string `json:"techniques"`
	Tactics        []string `json:"tactics"`
	References     []string `json:"references"`
	FalsePositives []string `json:"falsePositives"`
	// Text is the Sigma rule; "" in lists and for what is no rule.
	Text string `json:"text"`
}

// Detection is a detection as it is set.
type Detection struct {
	DetectionInfo
	Enabled bool `json:"enabled"`
	// Error says why it is not in force though it is enabled.
	Error string `json:"error"`
	// Findings counts what it has found since the hub started.
	Findings   int64                `json:"findings"`
	Parameters []DetectionParameter `json:"parameters"`
}

// DetectionParameter is a threshold of a detection.
type DetectionParameter struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Unit        string `json:"unit"`
	Value       int64  `json:"value"`
	Default     int64  `json:"default"`
	Min         int64  `json:"min"`
	Max         int64  `json:"max"`
}

// DetectionChange is a change of a detection; what is nil or absent stays.
type DetectionChange struct {
	Enabled    *bool            `json:"enabled,omitempty"`
	Parameters map[string]int64 `json:"parameters,omitempty"`
}

// Detections returns all detections, by id.
func (c *Client) Detections(ctx context.Context) ([]*Detection, error) {
	list, _, err := page[Detection](ctx, c, request{op: "list detections", subject: c.host, method: http.MethodGet, path: securityPath + "/detections"}, "detections")
	return list, err
}

// Detection returns a detection.
func (c *Client) Detection(ctx context.Context, id string) (*Detection, error) {
	v := &Detection{}
	_, err := c.do(ctx, request{op: "get detection", subject: id, method: http.MethodGet, path: securityPath + path("detections", id)}, v)
	return some(v, err)
}

// ConfigureDetection switches a detection on or off and sets parameters.
func (c *Client) ConfigureDetection(ctx context.Context, id string, change DetectionChange) (*Detection, error) {
	v := &Detection{}
	_, err := c.do(ctx, request{op: "configure detection", subject: id, method: http.MethodPatch, path: securityPath + path("detections", id), body: change}, v)
	return some(v, err)
}

// RuleCheck says what is wrong with a Sigma rule, or what it would be.
type RuleCheck struct {
	OK     bool             `json:"ok"`
	Rules  []*DetectionInfo `json:"rules"`
	Errors []RuleError      `json:"errors"`
}

// RuleError is a mistake in a rule. Line is 0 if it is not known.
type RuleError struct {
	Line    int    `json:"line"`
	Path    string `json:"path"`
	Message string `json:"message"`
}

// CheckRule has the hub check the text of a Sigma rule; it changes nothing.
func (c *Client) CheckRule(ctx context.Context, text string) (*RuleCheck, error) {
	v := &RuleCheck{}
	_, err := c.do(ctx, request{op: "check rule", subject: c.host, method: http.MethodPost, path: securityPath + "/detections/check", body: text, kind: ruleKind}, v)
	return some(v, err)
}

// RuleTrial is what a Sigma rule would have found in stored events.
type RuleTrial struct {
	Rule *DetectionInfo `json:"rule"`
	// Event is the name of the events that it looks at.
	Event   string `json:"event"`
	Looked  int    `json:"looked"`
	Found   int    `json:"found"`
	Damaged int    `json:"damaged"`
	// Cut is "events" or "time" if not all was looked at; then what is older
	// than Since was not.
	Cut   string    `json:"cut"`
	Since time.Time `json:"since,omitzero"`
	// Matches are the newest of what was found.
	Matches []RuleMatch `json:"matches"`
}

// RuleMatch is an item of an event that a rule finds.
type RuleMatch struct {
	Device tvilling.DeviceID `json:"device"`
	Time   time.Time         `json:"time"`
	// Position is the place of the event, Item that of the item in it.
	Position string  `json:"position"`
	Item     int     `json:"item"`
	Matched  []Match `json:"matched"`
}

// TryRule has the hub look for what a Sigma rule would have found in stored
// events; it changes nothing. Zero bounds do not bound.
func (c *Client) TryRule(ctx context.Context, text string, d tvilling.DeviceID, from, to time.Time) (*RuleTrial, error) {
	v := &RuleTrial{}
	q := EventFilter{Device: d, From: from, To: to}.query()
	_, err := c.do(ctx, request{op: "try rule", subject: c.host, method: http.MethodPost, path: securityPath + "/detections/try", query: q, body: text, kind: ruleKind}, v)
	return some(v, err)
}

func rulePath(name string) string { return securityPath + path("detections", "rules", name) }

// Rule returns the text of an operator's rule.
func (c *Client) Rule(ctx context.Context, name string) (string, error) {
	return c.text(ctx, request{op: "get rule", subject: name, method: http.MethodGet, path: rulePath(name)})
}

// PutRule puts an operator's Sigma rule in force under a name.
func (c *Client) PutRule(ctx context.Context, name, text string) (*Detection, error) {
	v := &Detection{}
	_, err := c.do(ctx, request{op: "put rule", subject: name, method: http.MethodPut, path: rulePath(name), body: text, kind: ruleKind}, v)
	return some(v, err)
}

// DeleteRule removes an operator's rule.
func (c *Client) DeleteRule(ctx context.Context, name string) error {
	_, err := c.do(ctx, request{op: "delete rule", subject: name, method: http.MethodDelete, path: rulePath(name)}, nil)
	return err
}
