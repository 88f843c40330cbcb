package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/tvilling/tvilling"
)

// Recommendation says that something is weak on a device.
type Recommendation struct {
	Device   tvilling.DeviceID `json:"device"`
	Type     string            `json:"type"`
	Severity string            `json:"severity"`
	// State is "active" or "resolved".
	State string `json:"state"`
	// Details are facts of the finding, by type.
	Details json.RawMessage `json:"details"`
	// Module and Patch are a change of a twin that would mend it.
	Module     tvilling.ModuleID `json:"module"`
	Patch      json.RawMessage   `json:"patch"`
	Discovered time.Time         `json:"discovered"`
	Resolved   time.Time         `json:"resolved"`
	Updated    time.Time         `json:"updated"`
	Version    uint64            `json:"version"`

	// Raw is the whole record as the hub sent it.
	Raw json.RawMessage `json:"-"`
}

// UnmarshalJSON keeps the record whole beside the members it reads.
func (r *Recommendation) UnmarshalJSON(b []byte) error {
	type plain Recommendation
	var p plain
	if err := json.Unmarshal(b, &p); err != nil {
		return err
	}
	*r = Recommendation(p)
	r.Raw = append(json.RawMessage(nil), b...)
	return nil
}

// RecommendationFilter selects recommendations; zero members select all.
type RecommendationFilter struct {
	Device   tvilling.DeviceID
	Type     string
	Severity []string
	State    string
}

func (f RecommendationFilter) query() url.Values {
	q := url.Values{}
	setIf(q, "device", string(f.Device))
	setIf(q, "type", f.Type)
	addAll(q, "severity", f.Severity)
	setIf(q, "state", f.State)
	return q
}

// Recommendations yields recommendations in order of device, then type.
func (c *Client) Recommendations(ctx context.Context, f RecommendationFilter, p Paging) iter.Seq2[*Recommendation, error] {
	q := f.query()
	p.set(q)
	return pages[Recommendation](ctx, c, request{op: "list recommendations", subject: c.host, method: http.MethodGet, path: securityPath + "/recommendations", query: q}, "recommendations")
}

func recommendationPath(typ string, d tvilling.DeviceID, more ...string) string {
	return securityPath + path(append([]string{"recommendations", typ, string(d)}, more...)...)
}

// Recommendation returns the recommendation of a type for a device.
func (c *Client) Recommendation(ctx context.Context, typ string, d tvilling.DeviceID) (*Recommendation, error) {
	v := &Recommendation{}
	_, err := c.do(ctx, request{op: "get recommendation", subject: typ + " of " + string(d), method: http.MethodGet, path: recommendationPath(typ, d)}, v)
	return some(v, err)
}

// Applied says what an applied recommendation has changed.
type Applied struct {
	Device tvilling.DeviceID `json:"device"`
	Module tvilling.ModuleID `json:"module"`
	// Version and ETag are those of the twin.
	Version int64         `json:"version"`
	ETag    tvilling.ETag `json:"etag"`
}

// ApplyRecommendation writes the ready patch of a recommendation.
func (c *Client) ApplyRecommendation(ctx context.Context, typ string, d tvilling.DeviceID) (*Applied, error) {
	v := &Applied{}
	_, err := c.do(ctx, request{op: "apply recommendation", subject: typ + " of " + string(d), method: http.MethodPost, path: recommendationPath(typ, d, "apply")}, v)
	return some(v, err)
}

// RecommendationSummary counts recommendations by columns out of device, type,
// severity and state.
func (c *Client) RecommendationSummary(ctx context.Context, f RecommendationFilter, by ...string) (*Summary, error) {
	q := f.query()
	addAll(q, "by", by)
	v := &Summary{}
	_, err := c.do(ctx, request{op: "summarise recommendations", subject: c.host, method: http.MethodGet, path: securityPath + "/recommendations/summary", query: q}, v)
	return some(v, err)
}

// RecommendationType is a kind of recommendation.
type RecommendationType struct {
	Type        string `json:"type"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Severity    string `json:"severity"`
	// Fix is how to mend it, step by step.
	Fix []string `json:"fix"`
	// Source is what it is judged by.
	Source string `json:"source"`
}

// RecommendationTypes returns the kinds of recommendations there are.
func (c *Client) RecommendationTypes(ctx context.Context) ([]*RecommendationType, error) {
	list, _, err := page[RecommendationType](ctx, c, request{op: "list types", subject: c.host, method: http.MethodGet, path: securityPath + "/recommendations/types"}, "types")
	return list, err
}
