package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

// alertChange is a command that changes alerts.
type alertChange struct {
	verb, short, long, example string
	// status is what the alerts become; "" leaves it.
	status string
	// closes says that a reason is needed, needs which flag must be given.
	closes bool
	needs  string
	// done tells of an alert that was changed.
	done string
}

var alertChanges = []alertChange{
	{verb: "ack", status: "acknowledged", done: "acknowledged", short: "Say that alerts have been seen", example: "  tvilling alert ack 3f2a1b7c 90de41c2 --owner ann"},
	{verb: "start", status: "inProgress", done: "in progress", short: "Say that somebody works on alerts", example: "  tvilling alert start 3f2a1b7c --owner ann"},
	{
		verb: "resolve", status: "resolved", done: "resolved", closes: true, short: "Close alerts, since what caused them is over",
		long:    "Close alerts, since what caused them is over. New evidence within a week reopens\nthem; later evidence raises new ones.",
		example: "  tvilling alert resolve 3f2a1b7c --reason mitigated --note \"program removed, key changed\"",
	},
	{
		verb: "dismiss", status: "dismissed", done: "dismissed", closes: true, short: "Close alerts for good, or for a time",
		long: "Close alerts for good, or until a time. New evidence of the same cause is counted\nin silence; after --until it reopens them.",
		example: `  tvilling alert dismiss 3f2a1b7c --reason falsePositive
  tvilling alert dismiss 3f2a1b7c --reason acceptedRisk --until 30d
  tvilling alert list --type IoT_PortForwarding --status open --top 0 --json | jq -r .id | tvilling alert dismiss --stdin --reason benign`,
	},
	{verb: "reopen", status: "new", done: "open again", short: "Open alerts again that were resolved or dismissed", example: "  tvilling alert reopen 3f2a1b7c --note \"it is back\""},
	{verb: "assign", needs: "owner", done: "assigned", short: "Say who has to do with alerts", example: "  tvilling alert assign 3f2a1b7c --owner ann\n  tvilling alert assign 3f2a1b7c --owner \"\""},
	{verb: "note", needs: "note", done: "noted", short: "Write a note on alerts, in place of the one there is", example: "  tvilling alert note 3f2a1b7c --note \"asked the site about it\""},
}

// alertChangeOptions are the flags of the commands that change alerts.
type alertChangeOptions struct {
	reason, note, owner, until string
	stdin                      bool
}

func newAlertChangeCommand(hub *hubFlags, a alertChange) *cobra.Command {
	var o alertChangeOptions
	long := a.long
	if long == "" {
		long = a.short + "."
	}
	cmd := &cobra.Command{
		Use:   a.verb + " ID...",
		Short: a.short,
		Long: long + `

Each alert is changed or refused for itself. Many ids can be read from standard
input, one a line.`,
		Example:           a.example,
		ValidArgsFunction: hub.completeAlerts,
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			change, err := o.change(cmd, a)
			if err != nil {
				return err
			}
			if o.stdin {
				s := bufio.NewScanner(cmd.InOrStdin())
				for s.Scan() {
					args = append(args, strings.Fields(s.Text())...)
				}
				if err := s.Err(); err != nil {
					return fmt.Errorf("read ids: %w", err)
				}
			} else if len(args) == 0 {
				return usageError{errors.New("name at least one alert, or give --stdin")}
			}
			ids, err := findAlerts(cmd.Context(), c, args)
			if err != nil {
				return err
			}
			return changeAlerts(cmd.Context(), c, hub.json, ids, change, a.done, cmd.OutOrStdout())
		}),
	}
	f := cmd.Flags()
	f.StringVar(&o.note, "note", "", "`text` that stays with the alert")
	f.StringVar(&o.owner, "owner", "", "who has to do with it, a `name`")
	if a.closes {
		f.StringVar(&o.reason, "reason", "", "`why`: "+strings.Join(reasons, ", "))
		completes(cmd, "reason", reasons...)
	}
	if a.verb == "dismiss" {
		f.StringVar(&o.until, "until", "", "for a `time`: 12h, 30d, or to a date such as 2026-01-31 (default for good)")
	}
	f.BoolVar(&o.stdin, "stdin", false, "read ids from standard input, one a line")
	return cmd
}

// change puts a change together from the flags.
func (o *alertChangeOptions) change(cmd *cobra.Command, a alertChange) (client.AlertChange, error) {
	var change client.AlertChange
	if a.status != "" {
		change.Status = new(a.status)
	}
	if a.needs != "" && !cmd.Flags().Changed(a.needs) {
		return change, usageError{fmt.Errorf("give --%s", a.needs)}
	}
	if a.closes {
		if o.reason == "" {
			return change, usageError{fmt.Errorf("say why by --reason: %s", strings.Join(reasons, ", "))}
		}
		if err := oneOf("reason", []string{o.reason}, reasons); err != nil {
			return change, err
		}
		change.Reason = new(o.reason)
	}
	if cmd.Flags().Changed("note") {
		change.Note = new(o.note)
	}
	if cmd.Flags().Changed("owner") {
		change.Owner = new(o.owner)
	}
	if o.until != "" {
		until, err := future(o.until)
		if err != nil {
			return change, usageError{fmt.Errorf("--until %q: %w", o.until, err)}
		}
		change.DismissedUntil = &until
	}
	return change, nil
}

// future reads a time that is given as one or by how far it is away.
func future(s string) (time.Time, error) {
	var away span
	if away.Set(s) == nil {
		return time.Now().Add(time.Duration(away)), nil
	}
	var m moment
	if m.Set(s) != nil {
		return time.Time{}, errors.New("it is a time span such as 12h or 30d, or a time such as 2026-01-31 or \"2026-01-31 14:30\"")
	}
	return m.Time, nil
}

// alertOutcome is what became of one alert, for programs.
type alertOutcome struct {
	ID      string        `json:"id"`
	Updated bool          `json:"updated"`
	Code    tvilling.Code `json:"code,omitempty"`
	Message string        `json:"message,omitempty"`
}

// changeAlerts changes alerts, as many at once as the hub takes. Those refused
// are told one by one; they do not stop the others.
func changeAlerts(ctx context.Context, c *client.Client, asJSON bool, ids []string, change client.AlertChange, done string, w io.Writer) error {
	var refused []error
	for part := range slices.Chunk(ids, maxPage) {
		got, err := c.UpdateAlerts(ctx, part, change)
		if err != nil {
			return err
		}
		for _, id := range got.Updated {
			if asJSON {
				err = writeJSON(w, alertOutcome{ID: id, Updated: true})
			} else {
				_, err = fmt.Fprintf(w, "%s  %s\n", oneLine(id), done)
			}
			if err != nil {
				return err
			}
		}
		for _, f := range got.Failed {
			refused = append(refused, &tvilling.Error{Code: f.Code, Op: "update alert", Subject: f.ID, Message: f.Message})
			if asJSON {
				if err := writeJSON(w, alertOutcome{ID: f.ID, Code: f.Code, Message: f.Message}); err != nil {
					return err
				}
			}
		}
	}
	return failures(refused, len(ids))
}

// failures is one error for what failed of some work; nil if nothing did.
func failures(errs []error, of int) error {
	switch len(errs) {
	case 0:
		return nil
	case 1:
		return errs[0]
	}
	const told = 10
	lines := []string{fmt.Sprintf("%d of %d failed:", len(errs), of)}
	for _, err := range errs[:min(told, len(errs))] {
		lines = append(lines, "  "+describe(err))
	}
	if more := len(errs) - told; more > 0 {
		lines = append(lines, fmt.Sprintf("  and %d more", more))
	}
	return &several{errs[0], strings.Join(lines, "\n")}
}

// several is some errors, told together; the first gives the exit status.
type several struct {
	first error
	text  string
}

// Error tells them.
func (s *several) Error() string { return s.text }

// Unwrap returns the first.
func (s *several) Unwrap() error { return s.first }
