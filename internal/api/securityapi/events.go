package securityapi

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/investigate"
)

// maxNames is how many names of events one request may select.
const maxNames = 32

// eventJSON is a stored event.
type eventJSON struct {
	Position     string            `json:"position"`
	Device       tvilling.DeviceID `json:"device"`
	Module       tvilling.ModuleID `json:"module,omitempty"`
	Received     time.Time         `json:"received"`
	Hub          bool              `json:"hub,omitempty"`
	AgentID      string            `json:"agentId"`
	AgentVersion string            `json:"agentVersion"`
	ID           string            `json:"id"`
	Name         string            `json:"name"`
	Type         event.Type        `json:"type"`
	Category     event.Category    `json:"category"`
	Time         time.Time         `json:"time"`
	Stated       time.Time         `json:"statedTime,omitzero"`
	Local        string            `json:"localTime"`
	Empty        bool              `json:"empty"`
	Payload      json.RawMessage   `json:"payload"`
}

func encodeEvent(r *event.Record) (json.RawMessage, error) {
	e := &r.Event
	payload := json.RawMessage(e.Payload)
	if len(payload) == 0 {
		payload = json.RawMessage("[]")
	}
	b, err := json.Marshal(eventJSON{
		Position: position(r.Position), Device: r.From.Device, Module: r.From.Module, Received: r.Received.UTC(), Hub: r.Hub,
		AgentID: r.AgentID, AgentVersion: r.AgentVersion, ID: e.ID, Name: e.Name, Type: e.Type, Category: e.Category,
		Time: e.Time.UTC(), Stated: e.Stated, Local: e.Local, Empty: e.Empty, Payload: payload,
	})
	if err != nil {
		return nil, &tvilling.Error{Code: tvilling.Corrupt, Op: "read stored event", Subject: position(r.Position), Message: "The payload of a stored event is not JSON.", Err: err}
	}
	return b, nil
}

// position is a place among the events as the query string has it.
func position(p event.Position) string {
	return strconv.FormatUint(p.Sequence, 10) + "." + strconv.Itoa(p.Index)
}

// parsePosition reads a position; a sequence alone is the end of its message.
func parsePosition(s string) (event.Position, error) {
	if s == "" {
		return event.Position{}, nil
	}
	sequence, index, ok := strings.Cut(s, ".")
	var p event.Position
	var err error
	if p.Sequence, err = strconv.ParseUint(sequence, 10, 64); err == nil && ok {
		p.Index, err = strconv.Atoi(index)
	}
	if !ok {
		p.Index = 1 << 30
	}
	if err != nil || p.Index < -1 {
		return p, rest.BadParameter("after", "The value is neither the next of a page nor the position or sequence of an event.")
	}
	return p, nil
}

// question reads what events a request is about.
func question(c *rest.Call) (q event.Query, w investigate.Where, err error) {
	if q.Device, err = device(c); err != nil {
		return q, nil, err
	}
	for _, value := range c.Query["name"] {
		q.Names = append(q.Names, strings.Split(value, ",")...)
	}
	if len(q.Names) > maxNames || slices.ContainsFunc(q.Names, func(n string) bool { return n == "" || len(n) > maxText }) {
		return q, nil, rest.BadParameter("name", fmt.Sprintf("The value is a list of 1 to %d names of events, each of at most %d bytes.", maxNames, maxText))
	}
	switch t := event.Type(c.Query.Get("type")); t {
	case "", event.Security, event.Operational, event.Diagnostics:
		q.Type = t
	default:
		return q, nil, rest.BadParameter("type", `The type is "Security", "Operational" or "Diagnostic".`)
	}
	if q.From, q.To, err = span(c, "from", "to"); err != nil {
		return q, nil, err
	}
	w, err = investigate.ParseWhere(c.Query["where"])
	return q, w, err
}

// order reads whether the newest come first.
func order(c *rest.Call) (descending bool, err error) {
	switch c.Query.Get("order") {
	case "", "asc":
		return false, nil
	case "desc":
		return true, nil
	default:
		return false, rest.BadParameter("order", `The order is "asc", oldest first, or "desc".`)
	}
}

// events is GET events: a page of events in the order in which they came, or,
// with follow=true, all there are and those to come, one a line. A search that
// takes long ends with a page that is short, even empty, and goes on with the
// next one.
func (h *Handler) events(c *rest.Call) error {
	q, w, err := question(c)
	if err != nil {
		return err
	}
	if q.Descending, err = order(c); err != nil {
		return err
	}
	follow, err := c.Flag("follow")
	if err != nil {
		return err
	}
	if follow {
		return h.followEvents(c, q, w)
	}
	n, err := top(c)
	if err != nil {
		return err
	}
	if q.After, err = parsePosition(c.Query.Get("after")); err != nil {
		return err
	}
	done, err := h.search(c.Context())
	if err != nil {
		return err
	}
	defer done()
	p, err := h.reader.Page(c.Context(), q, w, n, enough(h.opt.PageTime))
	if err != nil {
		return err
	}
	out := struct {
		Events  []json.RawMessage `json:"events"`
		Next    string            `json:"next,omitempty"`
		Damaged int               `json:"damaged,omitempty"`
	}{Events: []json.RawMessage{}, Damaged: p.Damaged}
	for _, f := range p.Events {
		b, err := encodeEvent(f.Record)
		if err != nil {
			out.Damaged++
			continue
		}
		out.Events = append(out.Events, b)
	}
	if p.Next != nil {
		out.Next = position(*p.Next)
	}
	return c.Answer(out, "")
}

// followEvents streams events. It takes no place of the searches: those that
// only wait would keep others out.
func (h *Handler) followEvents(c *rest.Call, q event.Query, w investigate.Where) error {
	if q.Descending {
		return rest.BadParameter("order", "Events can be followed in ascending order only.")
	}
	if c.Query.Has("top") {
		return rest.BadParameter("top", "A stream has no pages; leave out top or follow.")
	}
	if err := h.start(c, &q); err != nil {
		return err
	}
	return c.Stream(func(ctx context.Context, emit func([]byte) error) error {
		for {
			changed := h.opt.Events.Changed()
			if err := h.emitEvents(ctx, &q, w, emit); err != nil {
				return err
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
}

// start sets where a stream begins: after a position, or, for "latest", after
// the newest event there is.
func (h *Handler) start(c *rest.Call, q *event.Query) (err error) {
	after := c.Query.Get("after")
	if after != "latest" {
		q.After, err = parsePosition(after)
		return err
	}
	newest := event.Query{Device: q.Device, Names: q.Names, Descending: true}
	for rec, err := range h.opt.Events.Events(c.Context(), newest) {
		if tvilling.CodeOf(err) == tvilling.Corrupt {
			continue
		}
		if err == nil {
			q.After = rec.Position
		}
		return err
	}
	return nil
}

// emitEvents sends what is stored after q.After and moves it on. What is
// damaged becomes a line that says so.
func (h *Handler) emitEvents(ctx context.Context, q *event.Query, w investigate.Where, emit func([]byte) error) error {
	for f, err := range h.reader.Find(ctx, *q, w) {
		var line []byte
		if err == nil {
			q.After = f.Position
			line, err = encodeEvent(f.Record)
			line = append(line, '\n')
		}
		if err != nil {
			if line, err = rest.Damaged(err); err != nil {
				return err
			}
		}
		if err := emit(line); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// eventSummary is GET events/summary/{question}.
func (h *Handler) eventSummary(c *rest.Call) error {
	which := investigate.Question(strings.ToLower(c.Params["question"]))
	if !slices.Contains(investigate.Questions(), which) {
		return tvilling.Errorf(tvilling.NotFound, "There is no summary %q; there are users, ports, logins, processes, baseline, connections and tree.", c.Params["question"])
	}
	var s investigate.Scope
	var err error
	if s.Device, err = device(c); err != nil {
		return err
	}
	if s.From, s.To, err = span(c, "from", "to"); err != nil {
		return err
	}
	if which != investigate.Ports && c.Query.Has("maxPort") {
		return rest.BadParameter("maxPort", "The parameter belongs to the summary of ports.")
	}
	port, err := c.Within("maxPort", investigate.DefaultMaxPort, 1, 65535)
	if err != nil {
		return err
	}
	s.MaxPort = int64(port)
	done, err := h.search(c.Context())
	if err != nil {
		return err
	}
	defer done()
	answer, err := h.reader.Summary(c.Context(), which, s, enough(h.opt.SummaryTime))
	if err != nil {
		return err
	}
	return c.Answer(answer, "")
}
