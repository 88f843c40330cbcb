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

// Alert is something that happened on a device.
type Alert struct {
	ID       string            `json:"id"`
	Type     string            `json:"type"`
	Title    string            `json:"title"`
	Severity string            `json:"severity"`
	Status   string            `json:"status"`
	Device   tvilling.DeviceID `json:"device"`
	// Cause is what the rule names besides device and type.
	Cause          string     `json:"cause"`
	Rule           string     `json:"rule"`
	RuleVersion    string     `json:"ruleVersion"`
	Reason         string     `json:"reason"`
	Note           string     `json:"note"`
	Owner          string     `json:"owner"`
	DismissedUntil time.Time  `json:"dismissedUntil"`
	Count          int64      `json:"count"`
	Reopened       int        `json:"reopened"`
	First          time.Time  `json:"first"`
	Last           time.Time  `json:"last"`
	Created        time.Time  `json:"created"`
	Updated        time.Time  `json:"updated"`
	Version        uint64     `json:"version"`
	Evidence       []Evidence `json:"evidence"`

	// ETag is that of an alert read by itself; "" in lists.
	ETag tvilling.ETag `json:"-"`
	// Raw is the whole record as the hub sent it.
	Raw json.RawMessage `json:"-"`
}

// UnmarshalJSON keeps the record whole beside the members it reads.
func (a *Alert) UnmarshalJSON(b []byte) error {
	type plain Alert
	var p plain
	if err := json.Unmarshal(b, &p); err != nil {
		return err
	}
	*a = Alert(p)
	a.Raw = append(json.RawMessage(nil), b...)
	return nil
}

// Evidence is one observation that made or repeated an alert.
type Evidence struct {
	// Sequence is that of the security message, Event the id of the event in it.
	Sequence    uint64          `json:"sequence"`
	Event       string          `json:"event"`
	Name        string          `json:"name"`
	Time        time.Time       `json:"time"`
	Received    time.Time       `json:"received"`
	RuleVersion string          `json:"ruleVersion"`
	Hits        int64           `json:"hits"`
	Matched     []Match         `json:"matched"`
	Item        json.RawMessage `json:"item"`
}

// Match is one value that a rule looked for and found.
type Match struct {
	Selection string `json:"selection"`
	Field     string `json:"field"`
	Value     string `json:"value"`
	Pattern   string `json:"pattern"`
}

// AlertFilter selects alerts; zero members select all.
type AlertFilter struct {
	Device   tvilling.DeviceID
	Type     string
	Severity []string
	// Status may have "open" for all that somebody has to do with.
	Status []string
	Owner  string
	// Text is looked for in the title, the value that decided, the cause and the
	// note. It selects from lists, not from summaries.
	Text string
	// From and To bound the time of the newest evidence, RaisedFrom and RaisedTo
	// that at which the alert was raised.
	From, To, RaisedFrom, RaisedTo time.Time
}

func (f AlertFilter) query() url.Values {
	q := url.Values{}
	setIf(q, "device", string(f.Device))
	setIf(q, "type", f.Type)
	addAll(q, "severity", f.Severity)
	addAll(q, "status", f.Status)
	setIf(q, "owner", f.Owner)
	setIf(q, "text", f.Text)
	setTime(q, "from", f.From)
	setTime(q, "to", f.To)
	setTime(q, "raisedFrom", f.RaisedFrom)
	setTime(q, "raisedTo", f.RaisedTo)
	return q
}

func (c *Client) alertRequest(op string, f AlertFilter, p Paging) request {
	q := f.query()
	p.set(q)
	return request{op: op, subject: c.host, method: http.MethodGet, path: securityPath + "/alerts", query: q}
}

// Alerts yields alerts, newest first.
func (c *Client) Alerts(ctx context.Context, f AlertFilter, p Paging) iter.Seq2[*Alert, error] {
	return pages[Alert](ctx, c, c.alertRequest("list alerts", f, p), "alerts")
}

// AlertPage returns a page of alerts, and what to pass as After for the next
// one; "" at the end.
func (c *Client) AlertPage(ctx context.Context, f AlertFilter, p Paging) (list []*Alert, next string, err error) {
	return page[Alert](ctx, c, c.alertRequest("list alerts", f, p), "alerts")
}

func alertPath(id string, more ...string) string {
	return securityPath + path(append([]string{"alerts", id}, more...)...)
}

// Alert returns an alert.
func (c *Client) Alert(ctx context.Context, id string) (*Alert, error) {
	return c.oneAlert(ctx, request{op: "get alert", subject: id, method: http.MethodGet, path: alertPath(id)})
}

func (c *Client) oneAlert(ctx context.Context, q request) (*Alert, error) {
	a := &Alert{}
	header, err := c.do(ctx, q, a)
	if err != nil {
		return nil, err
	}
	a.ETag = tvilling.ParseMatch(header.Get("Etag")).Tag
	return a, nil
}

// AlertChange is a change of an alert; nil members stay.
type AlertChange struct {
	Status *string `json:"status,omitempty"`
	// Reason is needed when an alert is resolved or dismissed: mitigated,
	// falsePositive, benign, acceptedRisk or other.
	Reason *string `json:"reason,omitempty"`
	Note   *string `json:"note,omitempty"`
	Owner  *string `json:"owner,omitempty"`
	// DismissedUntil ends a dismissal; the zero time is for good.
	DismissedUntil *time.Time `json:"-"`
}

// MarshalJSON writes the zero time as null.
func (a AlertChange) MarshalJSON() ([]byte, error) {
	type plain AlertChange
	body := struct {
		plain
		Until **time.Time `json:"dismissedUntil,omitempty"`
	}{plain: plain(a)}
	if t := a.DismissedUntil; t != nil {
		if t.IsZero() {
			t = nil
		}
		body.Until = &t
	}
	return json.Marshal(body)
}

// UpdateAlert changes an alert, if match, when given, fits its etag.
func (c *Client) UpdateAlert(ctx context.Context, id string, change AlertChange, match tvilling.Match) (*Alert, error) {
	return c.oneAlert(ctx, request{op: "update alert", subject: id, method: http.MethodPatch, path: alertPath(id), match: match, body: change})
}

// AlertsUpdated says what became of a change of many alerts.
type AlertsUpdated struct {
	Updated []string `json:"updated"`
	Failed  []struct {
		ID      string        `json:"id"`
		Code    tvilling.Code `json:"code"`
		Message string        `json:"message"`
	} `json:"failed"`
}

// UpdateAlerts makes the same change to up to 1000 alerts, each for itself.
func (c *Client) UpdateAlerts(ctx context.Context, ids []string, change AlertChange) (*AlertsUpdated, error) {
	v := &AlertsUpdated{}
	_, err := c.do(ctx, request{
		op: "update alerts", subject: c.host, method: http.MethodPost, path: securityPath + "/alerts/update",
		body: map[string]any{"ids": ids, "change": change},
	}, v)
	return some(v, err)
}

// AlertStep is one line of an alert's history.
type AlertStep struct {
	Sequence uint64    `json:"sequence"`
	Time     time.Time `json:"time"`
	Actor    string    `json:"actor"`
	Action   string    `json:"action"`
	From     string    `json:"from"`
	To       string    `json:"to"`
	Reason   string    `json:"reason"`
	Note     string    `json:"note"`
	Owner    string    `json:"owner"`
}

// AlertHistory returns what was done with an alert, oldest first.
func (c *Client) AlertHistory(ctx context.Context, id string) ([]*AlertStep, error) {
	list, _, err := page[AlertStep](ctx, c, request{op: "get history", subject: id, method: http.MethodGet, path: alertPath(id, "history")}, "steps")
	return list, err
}

// AlertExplanation says why there is an alert and what may be done.
type AlertExplanation struct {
	Alert Alert `json:"alert"`
	// Sentences tell all of it in plain words.
	Sentences []string `json:"sentences"`
	// Rule is the detection as it is now; nil if there is none any more.
	Rule *struct {
		ID             string   `json:"id"`
		Title          string   `json:"title"`
		Description    string   `json:"description"`
		Severity       string   `json:"severity"`
		Version        string   `json:"version"`
		Source         string   `json:"source"`
		FalsePositives []string `json:"falsePositives"`
	} `json:"rule"`
	// Changed says that it has another version now than when it raised the alert.
	Changed      bool `json:"changed"`
	Observations []struct {
		Evidence
		// Clock says what to think of the time, Delay how many seconds after it
		// the hub received the observation.
		Clock    string `json:"clock"`
		Delay    int64  `json:"delaySeconds"`
		Sentence string `json:"sentence"`
	} `json:"observations"`
	History     []*AlertStep `json:"history"`
	Remediation []string     `json:"remediation"`
	Techniques  []struct {
		ID   string `json:"id"`
		Link string `json:"link"`
	} `json:"techniques"`
	// Raw is the whole answer.
	Raw json.RawMessage `json:"-"`
}

// UnmarshalJSON keeps the answer whole beside the members it reads.
func (e *AlertExplanation) UnmarshalJSON(b []byte) error {
	type plain AlertExplanation
	var p plain
	if err := json.Unmarshal(b, &p); err != nil {
		return err
	}
	*e = AlertExplanation(p)
	e.Raw = append(json.RawMessage(nil), b...)
	return nil
}

// ExplainAlert returns why there is an alert.
func (c *Client) ExplainAlert(ctx context.Context, id string) (*AlertExplanation, error) {
	v := &AlertExplanation{}
	_, err := c.do(ctx, request{op: "explain alert", subject: id, method: http.MethodGet, path: alertPath(id, "explain")}, v)
	return some(v, err)
}

// AlertSummary counts alerts by columns out of device, type, severity, status
// and day.
func (c *Client) AlertSummary(ctx context.Context, f AlertFilter, by ...string) (*Summary, error) {
	q := f.query()
	addAll(q, "by", by)
	v := &Summary{}
	_, err := c.do(ctx, request{op: "summarise alerts", subject: c.host, method: http.MethodGet, path: securityPath + "/alerts/summary", query: q}, v)
	return some(v, err)
}
