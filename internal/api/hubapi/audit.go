package hubapi

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/csvsafe"
	"github.com/tvilling/tvilling/internal/hub/audit"
)

// auditFilter reads which acts are asked for.
func auditFilter(c *rest.Call) (f audit.Filter, err error) {
	f = audit.Filter{Actor: c.Query.Get("actor"), Action: c.Query.Get("action"), Subject: c.Query.Get("subject")}
	if f.From, err = c.Time("from"); err != nil {
		return f, err
	}
	f.To, err = c.Time("to")
	return f, err
}

// pageAudit is GET /tvilling/audit?actor=&action=&subject=&from=&to=&before=&limit=:
//
//	{"entries":[{"sequence":7,"time":"…","actor":"user:anna","action":"device.create","subject":"d",
//	 "detail":{…},"source":"hub","number":12}],"next":7,"reached":"…","damaged":0}
//
// newest first. next is the value of before for the next page, null at the end.
// A page looks at a bounded part of the log; reached says how far back.
func (h *Handler) pageAudit(c *rest.Call) error {
	f, err := auditFilter(c)
	if err != nil {
		return err
	}
	before, err := c.Number("before", 0)
	if err != nil {
		return err
	}
	limit, err := c.Within("limit", 100, 1, 1000)
	if err != nil {
		return err
	}
	p, err := h.Audit.Page(c.Context(), f, before, limit)
	if err != nil {
		return err
	}
	out := struct {
		Entries []audit.Entry `json:"entries"`
		Next    *uint64       `json:"next"`
		Reached *time.Time    `json:"reached"`
		Damaged int           `json:"damaged"`
	}{Entries: p.Entries, Damaged: p.Damaged}
	if out.Entries == nil {
		out.Entries = []audit.Entry{}
	}
	if p.Next > 0 {
		out.Next = &p.Next
	}
	if !p.Reached.IsZero() {
		out.Reached = &p.Reached
	}
	return c.Answer(out, "")
}

// exportAudit is GET /tvilling/audit/export?format=jsonl|csv with the filters of
// a page: all acts, oldest first. A damaged one is left out and logged.
func (h *Handler) exportAudit(c *rest.Call) error {
	f, err := auditFilter(c)
	if err != nil {
		return err
	}
	csv, kind, name := false, "application/x-ndjson; charset=utf-8", "audit.jsonl"
	var head []byte
	switch c.Query.Get("format") {
	case "", "jsonl":
	case "csv":
		csv, kind, name = true, "text/csv; charset=utf-8; header=present", "audit.csv"
		head = csvsafe.Append(nil, audit.Columns())
	default:
		return rest.BadParameter("format", `The format is "jsonl" or "csv".`)
	}
	return c.Export(kind, name, func(ctx context.Context, emit func([]byte) error) error {
		if head != nil {
			if err := emit(head); err != nil {
				return err
			}
		}
		for e, err := range h.Audit.All(ctx, f) {
			if tvilling.CodeOf(err) == tvilling.Corrupt {
				c.Warn("damaged entry left out of an export of the audit log", err)
				continue
			}
			if err != nil {
				return err
			}
			if csv {
				err = emit(csvsafe.Append(nil, e.Cells()))
			} else {
				err = emitJSON(&e, emit)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func emitJSON(e *audit.Entry, emit func([]byte) error) error {
	b, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode audit entry %d: %w", e.Sequence, err)
	}
	return emit(append(b, '\n'))
}
