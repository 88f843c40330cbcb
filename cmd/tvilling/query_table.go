package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

// rowTable prints rows that a query has put together. Its columns are the
// members of the first page's rows; what later rows have besides follows their
// cells under its name. Where those rows are of nothing but objects, as the whole
// twins of a join are, all rows are printed as JSON: a cell has no room for them.
type rowTable struct {
	w       io.Writer
	columns []string
	print   *printer
	whole   bool
	// empty says that there were rows, and none of them had a member.
	empty bool
}

// add prints the rows of a page.
func (t *rowTable) add(rows []json.RawMessage) error {
	list := make([][]member, len(rows))
	for i, row := range rows {
		var err error
		if list[i], err = readObject(row); err != nil {
			return fmt.Errorf("read a row: %w", err)
		}
	}
	if t.print == nil {
		t.whole = t.whole || objectsOnly(list)
		for _, row := range list {
			t.columns = mergeColumns(t.columns, row)
		}
		if t.whole {
			return printRows(t.w, t, true, rows)
		}
		if t.empty = len(t.columns) == 0 && (t.empty || len(rows) > 0); len(t.columns) == 0 {
			return nil
		}
		t.print = newPrinter(t.w, false, headings(t.columns)...)
	}
	for _, row := range list {
		if err := t.print.row(nil, t.cells(row)...); err != nil {
			return err
		}
	}
	return t.flush()
}

// objectsOnly reports whether rows have members, and these are all objects.
func objectsOnly(rows [][]member) bool {
	n := 0
	for _, row := range rows {
		for _, m := range row {
			if n++; len(m.value) == 0 || m.value[0] != '{' {
				return false
			}
		}
	}
	return n > 0
}

func (t *rowTable) flush() error {
	if t.print == nil {
		return nil
	}
	return t.print.flush()
}

// mergeColumns adds the members of a row to the columns, each behind the one
// that it follows in the row.
func mergeColumns(columns []string, row []member) []string {
	at := 0
	for _, m := range row {
		if i := slices.Index(columns, m.name); i >= 0 {
			at = i + 1
			continue
		}
		columns = slices.Insert(columns, at, m.name)
		at++
	}
	return columns
}

func headings(columns []string) []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = strings.ToUpper(oneLine(c))
	}
	return names
}

func (t *rowTable) cells(row []member) []any {
	cells := make([]any, len(t.columns))
	for i := range cells {
		cells[i] = "-"
	}
	for _, m := range row {
		if i := slices.Index(t.columns, m.name); i >= 0 {
			cells[i] = cellOf(m.value)
		} else {
			cells = append(cells, m.name+"="+cellOf(m.value))
		}
	}
	return cells
}

// cellOf writes a value for a cell: a text without quotes, anything else as JSON.
func cellOf(raw json.RawMessage) string {
	if s := ""; len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &s) == nil {
		return shorten(s, 60)
	}
	return shorten(string(raw), 60)
}

// place is how the hub says where in a query something is wrong.
var place = regexp.MustCompile(`line (\d+), column (\d+)`)

// pointOut shows, below an error of the hub that names a place of a query, that
// place.
func pointOut(text string, err error) error {
	e, ok := errors.AsType[*tvilling.Error](err)
	if !ok {
		return err
	}
	out := *e
	if out.Message = pointAt(text, e.Message); out.Message == e.Message {
		return err
	}
	return &out
}

// pointAt returns a message and, if it names a place of the text, that place below.
func pointAt(text, message string) string {
	found := place.FindStringSubmatch(message)
	if found == nil {
		return message
	}
	line, _ := strconv.Atoi(found[1])
	column, _ := strconv.Atoi(found[2])
	lines := strings.Split(text, "\n")
	if line < 1 || line > len(lines) || column < 1 || column > len([]rune(lines[line-1]))+1 || strings.TrimSpace(text) == "" {
		return message
	}
	return message + "\n" + excerpt([]rune(oneLine(lines[line-1])), column-1)
}

// pointOutIn does so for an error in a configuration, which names the member that
// is wrong.
func pointOutIn(s client.ConfigurationSpec, err error) error {
	e, ok := errors.AsType[*tvilling.Error](err)
	if !ok {
		return err
	}
	if e.Path == "targetCondition" || strings.HasPrefix(e.Message, "targetCondition: ") {
		return pointOut(s.TargetCondition, err)
	}
	if e.Path == "rollout.unhealthy" || strings.HasPrefix(e.Message, "rollout.unhealthy: ") {
		var r client.Rollout
		if json.Unmarshal(s.Rollout, &r) != nil {
			return err // the hub has said what is wrong with it
		}
		return pointOut(r.Unhealthy, err)
	}
	for name, text := range s.Metrics.Queries {
		if member := "metrics.queries." + name; e.Path == member || strings.HasPrefix(e.Message, member+": ") {
			return pointOut(text, err)
		}
	}
	return err
}

// excerpt returns a line around a place, and below it a mark.
func excerpt(line []rune, at int) string {
	const around = 60
	before, after := "", ""
	if from := at - around; from > 0 {
		line, at, before = line[from:], around+1, "…"
	}
	if to := at + around; to < len(line) {
		line, after = line[:to], "…"
	}
	return "  " + before + string(line) + after + "\n  " + strings.Repeat(" ", at) + "^"
}
