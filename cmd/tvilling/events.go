package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

// eventsOptions are the flags of events.
type eventsOptions struct {
	device, module, after string
	security, raw, once   bool
	search                eventSearch
}

func newEventsCommand() *cobra.Command {
	var hub hubFlags
	var o eventsOptions
	cmd := &cobra.Command{
		Use:   "events [DEVICE]",
		Short: "Follow what devices send, or search their security events",
		Long: `Follow the telemetry that devices send, from now on or after a sequence.

With --security, search the events out of security messages, which the hub keeps
apart: the newest ones that fit, in the order in which they came. --follow goes
on with those that come. --where compares a member of their payloads, as in
'CommandLine contains wget' or 'UserId = 0', with one of =, !=, <, <=, >, >=,
contains and startswith; all conditions must hold for one item.

--export writes them as rows for a spreadsheet or a database, --summary answers
a question about them, --dead-letters shows what could not be read and why.
--raw follows the security messages as they were sent.`,
		Example: `  tvilling events
  tvilling events --after 0 --once --json
  tvilling events thermostat-1 --security --name Login --since 24h
  tvilling events --security --where 'CommandLine contains wget' --follow
  tvilling events --security --since 7d --export csv --output week.csv
  tvilling events thermostat-1 --security --summary ports
  tvilling events thermostat-1 --security --summary tree --since 24h
  tvilling events --security --dead-letters
  tvilling events --security --raw`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: hub.completeDevices,
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			id, err := o.identity(args)
			if err != nil {
				return err
			}
			way, err := o.way(cmd)
			if err != nil {
				return err
			}
			switch way {
			case telemetryWay:
				return o.messages(cmd, &hub, c, client.Telemetry, id)
			case rawWay:
				return o.messages(cmd, &hub, c, client.Security, id)
			case queryWay, followWay, exportWay, summaryWay, deadWay:
			}
			if id.IsModule() {
				return usageError{fmt.Errorf("%s: security events are searched by device; name the device alone", id)}
			}
			return o.search.run(cmd, &hub, c, way, id.Device, o.after)
		}),
	}
	hub.add(cmd)
	f := cmd.Flags()
	f.StringVar(&o.device, "device", "", "only what the device with this `id` sends; as the argument")
	f.StringVar(&o.module, "module", "", "only messages of modules with this `id`")
	f.BoolVar(&o.security, "security", false, "security events, not telemetry")
	f.BoolVar(&o.raw, "raw", false, "follow the security messages as they were sent, not the events in them")
	f.BoolVar(&o.once, "once", false, "print what there is and end")
	f.StringVar(&o.after, "after", "", "begin after this `sequence`, not with what is new")
	o.search.add(cmd)
	return cmd
}

// way is what events is asked to do.
type way string

const (
	telemetryWay way = "telemetry"
	rawWay       way = "--raw"
	queryWay     way = "--security"
	followWay    way = "--follow"
	exportWay    way = "--export"
	summaryWay   way = "--summary"
	deadWay      way = "--dead-letters"
)

// eventFlags has for each flag that not every way takes the ways that do.
var eventFlags = []struct {
	name string
	ways []way
}{
	{"module", []way{telemetryWay, rawWay}},
	{"once", []way{telemetryWay, rawWay, queryWay}},
	{"after", []way{telemetryWay, rawWay, queryWay, followWay}},
	{"name", []way{queryWay, followWay, exportWay}},
	{"type", []way{queryWay, followWay, exportWay}},
	{"where", []way{queryWay, followWay, exportWay}},
	{"from", []way{queryWay, followWay, exportWay, summaryWay}},
	{"since", []way{queryWay, followWay, exportWay, summaryWay}},
	{"to", []way{queryWay, exportWay, summaryWay}},
	{"top", []way{queryWay, followWay, deadWay}},
	{"output", []way{exportWay}},
	{"max-port", []way{summaryWay}},
}

// way says what is asked for, and refuses flags that do not belong to it.
func (o *eventsOptions) way(cmd *cobra.Command) (way, error) {
	var asked []way
	for _, w := range []way{rawWay, followWay, exportWay, summaryWay, deadWay} {
		if cmd.Flags().Changed(strings.TrimPrefix(string(w), "--")) {
			asked = append(asked, w)
		}
	}
	if len(asked) > 1 {
		return "", usageError{fmt.Errorf("give %s or %s, not both", asked[0], asked[1])}
	}
	w := cmp.Or(slices.Concat(asked, []way{queryWay})[0], queryWay)
	if !o.security {
		if len(asked) > 0 {
			return "", usageError{fmt.Errorf("%s is for security events; give --security, too", asked[0])}
		}
		w = telemetryWay
	}
	for _, f := range eventFlags {
		if !cmd.Flags().Changed(f.name) || slices.Contains(f.ways, w) {
			continue
		}
		if w == telemetryWay {
			return "", usageError{fmt.Errorf("--%s is for security events; give --security, too", f.name)}
		}
		return "", usageError{fmt.Errorf("--%s does not go with %s", f.name, w)}
	}
	return w, nil
}

// identity is whom the events are asked of; the zero identity is everybody.
func (o *eventsOptions) identity(args []string) (tvilling.Identity, error) {
	var id tvilling.Identity
	if len(args) == 1 {
		var err error
		if id, err = parseIdentity(args[0]); err != nil {
			return id, err
		}
	}
	if o.device == "" {
		return id, nil
	}
	d, err := parseDevice(o.device)
	if err == nil && id.Device != "" && id.Device != d {
		err = usageError{fmt.Errorf("two devices are named, %s and %s; name one", id.Device, d)}
	}
	id.Device = d
	return id, err
}

// messages follows messages as they were sent.
func (o *eventsOptions) messages(cmd *cobra.Command, hub *hubFlags, c *client.Client, kind string, id tvilling.Identity) error {
	s := client.StreamOptions{Follow: !o.once, Device: id.Device, Module: tvilling.ModuleID(o.module)}
	if id.IsModule() {
		s.Module = id.Module
	}
	switch {
	case o.after == "latest":
		s.Latest = true
	case o.after != "":
		var err error
		if s.After, err = strconv.ParseUint(o.after, 10, 64); err != nil {
			return usageError{fmt.Errorf("--after %q: it is a sequence, a whole number, or latest", o.after)}
		}
	default:
		s.Latest = !o.once
	}
	return follow(cmd, hub.json, c.Messages(cmd.Context(), kind, s), id, func(m *client.Message) json.RawMessage { return m.Raw }, printMessage)
}

// follow prints a stream until it ends or the user does: its lines as the hub
// sent them, or as show does for people.
func follow[T any](cmd *cobra.Command, asJSON bool, stream iter.Seq2[*T, error], id tvilling.Identity, line func(*T) json.RawMessage, show func(io.Writer, *T)) error {
	w := cmd.OutOrStdout()
	if !asJSON && isTerminal(cmd.ErrOrStderr()) {
		what := "all devices"
		if id.Device != "" {
			what = id.String()
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "following %s; stop with Ctrl-C\n", what)
	}
	for v, err := range stream {
		if err != nil {
			if tvilling.CodeOf(err) == tvilling.Corrupt {
				fmt.Fprintln(cmd.ErrOrStderr(), "warning:", clean(describe(err)))
				continue
			}
			return err
		}
		if !asJSON {
			show(w, v)
			continue
		}
		if err := writeJSON(w, line(v)); err != nil {
			return err
		}
	}
	return nil
}

func printMessage(w io.Writer, m *client.Message) {
	id := tvilling.Identity{Device: m.DeviceID, Module: m.ModuleID}
	body := string(m.Body)
	if m.Body == nil {
		body = fmt.Sprintf("%d bytes, not JSON: %q", len(m.Data), shorten(string(m.Data), 60))
	}
	fmt.Fprintf(w, "%s  %s  %s%s\n", when(m.Enqueued), oneLine(id.String()), oneLine(body), properties(m))
}

// properties lists the application's properties of a message.
func properties(m *client.Message) string {
	if len(m.Properties) == 0 {
		return ""
	}
	var list []string
	for name, value := range m.Properties {
		list = append(list, fmt.Sprintf("%s=%v", name, value))
	}
	slices.Sort(list)
	return "  " + oneLine(strings.Join(list, " "))
}
