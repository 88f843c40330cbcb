package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling/internal/client"
)

func newSinkCommand() *cobra.Command {
	var hub hubFlags
	cmd := &cobra.Command{
		Use:   "sink",
		Short: "See who is told of alerts, and tell them again",
		Long: `See who is told of alerts and recommendations: the webhooks and syslog servers of
the hub's configuration file. Each is told of everything at least once, in order;
one that was away gets what it missed.`,
		Example: "  tvilling sink list\n  tvilling sink test siem\n  tvilling sink replay siem --after 1200",
	}
	hub.add(cmd)
	cmd.AddCommand(newSinkListCommand(&hub), newSinkTestCommand(&hub), newSinkReplayCommand(&hub))
	return cmd
}

func newSinkListCommand(hub *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the sinks, and how far each is",
		Long: `List the sinks, and how far each is: AT is the sequence of the feed that it has
taken, BEHIND how many it lacks. The other numbers count since the hub started.`,
		Example: "  tvilling sink list",
		Args:    cobra.NoArgs,
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			list, err := c.Sinks(cmd.Context())
			if err != nil {
				return err
			}
			if len(list) == 0 && !hub.json {
				_, err := fmt.Fprintln(cmd.ErrOrStderr(), "No sink is configured; webhooks and syslog servers are named in the hub's configuration file.")
				return err
			}
			return printList(cmd, hub, listing{}, slice(list), columnsOf[client.Sink]{
				names: []string{"SINK", "KIND", "AT", "BEHIND", "SENT", "FAILED", "MISSED", "LAST SENT", "LAST ERROR"},
				cells: func(s *client.Sink) []any {
					return []any{s.Name, s.Kind, s.Cursor, s.Behind, s.Sent, s.Failed, s.Missed, when(s.LastSent), dash(shorten(s.LastError, 200))}
				},
				raw: func(s *client.Sink) any { return s },
			})
		}),
	}
}

func newSinkTestCommand(hub *hubFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "test NAME",
		Short: "Send a sink one entry that is marked as a test, and say what came of it",
		Long: `Send a sink one entry that is marked as a test, by the way that all entries take, and
say what came of it. It is not in the feed, and not tried again.`,
		Example: "  tvilling sink test siem",
		Args:    cobra.ExactArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			got, err := c.TestSink(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if hub.json {
				if err := writeJSON(cmd.OutOrStdout(), got); err != nil {
					return err
				}
			}
			if !got.Taken {
				return fmt.Errorf("%s did not take the test: %s", oneLine(args[0]), oneLine(got.Error))
			}
			if hub.json {
				return nil
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s took the test, in %.0f ms\n", oneLine(args[0]), got.Took)
			return err
		}),
	}
	cmd.ValidArgsFunction = hub.completeSinks
	return cmd
}

func newSinkReplayCommand(hub *hubFlags) *cobra.Command {
	var after uint64
	cmd := &cobra.Command{
		Use:   "replay NAME",
		Short: "Tell a sink again of everything after a sequence of the feed",
		Long: `Tell a sink again of everything after a sequence of the feed; 0 is all that is
kept. "tvilling alert watch --after 0 --once --json" shows the sequences.`,
		Example: "  tvilling sink replay siem --after 1200",
		Args:    cobra.ExactArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			if !cmd.Flags().Changed("after") {
				return usageError{errors.New("say by --after where to begin; 0 is the oldest that is kept")}
			}
			if err := c.ReplaySink(cmd.Context(), args[0], after); err != nil {
				return err
			}
			if hub.json {
				return writeJSON(cmd.OutOrStdout(), map[string]any{"sink": args[0], "after": after})
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s is told again of everything after %d\n", oneLine(args[0]), after)
			return err
		}),
	}
	cmd.Flags().Uint64Var(&after, "after", 0, "the `sequence` after which to begin")
	cmd.ValidArgsFunction = hub.completeSinks
	return cmd
}
