package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling/internal/client"
)

// summaryOptions are the flags of commands that count.
type summaryOptions struct {
	by  []string
	top int
}

func (o *summaryOptions) add(cmd *cobra.Command, columns []string, usual ...string) {
	f := cmd.Flags()
	f.StringSliceVar(&o.by, "by", usual, "count by these `columns`: "+strings.Join(columns, ", "))
	f.IntVar(&o.top, "top", 20, "at most `n` lines, those with the most; 0 for all that the hub gives")
	completes(cmd, "by", columns...)
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if o.top < 0 {
			return usageError{errors.New("--top must not be negative")}
		}
		return oneOf("by", o.by, columns)
	}
}

// printSummary writes counts as a table with bars. what names what is counted.
func printSummary(cmd *cobra.Command, hub *hubFlags, o summaryOptions, what string, s *client.Summary) error {
	groups, more := s.Groups, s.More
	if o.top > 0 && len(groups) > o.top {
		groups, more = groups[:o.top], more+len(groups)-o.top
	}
	if hub.json {
		return writeJSON(cmd.OutOrStdout(), client.Summary{By: s.By, Groups: groups, More: more})
	}
	var most int64
	for _, g := range groups {
		most = max(most, g.Count)
	}
	if len(s.By) > 0 && s.By[0] == "day" { // days are read in their order
		slices.SortStableFunc(groups, func(a, b client.Group) int { return strings.Compare(a.Values[0], b.Values[0]) })
	}
	var names []string
	for _, b := range s.By {
		names = append(names, strings.ToUpper(b))
	}
	p := newPrinter(cmd.OutOrStdout(), false, append(names, strings.ToUpper(what), "DEVICES", "")...)
	for _, g := range groups {
		var cells []any
		for _, v := range g.Values {
			cells = append(cells, dash(v))
		}
		if err := p.row(nil, append(cells, thousands(g.Count), thousands(g.Devices), bar(g.Count, most, barWidth))...); err != nil {
			return err
		}
	}
	if err := p.flush(); err != nil {
		return err
	}
	if more > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s more with fewer are left out; give --top 0, or narrow what is counted.\n", thousands(int64(more)))
	}
	return nil
}

func newAlertSummaryCommand(hub *hubFlags) *cobra.Command {
	var o alertFilter
	var s summaryOptions
	cmd := &cobra.Command{
		Use:   "summary",
		Short: "Count alerts by type, severity, status, device, day or hour",
		Example: `  tvilling alert summary --status open
  tvilling alert summary --by day,severity --since 30d
  tvilling alert summary --by raisedHour,severity --raised-from 2026-11-28T00:00:00Z
  tvilling alert summary --by device --status open --top 10`,
		Args: cobra.NoArgs,
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			f, err := o.filter()
			if err != nil {
				return err
			}
			got, err := c.AlertSummary(cmd.Context(), f, s.by...)
			if err != nil {
				return err
			}
			return printSummary(cmd, hub, s, "alerts", got)
		}),
	}
	o.add(cmd)
	s.add(cmd, []string{"device", "type", "severity", "status", "day", "raisedHour"}, "type", "severity")
	return cmd
}
