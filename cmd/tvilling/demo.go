package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/app"
	"github.com/tvilling/tvilling/internal/client"
)

// demoOptions are the flags of demo.
type demoOptions struct {
	devices  int
	mqtt     string
	https    string
	duration time.Duration
	debug    bool
	noAgent  bool
}

func newDemoCommand() *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Try it: a throw-away hub with a small simulated fleet",
		Long: `Run a hub in a temporary directory, with a small fleet of simulated devices that
connect over MQTT as real ones do, each with its security module beside it.
Then one of them is attacked, for show: it sends what a real agent would, and the
alert comes, is explained, and changes the device's security module twin. Prints
what to try in another terminal. Everything is removed at the end.`,
		Example: "  tvilling demo\n  tvilling demo --devices 100",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.devices < 1 || o.devices > 1000 {
				return usageError{errors.New("--devices must be between 1 and 1000; for more, run a hub and \"tvilling simulate\"")}
			}
			// Who reads no further ("tvilling demo | head") ends it, too. Without
			// somebody to take the signal the program would die before it has
			// cleaned up; the signal itself says nothing, since connections that
			// are closed at the other end raise it as well.
			pipe := make(chan os.Signal, 1)
			signal.Notify(pipe, syscall.SIGPIPE)
			defer signal.Stop(pipe)
			ctx, stop := context.WithCancel(cmd.Context())
			defer stop()
			return runDemo(ctx, o, watchedWriter{cmd.OutOrStdout(), stop}, watchedWriter{cmd.ErrOrStderr(), stop})
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.devices, "devices", 5, "how many `devices`")
	f.StringVar(&o.mqtt, "mqtt", "", "`address` for MQTT (default 127.0.0.1:18883, or a free port)")
	f.StringVar(&o.https, "https", "", "`address` for HTTPS (default 127.0.0.1:18443, or a free port)")
	f.DurationVar(&o.duration, "duration", 0, "end after this `time` (default: with Ctrl-C)")
	f.BoolVar(&o.noAgent, "no-agent", false, "leave out the security agent of this machine")
	f.BoolVar(&o.debug, "debug", false, "log every request and connection")
	return cmd
}

// watchedWriter writes to somebody who reads, and says when that one has gone.
type watchedWriter struct {
	io.Writer
	gone func()
}

func (w watchedWriter) Write(b []byte) (int, error) {
	n, err := w.Writer.Write(b)
	if errors.Is(err, syscall.EPIPE) {
		w.gone()
	}
	return n, err
}

func runDemo(ctx context.Context, o demoOptions, stdout, stderr io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "tvilling-demo-")
	if err != nil {
		return fmt.Errorf("make a temporary directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	data := filepath.Join(dir, "data")
	logs := stderr
	if !o.debug {
		logs = io.Discard // a demo shows its fleet, not its log
	}
	hub, err := newDemoHub(ctx, o, data, newLogger(logs, o.debug))
	if err != nil {
		return err
	}
	if o.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.duration)
		defer cancel()
	}
	// The fleet goes before its hub does.
	hubCtx, stopHub := context.WithCancel(context.WithoutCancel(ctx))
	defer stopHub()
	ready, ended := make(chan struct{}), make(chan error, 1)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { ended <- hub.Run(hubCtx, app.Hooks{Ready: func() { close(ready) }}) })
	select {
	case <-ready:
	case err := <-ended:
		return err
	}
	fleetCtx, stopFleet := context.WithCancel(ctx)
	defer stopFleet()
	var fleetErr error
	var fleetDone sync.WaitGroup
	fleetDone.Go(func() { fleetErr = demoFleet(fleetCtx, o, data, hub.Endpoints(), newLogger(logs, o.debug), stdout) })
	fleetGone := make(chan struct{})
	wg.Go(func() { fleetDone.Wait(); close(fleetGone) })
	select {
	case <-fleetGone:
		stopHub()
		return errors.Join(fleetErr, <-ended)
	case err := <-ended: // the hub cannot go on
		stopFleet()
		<-fleetGone
		return err
	}
}

// newDemoHub makes the hub on the addresses asked for, else on the usual ones,
// else, when another demo has those, on free ones.
func newDemoHub(ctx context.Context, o demoOptions, data string, log *slog.Logger) (*app.App, error) {
	opt := app.Options{
		Data: data, MQTT: cmp.Or(o.mqtt, "127.0.0.1:18883"), HTTPS: []string{cmp.Or(o.https, "127.0.0.1:18443")},
		Admin: "127.0.0.1:0", Logger: log,
	}
	hub, err := app.New(ctx, opt)
	if errors.Is(err, syscall.EADDRINUSE) {
		opt.MQTT, opt.HTTPS = cmp.Or(o.mqtt, "127.0.0.1:0"), []string{cmp.Or(o.https, "127.0.0.1:0")}
		return app.New(ctx, opt)
	}
	return hub, err
}

// demoFleet connects the fleet and tells what to try.
func demoFleet(ctx context.Context, o demoOptions, data string, e app.Endpoints, log *slog.Logger, stdout io.Writer) error {
	flags := hubFlags{data: data}
	c, err := flags.open()
	if err != nil {
		return err
	}
	defer c.Close()
	f := &fleet{hub: c, addr: hostPort(e.MQTT), interval: 3 * time.Second, security: true, tags: demoTags}
	if f.tls, err = flags.trust(c.HostName()); err != nil {
		return err
	}
	members, err := f.enlist(ctx, simulated("demo-", o.devices), func(int) {})
	if err != nil {
		return err
	}
	slices.SortFunc(members, func(a, b enlisted) int { return strings.Compare(string(a.id), string(b.id)) })
	members[0].orders = make(chan order)
	fmt.Fprintln(stdout, readyLine(e))
	if err := demoUser(ctx, &flags, c, stdout); err != nil {
		return err
	}
	if !o.noAgent {
		stop, err := demoAgent(ctx, f, data, e, log, stdout)
		if err != nil {
			fmt.Fprintf(stdout, "The agent of this machine could not be started: %s\n", oneLine(describe(err)))
		} else {
			defer stop()
		}
	}
	f.watch(ctx, members, stdout, false, func() {
		s := demoAttack{hub: c, victim: members[0], w: stdout}
		if err := s.show(ctx); err != nil && ctx.Err() == nil {
			fmt.Fprintf(stdout, "The attack could not be shown: %s\n", oneLine(describe(err)))
		}
		printDemoHelp(stdout, data, e, s.alert)
	})
	return nil
}

// demoUser makes an admin for the console, and tells how to get in: there is no
// password that everybody knows, not even here.
func demoUser(ctx context.Context, flags *hubFlags, c *client.Client, w io.Writer) error {
	const name = "demo"
	if _, err := c.AddUser(ctx, name, "admin", ""); err != nil {
		return err
	}
	l, err := c.LinkUser(ctx, name)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "Console, as an admin (works once, within 10 minutes): %s&to=/console/overview\n", flags.console(c)+l.Path)
	return nil
}

func printDemoHelp(w io.Writer, data string, e app.Endpoints, alert string) {
	fmt.Fprintf(w, `
What to try next, in another terminal:

  export TVILLING="%[1]s"
  alias tv='%[2]s'

  tv security --data "$TVILLING"                                 the fleet's security at a glance
  tv security demo-00001 --data "$TVILLING"                      how a device stands, and why
  tv security this-machine --data "$TVILLING"                    how this computer does, seen by its own agent
  tv alert list --data "$TVILLING"
  tv alert watch --data "$TVILLING"                              see alerts come, while another device is attacked:
  tv simulate attack --all --wait --data "$TVILLING"
  tv alert resolve %[5]s --reason mitigated --data "$TVILLING"
  tv recommendation list --data "$TVILLING"                      what is weak, before something happens
  tv events --security --since 5m --data "$TVILLING"             what the agents told

The console in a browser, and who may use it:

  tv user link demo --data "$TVILLING"                           another link that signs you in
  tv user add anna --role operator --data "$TVILLING"

Every device has its own twin and, beside it, a security module twin with keys of
its own:

  tv device list --data "$TVILLING"
  tv twin show demo-00001 --data "$TVILLING"                     who set what, and when
  tv twin show demo-00001/azureiotsecurity --data "$TVILLING"    its security module twin
  tv twin patch demo-00001 --desired '{"fps":30}' --data "$TVILLING"
  tv twin watch demo-00001 --data "$TVILLING"                    see the device report it back
  tv twin history demo-00001 --data "$TVILLING"                  each change, and "tv twin restore" to go back

Ask the whole fleet, once or as it changes, and configure it by a rule that holds
for devices to come as well:

  tv query "SELECT properties.reported.firmware, COUNT() AS devices, MAX(properties.reported.temperature) AS hottest FROM devices GROUP BY properties.reported.firmware" --data "$TVILLING"
  tv query "SELECT deviceId, properties.reported.temperature FROM devices WHERE properties.reported.temperature > 20" --follow --data "$TVILLING"
  tv config create slow --target "properties.reported.model = 'simulated'" --set properties.desired.fps=15 --data "$TVILLING"
  tv config why demo-00001 --data "$TVILLING"                    who set what, and what would be without it
  tv config delete slow --data "$TVILLING"                       takes away what it set

Connect a device of your own with any Azure IoT device SDK over MQTT at
%[3]s, trusting %[1]s/ca.pem:

  tv device create mine --data "$TVILLING"
  tv device connection-string mine --host %[4]s --data "$TVILLING"

Ctrl-C ends the demo and removes everything.

`, data, self(), e.MQTT, hostPort(e.MQTT), cmp.Or(shortID(alert), "ID"))
}

// self is how this program can be called again.
func self() string {
	path, err := os.Executable()
	if err != nil {
		return "tvilling"
	}
	return path
}

// demoTags gives the demo's devices a place, so that there is something to
// filter and to configure by.
func demoTags(id tvilling.DeviceID) json.RawMessage {
	n := crc32.ChecksumIEEE([]byte(id))
	site, group := []string{"Gothenburg", "Lund", "Malmö"}[n%3], []string{"pumps", "meters"}[n/3%2]
	return fmt.Appendf(nil, `{"site": %q, "line": %d, "SecurityGroup": %q}`, site, n/6%4+1, group)
}
