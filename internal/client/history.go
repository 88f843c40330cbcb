package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tvilling/tvilling"
)

// Edit is a member in which two states of a twin differ.
type Edit struct {
	// Path is the way to it from the root of the twin: "properties.desired.fps".
	Path string `json:"path"`
	// Old and New are its values, nil where it is not there.
	Old json.RawMessage `json:"old,omitempty"`
	New json.RawMessage `json:"new,omitempty"`
}

// TwinVersion is a change of a twin or its identity, with what it changed.
type TwinVersion struct {
	Sequence uint64    `json:"sequence"`
	Time     time.Time `json:"time"`
	Op       string    `json:"op"`
	Actor    string    `json:"actor"`
	// Cause says why, where the operation does not.
	Cause string `json:"cause"`
	// Version is the twin's, 0 if the change did not touch the twin.
	Version int64  `json:"version"`
	Edits   []Edit `json:"edits"`
	// Together says that the edits stand with the next newer change, Partial
	// that old values are not kept.
	Together bool `json:"together"`
	Partial  bool `json:"partial"`

	// Raw is the whole record.
	Raw json.RawMessage `json:"-"`
}

// UnmarshalJSON reads v and keeps the whole record.
func (v *TwinVersion) UnmarshalJSON(b []byte) error {
	type plain TwinVersion
	if err := json.Unmarshal(b, (*plain)(v)); err != nil {
		return err
	}
	v.Raw = append(json.RawMessage(nil), b...)
	return nil
}

// TwinMark is a moment in the history of a twin.
type TwinMark struct {
	Sequence uint64    `json:"sequence,omitempty"`
	Time     time.Time `json:"time,omitzero"`
	Version  int64     `json:"version,omitempty"`
}

// HistoryPage is a page of the history of a twin, newest first.
type HistoryPage struct {
	Versions []*TwinVersion `json:"versions"`
	// Next is what the page after is before; 0 on the last one. Complete says
	// there that the history reaches back to the making of the identity, and
	// Kept since when there is one.
	Next     uint64   `json:"next"`
	Complete bool     `json:"complete"`
	Kept     TwinMark `json:"kept"`
}

// HistoryQuery narrows a history.
type HistoryQuery struct {
	// Before is the sequence that all are older than, 0 for all.
	Before uint64
	// Limit is how many are on a page; 0 as the hub likes.
	Limit int
	// Parts are those whose edits are wanted: tags, desired, reported, identity,
	// hub; all if empty.
	Parts       []string
	Connections bool
}

// HistoryPage returns a page of the history of a twin.
func (c *Client) HistoryPage(ctx context.Context, id tvilling.Identity, q HistoryQuery) (*HistoryPage, error) {
	v := url.Values{}
	if q.Before > 0 {
		v.Set("before", strconv.FormatUint(q.Before, 10))
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	addAll(v, "part", q.Parts)
	if q.Connections {
		v.Set("connections", "true")
	}
	p := &HistoryPage{}
	_, err := c.do(ctx, request{op: "read history", subject: id.String(), method: http.MethodGet, path: twinPath(id, "history"), query: v}, p)
	return some(p, err)
}

// History yields the history of a twin, newest first, page after page as far as
// it is wanted.
func (c *Client) History(ctx context.Context, id tvilling.Identity, q HistoryQuery) iter.Seq2[*HistoryPage, error] {
	return func(yield func(*HistoryPage, error) bool) {
		for {
			p, err := c.HistoryPage(ctx, id, q)
			if !yield(p, err) || err != nil || p.Next == 0 {
				return
			}
			q.Before = p.Next
		}
	}
}

// TwinDiff is in what a twin differs between two points.
type TwinDiff struct {
	From  TwinMark `json:"from"`
	To    TwinMark `json:"to"`
	Edits []Edit   `json:"edits"`
	// Raw is the whole answer.
	Raw json.RawMessage `json:"-"`
}

// TwinDiff compares a twin at two points: a version ("7"), a time as RFC 3339
// has it, "sequence:99", or "now".
func (c *Client) TwinDiff(ctx context.Context, id tvilling.Identity, from, to string) (*TwinDiff, error) {
	d := &TwinDiff{}
	q := request{op: "compare twin", subject: id.String(), method: http.MethodGet, path: twinPath(id, "diff"), query: url.Values{"from": {from}, "to": {to}}}
	if _, err := c.do(ctx, q, &d.Raw); err != nil {
		return nil, err
	}
	return some(d, known(q, json.Unmarshal(d.Raw, d)))
}

// TwinPoint is a moment in the history of a twin. One member is set.
type TwinPoint struct {
	Version  int64     `json:"version,omitempty"`
	Time     time.Time `json:"time,omitzero"`
	Sequence uint64    `json:"sequence,omitempty"`
}

// RestoreTwin makes tags and desired properties of a twin what they were at a
// point, if match allows it, and returns the twin.
func (c *Client) RestoreTwin(ctx context.Context, id tvilling.Identity, point TwinPoint, match tvilling.Match) (*Twin, error) {
	t := &Twin{}
	_, err := c.do(ctx, request{op: "restore twin", subject: id.String(), method: http.MethodPost, path: twinPath(id, "restore"), match: match, body: point}, t)
	return some(t, err)
}

// twinPath is a path below that of a twin with its actors.
func twinPath(id tvilling.Identity, what string) string {
	return identityPath(id, "tvilling", "twins") + "/" + what
}

// TwinAt returns a twin as it was at a point, with its actors.
func (c *Client) TwinAt(ctx context.Context, id tvilling.Identity, point TwinPoint) (*Twin, error) {
	v := url.Values{}
	switch {
	case point.Version > 0:
		v.Set("version", strconv.FormatInt(point.Version, 10))
	case point.Sequence > 0:
		v.Set("sequence", strconv.FormatUint(point.Sequence, 10))
	default:
		setTime(v, "time", point.Time)
	}
	t := &Twin{}
	_, err := c.do(ctx, request{op: "get past twin", subject: id.String(), method: http.MethodGet, path: twinPath(id, "at"), query: v}, t)
	return some(t, err)
}
