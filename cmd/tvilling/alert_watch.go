package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

// alertWatch are the flags of alert watch.
type alertWatch struct {
	device, typ string
	severity    []string
	advice      bool
	once        bool
	after       uint64
}

func newAlertWatchCommand(hub *hubFlags) *cobra.Command {
	var o alertWatch
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Follow what happens to alerts, one line per change",
		Long: `Follow what happens to alerts, from now on or after a sequence of the feed, one
line per change: raised, folded (observed again), reopened, acknowledged,
started, resolved, dismissed, assigned, noted; with who did it.`,
		Example: `  tvilling alert watch
  tvilling alert watch --severity high --recommendations
  tvilling alert watch --after 0 --once --json`,
		Args: cobra.NoArgs,
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			if err := oneOf("severity", o.severity, severities); err != nil {
				return err
			}
			var id tvilling.Identity
			if o.device != "" {
				var err error
				if id.Device, err = parseDevice(o.device); err != nil {
					return err
				}
			}
			from := client.StreamOptions{Follow: !o.once, After: o.after, Latest: !cmd.Flags().Changed("after") && !o.once}
			wanted := func(yield func(*change, error) bool) {
				for e, err := range c.Feed(cmd.Context(), from) {
					if err != nil {
						if !yield(nil, err) {
							return
						}
						continue
					}
					if v := o.read(e); v != nil && !yield(v, nil) {
						return
					}
				}
			}
			return follow(cmd, hub.json, wanted, id, func(v *change) json.RawMessage { return v.Raw }, printFeed)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&o.device, "device", "", "only the device with this `id`")
	f.StringVar(&o.typ, "type", "", "only alerts or recommendations of a `type`")
	f.StringSliceVar(&o.severity, "severity", nil, "only these `severities`: high, medium, low, informational")
	f.BoolVar(&o.advice, "recommendations", false, "what happens to recommendations, too")
	f.BoolVar(&o.once, "once", false, "print what there is and end")
	f.Uint64Var(&o.after, "after", 0, "begin after this `sequence`, not with what is new")
	completes(cmd, "severity", severities...)
	return cmd
}

// change is an entry of the feed with what is shown of its record, be it an
// alert or a recommendation.
type change struct {
	*client.FeedEntry
	record struct {
		Type, Severity, Status, State, Cause, Owner string
		Count                                       int64
	}
}

// read returns the change that an entry tells, nil if it is not wanted.
func (o *alertWatch) read(e *client.FeedEntry) *change {
	v := &change{FeedEntry: e}
	if len(e.Body) > 0 && json.Unmarshal(e.Body, &v.record) != nil {
		v.record.Type = "?" // of a newer hub; the line is worth showing
	}
	switch {
	case e.Subject != "alert" && !o.advice,
		o.device != "" && string(e.Device) != o.device,
		o.typ != "" && v.record.Type != o.typ,
		len(o.severity) > 0 && !slices.Contains(o.severity, v.record.Severity):
		return nil
	}
	return v
}

func printFeed(w io.Writer, v *change) {
	name, state := "recommendation", v.record.State
	if v.Subject == "alert" {
		name, state = shortID(v.ID), v.record.Status
		if v.record.Count > 1 {
			state += ", " + counted(v.record.Count, "time")
		}
	}
	fmt.Fprintf(w, "%s  %-12s %-14s %-13s %s on %s (%s)", when(v.Time), oneLine(v.Action), name, oneLine(v.record.Severity),
		oneLine(v.record.Type), oneLine(string(v.Device)), oneLine(state))
	if v.record.Cause != "" {
		fmt.Fprintf(w, " %s", quoted(v.record.Cause))
	}
	fmt.Fprintf(w, "  %s\n", oneLine(v.Actor))
}
