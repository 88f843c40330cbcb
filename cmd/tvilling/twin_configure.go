package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

// configureOptions are the flags of twin configure.
type configureOptions struct {
	consent
	where string
}

func newTwinConfigureCommand(hub *hubFlags) *cobra.Command {
	var o configureOptions
	cmd := &cobra.Command{
		Use:   "configure DEVICE|--where QUERY [PROPERTY=VALUE]...",
		Short: "Set properties of the security agent's configuration, on one device or many",
		Long: `Set properties of the configuration of a device's security agent, which stands in
the twin of its security module. Values are checked, what is unwise about them is
said, the change is shown, and after a yes the whole configuration is written:
original agents take what they are sent for the whole of it. PROPERTY= or
PROPERTY=default goes back to the default.

Without a PROPERTY: show what should be in force, setting by setting, the default,
who desired it and when, and where the agent has something else. The properties
are described in docs/agent-configuration.md.

With --where, the devices are those that a condition finds, or a query FROM
devices or devices.modules whose rows have the deviceId. A device whose twin
changes meanwhile is looked at once more. The command can be repeated: what is so
already is not written again.`,
		Example: `  tvilling twin configure thermostat-1
  tvilling twin configure thermostat-1 snapshotFrequency=PT1H eventPriorityProcessCreate=High
  tvilling twin configure --where "tags.site = 'lab'" eventPriorityLogin=default --dry-run
  tvilling twin configure --where "SELECT deviceId FROM devices.modules WHERE security.state = 'unhealthy'" snapshotFrequency=PT1H --yes`,
		Args: func(cmd *cobra.Command, args []string) error {
			return checkConfigureArgs(cmd.Flags().Changed("where"), args)
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 && o.where == "" {
				return hub.completeDevices(cmd, args, begun)
			}
			var names []string
			for _, p := range agentconfig.Properties() {
				names = append(names, p.Name+"=\t"+p.Description)
			}
			return names, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
		},
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			w := configurer{cmd: cmd, client: c, consent: o.consent, json: hub.json, out: cmd.OutOrStdout()}
			if hub.json {
				w.out = cmd.ErrOrStderr() // what is for people
			}
			if o.where != "" {
				if err := w.read(args); err != nil {
					return err
				}
				return w.fleet(o.where)
			}
			d, err := parseDevice(args[0])
			if err != nil {
				return err
			}
			if len(args) == 1 {
				return showAgentConfiguration(cmd, c, d, hub.json)
			}
			if err := w.read(args[1:]); err != nil {
				return err
			}
			return w.device(d)
		}),
	}
	o.add(cmd)
	cmd.Flags().StringVar(&o.where, "where", "", "every device that a `query` finds: a condition over devices, or SELECT … FROM devices or devices.modules")
	return cmd
}

// checkConfigureArgs tells devices and assignments apart.
func checkConfigureArgs(where bool, args []string) error {
	assignments := args
	switch {
	case where && len(args) == 0:
		return errors.New("say what to set: PROPERTY=VALUE")
	case !where && len(args) == 0:
		return errors.New("name a device, or give --where")
	case !where:
		if strings.Contains(args[0], "=") {
			return fmt.Errorf("%q is no device: name the device first, or give --where", args[0])
		}
		assignments = args[1:]
	}
	for _, a := range assignments {
		if name, _, ok := strings.Cut(a, "="); !ok || name == "" {
			return fmt.Errorf("%q is not PROPERTY=VALUE, such as snapshotFrequency=PT1H", a)
		}
	}
	return nil
}

// configurer changes agents' configurations.
type configurer struct {
	consent
	cmd    *cobra.Command
	client *client.Client
	json   bool
	// out is where the text for people goes.
	out io.Writer
	// values are what is to be set, texts how it was written.
	values map[string]any
	texts  []string

	mu sync.Mutex // guards what follows
	// known are changes by the object that they are of.
	known map[string]*agentconfig.Change
}

// read reads what is to be set.
func (w *configurer) read(assignments []string) error {
	w.values, w.texts = map[string]any{}, assignments
	for _, a := range assignments {
		name, text, _ := strings.Cut(a, "=")
		if _, twice := w.values[name]; twice {
			return usageError{fmt.Errorf("%s is given twice", name)}
		}
		v, err := agentconfig.Parse(name, text)
		if err != nil {
			return usageError{fmt.Errorf("%s: %s", a, tvilling.MessageOf(err))}
		}
		w.values[name] = v
	}
	return nil
}

// device changes one device. If its twin changes between the look and the
// write, the change is shown and asked for anew, once.
func (w *configurer) device(d tvilling.DeviceID) error {
	for again := false; ; again = true {
		a, err := w.plan(d)
		if err != nil {
			return err
		}
		if len(a.variant.edits) == 0 {
			fmt.Fprintf(w.out, "%s is configured so already\n", oneLine(string(d)))
			return w.report(a, nil)
		}
		fmt.Fprintf(w.out, "%s\n", oneLine(string(d)))
		if err := a.variant.print(w.out); err != nil {
			return err
		}
		if w.dryRun {
			return w.report(a, nil)
		}
		if err := w.ask(w.cmd, "Write this?"); err != nil {
			return err
		}
		t, err := w.write(a)
		if !again && tvilling.CodeOf(err) == tvilling.PreconditionFailed {
			fmt.Fprintf(w.cmd.ErrOrStderr(), "%s was changed meanwhile; this is the change now:\n", oneLine(string(d)))
			continue
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(w.out, "%s is now at version %d, etag %s\n", a.id(), t.Version, t.ETag)
		return w.report(a, t)
	}
}
