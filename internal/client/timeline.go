package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
)

// TimelineEntry is one thing that happened to a device.
type TimelineEntry struct {
	Time time.Time `json:"time"`
	// Kind is "alert", "recommendation", "posture", "connection", "twin",
	// "reported", "configuration", "identity", "login", "refusal" or "agent".
	Kind           string            `json:"kind"`
	Title          string            `json:"title"`
	Detail         string            `json:"detail,omitempty"`
	Actor          string            `json:"actor,omitempty"`
	Severity       string            `json:"severity,omitempty"`
	State          string            `json:"state,omitempty"`
	Alert          string            `json:"alert,omitempty"`
	Recommendation string            `json:"recommendation,omitempty"`
	Event          string            `json:"event,omitempty"`
	Module         tvilling.ModuleID `json:"moduleId,omitempty"`
	Version        int64             `json:"version,omitempty"`
	Sequence       uint64            `json:"sequence,omitempty"`
}

// Timeline is a page of what happened to a device, newest first.
type Timeline struct {
	Entries []TimelineEntry `json:"entries"`
	// Next is where the next page begins, "" if this was the last.
	Next string `json:"next,omitempty"`
	// Kept is since when the journal of changes is kept.
	Kept time.Time `json:"kept,omitzero"`
}

// Timeline returns what happened to a device: of some kinds, or of the usual
// ones if none are given, from where the page before said that the next begins.
func (c *Client) Timeline(ctx context.Context, d tvilling.DeviceID, kinds []string, before string, limit int) (*Timeline, error) {
	q := url.Values{}
	if len(kinds) > 0 {
		q.Set("kind", strings.Join(kinds, ","))
	}
	if before != "" {
		q.Set("before", before)
	}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	v := &Timeline{}
	_, err := c.do(ctx, request{op: "get timeline", subject: string(d), method: http.MethodGet, path: securityPath + path("devices", string(d), "timeline"), query: q}, v)
	return some(v, err)
}
