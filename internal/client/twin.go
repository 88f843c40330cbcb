package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"github.com/tvilling/tvilling"
)

// Twin is the document of a device or module.
type Twin struct {
	DeviceID        tvilling.DeviceID `json:"deviceId"`
	ModuleID        tvilling.ModuleID `json:"moduleId"`
	ETag            tvilling.ETag     `json:"etag"`
	Status          string            `json:"status"`
	ConnectionState string            `json:"connectionState"`
	Version         int64             `json:"version"`
	// Tags is nil when there are none.
	Tags       json.RawMessage `json:"tags"`
	Properties struct {
		Desired  json.RawMessage `json:"desired"`
		Reported json.RawMessage `json:"reported"`
	} `json:"properties"`

	// Raw is the whole document as the hub sent it.
	Raw json.RawMessage `json:"-"`
}

// UnmarshalJSON reads t and keeps the whole document.
func (t *Twin) UnmarshalJSON(b []byte) error {
	type plain Twin
	var p plain
	if err := json.Unmarshal(b, &p); err != nil {
		return err
	}
	*t = Twin(p)
	t.Raw = append(json.RawMessage(nil), b...)
	return nil
}

// TwinPatch is a change of a twin. A nil section is left alone by a patch and
// emptied by a replacement; the JSON null empties a section either way.
type TwinPatch struct {
	Tags    json.RawMessage
	Desired json.RawMessage
}

// MarshalJSON writes the sections that are there.
func (p TwinPatch) MarshalJSON() ([]byte, error) {
	type properties struct {
		Desired json.RawMessage `json:"desired"`
	}
	var body struct {
		Tags       *json.RawMessage `json:"tags,omitempty"`
		Properties *properties      `json:"properties,omitempty"`
	}
	if p.Tags != nil {
		body.Tags = &p.Tags
	}
	if p.Desired != nil {
		body.Properties = &properties{p.Desired}
	}
	return json.Marshal(body)
}

// Twin returns the twin of an identity.
func (c *Client) Twin(ctx context.Context, id tvilling.Identity) (*Twin, error) {
	t := &Twin{}
	_, err := c.do(ctx, request{op: "get twin", subject: id.String(), method: http.MethodGet, path: identityPath(id, "twins")}, t)
	return some(t, err)
}

// TwinWithActors is Twin with a "$actor" beside each "$lastUpdated" of the
// $metadata: who wrote that leaf.
func (c *Client) TwinWithActors(ctx context.Context, id tvilling.Identity) (*Twin, error) {
	t := &Twin{}
	_, err := c.do(ctx, request{op: "get twin", subject: id.String(), method: http.MethodGet, path: identityPath(id, "tvilling", "twins")}, t)
	return some(t, err)
}

// PatchTwin merges a change into the twin of an identity, if match allows it.
func (c *Client) PatchTwin(ctx context.Context, id tvilling.Identity, p TwinPatch, match tvilling.Match) (*Twin, error) {
	t := &Twin{}
	_, err := c.do(ctx, request{op: "patch twin", subject: id.String(), method: http.MethodPatch, path: identityPath(id, "twins"), match: match, body: p}, t)
	return some(t, err)
}

// ReplaceTwin sets tags and desired properties whole, if match allows it.
func (c *Client) ReplaceTwin(ctx context.Context, id tvilling.Identity, p TwinPatch, match tvilling.Match) (*Twin, error) {
	t := &Twin{}
	_, err := c.do(ctx, request{op: "replace twin", subject: id.String(), method: http.MethodPut, path: identityPath(id, "twins"), match: match, body: p}, t)
	return some(t, err)
}

// Page is a page of the result of a query.
type Page struct {
	Items []json.RawMessage
	// Type is Twin for whole twins and Raw for projections.
	Type string
	// Continuation is what to pass for the page after; "" on the last one.
	Continuation string
	// Damaged counts the twins left out because their stored bytes are damaged.
	Damaged int
}

// QueryPage returns one page of at most size rows (0: as many as the hub gives)
// that begins at continuation ("": the first).
func (c *Client) QueryPage(ctx context.Context, text string, size int, continuation string) (*Page, error) {
	p := &Page{}
	h := http.Header{}
	if size > 0 {
		h.Set("X-Ms-Max-Item-Count", strconv.Itoa(size))
	}
	if continuation != "" {
		h.Set("X-Ms-Continuation", continuation)
	}
	got, err := c.do(ctx, request{
		op: "query", subject: c.host, method: http.MethodPost, path: "/devices/query", header: h,
		body: map[string]string{"query": text},
	}, &p.Items)
	if err != nil {
		return nil, err
	}
	p.Type, p.Continuation = got.Get("X-Ms-Item-Type"), got.Get("X-Ms-Continuation")
	if s := got.Get("Tvilling-Damaged"); s != "" {
		if p.Damaged, err = strconv.Atoi(s); err != nil {
			return nil, &tvilling.Error{Code: tvilling.Internal, Op: "query", Subject: c.host, Message: "The answer of the hub is not what this client knows.", Err: err}
		}
	}
	return p, nil
}

// StrangePaths returns the paths of a query that begin like nothing in a twin, so
// that they are undefined for all of them. The query is not run.
func (c *Client) StrangePaths(ctx context.Context, text string) ([]string, error) {
	var e struct {
		Strange []string `json:"strangePaths"`
	}
	_, err := c.do(ctx, request{
		op: "explain query", subject: c.host, method: http.MethodPost, path: "/tvilling/query/explain",
		query: url.Values{"run": {"false"}}, body: map[string]string{"query": text},
	}, &e)
	return e.Strange, err
}

// Query yields the rows of a result, page after page as far as they are wanted.
func (c *Client) Query(ctx context.Context, text string, size int) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		continuation := ""
		for {
			p, err := c.QueryPage(ctx, text, size, continuation)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, item := range p.Items {
				if !yield(item, nil) {
					return
				}
			}
			if p.Continuation == "" {
				return
			}
			continuation = p.Continuation
		}
	}
}
