package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling/internal/client"
)

func newTwinCompareCommand(hub *hubFlags) *cobra.Command {
	var differences bool
	cmd := &cobra.Command{
		Use:   "compare ID",
		Short: "Show the desired beside the reported properties of a twin",
		Long: `Show the desired beside the reported properties of a twin: whether each value
agrees, how a difference comes, as far as can be told, and who desired it. In the
twin of a security module, values that mean the same are equal (PT60M and PT1H),
and what is not desired should have its default.`,
		Example: "  tvilling twin compare thermostat-1\n  tvilling twin compare thermostat-1/azureiotsecurity --differences --json",
		Args:    cobra.ExactArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			id, err := parseIdentity(args[0])
			if err != nil {
				return err
			}
			t, err := c.CompareTwin(cmd.Context(), id)
			if err != nil {
				return err
			}
			if hub.json && !differences {
				return writeJSON(cmd.OutOrStdout(), t.Raw)
			}
			list := t.Properties
			if differences {
				list = []client.TwinProperty{}
				for _, p := range t.Properties {
					if p.Agreement == "differs" || p.Agreement == "notReported" {
						list = append(list, p)
					}
				}
			}
			if hub.json {
				return writeJSON(cmd.OutOrStdout(), list)
			}
			return printComparison(cmd.OutOrStdout(), list)
		}),
	}
	cmd.Flags().BoolVar(&differences, "differences", false, "only what the device does not have as desired")
	return cmd
}

func printComparison(w io.Writer, list []client.TwinProperty) error {
	p := newPrinter(w, false, "PROPERTY", "DESIRED", "REPORTED", "AGREEMENT", "SET BY")
	words := map[string]string{"notReported": "not reported", "onlyReported": "only reported"}
	for _, r := range list {
		by := "-"
		if r.Set != nil {
			by = r.Set.Actor + ", " + when(r.Set.Time)
		}
		word := r.Agreement
		if words[word] != "" {
			word = words[word]
		}
		if err := p.row(nil, r.Path, dash(shorten(string(r.Desired), 40)), dash(shorten(string(r.Reported), 40)), word, by); err != nil {
			return err
		}
	}
	if err := p.flush(); err != nil {
		return err
	}
	for _, r := range list {
		if r.Why != "" {
			fmt.Fprintln(w)
			wrap(w, "", oneLine(r.Path)+": "+oneLine(r.Why))
		}
	}
	return nil
}
