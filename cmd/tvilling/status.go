package main

import (
	"strconv"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling/internal/client"
)

func newStatusCommand() *cobra.Command {
	var hub hubFlags
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Say what is wrong with the hub, count devices and connections, and show the progress of adoption",
		Example: "  tvilling status",
		Args:    cobra.NoArgs,
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			s, err := c.Statistics(cmd.Context())
			if err != nil {
				return err
			}
			a, err := c.Adoption(cmd.Context())
			if err != nil {
				return err
			}
			h, err := c.Health(cmd.Context())
			if err != nil {
				return err
			}
			if hub.json {
				return writeJSON(cmd.OutOrStdout(), map[string]any{"statistics": s, "adoption": a, "health": h.Raw})
			}
			p := newPrinter(cmd.OutOrStdout(), false)
			number := func(n int64) string { return strconv.FormatInt(n, 10) }
			rows := [][2]string{
				{"devices", number(s.Devices)},
				{"disabled", number(s.Disabled)},
				{"connected", number(s.Connected)},
			}
			if a.Running {
				rows = append(rows, [2]string{"being given a security module", number(a.Remaining) + " to go, " + number(a.Adopted) + " done"})
			}
			if a.Failed > 0 {
				rows = append(rows, [2]string{"without a security module after an error", number(a.Failed)})
			}
			if len(h.Faults) == 0 {
				rows = append(rows, [2]string{"hub", "well"})
			}
			for _, f := range h.Faults {
				rows = append(rows, [2]string{f.Gravity, oneLine(f.What + " " + f.Do)})
			}
			for _, row := range rows {
				if err := p.row(nil, row[0], row[1]); err != nil {
					return err
				}
			}
			return p.flush()
		}),
	}
	hub.add(cmd)
	return cmd
}
