package securityapi

import (
	"encoding/json"
	"iter"
	"slices"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/security/alert"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// maxLooked is how many alerts are looked at for a text before a page ends.
const maxLooked = 10_000

// listAlerts is GET alerts: a page, newest first. With a text, a page may end
// early, and empty, with a next.
func (h *Handler) listAlerts(c *rest.Call) error {
	f, err := alertFilter(c)
	if err != nil {
		return err
	}
	n, err := top(c)
	if err != nil {
		return err
	}
	after, err := text(c, "after")
	if err != nil {
		return err
	}
	said, err := text(c, "text")
	if err != nil {
		return err
	}
	var stop string
	list, last, more, err := page(saying(h.opt.Ledger.Alerts(c.Context(), f, after), said, &stop), n, ledger.EncodeAlert)
	if err != nil {
		return err
	}
	var out struct {
		Alerts []json.RawMessage `json:"alerts"`
		Next   string            `json:"next,omitempty"`
	}
	out.Alerts, out.Next = list, stop
	if more {
		out.Next = last.ID
	}
	return c.Answer(out, "")
}

// saying yields the alerts that have a text. It sets stop to the last one looked
// at if it ends before the list does.
func saying(list iter.Seq2[*ledger.Alert, error], text string, stop *string) iter.Seq2[*ledger.Alert, error] {
	if text == "" {
		return list
	}
	return func(yield func(*ledger.Alert, error) bool) {
		looked, at := 0, ""
		for a, err := range list {
			if err != nil {
				yield(nil, err)
				return
			}
			if looked == maxLooked {
				*stop = at
				return
			}
			looked, at = looked+1, a.ID
			if alert.Says(a, text) && !yield(a, nil) {
				return
			}
		}
	}
}

// open stands for the statuses of alerts that somebody has to do with.
const open = "open"

func alertFilter(c *rest.Call) (f ledger.AlertFilter, err error) {
	if f.Device, err = device(c); err != nil {
		return f, err
	}
	if f.Type, err = text(c, "type"); err != nil {
		return f, err
	}
	if f.Owner, err = text(c, "owner"); err != nil {
		return f, err
	}
	if f.Severity, err = severities(c); err != nil {
		return f, err
	}
	words, err := c.Words("status", open, string(ledger.New), string(ledger.Acknowledged), string(ledger.InProgress), string(ledger.Resolved), string(ledger.Dismissed))
	if err != nil {
		return f, err
	}
	for _, w := range words {
		set := []ledger.Status{ledger.Status(w)}
		if w == open {
			set = []ledger.Status{ledger.New, ledger.Acknowledged, ledger.InProgress}
		}
		for _, s := range set {
			if !slices.Contains(f.Status, s) {
				f.Status = append(f.Status, s)
			}
		}
	}
	if f.From, f.To, err = span(c, "from", "to"); err != nil {
		return f, err
	}
	f.RaisedFrom, f.RaisedTo, err = span(c, "raisedFrom", "raisedTo")
	return f, err
}

// getAlert is GET alerts/{id}.
func (h *Handler) getAlert(c *rest.Call) error {
	a, err := h.findAlert(c)
	if err != nil {
		return err
	}
	return answerAlert(c, a)
}

func (h *Handler) findAlert(c *rest.Call) (*ledger.Alert, error) {
	id := c.Params["id"]
	a, err := h.opt.Ledger.Alert(c.Context(), id)
	if err == nil && a == nil {
		err = noAlert(id)
	}
	return a, err
}

func noAlert(id string) error {
	return &tvilling.Error{Code: tvilling.NotFound, Op: "get alert", Subject: id, Message: "There is no alert with this id."}
}

func answerAlert(c *rest.Call, a *ledger.Alert) error {
	b, err := ledger.EncodeAlert(a)
	if err != nil {
		return err
	}
	return c.JSON(b, alert.ETag(a))
}

// changeBody is a change of an alert. A text may be "" and a time null.
type changeBody struct {
	Status         *ledger.Status  `json:"status"`
	Reason         *string         `json:"reason"`
	Note           *string         `json:"note"`
	Owner          *string         `json:"owner"`
	DismissedUntil json.RawMessage `json:"dismissedUntil"`
}

// change returns the change; path is where the body stands in another one.
func (b changeBody) change(path string) (alert.Change, error) {
	out := alert.Change{Status: b.Status, Reason: b.Reason, Note: b.Note, Owner: b.Owner}
	if b.DismissedUntil == nil {
		return out, nil
	}
	var t time.Time
	if string(b.DismissedUntil) != "null" {
		if err := json.Unmarshal(b.DismissedUntil, &t); err != nil {
			return out, rest.BadMember(path+"dismissedUntil", "The value must be a time as \"2026-01-31T12:00:00Z\" (RFC 3339), or null.")
		}
	}
	out.DismissedUntil = new(t.UTC())
	return out, nil
}

// patchAlert is PATCH alerts/{id}; If-Match makes it conditional.
func (h *Handler) patchAlert(c *rest.Call) error {
	b, err := c.Object()
	if err != nil {
		return err
	}
	var in changeBody
	if err := rest.DecodeStrict(b, &in); err != nil {
		return err
	}
	change, err := in.change("")
	if err != nil {
		return err
	}
	a, err := h.opt.Alerts.Update(c.Context(), c.Params["id"], change, c.Match(), c.Who.Actor())
	if err != nil {
		return err
	}
	return answerAlert(c, a)
}

// manyBody is a change of several alerts.
type manyBody struct {
	IDs    []string   `json:"ids"`
	Change changeBody `json:"change"`
}

// failure is an alert that was not changed.
type failure struct {
	ID      string        `json:"id"`
	Code    tvilling.Code `json:"code"`
	Message string        `json:"message"`
}

// updateAlerts is POST alerts/update: each alert is changed or not for itself.
func (h *Handler) updateAlerts(c *rest.Call) error {
	b, err := c.Object()
	if err != nil {
		return err
	}
	var in manyBody
	if err := rest.DecodeStrict(b, &in); err != nil {
		return err
	}
	change, err := in.Change.change("change.")
	if err != nil {
		return err
	}
	outcomes, err := h.opt.Alerts.UpdateMany(c.Context(), in.IDs, change, c.Who.Actor())
	if err != nil {
		return err
	}
	out := struct {
		Updated []string  `json:"updated"`
		Failed  []failure `json:"failed"`
	}{[]string{}, []failure{}}
	for _, o := range outcomes {
		if o.Err == nil {
			out.Updated = append(out.Updated, o.ID)
		} else {
			out.Failed = append(out.Failed, failure{o.ID, tvilling.CodeOf(o.Err), tvilling.MessageOf(o.Err)})
		}
	}
	return c.Answer(out, "")
}

// alertHistory is GET alerts/{id}/history: who did what, oldest first.
func (h *Handler) alertHistory(c *rest.Call) error {
	if _, err := h.findAlert(c); err != nil {
		return err
	}
	steps, err := h.opt.Ledger.History(c.Context(), c.Params["id"])
	if err != nil {
		return err
	}
	return c.Answer(struct {
		Steps []ledger.Step `json:"steps"`
	}{some(steps)}, "")
}

// alertSummary is GET alerts/summary.
func (h *Handler) alertSummary(c *rest.Call) error {
	by, err := columns(c, "device", "type", "severity", "status", "day", "raisedHour")
	if err != nil {
		return err
	}
	f, err := alertFilter(c)
	if err != nil {
		return err
	}
	groups, err := h.opt.Ledger.AlertGroups(c.Context(), f, by)
	if err != nil {
		return err
	}
	return summarize(c, by, groups)
}
