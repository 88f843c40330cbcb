//go:build linux

package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/tvilling/tvilling/internal/agent"
	"github.com/tvilling/tvilling/internal/agent/collect"
	"github.com/tvilling/tvilling/internal/agent/identity"
)

func newStatus() *command {
	var config string
	var asJSON bool
	var wait time.Duration
	return &command{
		name: "status", short: "ask the running agent: is it connected, what is in force, what it uses",
		long: `Ask the agent that runs on this device. The exit code is 0 when it is connected,
1 when it is not, or does not run.`,
		example: "  sudo tvilling-agent status\n  sudo tvilling-agent status --json",
		flags: func(f *flag.FlagSet) {
			f.StringVar(&config, "config", identity.DefaultPath, "`file` of the local configuration")
			f.BoolVar(&asJSON, "json", false, "print JSON")
			f.DurationVar(&wait, "wait", 0, "wait so long for the agent to be connected")
		},
		run: func(ctx context.Context, s stdio, _ []string) error {
			c, err := identity.Load(config)
			if err != nil {
				return err
			}
			st, err := askUntilConnected(ctx, c.StatusSocket, wait)
			if err != nil {
				return err
			}
			if asJSON {
				err = writeJSON(s.out, st)
			} else {
				err = printStatus(s.out, &st)
			}
			if err == nil && !st.Connected {
				err = fmt.Errorf("the agent is not connected to %s", st.Hub)
			}
			return err
		},
	}
}

// askUntilConnected asks, again and again for a while if need be.
func askUntilConnected(ctx context.Context, socket string, wait time.Duration) (agent.Status, error) {
	deadline := time.Now().Add(wait)
	for {
		st, err := agent.AskStatus(ctx, socket)
		if err == nil && st.Connected || !time.Now().Before(deadline) {
			return st, err
		}
		select {
		case <-ctx.Done():
			return st, context.Cause(ctx)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func printStatus(w io.Writer, st *agent.Status) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	state := "not connected"
	if st.Connected {
		state = "connected"
	}
	if !st.Since.IsZero() {
		state += " since " + moment(st.Since)
	}
	line(st.Identity, "%s to %s", state, st.Hub)
	if st.Error != "" {
		line("", "%s", oneLine(st.Error))
	}
	line("agent", "%s, id %s, started %s", st.Version, st.AgentID, moment(st.Started))
	c := &st.Configuration
	line("configuration", "%s, version %d", c.State, c.Version)
	for _, p := range c.Problems {
		line("", "%s", oneLine(p))
	}
	line("memory", "%s of %s, at most %s so far", size(st.Use.RSSBytes), size(st.Budget.MemoryBytes), size(st.Use.PeakRSSBytes))
	line("cpu", "%.2f %% of a core, limit %g %%; %.1f s in all", st.Use.CPUPercent, st.Budget.CPUPercent, st.Use.CPUSeconds)
	limit := "no limit"
	if st.Budget.BytesPerDay > 0 {
		limit = "limit " + size(st.Budget.BytesPerDay)
	}
	line("sent today", "%s, %s", size(st.Use.BytesToday), limit)
	line("enforced by", "%s", st.Enforcement)
	for _, q := range st.Queues {
		line("queue "+q.Priority, "%d events, %s, %d dropped", q.Events, size(q.Bytes), q.Dropped)
	}
	line("spool", "%s", st.Spool)
	for _, name := range slices.Sorted(keys(st.Lost)) {
		line("lost", "%d %s", st.Lost[name], name)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	return printSights(w, st.Sights)
}

func keys(m map[string]uint64) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// printSights prints what the collectors see.
func printSights(w io.Writer, sights []collect.Sight) error {
	name := len("SEES")
	for _, s := range sights {
		name = max(name, len(s.Name))
	}
	_, err := fmt.Fprintf(w, "%-*s  %-8s  %s\n", name, "SEES", "HOW MUCH", "BY")
	for _, s := range sights {
		if err == nil {
			_, err = fmt.Fprintf(w, "%s\n", strings.TrimRight(fmt.Sprintf("%-*s  %-8s  %s", name, s.Name, s.Extent, s.Source), " "))
		}
		for _, why := range []string{s.Why, s.Remedy} {
			for _, l := range wrap(oneLine(why), 74) {
				if err == nil {
					_, err = fmt.Fprintf(w, "    %s\n", l)
				}
			}
		}
	}
	return err
}

func moment(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// oneLine makes a text one line that does nothing to a terminal.
func oneLine(s string) string { return printable(strings.Join(strings.Fields(s), " ")) }

// printable replaces what would steer a terminal: texts have names of files and
// values in them, which others choose.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

func size(n int64) string {
	switch {
	case n < 10_000:
		return fmt.Sprintf("%d B", n)
	case n < 10_000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	default:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
}

// wrap cuts a text into lines of at most width bytes, at blanks.
func wrap(s string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(s) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
