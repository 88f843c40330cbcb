package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling/internal/client"
)

// answers says how the answer to each question is shown.
var answers = map[string]struct {
	columns []string
	cells   func(*client.EventGroup) []any
}{
	client.Users: {
		[]string{"USER", "GROUPS", "FIRST SEEN", "LAST SEEN", "DEVICES"},
		func(g *client.EventGroup) []any {
			return []any{dash(g.UserName), dash(g.GroupNames), when(g.FirstSeen), when(g.LastSeen), set(g.Devices)}
		},
	},
	client.Ports: {
		[]string{"PORT", "PROTOCOL", "COUNT", "LISTENS AT", "LAST SEEN", "DEVICES"},
		func(g *client.EventGroup) []any {
			return []any{dash(g.LocalPort), dash(g.Protocol), thousands(g.Count), set(g.LocalAddresses), when(g.LastSeen), set(g.Devices)}
		},
	},
	client.Logins: {
		[]string{"USER", "RESULT", "COUNT", "FROM", "BY", "FIRST SEEN", "LAST SEEN", "DEVICES"},
		func(g *client.EventGroup) []any {
			return []any{dash(g.UserName), dash(g.Result), thousands(g.Count), set(g.RemoteAddresses), dash(shorten(g.Executable, 40)), when(g.FirstSeen), when(g.LastSeen), set(g.Devices)}
		},
	},
	client.Processes: {
		[]string{"EXECUTABLE", "COUNT", "AS", "LAST SEEN", "DEVICES", "COMMAND LINES"},
		func(g *client.EventGroup) []any {
			return []any{dash(shorten(g.Executable, 60)), thousands(g.Count), set(g.Users), when(g.LastSeen), set(g.Devices), set(g.CommandLines)}
		},
	},
	client.Baseline: {
		[]string{"CHECK", "RESULT", "SEVERITY", "COUNT", "LAST SEEN", "DEVICES", "WHAT"},
		func(g *client.EventGroup) []any {
			return []any{dash(g.CceID), dash(g.Result), dash(g.Severity), thousands(g.Count), when(g.LastSeen), set(g.Devices), dash(shorten(g.Description, 80))}
		},
	},
	client.Connections: {
		[]string{"WITH", "PORT", "PROTOCOL", "DIRECTION", "COUNT", "BY", "FIRST SEEN", "LAST SEEN", "DEVICES"},
		func(g *client.EventGroup) []any {
			return []any{dash(g.RemoteAddress), dash(g.Port), dash(g.Protocol), dash(g.Direction), thousands(g.Count), set(g.Programs), when(g.FirstSeen), when(g.LastSeen), set(g.Devices)}
		},
	},
	client.ProcessTree: {
		[]string{"PID", "USER", "STARTED", "ENDED", "COUNT", "COMMAND"},
		func(g *client.EventGroup) []any {
			pid := "-"
			if g.ProcessID != 0 {
				pid = strconv.FormatInt(g.ProcessID, 10)
			}
			return []any{pid, dash(cmp.Or(g.UserName, g.UserID)), whenKnown(g.Started), processEnd(g), thousands(g.Count), treeLine(g)}
		},
	},
}

// maxIndent is how deep a line of a tree is moved to the right.
const maxIndent = 16

// treeLine is what a process runs, below the one that started it.
func treeLine(g *client.EventGroup) string {
	line := dash(shorten(cmp.Or(g.CommandLine, g.Executable), 120))
	if g.Started.IsZero() && g.Executable == "" {
		line = "(started before)"
	}
	return strings.Repeat("  ", min(g.Depth, maxIndent)) + line
}

func processEnd(g *client.EventGroup) string {
	if g.Ended.IsZero() && !g.Replaced.IsZero() {
		return "before " + when(g.Replaced)
	}
	return whenKnown(g.Ended)
}

// whenKnown is a time that may not be known.
func whenKnown(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return when(t)
}

// set is the first of some values, and how many more were seen.
func set(s client.ValueSet) string {
	const shown = 3
	var list []string
	for _, v := range s.Values[:min(shown, len(s.Values))] {
		list = append(list, shorten(v, 60))
	}
	text := strings.Join(list, ", ")
	if more := len(s.Values) - shown; more > 0 || s.More > 0 {
		text += fmt.Sprintf(", and %d more", max(more, 0)+int(min(s.More, 1<<30)))
	}
	return dash(text)
}

// summarize answers a question about events.
func (o *eventSearch) summarize(cmd *cobra.Command, hub *hubFlags, c *client.Client, s client.EventScope) error {
	if err := oneOf("summary", []string{o.summary}, questions); err != nil {
		return err
	}
	got, err := c.EventSummary(cmd.Context(), o.summary, s)
	if err != nil {
		return err
	}
	if hub.json {
		return writeJSON(cmd.OutOrStdout(), got.Raw)
	}
	a := answers[o.summary]
	p := newPrinter(cmd.OutOrStdout(), false, a.columns...)
	for i := range got.Groups {
		if err := p.row(nil, a.cells(&got.Groups[i])...); err != nil {
			return err
		}
	}
	if err := p.flush(); err != nil {
		return err
	}
	w := cmd.ErrOrStderr()
	if !got.Complete && !got.Since.IsZero() {
		fmt.Fprintf(w, "This is made of the newest events, since %s; ask for less: --from, --to, --since.\n", when(got.Since))
	} else if !got.Complete {
		fmt.Fprintf(w, "This took too long and has only what was received until %s; ask for less: --device, --from, --to, --since.\n", when(got.Through))
	}
	if got.Shed > 0 {
		fmt.Fprintf(w, "%s are in no line: there was no room for more lines; ask for less.\n", counted(got.Shed, "item"))
	}
	if got.Damaged > 0 {
		fmt.Fprintf(w, "%s could not be read: they are damaged in the store.\n", counted(got.Damaged, "event"))
	}
	return nil
}
