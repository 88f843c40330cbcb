package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Figure is one line of the output.
type Figure struct {
	Case   string  `json:"case"`
	Metric string  `json:"metric"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	// Reach and Stretch are what the hub is built for, if anything; less is
	// better where Less says so.
	Reach   float64 `json:"reach,omitzero"`
	Stretch float64 `json:"stretch,omitzero"`
	Less    bool    `json:"less_is_better,omitzero"`
}

// ok says how a figure stands to its goals.
func (f Figure) ok() string {
	beats := func(goal float64) bool {
		if f.Less {
			return f.Value <= goal
		}
		return f.Value >= goal
	}
	switch {
	case f.Reach == 0:
		return ""
	case f.Stretch != 0 && beats(f.Stretch):
		return "stretch"
	case beats(f.Reach):
		return "reached"
	default:
		return "missed"
	}
}

// report prints figures as they come and remembers them for the table.
type report struct {
	figures []Figure
	notes   []string
}

func (r *report) add(f Figure) {
	r.figures = append(r.figures, f)
	r.line(f)
}

// event prints what is not a figure: a case that was skipped or has failed,
// and what the run was like.
func (r *report) event(name, what, text string) {
	r.notes = append(r.notes, name+": "+what+": "+text)
	r.line(map[string]string{"case": name, what: text})
}

func (r *report) line(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only strings and finite numbers come here
	}
	fmt.Fprintln(os.Stdout, string(b))
}

// value returns a figure that was reported before.
func (r *report) value(name, metric string) (float64, bool) {
	for _, f := range r.figures {
		if f.Case == name && f.Metric == metric {
			return f.Value, true
		}
	}
	return 0, false
}

// table writes everything for people.
func (r *report) table(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nCASE\tMETRIC\tVALUE\tREACH (STRETCH)\t")
	last := ""
	for _, f := range r.figures {
		name := f.Case
		if name == last {
			name = ""
		} else {
			last = name
		}
		goal := ""
		if f.Reach != 0 {
			sign := "≥ "
			if f.Less {
				sign = "≤ "
			}
			goal = sign + number(f.Reach)
			if f.Stretch != 0 {
				goal += " (" + number(f.Stretch) + ")"
			}
		}
		fmt.Fprintf(t, "%s\t%s\t%s %s\t%s\t%s\n", name, f.Metric, number(f.Value), f.Unit, goal, f.ok())
	}
	_ = t.Flush() // a terminal that is gone needs no table
	for _, n := range r.notes {
		fmt.Fprintln(w, n)
	}
}

// number writes a value with three significant digits, thousands in groups.
func number(v float64) string {
	switch {
	case v >= 1000:
		s := strconv.FormatFloat(v, 'f', 0, 64)
		var groups []string
		for len(s) > 3 {
			groups = append([]string{s[len(s)-3:]}, groups...)
			s = s[:len(s)-3]
		}
		return strings.Join(append([]string{s}, groups...), ",")
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	default:
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
func us(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
func kib(n int64) float64        { return float64(n) / 1024 }
func mib(n int64) float64        { return float64(n) / (1 << 20) }
