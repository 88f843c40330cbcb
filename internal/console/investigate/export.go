package investigate

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/csvsafe"
	"github.com/tvilling/tvilling/internal/security/investigate"
)

// exportEvents gives out the events of a filter as a file: a row for each item
// of a payload, oldest first, in the columns that raw events have everywhere.
func (a *area) exportEvents(c *web.Call) error {
	f, err := readFilter(c, time.Now())
	if err != nil {
		return err
	}
	q := f.query()
	q.Descending = false
	var encode func(r *investigate.Row) ([]byte, error)
	kind, name := "application/x-ndjson; charset=utf-8", "security-events.jsonl"
	switch c.Query("format") {
	case "", "jsonl":
		encode = func(r *investigate.Row) ([]byte, error) {
			b, err := json.Marshal(r)
			if err != nil {
				return nil, fmt.Errorf("encode row: %w", err)
			}
			return append(b, '\n'), nil
		}
	case "csv":
		kind, name = "text/csv; charset=utf-8; header=present", "security-events.csv"
		encode = func(r *investigate.Row) ([]byte, error) { //nolint:unparam // as JSON lines have it
			return csvsafe.Append(nil, r.Cells()), nil
		}
	default:
		return problem("format", `The format is "jsonl" or "csv".`)
	}
	done, err := a.look(c.Context())
	if err != nil {
		return err
	}
	defer done()
	return c.Download(kind, name, func(emit func([]byte) error) error {
		if c.Query("format") == "csv" {
			if err := emit(csvsafe.Append(nil, investigate.Columns())); err != nil {
				return err
			}
		}
		for found, err := range a.reader.Find(c.Context(), q, f.where) {
			if tvilling.CodeOf(err) == tvilling.Corrupt {
				continue // the page says how many are damaged
			}
			if err != nil {
				return err
			}
			rows, err := investigate.Rows(&found, a.opt.Hub)
			if err != nil {
				return err
			}
			for i := range rows {
				line, err := encode(&rows[i])
				if err != nil {
					return err
				}
				if err := emit(line); err != nil {
					return err
				}
			}
		}
		return c.Context().Err()
	})
}
