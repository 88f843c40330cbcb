package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling/internal/client"
)

func newAlertCommand() *cobra.Command {
	var hub hubFlags
	cmd := &cobra.Command{
		Use:   "alert",
		Short: "See, explain and work on security alerts",
		Long: `See, explain and work on security alerts: things that happened on a device and
that somebody should look at. What happens again for the same cause folds into
the alert that is open.

An alert is named by its id, or by the beginning of it that lists show.`,
		Example: "  tvilling alert list --status open\n  tvilling alert explain 3f2a1b7c\n  tvilling alert resolve 3f2a1b7c --reason mitigated --note \"program removed\"",
	}
	hub.add(cmd)
	cmd.AddCommand(newAlertListCommand(&hub), newAlertShowCommand(&hub), newAlertExplainCommand(&hub), newAlertHistoryCommand(&hub))
	for _, c := range alertChanges {
		cmd.AddCommand(newAlertChangeCommand(&hub, c))
	}
	cmd.AddCommand(newAlertSummaryCommand(&hub), newAlertWatchCommand(&hub))
	return cmd
}

// alertFilter are the flags that select alerts.
type alertFilter struct {
	device           string
	typ, owner       string
	severity, status []string
	period           period
	raised           struct{ from, to moment }
}

var (
	severities = []string{"high", "medium", "low", "informational"}
	statuses   = []string{"open", "new", "acknowledged", "inProgress", "resolved", "dismissed"}
	reasons    = []string{"mitigated", "falsePositive", "benign", "acceptedRisk", "other"}
)

func (o *alertFilter) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.device, "device", "", "only alerts of the device with this `id`")
	f.StringVar(&o.typ, "type", "", "only alerts of a `type`, such as IoT_CryptoMiner")
	f.StringSliceVar(&o.severity, "severity", nil, "only alerts of these `severities`: "+strings.Join(severities, ", "))
	f.StringSliceVar(&o.status, "status", nil, "only alerts with these `statuses`: "+strings.Join(statuses, ", "))
	f.StringVar(&o.owner, "owner", "", "only alerts of this owner, a `name`")
	o.period.add(cmd, "was observed last")
	f.Var(&o.raised.from, "raised-from", "only alerts raised at this `time` or later")
	f.Var(&o.raised.to, "raised-to", "only alerts raised before this `time`")
	completes(cmd, "severity", severities...)
	completes(cmd, "status", statuses...)
}

func (o *alertFilter) filter() (client.AlertFilter, error) {
	f := client.AlertFilter{Type: o.typ, Severity: o.severity, Status: o.status, Owner: o.owner}
	var err error
	if o.device != "" {
		if f.Device, err = parseDevice(o.device); err != nil {
			return f, err
		}
	}
	if err := oneOf("severity", o.severity, severities); err != nil {
		return f, err
	}
	if err := oneOf("status", o.status, statuses); err != nil {
		return f, err
	}
	f.RaisedFrom, f.RaisedTo = o.raised.from.Time, o.raised.to.Time
	if !f.RaisedFrom.IsZero() && !f.RaisedTo.IsZero() && !f.RaisedFrom.Before(f.RaisedTo) {
		return f, usageError{errors.New("--raised-to must be after --raised-from")}
	}
	f.From, f.To, err = o.period.bounds()
	return f, err
}

func newAlertListCommand(hub *hubFlags) *cobra.Command {
	var o alertFilter
	var l listing
	var whole bool
	var text string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List alerts, the newest first",
		Long: `List alerts, the newest first. Ids are cut to what other commands take; the
whole ones are in --full-ids and --json.`,
		Example: `  tvilling alert list --status open --severity high,medium
  tvilling alert list --device thermostat-1 --since 7d
  tvilling alert list --text 203.0.113.7
  tvilling alert list --type IoT_CryptoMiner --top 0 --json | jq -r .id`,
		Args: cobra.NoArgs,
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			f, err := o.filter()
			if err == nil {
				err = l.check()
			}
			if err != nil {
				return err
			}
			f.Text = text
			return printList(cmd, hub, l, c.Alerts(cmd.Context(), f, client.Paging{PageSize: l.page()}), alertColumns(whole))
		}),
	}
	o.add(cmd)
	l.add(cmd, 100, "alerts")
	cmd.Flags().StringVar(&text, "text", "", "only alerts with this `text` in title, deciding value, cause or note")
	cmd.Flags().BoolVar(&whole, "full-ids", false, "show whole ids")
	return cmd
}

func alertColumns(whole bool) columnsOf[client.Alert] {
	return columnsOf[client.Alert]{
		names: []string{"ALERT", "SEVERITY", "STATUS", "DEVICE", "TYPE", "COUNT", "LAST OBSERVED", "OWNER"},
		cells: func(a *client.Alert) []any {
			id := a.ID
			if !whole {
				id = shortID(id)
			}
			return []any{id, a.Severity, a.Status, a.Device, a.Type, a.Count, when(a.Last), dash(shorten(a.Owner, 24))}
		},
		raw: func(a *client.Alert) any { return a.Raw },
	}
}

func newAlertShowCommand(hub *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use:               "show ID",
		Short:             "Show an alert with its evidence",
		Example:           "  tvilling alert show 3f2a1b7c",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: hub.completeAlerts,
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			id, err := findAlert(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			a, err := c.Alert(cmd.Context(), id)
			if err != nil {
				return err
			}
			if hub.json {
				return writeJSON(cmd.OutOrStdout(), a.Raw)
			}
			return printAlert(cmd.OutOrStdout(), a)
		}),
	}
}

func printAlert(w io.Writer, a *client.Alert) error {
	p := newPrinter(w, false)
	row := func(name string, value any) {
		_ = p.row(nil, name, value) // errors come at the flush
	}
	optional := func(name, value string) {
		if value != "" {
			row(name, value)
		}
	}
	row("Alert", a.ID)
	row("What", a.Title+" ("+a.Type+")")
	row("Severity", a.Severity)
	status := a.Status
	if a.Reason != "" {
		status += " (" + a.Reason + ")"
	}
	if !a.DismissedUntil.IsZero() {
		status += ", until " + when(a.DismissedUntil)
	}
	row("Status", status)
	row("Device", a.Device)
	optional("Cause", a.Cause)
	row("Detection", a.Rule+", version "+a.RuleVersion)
	observed := counted(a.Count, "time")
	if a.Count > 1 {
		observed += ", first " + when(a.First) + ", last " + when(a.Last)
	} else {
		observed += ", " + when(a.Last)
	}
	if a.Reopened > 0 {
		observed += ", reopened " + counted(int64(a.Reopened), "time")
	}
	row("Observed", observed)
	optional("Owner", a.Owner)
	optional("Note", a.Note)
	row("Raised", when(a.Created))
	row("Changed", when(a.Updated))
	if err := p.flush(); err != nil {
		return err
	}
	for i := range a.Evidence {
		printEvidence(w, &a.Evidence[i])
	}
	fmt.Fprintf(w, "\nwhy: tvilling alert explain %s\n", shortID(a.ID))
	return nil
}

// printEvidence writes an observation: where it is, the values that matched,
// and what was sent.
func printEvidence(w io.Writer, e *client.Evidence) {
	fmt.Fprintf(w, "\n%s  %s", when(e.Time), oneLine(dash(e.Name)))
	if e.Event != "" {
		fmt.Fprintf(w, "  event %s", oneLine(e.Event))
	}
	if e.Sequence > 0 {
		fmt.Fprintf(w, "  message %d", e.Sequence)
	}
	if e.Hits > 1 {
		fmt.Fprintf(w, "  stands for %d", e.Hits)
	}
	fmt.Fprintln(w)
	for _, m := range e.Matched {
		fmt.Fprintf(w, "  %s = %s", oneLine(m.Field), quoted(m.Value))
		if m.Pattern != "" {
			fmt.Fprintf(w, "  matches %s", quoted(m.Pattern))
		}
		fmt.Fprintln(w)
	}
	if len(e.Item) > 0 {
		fmt.Fprintf(w, "  %s\n", oneLine(shorten(compact(e.Item), 1000)))
	}
}

func newAlertExplainCommand(hub *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "explain ID",
		Short: "Say in plain words why there is an alert and what to do",
		Long: `Say in plain words why there is an alert: which detection raised it and what it
looks for, which values in which events matched, whether the device's clock can
be trusted, what has been done so far, and what to do about it.`,
		Example:           "  tvilling alert explain 3f2a1b7c",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: hub.completeAlerts,
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			id, err := findAlert(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			e, err := c.ExplainAlert(cmd.Context(), id)
			if err != nil {
				return err
			}
			if hub.json {
				return writeJSON(cmd.OutOrStdout(), e.Raw)
			}
			w := cmd.OutOrStdout()
			printSentences(w, "", e.Sentences)
			if o := e.Alert.Status; o != "resolved" && o != "dismissed" {
				fmt.Fprintf(w, "\nwhen it is done: tvilling alert resolve %s --reason %s\n", shortID(e.Alert.ID), strings.Join(reasons, "|"))
			}
			return nil
		}),
	}
}

// printSentences writes sentences as paragraphs, broken for a terminal.
func printSentences(w io.Writer, indent string, sentences []string) {
	for _, s := range sentences {
		wrap(w, indent, oneLine(s))
	}
}

func newAlertHistoryCommand(hub *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use:               "history ID",
		Short:             "Show who did what with an alert, and when",
		Example:           "  tvilling alert history 3f2a1b7c",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: hub.completeAlerts,
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			id, err := findAlert(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			steps, err := c.AlertHistory(cmd.Context(), id)
			if err != nil {
				return err
			}
			return printList(cmd, hub, listing{}, slice(steps), columnsOf[client.AlertStep]{
				names: []string{"TIME", "WHO", "ACTION", "STATUS", "REASON", "OWNER", "NOTE"},
				cells: func(s *client.AlertStep) []any {
					return []any{when(s.Time), s.Actor, s.Action, dash(s.To), dash(s.Reason), dash(s.Owner), dash(shorten(s.Note, 80))}
				},
				raw: func(s *client.AlertStep) any { return s },
			})
		}),
	}
}

// counted is a number with its noun.
func counted(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return thousands(n) + " " + noun + "s"
}

// quoted shows a text of a device with its ends, cut to what a line has room for.
func quoted(s string) string {
	const most = 160
	if r := []rune(s); len(r) > most {
		return strconv.Quote(string(r[:most])) + "…"
	}
	return strconv.Quote(s)
}

// compact is JSON on one line.
func compact(raw json.RawMessage) string {
	var b strings.Builder
	if err := writeJSON(&b, raw); err != nil {
		return string(raw)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// oneOf refuses words that a flag does not know.
func oneOf(flag string, given, known []string) error {
	for _, g := range given {
		if !slices.Contains(known, g) {
			return usageError{fmt.Errorf("--%s %q: it is one of %s", flag, g, strings.Join(known, ", "))}
		}
	}
	return nil
}
