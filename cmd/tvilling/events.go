package main

import (
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

func newEventsCommand() *cobra.Command {
	var hub hubFlags
	var security, once bool
	var after uint64
	var module string
	cmd := &cobra.Command{
		Use:   "events [DEVICE]",
		Short: "Follow what devices send: telemetry or security messages",
		Long: `Follow what devices send, from now on, or after a sequence: telemetry, or with
--security the security messages, which the hub keeps apart.`,
		Example: `  tvilling events
  tvilling events thermostat-1 --security
  tvilling events --after 0 --once --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			o := client.StreamOptions{Follow: !once, After: after, Latest: !cmd.Flags().Changed("after") && !once, Module: tvilling.ModuleID(module)}
			var id tvilling.Identity
			if len(args) == 1 {
				var err error
				if id, err = parseIdentity(args[0]); err != nil {
					return err
				}
				o.Device = id.Device
				if id.IsModule() {
					o.Module = id.Module
				}
			}
			kind := client.Telemetry
			if security {
				kind = client.Security
			}
			return follow(cmd, hub.json, c.Messages(cmd.Context(), kind, o), id, func(m *client.Message) json.RawMessage { return m.Raw }, printMessage)
		}),
	}
	hub.add(cmd)
	f := cmd.Flags()
	f.BoolVar(&security, "security", false, "security messages, not telemetry")
	f.BoolVar(&once, "once", false, "print what there is and end")
	f.Uint64Var(&after, "after", 0, "begin after this `sequence`, not with what is new")
	f.StringVar(&module, "module", "", "only messages of modules with this `id`")
	return cmd
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
				fmt.Fprintln(cmd.ErrOrStderr(), "warning:", describe(err))
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
	fmt.Fprintf(w, "%s  %s  %s%s\n", when(m.Enqueued), clean(id.String()), clean(body), properties(m))
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
	return "  " + clean(strings.Join(list, " "))
}
