package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling/internal/client"
)

// steering is a command that tells a configuration what to do.
type steering struct {
	verb, short, long, example string
	// done is what is said afterwards, behind the id.
	done string
}

func newSteerCommand(hub *hubFlags, s steering) *cobra.Command {
	cmd := &cobra.Command{
		Use:     s.verb + " ID",
		Short:   s.short,
		Long:    s.long,
		Example: s.example,
		Args:    cobra.ExactArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			p, err := c.SteerConfiguration(cmd.Context(), args[0], s.verb)
			if err != nil {
				return err
			}
			if hub.json {
				return writeJSON(cmd.OutOrStdout(), p.Raw)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s %s; it is %s\n", oneLine(p.ID), s.done, progressText(p))
			return err
		}),
	}
	cmd.ValidArgsFunction = hub.completeConfigurations
	return cmd
}

func newConfigPauseCommand(hub *hubFlags) *cobra.Command {
	return newSteerCommand(hub, steering{
		verb: "pause", short: "Have a configuration write nothing for a while",
		long: `Have an automatic configuration write nothing until it is resumed. What it has
written stays; twins that leave its condition lose it as ever.`,
		example: "  tvilling config pause fw-5", done: "writes nothing until it is resumed",
	})
}

func newConfigResumeCommand(hub *hubFlags) *cobra.Command {
	return newSteerCommand(hub, steering{
		verb: "resume", short: "Let a paused, halted or rolled back configuration go on",
		long: `Let an automatic configuration go on that was paused or has halted, and one that
was rolled back begin anew.`,
		example: "  tvilling config resume fw-5", done: "goes on",
	})
}

func newConfigAdvanceCommand(hub *hubFlags) *cobra.Command {
	return newSteerCommand(hub, steering{
		verb: "advance", short: "Begin the next step of a rollout now",
		long:    "Begin the next step of a rollout now, whatever the present one waits for.",
		example: "  tvilling config advance fw-5", done: "goes to its next step",
	})
}

func newConfigRollbackCommand(hub *hubFlags) *cobra.Command {
	return newSteerCommand(hub, steering{
		verb: "rollback", short: "Take back everywhere what a configuration wrote",
		long: `Take what an automatic configuration wrote from every twin; where another one wants
the same property, its value comes in its place. The configuration stays, and
begins anew when it is resumed.`,
		example: "  tvilling config rollback fw-5", done: "takes back what it wrote",
	})
}

// progressText says in one line how far a configuration is.
func progressText(p *client.ConfigurationProgress) string {
	parts := []string{progressState(p)}
	if p.Steps > 0 {
		parts = append(parts, fmt.Sprintf("step %d of %d", p.Step, p.Steps))
	}
	if m := p.Metrics; m != nil {
		parts = append(parts, fmt.Sprintf("%s of %s twins have it", thousands(m.Applied), thousands(m.Targeted)))
	}
	if p.Watched > 0 {
		parts = append(parts, fmt.Sprintf("%s of %s unhealthy", thousands(p.Unhealthy), thousands(p.Watched)))
	}
	if p.Blocked > 0 {
		parts = append(parts, thousands(p.Blocked)+" blocked")
	}
	if next := nextText(p); next != "" {
		parts = append(parts, next)
	}
	if p.Reason != "" {
		parts = append(parts, p.Reason)
	}
	return oneLine(strings.Join(parts, ", "))
}

// settled reports whether a configuration goes no further by itself.
func settled(state string) bool {
	switch state {
	case "applied", "paused", "halted", "rolledBack":
		return true
	default:
		return false
	}
}

func newConfigFollowCommand(hub *hubFlags) *cobra.Command {
	var once bool
	cmd := &cobra.Command{
		Use:   "follow ID",
		Short: "Follow how far a configuration comes, until it is where it stays",
		Long: `Follow how far an automatic configuration comes. A line is printed for each change;
the command ends when the configuration is applied, paused, halted or rolled back.`,
		Example: `  tvilling config follow lab-fps
  tvilling config follow lab-fps --json`,
		Args: cobra.ExactArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			return runFollowConfig(cmd, hub, c, args[0], once)
		}),
	}
	cmd.Flags().BoolVar(&once, "once", false, "print how far it is now, and end")
	cmd.ValidArgsFunction = hub.completeConfigurations
	return cmd
}

func runFollowConfig(cmd *cobra.Command, hub *hubFlags, c *client.Client, id string, once bool) error {
	ctx, last := cmd.Context(), ""
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		p, err := c.ConfigurationProgress(ctx, id)
		if err != nil {
			return err
		}
		if line := progressText(p); line != last {
			last = line
			if err := printFollowed(cmd.OutOrStdout(), hub, p, line); err != nil {
				return err
			}
		}
		if once || settled(p.State) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func printFollowed(w io.Writer, hub *hubFlags, p *client.ConfigurationProgress, line string) error {
	if hub.json {
		return writeJSON(w, p.Raw)
	}
	_, err := fmt.Fprintf(w, "%s  %s\n", when(time.Now()), line)
	return err
}
