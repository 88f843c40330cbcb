package client

import (
	"context"
	"encoding/json"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tvilling/tvilling"
)

// securityPath begins the paths of the security interface.
const securityPath = "/tvilling/security"

// Paging says how a list is read.
type Paging struct {
	// After is what a page gave as next; "" begins at the start.
	After string
	// PageSize is how many are asked for at once, at most 1000; 0 is 100.
	PageSize int
}

func (p Paging) set(q url.Values) {
	setIf(q, "after", p.After)
	if p.PageSize > 0 {
		q.Set("top", strconv.Itoa(p.PageSize))
	}
}

// page reads one page: a list under a name, and what to go on with, "" at the
// end of it.
func page[T any](ctx context.Context, c *Client, q request, name string) (list []*T, next string, err error) {
	var got map[string]json.RawMessage
	if _, err := c.do(ctx, q, &got); err != nil {
		return nil, "", err
	}
	for member, into := range map[string]any{name: &list, "next": &next} {
		if raw, ok := got[member]; ok {
			if err := json.Unmarshal(raw, into); err != nil {
				return nil, "", &tvilling.Error{Code: tvilling.Internal, Op: q.op, Subject: q.subject, Message: "The answer of the hub is not what this client knows.", Err: err}
			}
		}
	}
	return list, next, nil
}

// pages yields a list, page after page.
func pages[T any](ctx context.Context, c *Client, q request, name string) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		part := q
		part.query = maps.Clone(q.query)
		for {
			list, next, err := page[T](ctx, c, part, name)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, v := range list {
				if !yield(v, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			part.query.Set("after", next)
		}
	}
}

// text reads an answer that is not JSON.
func (c *Client) text(ctx context.Context, q request) (string, error) {
	answer, err := c.send(ctx, q)
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Body.Close() }() // it has been read to its end
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		return "", unreachable(q.op, q.subject, c.host, err)
	}
	return string(b), nil
}

func setTime(q url.Values, name string, t time.Time) {
	if !t.IsZero() {
		q.Set(name, t.UTC().Format(time.RFC3339Nano))
	}
}

func addAll(q url.Values, name string, values []string) {
	for _, v := range values {
		q.Add(name, v)
	}
}

// Summary counts records by the columns asked for.
type Summary struct {
	By     []string `json:"by"`
	Groups []Group  `json:"groups"`
	// More is how many groups, those with the fewest, are left out.
	More int `json:"more"`
}

// Group is a line of a summary.
type Group struct {
	// Values has one for each column.
	Values  []string `json:"values"`
	Count   int64    `json:"count"`
	Devices int64    `json:"devices"`
}

// SecurityOverview is the fleet at a glance. Parts that the hub could not read
// are nil or empty; Problems says why.
type SecurityOverview struct {
	// At is when the figures were read.
	At time.Time `json:"at"`
	// Registered is how many devices there are.
	Registered *int64 `json:"registered"`
	// Devices counts devices by state, Alerts open alerts and Recommendations
	// active ones by severity.
	Devices         map[string]int64 `json:"devices"`
	Score           *FleetScore      `json:"score"`
	Alerts          map[string]int64 `json:"alerts"`
	Recommendations map[string]int64 `json:"recommendations"`
	// TopTypes and TopRecommendations are the most frequent types of open alerts
	// and active recommendations.
	TopTypes           []TypeCount `json:"topTypes"`
	TopRecommendations []TypeCount `json:"topRecommendations"`
	// Affected are the devices with the lowest scores.
	Affected *Affected     `json:"affected"`
	Agents   *FleetAgents  `json:"agents"`
	Traffic  *FleetTraffic `json:"traffic"`
	// Raised has the alerts of the last 30 days by hour, those hours that have
	// some; Trend the fleet at each hour. Since is from when on the hub knows.
	Raised   []RaisedHour   `json:"raised"`
	Since    time.Time      `json:"since"`
	Trend    []FleetPoint   `json:"trend"`
	Problems []FleetProblem `json:"problems"`
}

// TypeCount says how frequent a type of alert or recommendation is.
type TypeCount struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Severity string `json:"severity"`
	Count    int64  `json:"count"`
	Devices  int64  `json:"devices"`
}

// FleetScore is the mean score of the devices that are known, and what each
// side takes from it.
type FleetScore struct {
	Value           float64 `json:"value"`
	Devices         int64   `json:"devices"`
	Alerts          float64 `json:"alerts"`
	Recommendations float64 `json:"recommendations"`
	Agent           float64 `json:"agent"`
}

// Affected are the devices with the lowest scores; All is how many are
// unhealthy or at risk.
type Affected struct {
	All     int64            `json:"all"`
	Devices []AffectedDevice `json:"devices"`
}

// AffectedDevice is one of them.
type AffectedDevice struct {
	Device tvilling.DeviceID `json:"device"`
	State  string            `json:"state"`
	Score  int               `json:"score"`
	Alerts map[string]int64  `json:"alerts"`
}

// FleetAgents says how the agents of a fleet do.
type FleetAgents struct {
	InSync        int64          `json:"inSync"`
	Differs       int64          `json:"differs"`
	NotReported   int64          `json:"notReported"`
	NotKnown      int64          `json:"notKnown"`
	Silent        int64          `json:"silent"`
	Never         int64          `json:"never"`
	Versions      []AgentVersion `json:"versions"`
	OtherVersions int64          `json:"otherVersions"`
}

// AgentVersion is how many agents have a version.
type AgentVersion struct {
	Version string `json:"version"`
	Count   int64  `json:"count"`
}

// FleetTraffic is what passes through a hub.
type FleetTraffic struct {
	Connected         *int64           `json:"connected"`
	MessagesPerSecond *float64         `json:"messagesPerSecond"`
	EventsPerSecond   *float64         `json:"eventsPerSecond"`
	Refused           map[string]int64 `json:"refused"`
	RefusedSince      time.Time        `json:"refusedSince"`
	Shed              map[string]int64 `json:"shed"`
	DeadLetters       int64            `json:"deadLetters"`
	SecurityBehind    int64            `json:"securityBehind"`
	ChangesBehind     int64            `json:"changesBehind"`
}

// RaisedHour is an hour with the alerts that were raised in it.
type RaisedHour struct {
	Hour          time.Time `json:"hour"`
	High          int64     `json:"high"`
	Medium        int64     `json:"medium"`
	Low           int64     `json:"low"`
	Informational int64     `json:"informational"`
}

// FleetPoint is the fleet at an hour.
type FleetPoint struct {
	Hour      time.Time `json:"hour"`
	Score     *float64  `json:"score"`
	Unhealthy int64     `json:"unhealthy"`
	AtRisk    int64     `json:"atRisk"`
	Healthy   int64     `json:"healthy"`
	Unknown   int64     `json:"unknown"`
}

// FleetProblem says why a part of an overview is missing.
type FleetProblem struct {
	Part    string `json:"part"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// SecurityOverview returns the fleet at a glance.
func (c *Client) SecurityOverview(ctx context.Context) (*SecurityOverview, error) {
	v := &SecurityOverview{}
	_, err := c.do(ctx, request{op: "get overview", subject: c.host, method: http.MethodGet, path: securityPath + "/overview"}, v)
	return some(v, err)
}

// DeviceSecurity is the security of one device.
type DeviceSecurity struct {
	Device tvilling.DeviceID `json:"device"`
	// State is "healthy", "atRisk", "unhealthy" or "unknown".
	State string `json:"state"`
	// Score is from 0 to 100; nil while the state is unknown.
	Score *int `json:"score"`
	// Parts are what the score is made of.
	Parts []struct {
		Name   string `json:"name"`
		Points int    `json:"points"`
		Why    string `json:"why"`
	} `json:"parts"`
	// Why tells how state and score come.
	Why             []string         `json:"why"`
	Alerts          map[string]int64 `json:"alerts"`
	Recommendations map[string]int64 `json:"recommendations"`
	Agent           struct {
		ID       string    `json:"id"`
		Version  string    `json:"version"`
		LastSeen time.Time `json:"lastSeen"`
	} `json:"agent"`
	Configuration struct {
		// Sync is "inSync", "differs", "notReported", or "" if not known.
		Sync        string       `json:"sync"`
		Differences []Difference `json:"differences"`
	} `json:"configuration"`
}

// Difference is a property of the agent configuration that is not as desired.
type Difference struct {
	// Property is "" if the difference is the object as a whole.
	Property string `json:"property"`
	// Desired and Reported are the values as they were written, Effective the
	// one that should be in force; "" if there is none.
	Desired   string `json:"desired"`
	Reported  string `json:"reported"`
	Effective string `json:"effective"`
	Why       string `json:"why"`
}

// DeviceSecurity returns the security of a device, and why it is so.
func (c *Client) DeviceSecurity(ctx context.Context, d tvilling.DeviceID) (*DeviceSecurity, error) {
	v := &DeviceSecurity{}
	_, err := c.do(ctx, request{op: "get security", subject: string(d), method: http.MethodGet, path: securityPath + path("devices", string(d))}, v)
	return some(v, err)
}

// AgentConfiguration is what the security agent of a device should do.
type AgentConfiguration struct {
	Device tvilling.DeviceID `json:"device"`
	Module tvilling.ModuleID `json:"module"`
	// ETag is that of the twin that the configuration stands in.
	ETag tvilling.ETag `json:"etag"`
	// Reported says whether the agent has reported its configuration.
	Reported bool `json:"reported"`
	// Settings has all properties, Problems what is wrong or unwise about them.
	Settings []AgentSetting         `json:"settings"`
	Problems []ConfigurationProblem `json:"problems"`
	// Raw is the whole answer.
	Raw json.RawMessage `json:"-"`
}

// AgentSetting is one property of an agent's configuration. Values are as
// people write them.
type AgentSetting struct {
	Property string `json:"property"`
	Type     string `json:"type"`
	// Value is what should be in force; Source is "default" or "desired".
	Value   string `json:"value"`
	Default string `json:"default"`
	Source  string `json:"source"`
	// Actor and Set say who desired it and when, if it is desired.
	Actor string    `json:"actor"`
	Set   time.Time `json:"set"`
	// Reported is what the agent says that it has, "" for nothing; Refused why
	// it does not have the value, "" if it does or has reported nothing.
	Reported string `json:"reported"`
	Refused  string `json:"refused"`
}

// ConfigurationProblem is something that is wrong with a configuration.
type ConfigurationProblem struct {
	Kind     string `json:"kind"`
	Property string `json:"property"`
	Message  string `json:"message"`
}

// AgentConfiguration returns what the security agent of a device should do,
// and where each value comes from.
func (c *Client) AgentConfiguration(ctx context.Context, d tvilling.DeviceID) (*AgentConfiguration, error) {
	v := &AgentConfiguration{}
	q := request{op: "get agent configuration", subject: string(d), method: http.MethodGet, path: securityPath + path("devices", string(d), "agentconfiguration")}
	if _, err := c.do(ctx, q, &v.Raw); err != nil {
		return nil, err
	}
	return some(v, known(q, json.Unmarshal(v.Raw, v)))
}

// known makes an error of an answer that this client could not read.
func known(q request, err error) error {
	if err == nil {
		return nil
	}
	return &tvilling.Error{Code: tvilling.Internal, Op: q.op, Subject: q.subject, Message: "The answer of the hub is not what this client knows.", Err: err}
}

// Sink is one of those who are told of changes in the feed.
type Sink struct {
	Name string `json:"name"`
	// Kind is "webhook" or "syslog".
	Kind string `json:"kind"`
	// Cursor is the newest entry of the feed that it has taken, Behind how far
	// that is behind the newest one.
	Cursor uint64 `json:"cursor"`
	Behind uint64 `json:"behind"`
	Sent   int64  `json:"sent"`
	Failed int64  `json:"failed"`
	// PassedOver counts entries below the least severity of the sink, Missed
	// those that the feed no longer had when it could take them.
	PassedOver int64     `json:"passedOver"`
	Missed     int64     `json:"missed"`
	LastSent   time.Time `json:"lastSent"`
	LastError  string    `json:"lastError"`
	// Next is when a failed attempt is repeated.
	Next time.Time `json:"next"`
}

// Sinks returns the sinks and how far they are.
func (c *Client) Sinks(ctx context.Context) ([]*Sink, error) {
	list, _, err := page[Sink](ctx, c, request{op: "list sinks", subject: c.host, method: http.MethodGet, path: securityPath + "/sinks"}, "sinks")
	return list, err
}

// SinkTest is what came of the test of a sink.
type SinkTest struct {
	Taken bool    `json:"taken"`
	Error string  `json:"error,omitempty"`
	Took  float64 `json:"tookMilliseconds"`
}

// TestSink sends a sink one entry that is marked as a test.
func (c *Client) TestSink(ctx context.Context, name string) (*SinkTest, error) {
	got := &SinkTest{}
	_, err := c.do(ctx, request{op: "test sink", subject: name, method: http.MethodPost, path: "/tvilling/security/sinks/" + url.PathEscape(name) + "/test"}, got)
	return got, err
}

// ReplaySink has a sink told again of everything after a sequence of the feed.
func (c *Client) ReplaySink(ctx context.Context, name string, after uint64) error {
	_, err := c.do(ctx, request{
		op: "replay sink", subject: name, method: http.MethodPost, path: securityPath + path("sinks", name, "replay"),
		query: url.Values{"after": {strconv.FormatUint(after, 10)}},
	}, nil)
	return err
}

// FeedEntry is one change of an alert or a recommendation.
type FeedEntry struct {
	Sequence uint64    `json:"sequence"`
	Time     time.Time `json:"time"`
	// Subject is "alert" or "recommendation".
	Subject string            `json:"subject"`
	ID      string            `json:"id"`
	Device  tvilling.DeviceID `json:"device"`
	Action  string            `json:"action"`
	Actor   string            `json:"actor"`
	// Body is the record as it then was.
	Body json.RawMessage `json:"body"`
	// Raw is the whole line.
	Raw json.RawMessage `json:"-"`
}

func (e *FeedEntry) keep(raw json.RawMessage) { e.Raw = raw }

// Feed yields changes of alerts and recommendations, oldest first. Device and
// Module of the options count for nothing: the feed is of the whole hub.
func (c *Client) Feed(ctx context.Context, o StreamOptions) iter.Seq2[*FeedEntry, error] {
	o.Device, o.Module = "", ""
	return lines[FeedEntry](ctx, c, request{op: "read feed", subject: c.host, method: http.MethodGet, path: securityPath + "/feed", query: o.query()})
}
