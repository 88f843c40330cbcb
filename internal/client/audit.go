package client

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// AuditFilter says which acts are wanted; what is empty does not matter.
type AuditFilter struct {
	// Actor is "user:anna" or a kind of actor, Action an action or a group of
	// them, Subject a part of the subject.
	Actor, Action, Subject string
	From, To               time.Time
}

func (f *AuditFilter) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"actor": f.Actor, "action": f.Action, "subject": f.Subject} {
		if value != "" {
			q.Set(name, value)
		}
	}
	for name, at := range map[string]time.Time{"from": f.From, "to": f.To} {
		if !at.IsZero() {
			q.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	return q
}

// Act is an entry of the audit log.
type Act struct {
	Sequence uint64          `json:"sequence"`
	Time     time.Time       `json:"time"`
	Actor    string          `json:"actor"`
	Action   string          `json:"action"`
	Subject  string          `json:"subject"`
	Detail   json.RawMessage `json:"detail,omitempty"`
	Source   string          `json:"source"`
	Number   uint64          `json:"number"`
}

// AuditPage is a part of the audit log, newest first. Next is where the next
// one begins, 0 at the end; Reached is how far back it was looked.
type AuditPage struct {
	Entries []Act     `json:"entries"`
	Next    uint64    `json:"next"`
	Reached time.Time `json:"reached"`
	Damaged int       `json:"damaged"`
}

// Audit returns what users and policies did, before a place in the log (0: from
// the newest on).
func (c *Client) Audit(ctx context.Context, f AuditFilter, before uint64, limit int) (*AuditPage, error) {
	q := f.query()
	q.Set("limit", strconv.Itoa(limit))
	if before > 0 {
		q.Set("before", strconv.FormatUint(before, 10))
	}
	p := &AuditPage{}
	_, err := c.do(ctx, request{op: "read audit log", subject: c.host, method: http.MethodGet, path: path("tvilling", "audit"), query: q}, p)
	return some(p, err)
}

// ExportAudit writes all wanted acts, oldest first, as "csv" or "jsonl".
func (c *Client) ExportAudit(ctx context.Context, f AuditFilter, format string, w io.Writer) (int64, error) {
	q := f.query()
	q.Set("format", format)
	return c.export(ctx, request{op: "export audit log", subject: c.host, method: http.MethodGet, path: path("tvilling", "audit", "export"), query: q}, w)
}
