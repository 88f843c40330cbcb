package client

import (
	"context"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tvilling/tvilling"
)

// Event is a stored security event.
type Event struct {
	// Position is its place among all.
	Position string            `json:"position"`
	Device   tvilling.DeviceID `json:"device"`
	Module   tvilling.ModuleID `json:"module"`
	Received time.Time         `json:"received"`
	// Hub says that the hub made it, of what it saw of the device.
	Hub          bool   `json:"hub"`
	AgentID      string `json:"agentId"`
	AgentVersion string `json:"agentVersion"`
	ID           string `json:"id"`
	Name         string `json:"name"`
	Type         string `json:"type"`
	Category     string `json:"category"`
	// Time is when it happened, Stated what the device said, Local its local
	// time as it was sent.
	Time   time.Time `json:"time"`
	Stated time.Time `json:"statedTime"`
	Local  string    `json:"localTime"`
	Empty  bool      `json:"empty"`
	// Payload is an array, as it was sent.
	Payload json.RawMessage `json:"payload"`
	// Raw is the whole record as the hub sent it.
	Raw json.RawMessage `json:"-"`
}

// UnmarshalJSON keeps the record whole beside the members it reads.
func (e *Event) UnmarshalJSON(b []byte) error {
	type plain Event
	var p plain
	if err := json.Unmarshal(b, &p); err != nil {
		return err
	}
	*e = Event(p)
	e.Raw = append(json.RawMessage(nil), b...)
	return nil
}

func (e *Event) keep(raw json.RawMessage) { e.Raw = raw }

// EventFilter selects stored events; zero members select all.
type EventFilter struct {
	Device tvilling.DeviceID
	Names  []string
	// Type is "Security", "Operational" or "Diagnostic".
	Type     string
	From, To time.Time
	// Where are conditions on the items of payloads, as "LocalPort <= 1024".
	Where []string
}

func (f EventFilter) query() url.Values {
	q := url.Values{}
	setIf(q, "device", string(f.Device))
	addAll(q, "name", f.Names)
	setIf(q, "type", f.Type)
	setTime(q, "from", f.From)
	setTime(q, "to", f.To)
	addAll(q, "where", f.Where)
	return q
}

// Events yields stored events as they came, or the newest first.
func (c *Client) Events(ctx context.Context, f EventFilter, p Paging, newest bool) iter.Seq2[*Event, error] {
	q := f.query()
	p.set(q)
	if newest {
		q.Set("order", "desc")
	}
	return pages[Event](ctx, c, request{op: "list events", subject: c.host, method: http.MethodGet, path: securityPath + "/events", query: q}, "events")
}

// FollowEvents yields stored events and then those that come, until the
// context ends. after is the position after which to begin: "" for the oldest,
// "latest" for what comes from now on.
func (c *Client) FollowEvents(ctx context.Context, f EventFilter, after string) iter.Seq2[*Event, error] {
	q := f.query()
	setIf(q, "after", after)
	q.Set("follow", "true")
	return lines[Event](ctx, c, request{op: "follow events", subject: c.host, method: http.MethodGet, path: securityPath + "/events", query: q})
}

// Formats of an export.
const (
	JSONLines = "jsonl"
	CSV       = "csv"
)

// ExportEvents writes events to w in one of the formats, a row per item of a
// payload. An export that the hub could not finish is an error, and what has
// been written is not the whole.
func (c *Client) ExportEvents(ctx context.Context, f EventFilter, format string, w io.Writer) (written int64, err error) {
	q := f.query()
	q.Set("format", format)
	return c.export(ctx, request{op: "export events", subject: c.host, method: http.MethodGet, path: securityPath + "/events/export", query: q}, w)
}

// export copies what a request answers, and says when that was cut off.
func (c *Client) export(ctx context.Context, q request, w io.Writer) (written int64, err error) {
	answer, err := c.send(ctx, q)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }() // it has been read to its end
	src := &source{r: answer.Body}
	written, err = io.Copy(w, src)
	switch {
	case src.err == nil:
		return written, err // nil, or why w did not take it
	case ctx.Err() != nil:
		return written, context.Cause(ctx)
	default:
		return written, &tvilling.Error{
			Code: tvilling.Unavailable, Op: q.op, Subject: c.host,
			Message: "The export was cut off; what has been written is not the whole. Try again, or ask for less.", Err: src.err,
		}
	}
}

// source keeps the error of reading apart from one of writing.
type source struct {
	r   io.Reader
	err error
}

// Read reads on.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// Questions about events.
const (
	Users       = "users"
	Ports       = "ports"
	Logins      = "logins"
	Processes   = "processes"
	Baseline    = "baseline"
	Connections = "connections"
	// ProcessTree is that of one device.
	ProcessTree = "tree"
)

// EventSummary is the answer to a question about events.
type EventSummary struct {
	Question string       `json:"question"`
	Groups   []EventGroup `json:"groups"`
	// Events is how many were read, Shed what is in no group since there was no
	// room, Damaged what could not be read.
	Events  int64 `json:"events"`
	Shed    int64 `json:"shed"`
	Damaged int64 `json:"damaged"`
	// Complete says that all events were read; if not, Through is when the
	// newest one read was received.
	Complete bool      `json:"complete"`
	Through  time.Time `json:"through"`
	// Since is, of a tree that is not complete, the time of the oldest event read.
	Since time.Time `json:"since"`
	// Raw is the whole answer.
	Raw json.RawMessage `json:"-"`
}

// UnmarshalJSON keeps the answer whole beside the members it reads.
func (s *EventSummary) UnmarshalJSON(b []byte) error {
	type plain EventSummary
	var p plain
	if err := json.Unmarshal(b, &p); err != nil {
		return err
	}
	*s = EventSummary(p)
	s.Raw = append(json.RawMessage(nil), b...)
	return nil
}

// EventGroup is a line of an answer; which members it has depends on the
// question.
type EventGroup struct {
	GroupNames  string `json:"groupNames"`
	UserName    string `json:"userName"`
	Protocol    string `json:"protocol"`
	LocalPort   string `json:"localPort"`
	Result      string `json:"result"`
	Executable  string `json:"executable"`
	CceID       string `json:"cceId"`
	Description string `json:"description"`
	Severity    string `json:"severity"`
	Count       int64  `json:"count"`

	RemoteAddress string `json:"remoteAddress"`
	Port          string `json:"port"`
	Direction     string `json:"direction"`

	// Of a process in a tree.
	Depth       int       `json:"depth"`
	ProcessID   int64     `json:"processId"`
	CommandLine string    `json:"commandLine"`
	UserID      string    `json:"userId"`
	Started     time.Time `json:"started"`
	Ended       time.Time `json:"ended"`
	Replaced    time.Time `json:"replaced"`

	FirstSeen time.Time `json:"firstSeen"`
	LastSeen  time.Time `json:"lastSeen"`

	Users           ValueSet `json:"users"`
	CommandLines    ValueSet `json:"commandLines"`
	LocalAddresses  ValueSet `json:"localAddresses"`
	RemoteAddresses ValueSet `json:"remoteAddresses"`
	RemotePorts     ValueSet `json:"remotePorts"`
	Errors          ValueSet `json:"errors"`
	Programs        ValueSet `json:"programs"`
	Devices         ValueSet `json:"devices"`
}

// ValueSet is the first distinct values seen; More counts sightings of others.
type ValueSet struct {
	Values []string `json:"values"`
	More   int64    `json:"more"`
}

// EventScope narrows a question; zero members do not.
type EventScope struct {
	Device   tvilling.DeviceID
	From, To time.Time
	// MaxPort is the highest local port, for the question of ports; 0 is 1024.
	MaxPort int
}

// EventSummary answers a question about events.
func (c *Client) EventSummary(ctx context.Context, question string, s EventScope) (*EventSummary, error) {
	q := EventFilter{Device: s.Device, From: s.From, To: s.To}.query()
	if s.MaxPort > 0 {
		q.Set("maxPort", strconv.Itoa(s.MaxPort))
	}
	v := &EventSummary{}
	_, err := c.do(ctx, request{op: "summarise events", subject: question, method: http.MethodGet, path: securityPath + path("events", "summary", question), query: q}, v)
	return some(v, err)
}

// DeadLetter is something that could not be read.
type DeadLetter struct {
	Sequence uint64 `json:"sequence"`
	// Index is the place of the event in its message, -1 for the whole message.
	Index    int               `json:"index"`
	Device   tvilling.DeviceID `json:"device"`
	Module   tvilling.ModuleID `json:"module"`
	Received time.Time         `json:"received"`
	Path     string            `json:"path"`
	Reason   string            `json:"reason"`
	Size     int               `json:"size"`
	// Text is what was sent, cut, if it is text; otherwise it is in Data.
	Text string `json:"raw"`
	Data []byte `json:"rawBase64"`
}

// DeadLetters yields what could not be read of a device's messages, or of all
// with device "", newest first.
func (c *Client) DeadLetters(ctx context.Context, d tvilling.DeviceID, p Paging) iter.Seq2[*DeadLetter, error] {
	q := url.Values{}
	setIf(q, "device", string(d))
	p.set(q)
	return pages[DeadLetter](ctx, c, request{op: "list dead letters", subject: c.host, method: http.MethodGet, path: securityPath + "/deadletters", query: q}, "deadLetters")
}
