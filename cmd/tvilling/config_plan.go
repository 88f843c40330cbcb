package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

func newConfigPlanCommand(hub *hubFlags) *cobra.Command {
	var o configFlags
	var l listing
	cmd := &cobra.Command{
		Use:   "plan [ID]",
		Short: "Show what a configuration would do to which twins, without doing it",
		Long: `Show what a new or changed automatic configuration would do, twin by twin, and do
none of it. The arguments are those of "config create" or, for a configuration that
is there, of "config update". Steps of a rollout are not waited for: it is what
will be in the end.`,
		Example: `  tvilling config plan lab-fps --target "tags.site = 'lab'" --priority 10 --set properties.desired.fps=30
  tvilling config plan lab-fps --target "tags.site = 'roof'" --top 0`,
		Args:    cobra.MaximumNArgs(1),
		PreRunE: func(*cobra.Command, []string) error { return l.check() },
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			s, err := o.plan(cmd, c, args)
			if err != nil {
				return err
			}
			return runPlan(cmd, hub, c, s, l.top)
		}),
	}
	o.add(cmd)
	l.add(cmd, 20, "twins")
	cmd.Flags().BoolVar(&o.noRollout, "no-rollout", false, "as for \"config update\"")
	cmd.ValidArgsFunction = hub.completeConfigurations
	return cmd
}

// plan puts together what is to be tried: a new configuration, or flags over
// one that is there.
func (o *configFlags) plan(cmd *cobra.Command, c *client.Client, args []string) (client.ConfigurationSpec, error) {
	if o.file == "" && len(args) > 0 {
		s, _, err := o.update(cmd, c, args)
		if tvilling.CodeOf(err) != tvilling.ConfigurationNotFound {
			return s, err
		}
	}
	s, err := o.read(args, cmd.InOrStdin())
	if err == nil && s.Content == nil {
		err = usageError{fmt.Errorf("there is no configuration %s yet; say what it sets by --set, --agent or --file", s.ID)}
	}
	return s, err
}

func runPlan(cmd *cobra.Command, hub *hubFlags, c *client.Client, s client.ConfigurationSpec, top int) error {
	const page = 100
	w, after, shown := cmd.OutOrStdout(), "", 0
	for {
		size := page
		if top > 0 {
			size = min(page, top-shown)
		}
		p, err := c.PlanConfiguration(cmd.Context(), s, after, size)
		if err != nil {
			return pointOutIn(s, err)
		}
		if after == "" && !hub.json {
			fmt.Fprintf(w, "%s would be for %s; %s now have it and would lose it\n", oneLine(s.ID), counted(p.Targeted, "twin"), thousands(p.Leaving))
			printNotices(cmd.ErrOrStderr(), p.Notices)
		}
		for _, t := range p.Twins {
			if hub.json {
				err = writeJSON(w, t)
			} else {
				err = printPlan(w, t)
			}
			if err != nil {
				return err
			}
			shown++
		}
		if p.Next == "" {
			return nil
		}
		if p.Next == after {
			return fmt.Errorf("the hub gives the page after %q again and again", after)
		}
		after = p.Next
		if shown == top {
			_, err := fmt.Fprintf(cmd.ErrOrStderr(), "There are more twins than these %d; give --top 0 for all.\n", shown)
			return err
		}
	}
}

// printPlan writes what would change in one twin, as a diff.
func printPlan(w io.Writer, t *client.TwinPlan) error {
	id := tvilling.Identity{Device: t.DeviceID, Module: t.ModuleID}
	fmt.Fprintf(w, "\n%s  %s\n", oneLine(id.String()), oneLine(planText(t)))
	p := newPrinter(w, false)
	for _, e := range t.Edits {
		removed, set := "", e.By
		if e.New == nil {
			removed, set = "of "+e.By, ""
		}
		for _, side := range []struct {
			sign  string
			value json.RawMessage
			by    string
		}{{"-", e.Old, removed}, {"+", e.New, set}} {
			if side.value == nil {
				continue
			}
			cells := []any{"  " + side.sign + " " + e.Path, shorten(string(side.value), 100)}
			if side.by != "" {
				cells = append(cells, side.by)
			}
			if err := p.row(nil, cells...); err != nil {
				return err
			}
		}
	}
	return p.flush()
}

// planText says in words how a twin would stand.
func planText(t *client.TwinPlan) string {
	switch {
	case t.Reason != "":
		return "would not have it: " + t.Reason
	case !t.Targeted:
		return "would lose it"
	case len(t.Edits) == 0:
		return "has what it says already"
	default:
		return "would get it"
	}
}

func newConfigTestCommand(hub *hubFlags) *cobra.Command {
	var target string
	var metrics []string
	cmd := &cobra.Command{
		Use:   "test",
		Short: "Check a target condition and queries of metrics",
		Example: `  tvilling config test --target "tags.site = 'lab'"
  tvilling config test --target "from devices.modules where moduleId = 'app'" --metric slow="SELECT deviceId FROM devices WHERE properties.reported.fps < 10"`,
		Args: cobra.NoArgs,
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			queries, err := changeTexts(nil, "metric", metrics)
			if err != nil {
				return err
			}
			if target == "" && len(queries) == 0 {
				return usageError{errors.New("give --target, --metric, or both")}
			}
			got, err := c.TestConfiguration(cmd.Context(), target, queries)
			if err != nil {
				return err
			}
			if hub.json {
				if err := writeJSON(cmd.OutOrStdout(), got); err != nil {
					return err
				}
			}
			return testFailure(cmd, hub, got, target, queries)
		}),
	}
	cmd.Flags().StringVar(&target, "target", "", "`condition` to check")
	cmd.Flags().StringArrayVar(&metrics, "metric", nil, "a metric to check, as `name=query`; may be given several times")
	return cmd
}

// testFailure tells what was found, as an error if something is wrong.
func testFailure(cmd *cobra.Command, hub *hubFlags, got *client.QueryTest, target string, queries map[string]string) error {
	var wrong []error
	if got.TargetConditionError != "" {
		wrong = append(wrong, fmt.Errorf("target: %s", pointAt(target, got.TargetConditionError)))
	}
	for _, name := range slices.Sorted(maps.Keys(got.CustomMetricQueryErrors)) {
		wrong = append(wrong, fmt.Errorf("metric %s: %s", name, pointAt(queries[name], got.CustomMetricQueryErrors[name])))
	}
	if len(wrong) > 0 {
		return errors.Join(wrong...)
	}
	if hub.json {
		return nil
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), "nothing is wrong with them")
	return err
}
