package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// printer writes what a command found, as a table for people or as JSON lines
// for programs.
type printer struct {
	w     io.Writer
	json  bool
	table *tabwriter.Writer
	rows  int
}

func newPrinter(w io.Writer, asJSON bool, columns ...string) *printer {
	p := &printer{w: w, json: asJSON}
	if !asJSON {
		p.table = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		if len(columns) > 0 {
			fmt.Fprintln(p.table, strings.Join(columns, "\t"))
		}
	}
	return p
}

// row writes v as JSON, or the cells as a row. Rows are flushed now and then,
// so that a list of a million devices begins at once.
func (p *printer) row(v any, cells ...any) error {
	if p.json {
		return writeJSON(p.w, v)
	}
	for i, c := range cells {
		if i > 0 {
			fmt.Fprint(p.table, "\t")
		}
		fmt.Fprint(p.table, oneLine(fmt.Sprint(c)))
	}
	fmt.Fprintln(p.table)
	if p.rows++; p.rows%200 == 0 {
		return p.table.Flush()
	}
	return nil
}

func (p *printer) flush() error {
	if p.json {
		return nil
	}
	return p.table.Flush()
}

// when writes a time for people; the zero time is a dash.
func when(t time.Time) string {
	if t.IsZero() || t.Year() <= 1 {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// dash stands for what is empty.
func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// progress shows how far long work is, on one line of a terminal that it
// rewrites; on anything else it is silent, so that logs stay readable.
type progress struct {
	w       io.Writer
	live    bool
	what    string
	total   int
	started time.Time
	shown   time.Time
}

func newProgress(w io.Writer, what string, total int) *progress {
	return &progress{w: w, live: isTerminal(w), what: what, total: total, started: time.Now()}
}

func (p *progress) set(done int) {
	if !p.live || time.Since(p.shown) < 100*time.Millisecond && done < p.total {
		return
	}
	p.shown = time.Now()
	rate := float64(done) / max(time.Since(p.started).Seconds(), 0.001)
	fmt.Fprintf(p.w, "\r%s %d of %d (%.0f/s)\x1b[K", p.what, done, p.total, rate)
	if done >= p.total {
		fmt.Fprintln(p.w)
	}
}
