package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling/internal/client"
)

func newDetectCommand() *cobra.Command {
	var hub hubFlags
	cmd := &cobra.Command{
		Use:   "detect",
		Short: "See and set what is detected, and add rules of your own",
		Long: `See and set what is detected, and add rules of your own, written as Sigma rules.
A change counts at once, for events that come from then on.`,
		Example: `  tvilling detect list
  tvilling detect set brute-force-failed --parameter attempts=20
  tvilling detect put own-rule rule.yml`,
	}
	hub.add(cmd)
	cmd.AddCommand(
		newDetectListCommand(&hub), newDetectShowCommand(&hub), newDetectSetCommand(&hub),
		newDetectCheckCommand(&hub), newDetectTryCommand(&hub), newDetectPutCommand(&hub), newDetectDeleteCommand(&hub),
	)
	return cmd
}

func newDetectListCommand(hub *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the detections",
		Long: `List the detections: those of the hub (builtin) and the operators' own. FOUND
counts what each has found since the hub started.`,
		Example: "  tvilling detect list\n  tvilling detect list --json | jq -r .id",
		Args:    cobra.NoArgs,
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			list, err := c.Detections(cmd.Context())
			if err != nil {
				return err
			}
			return printList(cmd, hub, listing{}, slice(list), columnsOf[client.Detection]{
				names: []string{"DETECTION", "STATE", "SEVERITY", "ALERT TYPE", "SOURCE", "FOUND", "WHAT"},
				cells: func(d *client.Detection) []any {
					return []any{d.ID, stateOf(d), d.Severity, d.Type, d.Source, d.Findings, shorten(d.Title, 60)}
				},
				raw: func(d *client.Detection) any { return d },
			})
		}),
	}
}

// stateOf says in a word whether a detection is in force.
func stateOf(d *client.Detection) string {
	switch {
	case !d.Enabled:
		return "off"
	case d.Error != "":
		return "error"
	default:
		return "on"
	}
}

func newDetectShowCommand(hub *hubFlags) *cobra.Command {
	var text bool
	cmd := &cobra.Command{
		Use:               "show ID",
		Short:             "Show a detection: what it looks for, its parameters, what to do about its alerts",
		Example:           "  tvilling detect show brute-force-failed\n  tvilling detect show crypto-miner --text > own.yml",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: hub.completeDetections,
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			d, err := c.Detection(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			switch {
			case text && d.Text == "":
				return fmt.Errorf("detection %s is not a Sigma rule: it is part of the program", d.ID)
			case text:
				_, err := io.WriteString(safely(cmd.OutOrStdout()), d.Text)
				return err
			case hub.json:
				return writeJSON(cmd.OutOrStdout(), d)
			}
			return printDetection(cmd.OutOrStdout(), d)
		}),
	}
	cmd.Flags().BoolVar(&text, "text", false, "only the text of the Sigma rule")
	return cmd
}

func printDetection(w io.Writer, d *client.Detection) error {
	p := newPrinter(w, false)
	row := func(name string, value any) {
		_ = p.row(nil, name, value) // errors come at the flush
	}
	row("Detection", d.ID)
	row("What", d.Title)
	row("State", stateOf(d))
	if d.Error != "" {
		row("Error", d.Error)
	}
	row("Alert", d.Type+", severity "+d.Severity)
	row("Version", d.Version)
	row("Source", d.Source)
	row("Found", counted(d.Findings, "time")+" since the hub started")
	if len(d.Techniques)+len(d.Tactics) > 0 {
		row("MITRE ATT&CK", strings.Join(slices.Concat(d.Techniques, d.Tactics), ", "))
	}
	if err := p.flush(); err != nil {
		return err
	}
	if d.Description != "" {
		fmt.Fprintln(w)
		wrap(w, "", oneLine(d.Description))
	}
	if err := printParameters(w, d); err != nil {
		return err
	}
	for _, l := range []struct {
		title string
		list  []string
	}{{"what to do about its alerts", d.Remediation}, {"when it may be harmless", d.FalsePositives}, {"references", d.References}} {
		if len(l.list) == 0 {
			continue
		}
		fmt.Fprintf(w, "\n%s\n", l.title)
		for i, s := range l.list {
			wrap(w, "  ", fmt.Sprintf("%d. %s", i+1, oneLine(s)))
		}
	}
	if d.Text != "" {
		fmt.Fprintf(w, "\nits Sigma rule: tvilling detect show %s --text\n", oneLine(d.ID))
	}
	return nil
}

func printParameters(w io.Writer, d *client.Detection) error {
	if len(d.Parameters) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	p := newPrinter(w, false, "PARAMETER", "VALUE", "UNIT", "DEFAULT", "FROM", "TO", "WHAT")
	for _, v := range d.Parameters {
		if err := p.row(nil, v.Name, v.Value, v.Unit, v.Default, v.Min, v.Max, v.Description); err != nil {
			return err
		}
	}
	return p.flush()
}

// detectSetOptions are the flags of detect set.
type detectSetOptions struct {
	enable, disable bool
	parameters      []string
}

func newDetectSetCommand(hub *hubFlags) *cobra.Command {
	var o detectSetOptions
	cmd := &cobra.Command{
		Use:   "set ID",
		Short: "Switch a detection on or off, and set its parameters",
		Example: `  tvilling detect set brute-force-failed --parameter attempts=20 --parameter window=600
  tvilling detect set port-forwarding --disable`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: hub.completeDetections,
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			change, err := o.change()
			if err != nil {
				return err
			}
			d, err := c.ConfigureDetection(cmd.Context(), args[0], change)
			if err != nil {
				return err
			}
			if hub.json {
				return writeJSON(cmd.OutOrStdout(), d)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is %s\n", oneLine(d.ID), stateOf(d))
			return printParameters(cmd.OutOrStdout(), d)
		}),
	}
	f := cmd.Flags()
	f.BoolVar(&o.enable, "enable", false, "switch it on")
	f.BoolVar(&o.disable, "disable", false, "switch it off")
	f.StringArrayVar(&o.parameters, "parameter", nil, "set a parameter, as `name=number`; may be given several times")
	return cmd
}

func (o *detectSetOptions) change() (client.DetectionChange, error) {
	var c client.DetectionChange
	switch {
	case o.enable && o.disable:
		return c, usageError{errors.New("give --enable or --disable, not both")}
	case o.enable || o.disable:
		c.Enabled = new(o.enable)
	case len(o.parameters) == 0:
		return c, usageError{errors.New("give --enable, --disable or --parameter")}
	}
	for _, p := range o.parameters {
		name, value, _ := strings.Cut(p, "=")
		n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		if name = strings.TrimSpace(name); name == "" || err != nil {
			return c, usageError{fmt.Errorf("--parameter %q: it is written as name=number, such as attempts=20; \"tvilling detect show\" lists them", p)}
		}
		if c.Parameters == nil {
			c.Parameters = make(map[string]int64)
		}
		c.Parameters[name] = n
	}
	return c, nil
}
