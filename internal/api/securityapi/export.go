package securityapi

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/csvsafe"
	"github.com/tvilling/tvilling/internal/security/investigate"
)

// exportEvents is GET events/export?format=jsonl|csv: every event that is
// asked for, a row per payload item, in the columns of the original's table
// (asc §10). It is made while it is sent, in little memory; rows come in the
// order of TimeGenerated, so that a reader can tell how far it is. One that
// cannot be finished is cut off.
func (h *Handler) exportEvents(c *rest.Call) error {
	q, w, err := question(c)
	if err != nil {
		return err
	}
	if q.After, err = parsePosition(c.Query.Get("after")); err != nil {
		return err
	}
	var encode func(dst []byte, r *investigate.Row) ([]byte, error)
	var head []byte
	contentType, name := "application/x-ndjson; charset=utf-8", "security-events.jsonl"
	switch c.Query.Get("format") {
	case "", "jsonl":
		encode = appendJSONRow
	case "csv":
		contentType, name = "text/csv; charset=utf-8; header=present", "security-events.csv"
		encode = func(dst []byte, r *investigate.Row) ([]byte, error) { //nolint:unparam // as JSON lines have it
			return csvsafe.Append(dst, r.Cells()), nil
		}
		head = csvsafe.Append(nil, investigate.Columns())
	default:
		return rest.BadParameter("format", `The format is "jsonl" or "csv".`)
	}
	done, err := h.search(c.Context())
	if err != nil {
		return err
	}
	defer done()
	return c.Export(contentType, name, func(ctx context.Context, emit func([]byte) error) error {
		if head != nil {
			if err := emit(head); err != nil {
				return err
			}
		}
		for f, err := range h.reader.Find(ctx, q, w) {
			var rows []investigate.Row
			if err == nil {
				rows, err = investigate.Rows(&f, h.opt.Hub)
			}
			if tvilling.CodeOf(err) == tvilling.Corrupt {
				// The rest is worth having; the log has what is not in it.
				c.Warn("damaged event left out of an export", err)
				continue
			}
			if err != nil {
				return err
			}
			var lines []byte
			for i := range rows {
				if lines, err = encode(lines, &rows[i]); err != nil {
					return err
				}
			}
			if len(lines) > 0 {
				if err := emit(lines); err != nil {
					return err
				}
			}
		}
		return ctx.Err()
	})
}

func appendJSONRow(dst []byte, r *investigate.Row) ([]byte, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return dst, fmt.Errorf("encode row: %w", err)
	}
	return append(append(dst, b...), '\n'), nil
}
