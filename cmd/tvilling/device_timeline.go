package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling/internal/client"
)

func newDeviceTimelineCommand(hub *hubFlags) *cobra.Command {
	var kinds []string
	var before string
	var limit int
	cmd := &cobra.Command{
		Use:   "timeline ID",
		Short: "See what happened to a device, newest first",
		Long: `See what happened to a device and to its security module, newest first: alerts
and what was done about them, recommendations, changes of its posture, when it
connected and from where, who changed its twins and identity, configurations,
logins, and refusals by the hub. What it reports of itself is left out unless
--kind has reported.

Kinds are alert, recommendation, posture, connection, twin, reported,
configuration, identity, login, refusal and agent.`,
		Example: `  tvilling device timeline thermostat-1
  tvilling device timeline thermostat-1 --kind twin,configuration --json`,
		Args: cobra.ExactArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			id, err := parseDevice(args[0])
			if err != nil {
				return err
			}
			page, err := c.Timeline(cmd.Context(), id, kinds, before, limit)
			if err != nil {
				return err
			}
			if hub.json {
				return writeJSON(cmd.OutOrStdout(), page)
			}
			return printTimeline(cmd.OutOrStdout(), page)
		}),
	}
	f := cmd.Flags()
	f.StringSliceVar(&kinds, "kind", nil, "only `kinds` of entries, with commas between")
	f.StringVar(&before, "before", "", "go on at the `place` that the page before gave")
	f.IntVar(&limit, "limit", 50, "at most so `many` entries, up to 200")
	return cmd
}

func printTimeline(w io.Writer, page *client.Timeline) error {
	for _, e := range page.Entries {
		line := when(e.Time) + "  " + oneLine(e.Title)
		if e.Severity != "" {
			line += " (" + oneLine(e.Severity) + ")"
		}
		if e.Actor != "" {
			line += ", by " + oneLine(e.Actor)
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
		if e.Detail != "" {
			wrap(w, "  ", oneLine(e.Detail))
		}
	}
	switch {
	case page.Next != "":
		_, err := fmt.Fprintf(w, "\nmore: --before %s\n", oneLine(page.Next))
		return err
	case len(page.Entries) == 0:
		_, err := fmt.Fprintln(w, "nothing that is kept")
		return err
	}
	return nil
}
