package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

// showAgentConfiguration prints each setting of a device's agent.
func showAgentConfiguration(cmd *cobra.Command, c *client.Client, d tvilling.DeviceID, asJSON bool) error {
	a, err := c.AgentConfiguration(cmd.Context(), d)
	if err != nil {
		return err
	}
	w := cmd.OutOrStdout()
	if asJSON {
		return writeJSON(w, a.Raw)
	}
	p := newPrinter(w, false, "PROPERTY", "VALUE", "DEFAULT", "FROM", "THE AGENT HAS")
	for _, s := range a.Settings {
		from := s.Source
		if s.Actor != "" {
			from += ", " + s.Actor + ", " + when(s.Set)
		}
		has := shorten(s.Reported, 40)
		switch {
		case !a.Reported || has == "" && s.Refused == "":
			has = "-"
		case s.Refused == "":
			has = "the same"
		case has == "":
			has = "nothing"
		}
		if err := p.row(nil, s.Property, shorten(s.Value, 40), shorten(s.Default, 40), from, has); err != nil {
			return err
		}
	}
	if err := p.flush(); err != nil {
		return err
	}
	if !a.Reported {
		fmt.Fprint(w, "\nThe agent has not reported its configuration yet.\n")
	}
	var list []client.Difference
	for _, s := range a.Settings {
		if s.Refused != "" {
			list = append(list, client.Difference{Property: s.Property, Desired: s.Value, Reported: s.Reported, Effective: s.Value, Why: s.Refused})
		}
	}
	if err := printDifferences(w, list); err != nil {
		return err
	}
	for i, problem := range a.Problems {
		if i == 0 {
			fmt.Fprintln(w)
		}
		wrap(w, "", "warning: "+oneLine(problem.Message))
	}
	return nil
}
