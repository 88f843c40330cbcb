package investigate

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/query"
)

// maxColumns is how many columns a page shows.
const maxColumns = 20

// starColumns are the members of whole twins that a page has room for.
var starColumns = []string{"deviceId", "moduleId", "status", "connectionState", "lastActivityTime", "security", "tags", "properties.desired", "properties.reported", "device", "module"}

// result is a page of what a query finds.
type result struct {
	Columns []string
	Rows    [][]cell
	// Left are columns that are not shown.
	Left []string
	// Short says that time was over before the page was full.
	Short   bool
	Scanned int
	Damaged int
	Pager   web.Pager
}

// cell is a value of a row.
type cell struct {
	Text string
	// Kind is "text", "number", "json" (an object or a list), "word" (true, false,
	// null) or "" for nothing.
	Kind string
	Href string
}

// Short is the beginning of an object or a list, for a line of a table.
func (c cell) Short() string {
	const most = 120
	if len(c.Text) <= most {
		return c.Text
	}
	return strings.ToValidUTF8(c.Text[:most], "") + "…"
}

// member is one of an object, in its order.
type member struct {
	name  string
	value json.RawMessage
}

// members reads an object in the order in which it is written.
func members(object []byte) ([]member, error) {
	d := json.NewDecoder(bytes.NewReader(object))
	if _, err := d.Token(); err != nil {
		return nil, notRows(err)
	}
	var list []member
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, notRows(err)
		}
		m := member{}
		m.name, _ = name.(string) // names are texts
		if err := d.Decode(&m.value); err != nil {
			return nil, notRows(err)
		}
		list = append(list, m)
	}
	return list, nil
}

func notRows(err error) error {
	return &tvilling.Error{Code: tvilling.Internal, Op: "read result", Message: "The rows of the result cannot be read.", Err: err}
}

// readRows reads a JSON array of objects.
func readRows(body []byte) ([][]member, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(body, &raw); err != nil {
		return nil, notRows(err)
	}
	rows := make([][]member, 0, len(raw))
	for _, r := range raw {
		m, err := members(r)
		if err != nil {
			return nil, err
		}
		rows = append(rows, m)
	}
	return rows, nil
}

// readResult makes a table of a page of rows: the columns as the rows have them,
// of whole twins those that there is room for.
func readResult(body []byte, q *query.Query) (*result, error) {
	rows, err := readRows(body)
	if err != nil {
		return nil, err
	}
	if q.Star() {
		for i := range rows {
			if rows[i], err = unfold(rows[i]); err != nil {
				return nil, err
			}
		}
	}
	r := &result{}
	r.Columns, r.Left = columnsOf(rows, q.Star())
	for _, row := range rows {
		r.Rows = append(r.Rows, cells(row, r.Columns))
	}
	return r, nil
}

// unfold puts the sections of a twin's properties into columns of their own,
// without what the hub notes about them.
func unfold(row []member) ([]member, error) {
	for i, m := range row {
		if m.name != "properties" {
			continue
		}
		sections, err := members(m.value)
		if err != nil {
			return nil, err
		}
		for j, s := range sections {
			sections[j].name = "properties." + s.name
			inside, err := members(s.value)
			if err != nil {
				return nil, err
			}
			inside = slices.DeleteFunc(inside, func(m member) bool { return strings.HasPrefix(m.name, "$") })
			if sections[j].value, err = object(inside); err != nil {
				return nil, err
			}
		}
		return slices.Replace(row, i, i+1, sections...), nil
	}
	return row, nil
}

// object writes members as an object.
func object(list []member) ([]byte, error) {
	b := []byte{'{'}
	for i, m := range list {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := json.Marshal(m.name)
		if err != nil {
			return nil, notRows(err)
		}
		b = append(append(append(b, name...), ':'), m.value...)
	}
	return append(b, '}'), nil
}

// columnsOf returns the names that rows have, and those there is no room for.
func columnsOf(rows [][]member, star bool) (shown, left []string) {
	var all []string
	for _, row := range rows {
		for _, m := range row {
			if !slices.Contains(all, m.name) {
				all = append(all, m.name)
			}
		}
	}
	if star {
		for _, name := range starColumns {
			if i := slices.Index(all, name); i >= 0 {
				shown, all = append(shown, name), slices.Delete(all, i, i+1)
			}
		}
		return shown, all
	}
	return all[:min(len(all), maxColumns)], all[min(len(all), maxColumns):]
}

// cells are the values of a row in the order of columns.
func cells(row []member, columns []string) []cell {
	line := make([]cell, len(columns))
	text := func(name string) string {
		for _, m := range row {
			if m.name == name {
				var s string
				if json.Unmarshal(m.value, &s) == nil {
					return s
				}
			}
		}
		return ""
	}
	for _, m := range row {
		i := slices.Index(columns, m.name)
		if i < 0 {
			continue
		}
		line[i] = cellOf(m.value)
		device := text("deviceId")
		switch {
		case line[i].Kind != "text" || tvilling.CheckID(device) != nil:
		case m.name == "deviceId":
			line[i].Href = ui.URL("devices", device)
		case m.name == "moduleId" && tvilling.CheckID(line[i].Text) == nil:
			line[i].Href = ui.URL("devices", device, "modules", line[i].Text, "twin")
		}
	}
	return line
}

func cellOf(raw json.RawMessage) cell {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0:
		return cell{}
	case raw[0] == '"':
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return cell{Text: string(raw), Kind: "json"}
		}
		return cell{Text: s, Kind: "text"}
	case raw[0] == '{' || raw[0] == '[':
		return cell{Text: ui.PlainJSON(string(raw)), Kind: "json"}
	case strings.IndexByte("tfn", raw[0]) >= 0:
		return cell{Text: string(raw), Kind: "word"}
	default:
		return cell{Text: string(raw), Kind: "number"}
	}
}
