package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

func newRecommendationCommand() *cobra.Command {
	var hub hubFlags
	cmd := &cobra.Command{
		Use:   "recommendation",
		Short: "See what is weak on devices, and mend it",
		Long: `See what is weak on devices, and how to mend it. A recommendation is active until
new evidence shows that it is mended; there is one of each type for a device.`,
		Example: "  tvilling recommendation list --device thermostat-1\n  tvilling recommendation show IoT_OpenPorts thermostat-1",
	}
	hub.add(cmd)
	cmd.AddCommand(
		newRecommendationListCommand(&hub), newRecommendationShowCommand(&hub), newRecommendationApplyCommand(&hub),
		newRecommendationSummaryCommand(&hub), newRecommendationTypesCommand(&hub),
	)
	return cmd
}

// recommendationFilter are the flags that select recommendations.
type recommendationFilter struct {
	device, typ, state string
	severity           []string
}

var states = []string{"active", "resolved", "all"}

func (o *recommendationFilter) add(cmd *cobra.Command, hub *hubFlags) {
	f := cmd.Flags()
	f.StringVar(&o.device, "device", "", "only those of the device with this `id`")
	f.StringVar(&o.typ, "type", "", "only those of a `type`, such as IoT_OpenPorts")
	f.StringSliceVar(&o.severity, "severity", nil, "only those of these `severities`: "+strings.Join(severities, ", "))
	f.StringVar(&o.state, "state", "active", "only those in this `state`: "+strings.Join(states, ", "))
	completes(cmd, "severity", severities...)
	completes(cmd, "state", states...)
	if err := cmd.RegisterFlagCompletionFunc("type", hub.completeRecommendations); err != nil {
		panic("tvilling: " + err.Error()) // there is no such flag
	}
}

func (o *recommendationFilter) filter() (client.RecommendationFilter, error) {
	f := client.RecommendationFilter{Type: o.typ, Severity: o.severity, State: o.state}
	if o.state == "all" {
		f.State = ""
	}
	var err error
	if o.device != "" {
		if f.Device, err = parseDevice(o.device); err != nil {
			return f, err
		}
	}
	if err := oneOf("severity", o.severity, severities); err != nil {
		return f, err
	}
	return f, oneOf("state", []string{o.state}, states)
}

func newRecommendationListCommand(hub *hubFlags) *cobra.Command {
	var o recommendationFilter
	var l listing
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List recommendations in the order of devices",
		Example: `  tvilling recommendation list --severity high,medium
  tvilling recommendation list --device thermostat-1 --state all
  tvilling recommendation list --type IoT_OpenPorts --top 0 --json | jq -r .device`,
		Args: cobra.NoArgs,
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			f, err := o.filter()
			if err == nil {
				err = l.check()
			}
			if err != nil {
				return err
			}
			return printList(cmd, hub, l, c.Recommendations(cmd.Context(), f, client.Paging{PageSize: l.page()}), columnsOf[client.Recommendation]{
				names: []string{"DEVICE", "TYPE", "SEVERITY", "STATE", "SINCE", "READY PATCH"},
				cells: func(r *client.Recommendation) []any {
					since, patch := r.Discovered, "-"
					if r.State != "active" {
						since = r.Resolved
					} else if len(r.Patch) > 0 {
						patch = "yes"
					}
					return []any{r.Device, r.Type, r.Severity, r.State, when(since), patch}
				},
				raw: func(r *client.Recommendation) any { return r.Raw },
			})
		}),
	}
	o.add(cmd, hub)
	l.add(cmd, 100, "recommendations")
	return cmd
}

func newRecommendationShowCommand(hub *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use:               "show TYPE DEVICE",
		Short:             "Show a recommendation with its facts, how to mend it, and its ready patch",
		Example:           "  tvilling recommendation show IoT_OpenPorts thermostat-1",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: hub.completeRecommendations,
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			d, err := parseDevice(args[1])
			if err != nil {
				return err
			}
			r, err := c.Recommendation(cmd.Context(), args[0], d)
			if err != nil {
				return err
			}
			if hub.json {
				return writeJSON(cmd.OutOrStdout(), r.Raw)
			}
			types, err := c.RecommendationTypes(cmd.Context())
			if err != nil {
				return err
			}
			return printRecommendation(cmd.OutOrStdout(), r, types)
		}),
	}
}

func printRecommendation(w io.Writer, r *client.Recommendation, types []*client.RecommendationType) error {
	var t client.RecommendationType
	if i := slices.IndexFunc(types, func(t *client.RecommendationType) bool { return t.Type == r.Type }); i >= 0 {
		t = *types[i]
	}
	p := newPrinter(w, false)
	row := func(name string, value any) {
		_ = p.row(nil, name, value) // errors come at the flush
	}
	row("Recommendation", r.Type)
	row("Device", r.Device)
	row("What", dash(t.Title))
	row("Severity", r.Severity)
	row("State", r.State)
	row("Discovered", when(r.Discovered))
	if r.State != "active" {
		row("Resolved", when(r.Resolved))
	}
	row("Changed", when(r.Updated))
	if err := p.flush(); err != nil {
		return err
	}
	if t.Description != "" {
		fmt.Fprintln(w)
		wrap(w, "", oneLine(t.Description))
	}
	if err := printFacts(w, r.Details); err != nil {
		return err
	}
	if len(t.Fix) > 0 {
		fmt.Fprintln(w, "\nhow to mend it")
		for i, s := range t.Fix {
			wrap(w, "  ", fmt.Sprintf("%d. %s", i+1, oneLine(s)))
		}
	}
	if len(r.Patch) > 0 && r.State == "active" {
		id := tvilling.Identity{Device: r.Device, Module: r.Module}
		if err := printTree(w, "\nready patch of the twin of "+oneLine(id.String()), r.Patch); err != nil {
			return err
		}
		fmt.Fprintf(w, "\nwrite it: tvilling recommendation apply %s %s\n", oneLine(r.Type), oneLine(string(r.Device)))
	}
	return nil
}

// printTree writes a JSON object as a list of its leaves.
func printTree(w io.Writer, title string, raw json.RawMessage) error {
	leaves, err := leavesOf("", raw)
	if err != nil {
		return fmt.Errorf("read %s: %w", strings.TrimSpace(title), err)
	}
	if len(leaves) == 0 {
		return nil
	}
	fmt.Fprintln(w, title)
	p := newPrinter(w, false)
	for _, l := range leaves {
		if err := p.row(nil, "  "+l.path, shorten(l.value, 200)); err != nil {
			return err
		}
	}
	return p.flush()
}

// leavesOf returns the values in a JSON object, and in the objects and arrays
// in it, each with its path.
func leavesOf(path string, raw json.RawMessage) ([]leaf, error) {
	raw = json.RawMessage(strings.TrimSpace(string(raw)))
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var list []leaf
	switch raw[0] {
	case '{':
		members, err := readObject(raw)
		if err != nil {
			return nil, err
		}
		for _, m := range members {
			below, err := leavesOf(strings.TrimPrefix(path+"."+m.name, "."), m.value)
			if err != nil {
				return nil, err
			}
			list = append(list, below...)
		}
	case '[':
		var items []json.RawMessage
		if err := json.Unmarshal(raw, &items); err != nil {
			return nil, err
		}
		for i, item := range items {
			below, err := leavesOf(fmt.Sprintf("%s[%d]", path, i), item)
			if err != nil {
				return nil, err
			}
			list = append(list, below...)
		}
	case '"':
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return nil, err
		}
		list = append(list, leaf{path: path, value: s})
	default:
		list = append(list, leaf{path: path, value: string(raw)})
	}
	return list, nil
}

func newRecommendationApplyCommand(hub *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "apply TYPE DEVICE",
		Short: "Write the ready patch of a recommendation into the twin",
		Long: `Write the ready patch of a recommendation into the desired properties of the twin
that it is for, as who you are. "tvilling recommendation show" shows the patch.`,
		Example:           "  tvilling recommendation apply IoT_AgentConfigurationNotOptimal thermostat-1",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: hub.completeRecommendations,
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			d, err := parseDevice(args[1])
			if err != nil {
				return err
			}
			a, err := c.ApplyRecommendation(cmd.Context(), args[0], d)
			if err != nil {
				return err
			}
			if hub.json {
				return writeJSON(cmd.OutOrStdout(), a)
			}
			id := tvilling.Identity{Device: a.Device, Module: a.Module}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is now at version %d, etag %s\nsee: tvilling twin show %s\n", id, a.Version, a.ETag, id)
			return nil
		}),
	}
}

func newRecommendationSummaryCommand(hub *hubFlags) *cobra.Command {
	var o recommendationFilter
	var s summaryOptions
	cmd := &cobra.Command{
		Use:     "summary",
		Short:   "Count recommendations by type, severity, state or device",
		Example: "  tvilling recommendation summary\n  tvilling recommendation summary --by device --severity high --top 10",
		Args:    cobra.NoArgs,
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			f, err := o.filter()
			if err != nil {
				return err
			}
			got, err := c.RecommendationSummary(cmd.Context(), f, s.by...)
			if err != nil {
				return err
			}
			return printSummary(cmd, hub, s, "recommendations", got)
		}),
	}
	o.add(cmd, hub)
	s.add(cmd, []string{"device", "type", "severity", "state"}, "type", "severity")
	return cmd
}

func newRecommendationTypesCommand(hub *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use:     "types",
		Short:   "List the kinds of recommendations, with how to mend each",
		Example: "  tvilling recommendation types",
		Args:    cobra.NoArgs,
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			types, err := c.RecommendationTypes(cmd.Context())
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			for i, t := range types {
				if hub.json {
					if err := writeJSON(w, t); err != nil {
						return err
					}
					continue
				}
				if i > 0 {
					fmt.Fprintln(w)
				}
				fmt.Fprintf(w, "%s  %s\n", oneLine(t.Type), oneLine(t.Severity))
				wrap(w, "  ", oneLine(t.Title)+". "+oneLine(t.Description))
				for n, s := range t.Fix {
					wrap(w, "  ", fmt.Sprintf("%d. %s", n+1, oneLine(s)))
				}
			}
			return nil
		}),
	}
}
