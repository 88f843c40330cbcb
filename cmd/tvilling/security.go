package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling/internal/client"
)

func newSecurityCommand() *cobra.Command {
	var hub hubFlags
	cmd := &cobra.Command{
		Use:   "security [DEVICE]",
		Short: "See how secure a device is and why, or the whole fleet",
		Long: `See how secure a device is: its state and score, what takes from the score and
why, its security agent, and where its configuration is not as desired. Without
a device: the score of the fleet, how many devices are in which state, what is
open, what is the most frequent, which devices are the most affected, how the
agents do and what passes through the hub. --json has the alerts by the hour in
which they were raised, and score and states of the last 30 days, as well.`,
		Example:           "  tvilling security\n  tvilling security thermostat-1",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: hub.completeDevices,
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			w := cmd.OutOrStdout()
			if len(args) == 0 {
				o, err := c.SecurityOverview(cmd.Context())
				if err != nil {
					return err
				}
				if hub.json {
					return writeJSON(w, o)
				}
				return printOverview(w, o)
			}
			id, err := parseDevice(args[0])
			if err != nil {
				return err
			}
			d, err := c.DeviceSecurity(cmd.Context(), id)
			if err != nil {
				return err
			}
			if hub.json {
				return writeJSON(w, d)
			}
			return printSecurity(w, d)
		}),
	}
	hub.add(cmd)
	return cmd
}

// postures are the states of devices, as the hub and as people write them.
var postures = [][2]string{{"unhealthy", "unhealthy"}, {"atRisk", "at risk"}, {"healthy", "healthy"}, {"unknown", "unknown"}}

// inWords is a state as people write it.
func inWords(state string) string {
	for _, s := range postures {
		if s[0] == state {
			return s[1]
		}
	}
	return state
}

func printSecurity(w io.Writer, d *client.DeviceSecurity) error {
	fmt.Fprintf(w, "%s is %s", oneLine(string(d.Device)), oneLine(inWords(d.State)))
	if d.Score != nil {
		filled := bar(int64(*d.Score), 100, barWidth)
		fmt.Fprintf(w, ": %d of 100 points\n%s%s", *d.Score, filled, strings.Repeat("░", max(0, barWidth-utf8.RuneCountInString(filled))))
	}
	fmt.Fprint(w, "\n\n")
	for _, s := range d.Why {
		wrap(w, "", oneLine(s))
	}
	fmt.Fprintln(w)
	p := newPrinter(w, false, "", "POINTS", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL")
	numbers := map[string]map[string]int64{"alerts": d.Alerts, "recommendations": d.Recommendations}
	for _, part := range d.Parts {
		cells := []any{part.Name, part.Points}
		for _, severity := range severities {
			if n := numbers[part.Name]; n != nil {
				cells = append(cells, n[severity])
			}
		}
		if err := p.row(nil, cells...); err != nil {
			return err
		}
	}
	if err := p.flush(); err != nil {
		return err
	}
	agent := "no security message yet"
	if !d.Agent.LastSeen.IsZero() {
		agent = fmt.Sprintf("version %s, last message %s, id %s", dash(d.Agent.Version), when(d.Agent.LastSeen), dash(d.Agent.ID))
	}
	fmt.Fprintf(w, "\nagent          %s\n", oneLine(agent))
	words := map[string]string{"inSync": "as desired", "differs": "not as desired", "notReported": "not reported by the agent", "": "not known yet"}
	fmt.Fprintf(w, "configuration  %s\n", oneLine(cmp.Or(words[d.Configuration.Sync], d.Configuration.Sync)))
	if err := printDifferences(w, d.Configuration.Differences); err != nil {
		return err
	}
	printSecurityNext(w, d)
	return nil
}

// printDifferences writes where an agent's configuration is not as desired,
// those with the same reason together.
func printDifferences(w io.Writer, list []client.Difference) error {
	shown := func(s string) string { return cmp.Or(shorten(s, 60), "-") }
	var reasons []string
	for _, v := range list {
		if !slices.Contains(reasons, v.Why) {
			reasons = append(reasons, v.Why)
		}
	}
	for _, why := range reasons {
		fmt.Fprintln(w)
		wrap(w, "", oneLine(why))
		p := newPrinter(w, false)
		head := []any{"  PROPERTY", "DESIRED", "REPORTED", "SHOULD BE"}
		for _, v := range list {
			if v.Why != why || v.Property == "" {
				continue
			}
			if head != nil {
				_ = p.row(nil, head...) // errors come at the flush
				head = nil
			}
			_ = p.row(nil, "  "+v.Property, shown(v.Desired), shown(v.Reported), shown(v.Effective))
		}
		if err := p.flush(); err != nil {
			return err
		}
	}
	return nil
}

// printSecurityNext says where to look next.
func printSecurityNext(w io.Writer, d *client.DeviceSecurity) {
	alerts, advice := sum(d.Alerts) > 0, sum(d.Recommendations) > 0
	if alerts || advice {
		fmt.Fprintln(w)
	}
	if alerts {
		fmt.Fprintf(w, "its alerts: tvilling alert list --device %s --status open\n", oneLine(string(d.Device)))
	}
	if advice {
		fmt.Fprintf(w, "its recommendations: tvilling recommendation list --device %s\n", oneLine(string(d.Device)))
	}
}

func sum(by map[string]int64) (n int64) {
	for _, v := range by {
		n += v
	}
	return n
}
