package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// printFacts writes the details of a recommendation: what is a list of objects
// as a table, the rest as a list of its leaves.
func printFacts(w io.Writer, raw json.RawMessage) error {
	if s := strings.TrimSpace(string(raw)); s == "" || s == "null" {
		return nil
	}
	members, err := readObject(raw)
	if err != nil {
		return fmt.Errorf("read facts: %w", err)
	}
	var lists []member
	p := newPrinter(w, false)
	for _, m := range members {
		if isTable(m.value) {
			lists = append(lists, m)
			continue
		}
		leaves, err := leavesOf(m.name, m.value)
		if err != nil {
			return fmt.Errorf("read facts: %w", err)
		}
		for _, l := range leaves {
			if p.rows == 0 {
				fmt.Fprintln(w, "\nfacts")
			}
			if err := p.row(nil, "  "+l.path, shorten(l.value, 200)); err != nil {
				return err
			}
		}
	}
	if err := p.flush(); err != nil {
		return err
	}
	for _, m := range lists {
		if err := printTable(w, m); err != nil {
			return err
		}
	}
	return nil
}

// isTable reports whether a value is a list of objects.
func isTable(raw json.RawMessage) bool {
	var items []json.RawMessage
	return json.Unmarshal(raw, &items) == nil && len(items) > 0 &&
		!slices.ContainsFunc(items, func(i json.RawMessage) bool { return !strings.HasPrefix(strings.TrimSpace(string(i)), "{") })
}

// printTable writes a list of objects as a table. Where it would be too wide, the
// last column is below each row.
func printTable(w io.Writer, m member) error {
	var items []json.RawMessage
	if err := json.Unmarshal(m.value, &items); err != nil {
		return fmt.Errorf("read %s: %w", m.name, err)
	}
	var columns []string
	rows := make([]map[string]string, len(items))
	for i, item := range items {
		members, err := readObject(item)
		if err != nil {
			return fmt.Errorf("read %s: %w", m.name, err)
		}
		rows[i] = make(map[string]string, len(members))
		for _, c := range members {
			if !slices.Contains(columns, c.name) {
				columns = append(columns, c.name)
			}
			rows[i][c.name] = cell(c.value)
		}
	}
	total := 0
	for _, c := range columns {
		widest := utf8.RuneCountInString(c)
		for _, r := range rows {
			widest = max(widest, utf8.RuneCountInString(r[c]))
		}
		total += 2 + widest
	}
	below := ""
	if last := len(columns) - 1; total > lineWidth && last > 0 {
		columns, below = columns[:last], columns[last]
	}
	// Rows are laid out first, since what is below them must not widen a column.
	var b strings.Builder
	head := make([]string, len(columns))
	for i, c := range columns {
		head[i] = strings.ToUpper(oneLine(c))
	}
	p := newPrinter(&b, false, "  "+strings.Join(head, "\t"))
	for _, r := range rows {
		cells := make([]any, len(columns))
		for i, c := range columns {
			cells[i] = dash(r[c])
		}
		cells[0] = "  " + cells[0].(string)
		if err := p.row(nil, cells...); err != nil {
			return err
		}
	}
	if err := p.flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\n%s\n", oneLine(m.name))
	for i, line := range strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n") {
		fmt.Fprintln(w, strings.TrimRight(line, " "))
		if i > 0 && below != "" && rows[i-1][below] != "" {
			wrap(w, "      ", oneLine(rows[i-1][below]))
		}
	}
	return nil
}

// cell is a value in a table: a text without its quotes, else JSON.
func cell(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		s = string(raw)
	}
	return shorten(s, 300)
}
