package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling/internal/client"
)

// simulateOptions are the flags of simulate.
type simulateOptions struct {
	devices   int
	prefix    string
	interval  time.Duration
	duration  time.Duration
	mqtt      string
	noAgents  bool
	keepAfter bool
}

// maxSimulated bounds a fleet: each device has two connections, and one address
// has fewer than 65,536 ports.
const maxSimulated = 30_000

func newSimulateCommand() *cobra.Command {
	var hub hubFlags
	var o simulateOptions
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Connect a fleet of simulated devices",
		Long: `Register a fleet of devices, connect them over MQTT, and have them live: each
reads its twin, takes desired changes and reports them back, reports what it
measures and sends telemetry; its security module, on a connection of its own,
reports its configuration and sends security messages. Ends after --duration or
with Ctrl-C, and then removes the devices unless --keep is given.`,
		Example: `  tvilling simulate --devices 10
  tvilling simulate --devices 5000 --interval 30s --duration 10m --no-agents --json
  tvilling simulate attack crypto-miner --wait`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.devices < 1 || o.devices > maxSimulated {
				return usageError{fmt.Errorf("--devices must be between 1 and %d", maxSimulated)}
			}
			if o.interval < 10*time.Millisecond {
				return usageError{errors.New("--interval must be at least 10ms")}
			}
			return runSimulate(cmd.Context(), &hub, o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	hub.add(cmd)
	f := cmd.Flags()
	f.IntVar(&o.devices, "devices", 10, "how many `devices`")
	f.StringVar(&o.prefix, "prefix", "sim-", "what their ids begin with, a `text`")
	f.DurationVar(&o.interval, "interval", 10*time.Second, "`time` between two measurements of a device")
	f.DurationVar(&o.duration, "duration", 0, "end after this `time` (default: with Ctrl-C)")
	cmd.PersistentFlags().StringVar(&o.mqtt, "mqtt", "", "`host:port` of the hub's MQTT (default: that of --data)")
	f.BoolVar(&o.noAgents, "no-agents", false, "do not connect the security modules")
	f.BoolVar(&o.keepAfter, "keep", false, "leave the devices registered at the end")
	cmd.AddCommand(newAttackCommand(&hub, &o.mqtt))
	return cmd
}

// mqtt is where the hub of the data directory speaks MQTT.
func (h *hubFlags) mqtt() (string, error) {
	e, err := readEndpoints(h.data)
	if err != nil {
		return "", usageError{fmt.Errorf("where is the hub's MQTT? give --mqtt (%w)", err)}
	}
	return hostPort(e.MQTT), nil
}

// simulated are the ids of a fleet.
func simulated(prefix string, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s%05d", prefix, i+1)
	}
	return ids
}

func runSimulate(ctx context.Context, hub *hubFlags, o simulateOptions, stdout, stderr io.Writer) error {
	c, err := hub.open()
	if err != nil {
		return err
	}
	defer c.Close()
	f := &fleet{hub: c, addr: o.mqtt, interval: o.interval, security: !o.noAgents}
	if f.tls, err = hub.trust(c.HostName()); err != nil {
		return err
	}
	if f.addr == "" {
		if f.addr, err = hub.mqtt(); err != nil {
			return err
		}
	}
	ids := simulated(o.prefix, o.devices)
	bar := newProgress(stderr, "registered", len(ids))
	members, err := f.enlist(ctx, ids, bar.set)
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	if o.duration > 0 {
		running, stop = context.WithTimeout(ctx, o.duration)
		defer stop()
	}
	f.watch(running, members, stdout, hub.json, nil)
	if o.keepAfter {
		return nil
	}
	return f.dismiss(context.WithoutCancel(ctx), ids, stderr)
}

// watch runs the fleet and prints how it is, now and then and at the end. First
// it does what opens the show, if there is something.
func (f *fleet) watch(ctx context.Context, members []enlisted, w io.Writer, asJSON bool, opening func()) {
	// The fleet outlives ctx by the last line about it, which would else be
	// about a fleet that is already leaving.
	living, leave := context.WithCancel(context.WithoutCancel(ctx))
	defer leave()
	var wg sync.WaitGroup
	wg.Go(func() { f.run(living, members) })
	if opening != nil {
		opening()
	}
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for done := false; !done; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			done = true
		}
		f.print(w, asJSON)
	}
	leave()
	wg.Wait()
}

// print writes one line about the fleet.
func (f *fleet) print(w io.Writer, asJSON bool) {
	reason := ""
	if s := f.lastError.Load(); s != nil {
		reason = *s
	}
	if asJSON {
		_ = writeJSON(w, map[string]any{
			"time": time.Now().UTC().Format(time.RFC3339), "connected": f.connected.Load(), "messages": f.messages.Load(),
			"reports": f.reports.Load(), "desired": f.desired.Load(), "failures": f.failures.Load(), "lastError": reason,
		})
		return
	}
	fmt.Fprintf(w, "%s  %d connections, %d messages, %d reports, %d desired changes taken, %d failures",
		time.Now().Format(time.TimeOnly), f.connected.Load(), f.messages.Load(), f.reports.Load(), f.desired.Load(), f.failures.Load())
	if reason != "" {
		fmt.Fprintf(w, " (last: %s)", clean(reason))
	}
	fmt.Fprintln(w)
}

// dismiss removes the devices.
func (f *fleet) dismiss(ctx context.Context, ids []string, stderr io.Writer) error {
	bar := newProgress(stderr, "removed", len(ids))
	return each(ctx, ids, func(id string) (struct{}, error) {
		identity, err := parseIdentity(id)
		if err != nil {
			return struct{}{}, err
		}
		return struct{}{}, f.hub.Delete(ctx, identity, client.Any())
	}, func(n int, _ struct{}) error {
		bar.set(n)
		return nil
	})
}

// trust is how a device checks the hub's certificate: by --ca, by the CA in the
// hub's data directory, or as the system does.
func (h *hubFlags) trust(host string) (*tls.Config, error) {
	name := host
	if u := hostPort("https://" + host); u != "" {
		name, _, _ = cutPort(u)
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: name}
	path := h.ca
	if path == "" {
		if ca := filepath.Join(h.data, "ca.pem"); exists(ca) {
			path = ca
		}
	}
	if path == "" {
		return conf, nil
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the CA: %w", err)
	}
	conf.RootCAs = x509.NewCertPool()
	if !conf.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", path)
	}
	return conf, nil
}
