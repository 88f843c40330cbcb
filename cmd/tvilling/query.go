package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling/internal/client"
)

func newQueryCommand() *cobra.Command {
	var hub hubFlags
	var limit int
	cmd := &cobra.Command{
		Use:   "query TEXT",
		Short: "Find twins with the IoT Hub query language",
		Long: `Find twins with the IoT Hub query language:

  SELECT * | field [AS name], ... FROM devices | devices.modules [WHERE condition]

A condition compares fields (=, !=, <, <=, >, >=), asks IS_DEFINED(field), and
joins with AND, OR, NOT and parentheses. Names with special characters stand in
double brackets. The answer has what was acknowledged before: it never lags.

Rows are printed as JSON, one a line; with --json just the same.`,
		Example: `  tvilling query "SELECT deviceId FROM devices WHERE tags.site = 'lab'"
  tvilling query "SELECT * FROM devices.modules WHERE moduleId = 'azureiotsecurity' AND connectionState = 'Connected'"`,
		Args: cobra.ExactArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			continuation, n := "", 0
			for {
				page, err := c.QueryPage(cmd.Context(), args[0], 100, continuation)
				if err != nil {
					return err
				}
				for _, row := range page.Items {
					if err := writeJSON(cmd.OutOrStdout(), row); err != nil {
						return err
					}
					if n++; n == limit {
						return nil
					}
				}
				if page.Damaged > 0 {
					fmt.Fprintf(cmd.ErrOrStderr(), "warning: %d twins left out: their stored bytes are damaged; the hub's log names them\n", page.Damaged)
				}
				if continuation = page.Continuation; continuation == "" {
					return nil
				}
			}
		}),
	}
	hub.add(cmd)
	cmd.Flags().IntVar(&limit, "limit", 0, "at most `n` rows (default all)")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if limit < 0 {
			return usageError{errors.New("--limit must not be negative")}
		}
		return nil
	}
	return cmd
}
