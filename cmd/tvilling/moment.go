package main

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// moment is a flag's value: a time as people and programs write it.
type moment struct{ time.Time }

var layouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly}

// Set reads a time; without a zone it is local.
func (m *moment) Set(s string) (err error) {
	for _, layout := range layouts {
		if m.Time, err = time.ParseInLocation(layout, s, time.Local); err == nil {
			return nil
		}
	}
	return errors.New("a time is written as 2026-01-31, \"2026-01-31 14:30\" (local), or 2026-01-31T14:30:00Z")
}

// String is for the help: nothing, as there is no default.
func (m *moment) String() string {
	if m.IsZero() {
		return ""
	}
	return m.Format(time.RFC3339)
}

// Type is for the help, too.
func (*moment) Type() string { return "time" }

// span is a flag's value: a time span of minutes, hours, days or weeks.
type span time.Duration

// Set reads a span: as Go writes durations, or whole days or weeks.
func (s *span) Set(text string) error {
	d, err := time.ParseDuration(text)
	for unit, length := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if number, ok := strings.CutSuffix(text, unit); ok {
			var n uint64
			n, err = strconv.ParseUint(number, 10, 14)
			d = time.Duration(n) * length
		}
	}
	if err != nil || d <= 0 {
		return errors.New("a time span is written as 90s, 30m, 12h, 7d or 2w")
	}
	*s = span(d)
	return nil
}

// String is for the help: nothing, as there is no default.
func (s *span) String() string {
	if *s == 0 {
		return ""
	}
	return time.Duration(*s).String()
}

// Type is for the help, too.
func (*span) Type() string { return "span" }

// period are the flags that bound a question in time.
type period struct {
	from, to moment
	since    span
}

func (p *period) add(cmd *cobra.Command, what string) {
	f := cmd.Flags()
	f.Var(&p.from, "from", "only what "+what+" at this `time` or later")
	f.Var(&p.to, "to", "only what "+what+" before this `time`")
	f.Var(&p.since, "since", "only what "+what+" in the `span` up to now: 30m, 12h, 7d")
}

// bounds returns the times asked for; zero ones do not bound.
func (p *period) bounds() (from, to time.Time, err error) {
	from, to = p.from.Time, p.to.Time
	if p.since != 0 {
		if !from.IsZero() {
			return from, to, usageError{errors.New("give --from or --since, not both")}
		}
		from = time.Now().Add(-time.Duration(p.since))
	}
	if !from.IsZero() && !to.IsZero() && !from.Before(to) {
		return from, to, usageError{errors.New("--to must be after --from")}
	}
	return from, to, nil
}
