package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tvilling/tvilling"
)

// ConfigurationSpec is what is said of an automatic configuration to create or
// change it. Content is an object of one member, deviceContent or
// moduleContent; nil in a change, which cannot alter it.
type ConfigurationSpec struct {
	ID              string            `json:"id"`
	SchemaVersion   string            `json:"schemaVersion,omitempty"`
	Labels          map[string]string `json:"labels,omitempty"`
	Content         json.RawMessage   `json:"content,omitempty"`
	TargetCondition string            `json:"targetCondition"`
	Priority        int               `json:"priority"`
	Metrics         MetricSet         `json:"metrics"`
	// Rollout is a [Rollout] as JSON; nil keeps the one there is, null ends it.
	Rollout json.RawMessage `json:"rollout,omitempty"`
	// Paused, in a new one, has it write nothing until it is resumed.
	Paused bool `json:"paused,omitempty"`
}

// Configuration is an automatic configuration of the hub.
type Configuration struct {
	ConfigurationSpec

	Created       time.Time              `json:"createdTimeUtc"`
	Updated       time.Time              `json:"lastUpdatedTimeUtc"`
	SystemMetrics MetricSet              `json:"systemMetrics"`
	MetricErrors  map[string]string      `json:"metricErrors"`
	ETag          tvilling.ETag          `json:"etag"`
	Progress      *ConfigurationProgress `json:"progress"`
	Notices       []Notice               `json:"notices"`

	// Raw is the whole of it as the hub sent it.
	Raw json.RawMessage `json:"-"`
}

// UnmarshalJSON reads c and keeps the whole of it.
func (c *Configuration) UnmarshalJSON(b []byte) error {
	type plain Configuration
	var p plain
	if err := json.Unmarshal(b, &p); err != nil {
		return err
	}
	*c = Configuration(p)
	c.Raw = append(json.RawMessage(nil), b...)
	return nil
}

// Notice is something about a configuration that its author should know.
type Notice struct {
	Path string `json:"path"`
	// Configuration is another one that wants the same place, "" for none; it
	// has its way there if Yields.
	Configuration string `json:"configuration"`
	Yields        bool   `json:"yields"`
	Message       string `json:"message"`
}

// MetricSet are metrics: queries, and how many rows each finds.
type MetricSet struct {
	Results map[string]int64  `json:"results,omitempty"`
	Queries map[string]string `json:"queries,omitempty"`
}

// Rollout applies a configuration in steps. Durations are ISO 8601 ("PT10M").
type Rollout struct {
	Steps       []Share `json:"steps"`
	Wait        string  `json:"wait,omitempty"`
	Unhealthy   string  `json:"unhealthy,omitempty"`
	Limit       Share   `json:"limit,omitzero"`
	OnUnhealthy string  `json:"onUnhealthy,omitempty"`
}

// Share is a number of twins, or a part of them in percent.
type Share struct {
	Percent float64 `json:"percent,omitempty"`
	Count   int     `json:"count,omitempty"`
}

// ConfigurationProgress says how far a configuration is. State is one of
// applying, applied, waiting, paused, halted, rollingBack and rolledBack.
type ConfigurationProgress struct {
	ID        string    `json:"id"`
	State     string    `json:"state"`
	Reason    string    `json:"reason"`
	Step      int       `json:"step"`
	Steps     int       `json:"steps"` // 0 without a rollout
	Reach     *int64    `json:"reach"` // nil for all twins
	Next      time.Time `json:"nextStepTimeUtc"`
	Looked    int64     `json:"looked"`
	Blocked   int64     `json:"blocked"`
	Damped    int64     `json:"damped"`
	Unhealthy int64     `json:"unhealthy"`
	Watched   int64     `json:"watched"`
	Updated   time.Time `json:"updatedTimeUtc"`
	// Metrics is nil when they cannot be had now, and in a [Configuration],
	// which has them itself.
	Metrics *ConfigurationMetrics `json:"metrics"`

	// Raw is the whole of it as the hub sent it.
	Raw json.RawMessage `json:"-"`
}

// ConfigurationMetrics are the figures that every configuration has.
type ConfigurationMetrics struct {
	Targeted int64     `json:"targetedCount"`
	Applied  int64     `json:"appliedCount"`
	Time     time.Time `json:"timeUtc"`
}

// UnmarshalJSON reads p and keeps the whole of it.
func (p *ConfigurationProgress) UnmarshalJSON(b []byte) error {
	type plain ConfigurationProgress
	var q plain
	if err := json.Unmarshal(b, &q); err != nil {
		return err
	}
	*p = ConfigurationProgress(q)
	p.Raw = append(json.RawMessage(nil), b...)
	return nil
}

// Configurations returns the automatic configurations, ascending by id.
func (c *Client) Configurations(ctx context.Context) ([]*Configuration, error) {
	var list []*Configuration
	_, err := c.do(ctx, request{op: "list configurations", subject: c.host, method: http.MethodGet, path: "/configurations"}, &list)
	return list, err
}

// Configuration returns one automatic configuration.
func (c *Client) Configuration(ctx context.Context, id string) (*Configuration, error) {
	got := &Configuration{}
	_, err := c.do(ctx, request{op: "get configuration", subject: id, method: http.MethodGet, path: path("configurations", id)}, got)
	return some(got, err)
}

// PutConfiguration creates a configuration or, with a condition, changes it.
func (c *Client) PutConfiguration(ctx context.Context, s ConfigurationSpec, match tvilling.Match) (*Configuration, error) {
	op := "create configuration"
	if match.Given {
		op = "update configuration"
	}
	got := &Configuration{}
	_, err := c.do(ctx, request{op: op, subject: s.ID, method: http.MethodPut, path: path("configurations", s.ID), match: match, body: s}, got)
	return some(got, err)
}

// DeleteConfiguration removes a configuration and then what it wrote.
func (c *Client) DeleteConfiguration(ctx context.Context, id string, match tvilling.Match) error {
	_, err := c.do(ctx, request{op: "delete configuration", subject: id, method: http.MethodDelete, path: path("configurations", id), match: match}, nil)
	return err
}

// QueryTest says what is wrong with a target condition and with the queries of
// metrics; what is right is not in it.
type QueryTest struct {
	TargetConditionError    string            `json:"targetConditionError"`
	CustomMetricQueryErrors map[string]string `json:"customMetricQueryErrors"`
}

// TestConfiguration tries a target condition and queries of metrics.
func (c *Client) TestConfiguration(ctx context.Context, target string, queries map[string]string) (*QueryTest, error) {
	got := &QueryTest{}
	_, err := c.do(ctx, request{
		op: "test queries", subject: c.host, method: http.MethodPost, path: "/configurations/testQueries",
		body: map[string]any{"targetCondition": target, "customMetricQueries": queries},
	}, got)
	return some(got, err)
}

// ConfigurationProgress returns how far a configuration is.
func (c *Client) ConfigurationProgress(ctx context.Context, id string) (*ConfigurationProgress, error) {
	got := &ConfigurationProgress{}
	_, err := c.do(ctx, request{
		op: "get progress of configuration", subject: id, method: http.MethodGet,
		path: path("tvilling", "configurations", id, "progress"),
	}, got)
	return some(got, err)
}

// SteerConfiguration has a configuration "pause", "resume", "advance" to the
// next step of its rollout, or "rollback".
func (c *Client) SteerConfiguration(ctx context.Context, id, verb string) (*ConfigurationProgress, error) {
	got := &ConfigurationProgress{}
	_, err := c.do(ctx, request{
		op: verb + " configuration", subject: id, method: http.MethodPost,
		path: path("tvilling", "configurations", id, verb),
	}, got)
	return some(got, err)
}

// TwinEdit is one change of the desired properties of a twin.
type TwinEdit struct {
	Path string `json:"path"`
	// Old and New are nil where there is nothing.
	Old json.RawMessage `json:"old,omitempty"`
	New json.RawMessage `json:"new,omitempty"`
	// By is the configuration that sets New, or whose value is taken away.
	By string `json:"by"`
}

// TwinPlan is what a configuration would do to one twin.
type TwinPlan struct {
	DeviceID tvilling.DeviceID `json:"deviceId"`
	ModuleID tvilling.ModuleID `json:"moduleId,omitempty"`
	Targeted bool              `json:"targeted"`
	Status   string            `json:"status,omitempty"`
	Reason   string            `json:"reason,omitempty"`
	Edits    []TwinEdit        `json:"edits"`
}

// Plan is one page of what a configuration would do.
type Plan struct {
	Targeted int64       `json:"targeted"`
	Leaving  int64       `json:"leaving"`
	Twins    []*TwinPlan `json:"twins"`
	// Next is where the next page begins, "" after the last.
	Next    string   `json:"next"`
	Notices []Notice `json:"notices"`
}

// PlanConfiguration returns a page of what a configuration would do if it were
// put now: the twins after one ("": from the first), at most limit (1 to 100).
func (c *Client) PlanConfiguration(ctx context.Context, s ConfigurationSpec, after string, limit int) (*Plan, error) {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	setIf(q, "after", after)
	got := &Plan{}
	_, err := c.do(ctx, request{
		op: "plan configuration", subject: s.ID, method: http.MethodPost, path: "/tvilling/configurations/plan", query: q, body: s,
	}, got)
	return some(got, err)
}

// Why says where the desired properties of a twin come from.
type Why struct {
	DeviceID tvilling.DeviceID `json:"deviceId"`
	ModuleID tvilling.ModuleID `json:"moduleId"`
	Desired  []struct {
		Path string `json:"path"`
		// Value, Actor, Time and Version are empty for what is not in the twin.
		Value   json.RawMessage `json:"value"`
		Actor   string          `json:"actor"`
		Time    time.Time       `json:"time"`
		Version int64           `json:"version"`
		// Wishes are what configurations want there: the first is in force.
		Wishes []struct {
			Configuration string          `json:"configuration"`
			Value         json.RawMessage `json:"value"` // nil: nothing is to be there
		} `json:"wishes"`
	} `json:"desired"`
	Configurations []struct {
		ID       string `json:"id"`
		Priority int    `json:"priority"`
		Targeted bool   `json:"targeted"`
		Status   string `json:"status"`
		Reason   string `json:"reason"`
	} `json:"configurations"`

	// Raw is the whole of it as the hub sent it.
	Raw json.RawMessage `json:"-"`
}

// UnmarshalJSON reads w and keeps the whole of it.
func (w *Why) UnmarshalJSON(b []byte) error {
	type plain Why
	var p plain
	if err := json.Unmarshal(b, &p); err != nil {
		return err
	}
	*w = Why(p)
	w.Raw = append(json.RawMessage(nil), b...)
	return nil
}

// Why returns where the desired properties of a twin come from.
func (c *Client) Why(ctx context.Context, id tvilling.Identity) (*Why, error) {
	got := &Why{}
	_, err := c.do(ctx, request{
		op: "explain twin", subject: id.String(), method: http.MethodGet,
		path: identityPath(id, "tvilling", "twins") + "/why",
	}, got)
	return some(got, err)
}
