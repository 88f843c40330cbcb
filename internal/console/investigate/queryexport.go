package investigate

import (
	"slices"

	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/csvsafe"
	"github.com/tvilling/tvilling/internal/hub/query"
)

// others is the last column of an export, for what only later rows have.
const others = "others"

// exportQuery gives out all rows of a query as a file. A table has the columns
// that the first rows have; what later rows have besides stands in a last
// column, as JSON.
func (a *area) exportQuery(c *web.Call) error {
	q, err := query.Compile(c.Query("q"))
	if err != nil {
		return err
	}
	if q.Explain() {
		return problem("q", "An explanation has no rows to export; take EXPLAIN away.")
	}
	format := c.Query("format")
	if format != "csv" && format != "jsonl" {
		return problem("format", `The format is "jsonl" or "csv".`)
	}
	// The first page comes before the answer begins, so that what cannot be
	// answered is told as such.
	next := func(after string) (*query.Page, [][]member, error) {
		page, err := a.opt.Search.Run(c.Context(), q, query.Options{Continuation: after, Damaged: func(error) {}})
		if err != nil {
			return nil, nil, err
		}
		rows, err := readRows(page.Body)
		return page, rows, err
	}
	page, rows, err := next("")
	if err != nil {
		return err
	}
	t := table{jsonLines: format == "jsonl"}
	kind, name := "application/x-ndjson; charset=utf-8", "query.jsonl"
	if !t.jsonLines {
		kind, name = "text/csv; charset=utf-8; header=present", "query.csv"
		t.columns, t.left = columnsOf(rows, false)
		t.columns = append(t.columns, t.left...)
	}
	return c.Download(kind, name, func(emit func([]byte) error) error {
		if !t.jsonLines {
			if err := emit(csvsafe.Append(nil, append(slices.Clone(t.columns), others))); err != nil {
				return err
			}
		}
		for {
			for _, row := range rows {
				line, err := t.line(row)
				if err != nil {
					return err
				}
				if err := emit(line); err != nil {
					return err
				}
			}
			if page.Next == "" {
				return nil
			}
			if page, rows, err = next(page.Next); err != nil {
				return err
			}
		}
	})
}

// table writes rows.
type table struct {
	jsonLines     bool
	columns, left []string
}

func (t *table) line(row []member) ([]byte, error) {
	if t.jsonLines {
		b, err := object(row)
		return append(b, '\n'), err
	}
	cells := make([]string, len(t.columns)+1)
	var rest []member
	for _, m := range row {
		if i := slices.Index(t.columns, m.name); i >= 0 {
			cells[i] = cellOf(m.value).Text
			continue
		}
		rest = append(rest, m)
	}
	if len(rest) > 0 {
		b, err := object(rest)
		if err != nil {
			return nil, err
		}
		cells[len(t.columns)] = string(b)
	}
	return csvsafe.Append(nil, cells), nil
}
