package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling/internal/client"
)

func newConfigCommand() *cobra.Command {
	var hub hubFlags
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Configure twins by rule: automatic configurations and their rollouts",
		Long: `Configure twins by rule. An automatic configuration says which twins it is for, by
a condition, and what is to be in their desired properties. Twins that come to
match it get that within moments; twins that no longer do lose it again. Where
several configurations want the same property, the one of the highest priority
has its way.`,
		Example: `  tvilling config create lab-fps --target "tags.site = 'lab'" --set properties.desired.fps=30
  tvilling config show lab-fps
  tvilling config why thermostat-1`,
	}
	hub.add(cmd)
	cmd.AddCommand(
		newConfigListCommand(&hub), newConfigShowCommand(&hub), newConfigMetricsCommand(&hub),
		newConfigCreateCommand(&hub), newConfigUpdateCommand(&hub), newConfigDeleteCommand(&hub),
		newConfigPlanCommand(&hub), newConfigTestCommand(&hub),
		newConfigPauseCommand(&hub), newConfigResumeCommand(&hub), newConfigAdvanceCommand(&hub), newConfigRollbackCommand(&hub),
		newConfigFollowCommand(&hub), newConfigWhyCommand(&hub),
	)
	return cmd
}

func newConfigListCommand(hub *hubFlags) *cobra.Command {
	var l listing
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the automatic configurations, and how far each is",
		Example: `  tvilling config list
  tvilling config list --json`,
		Args:    cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error { return l.check() },
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			list, err := c.Configurations(cmd.Context())
			if err != nil {
				return err
			}
			if len(list) == 0 && !hub.json {
				_, err := fmt.Fprintln(cmd.ErrOrStderr(), "There is no configuration yet; \"tvilling config create --help\" shows how to make one.")
				return err
			}
			return printList(cmd, hub, l, slice(list), columnsOf[client.Configuration]{
				names: []string{"CONFIGURATION", "PRIORITY", "STATE", "TARGETED", "APPLIED", "ETAG", "TARGET"},
				cells: func(c *client.Configuration) []any {
					return []any{c.ID, c.Priority, configState(c), metricOf(c, "targetedCount"), metricOf(c, "appliedCount"), c.ETag, dash(shorten(c.TargetCondition, 60))}
				},
				raw: func(c *client.Configuration) any { return c.Raw },
			})
		}),
	}
	l.add(cmd, 0, "configurations")
	return cmd
}

// configState is the state of a configuration in one word. One that tells of none
// is simply applied to what it finds.
func configState(c *client.Configuration) string {
	if c.Progress != nil {
		return c.Progress.State
	}
	if c.Paused {
		return "paused"
	}
	return "active"
}

// metricOf is a system metric as text, a dash when it cannot be had.
func metricOf(c *client.Configuration, name string) string {
	n, ok := c.SystemMetrics.Results[name]
	if !ok {
		return "-"
	}
	return thousands(n)
}

// isForModules reports whether a configuration is for the twins of modules.
func isForModules(target string) bool {
	fields := strings.Fields(target)
	return len(fields) > 1 && strings.EqualFold(fields[0], "from") && strings.EqualFold(fields[1], "devices.modules")
}

// completeConfigurations completes with the ids of configurations.
func (h *hubFlags) completeConfigurations(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return h.ask(func(ctx context.Context, c *client.Client) ([]string, error) {
		list, err := c.Configurations(ctx)
		var words []string
		for _, c := range list {
			words = append(words, oneLine(c.ID)+"\t"+oneLine(shorten(c.TargetCondition, 60)))
		}
		return words, err
	})(cmd, args, begun)
}
