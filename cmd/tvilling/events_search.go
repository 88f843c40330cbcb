package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/security/event"
)

// eventSearch are the flags of events that are about security events.
type eventSearch struct {
	listing
	period  period
	names   []string
	typ     string
	where   []string
	follow  bool
	export  string
	output  string
	summary string
	maxPort int
	dead    bool
}

// maxTail is how many of the newest events are shown at most: they come newest
// first, and are kept until the oldest of them can be printed.
const maxTail = 10_000

var (
	eventTypes = []string{"Security", "Operational", "Diagnostic"}
	formats    = []string{client.JSONLines, client.CSV}
	questions  = []string{client.Users, client.Ports, client.Logins, client.Processes, client.Baseline, client.Connections, client.ProcessTree}
)

// eventNames are the names of all security events that the hub knows.
func eventNames() (names []string) {
	for k := event.Unknown + 1; k < event.Kinds; k++ {
		names = append(names, k.String())
	}
	return names
}

func (o *eventSearch) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringSliceVar(&o.names, "name", nil, "only security events of these `names`, such as Login,ProcessCreate")
	f.StringVar(&o.typ, "type", "", "only security events of a `type`: "+strings.Join(eventTypes, ", "))
	f.StringArrayVar(&o.where, "where", nil, "only security events for which a `condition` holds: 'Member operator value'; may be given several times")
	o.period.add(cmd, "happened")
	o.listing.add(cmd, 50, "security events or dead letters")
	f.BoolVar(&o.follow, "follow", false, "after the security events that there are, go on with those that come")
	f.StringVar(&o.export, "export", "", "write security events as rows in a `format`: "+strings.Join(formats, ", "))
	f.StringVar(&o.output, "output", "", "write the export into this `file`, which must not be there yet")
	completesBy(cmd, "output", completeFiles)
	f.StringVar(&o.summary, "summary", "", "answer a `question` about security events: "+strings.Join(questions, ", "))
	f.IntVar(&o.maxPort, "max-port", 0, "the highest `port` that --summary ports tells (default 1024)")
	f.BoolVar(&o.dead, "dead-letters", false, "what of security messages could not be read, the newest first, and why")
	completes(cmd, "name", eventNames()...)
	completes(cmd, "type", eventTypes...)
	completes(cmd, "export", formats...)
	completes(cmd, "summary", questions...)
}

func (o *eventSearch) run(cmd *cobra.Command, hub *hubFlags, c *client.Client, way way, d tvilling.DeviceID, after string) error {
	f := client.EventFilter{Device: d, Names: o.names, Where: o.where}
	if o.typ != "" {
		i := slices.IndexFunc(eventTypes, func(t string) bool { return strings.EqualFold(t, o.typ) })
		if i < 0 {
			return oneOf("type", []string{o.typ}, eventTypes)
		}
		f.Type = eventTypes[i]
	}
	var err error
	if f.From, f.To, err = o.period.bounds(); err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	switch way {
	case exportWay:
		return o.exports(cmd, c, f)
	case summaryWay:
		return o.summarize(cmd, hub, c, client.EventScope{Device: d, From: f.From, To: f.To, MaxPort: o.maxPort})
	case deadWay:
		return printDeadLetters(cmd, hub, o.listing, c, d)
	case telemetryWay, rawWay, queryWay, followWay:
	}
	return o.query(cmd, hub, c, f, after, way == followWay)
}

// query prints the events that there are, as far as they are wanted, and
// follows those that come.
func (o *eventSearch) query(cmd *cobra.Command, hub *hubFlags, c *client.Client, f client.EventFilter, after string, more bool) error {
	ctx := cmd.Context()
	p := eventPrinter{w: cmd.OutOrStdout(), asJSON: hub.json}
	id := tvilling.Identity{Device: f.Device}
	switch {
	case more && (after != "" || o.top == 0):
	case after != "" || o.top == 0:
		n := 0
		for e, err := range c.Events(ctx, f, client.Paging{After: after, PageSize: o.page()}, false) {
			if err != nil {
				return err
			}
			if n == o.top && o.top > 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "There are more than these %d; give --top 0 for all, or go on with --after %s.\n", n, p.last)
				return nil
			}
			n++
			if err := p.print(e); err != nil {
				return err
			}
		}
		return nil
	default:
		if o.top > maxTail {
			return usageError{fmt.Errorf("--top is at most %d for the newest events; give --top 0 for all, or --export", maxTail)}
		}
		earlier, err := p.tail(c, cmd, f, o.listing)
		if err != nil {
			return err
		}
		if earlier && !more {
			fmt.Fprintf(cmd.ErrOrStderr(), "There are earlier ones; give --top 0 for all, or narrow the search (--help).\n")
		}
		if !more {
			return nil
		}
		// What fitted last is where to go on; if nothing did, all that ever fits
		// is still to come.
		after = p.last
	}
	stream := c.FollowEvents(ctx, f, after)
	return follow(cmd, hub.json, stream, id, rawEvent, printEvent)
}

// exports writes an export. One that is not whole is not left in a file.
func (o *eventSearch) exports(cmd *cobra.Command, c *client.Client, f client.EventFilter) error {
	if err := oneOf("export", []string{o.export}, formats); err != nil {
		return err
	}
	if o.output == "" || o.output == "-" {
		_, err := c.ExportEvents(cmd.Context(), f, o.export, safely(cmd.OutOrStdout()))
		return err
	}
	file, err := os.OpenFile(o.output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return usageError{fmt.Errorf("%s is there already; name another file, or remove it", o.output)}
	}
	if err != nil {
		return fmt.Errorf("make the file: %w", err)
	}
	_, err = c.ExportEvents(cmd.Context(), f, o.export, file)
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(o.output))
	}
	return nil
}

// printDeadLetters lists what could not be read.
func printDeadLetters(cmd *cobra.Command, hub *hubFlags, l listing, c *client.Client, d tvilling.DeviceID) error {
	list := c.DeadLetters(cmd.Context(), d, client.Paging{PageSize: l.page()})
	return printList(cmd, hub, l, list, columnsOf[client.DeadLetter]{
		names: []string{"RECEIVED", "DEVICE", "MESSAGE", "EVENT", "PATH", "REASON", "SENT"},
		cells: func(v *client.DeadLetter) []any {
			at, sent := "whole", v.Text
			if v.Index >= 0 {
				at = strconv.Itoa(v.Index)
			}
			if len(v.Data) > 0 {
				sent = string(v.Data)
			}
			return []any{when(v.Received), v.Device, v.Sequence, at, dash(v.Path), shorten(v.Reason, 160), quoted(shorten(sent, 60))}
		},
		raw: func(v *client.DeadLetter) any { return v },
	})
}
