package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

func newDeviceCommand() *cobra.Command {
	var hub hubFlags
	cmd := &cobra.Command{
		Use:     "device",
		Short:   "Register, list and change devices",
		Example: "  tvilling device create thermostat-1\n  tvilling device list\n  tvilling device connection-string thermostat-1",
	}
	hub.add(cmd)
	cmd.AddCommand(
		newDeviceCreateCommand(&hub), newDeviceListCommand(&hub), newDeviceShowCommand(&hub), newDeviceTimelineCommand(&hub), newDeleteCommand(&hub, "device"),
		newDeviceStatusCommand(&hub, "enable", false), newDeviceStatusCommand(&hub, "disable", true),
		newConnectionStringCommand(&hub, "device"), newRotateCommand(&hub, "device"), newEnrollCommand(&hub),
	)
	completesAll(cmd, hub.completeDevices, "create", "list")
	return cmd
}

// deviceCreateOptions are the flags of device create.
type deviceCreateOptions struct {
	primary, secondary []string // thumbprints, at most one each
	edge               bool
	stdin              bool
}

func newDeviceCreateCommand(hub *hubFlags) *cobra.Command {
	var o deviceCreateOptions
	cmd := &cobra.Command{
		Use:   "create ID...",
		Short: "Register devices",
		Long: `Register devices. Each gets a pair of symmetric keys made by the hub, or
authenticates by the thumbprint of its certificate, and has its security module
from the start. Many ids can be read from standard input, one a line.`,
		Example: `  tvilling device create thermostat-1 thermostat-2
  tvilling device create gateway-1 --thumbprint 6D2B8F…
  seq -f device-%05g 10000 | tvilling device create --stdin`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runDeviceCreate(cmd.Context(), hub, o, args, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.primary, "thumbprint", nil, "SHA-1 or SHA-256 `hash` of the certificate that the device shows")
	f.StringSliceVar(&o.secondary, "secondary-thumbprint", nil, "`hash` of a second certificate that it may show")
	f.BoolVar(&o.edge, "edge", false, "it is an IoT Edge device")
	f.BoolVar(&o.stdin, "stdin", false, "read ids from standard input, one a line")
	return cmd
}

func (o deviceCreateOptions) authentication() *client.Authentication {
	if len(o.primary) == 0 && len(o.secondary) == 0 {
		return nil
	}
	a := &client.Authentication{Type: "selfSigned"}
	if len(o.primary) > 0 {
		a.X509Thumbprint.Primary = o.primary[0]
	}
	if len(o.secondary) > 0 {
		a.X509Thumbprint.Secondary = o.secondary[0]
	}
	return a
}

func runDeviceCreate(ctx context.Context, hub *hubFlags, o deviceCreateOptions, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	if o.stdin {
		s := bufio.NewScanner(stdin)
		for s.Scan() {
			if s.Text() != "" {
				args = append(args, s.Text())
			}
		}
		if err := s.Err(); err != nil {
			return fmt.Errorf("read ids: %w", err)
		}
	}
	if len(args) == 0 {
		return usageError{errors.New("name at least one device, or give --stdin")}
	}
	c, err := hub.open()
	if err != nil {
		return err
	}
	defer c.Close()
	p := newPrinter(stdout, hub.json, "DEVICE", "STATUS", "AUTHENTICATION")
	bar := newProgress(stderr, "registered", len(args))
	err = each(ctx, args, func(id string) (*client.Device, error) {
		return c.CreateDevice(ctx, client.Device{
			DeviceID: tvilling.DeviceID(id), Authentication: o.authentication(), Capabilities: client.Capabilities{IotEdge: o.edge},
		})
	}, func(n int, d *client.Device) error {
		if len(args) > 1 {
			bar.set(n)
		}
		return p.row(d, d.DeviceID, d.Status, d.Authentication.Type)
	})
	return errors.Join(p.flush(), err)
}

// parallel is how many requests of bulk work are under way at once.
const parallel = 32

// each calls f for every item, several at once, and hands the results to done
// one at a time. All failures are returned; they do not stop the others.
func each[T any](ctx context.Context, items []string, f func(string) (T, error), done func(n int, v T) error) error {
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex // guards the rest
		errs  []error
		count int
	)
	slots := make(chan struct{}, parallel)
	for _, item := range items {
		if ctx.Err() != nil {
			break
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			v, err := f(item)
			mu.Lock()
			defer mu.Unlock()
			count++
			if err == nil {
				err = done(count, v)
			}
			if err != nil {
				errs = append(errs, err)
			}
		})
	}
	wg.Wait()
	if len(errs) > 1 {
		return fmt.Errorf("%d of %d failed, the first so: %w", len(errs), len(items), errs[0])
	}
	return errors.Join(append(errs, ctx.Err())...)
}

func newDeviceListCommand(hub *hubFlags) *cobra.Command {
	var prefix string
	var limit int
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List devices in the order of their ids",
		Example: "  tvilling device list --prefix thermostat- --limit 20\n  tvilling device list --json | jq -r .deviceId",
		Args:    cobra.NoArgs,
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			r := client.DeviceRange{Prefix: prefix}
			if limit > 0 {
				r.PageSize = min(limit, 1000)
			}
			p := newPrinter(cmd.OutOrStdout(), hub.json, "DEVICE", "STATUS", "CONNECTION", "LAST ACTIVITY", "AUTHENTICATION")
			n := 0
			for d, err := range c.Devices(cmd.Context(), r) {
				if err != nil {
					return errors.Join(p.flush(), err)
				}
				if err := p.row(d, d.DeviceID, d.Status, d.ConnectionState, when(d.LastActivity), d.Authentication.Type); err != nil {
					return err
				}
				if n++; n == limit {
					break
				}
			}
			return p.flush()
		}),
	}
	cmd.Flags().StringVar(&prefix, "prefix", "", "only ids that begin with `text`")
	cmd.Flags().IntVar(&limit, "limit", 0, "at most `n` devices (default all)")
	return cmd
}

func newDeviceShowCommand(hub *hubFlags) *cobra.Command {
	var keys bool
	cmd := &cobra.Command{
		Use:     "show ID",
		Short:   "Show a device with its modules",
		Example: "  tvilling device show thermostat-1\n  tvilling device show thermostat-1 --keys --json",
		Args:    cobra.ExactArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			id, err := parseDevice(args[0])
			if err != nil {
				return err
			}
			d, err := c.Device(cmd.Context(), id)
			if err != nil {
				return err
			}
			if !keys {
				hideKeys(d.Authentication)
			}
			if hub.json {
				return writeJSON(cmd.OutOrStdout(), d)
			}
			modules, err := c.Modules(cmd.Context(), id)
			if err != nil {
				return err
			}
			return printDevice(cmd.OutOrStdout(), d, modules)
		}),
	}
	cmd.Flags().BoolVar(&keys, "keys", false, "show the keys, too")
	return cmd
}

// hideKeys takes the keys out, so that they get onto a screen only when asked for.
func hideKeys(a *client.Authentication) {
	if a != nil {
		a.SymmetricKey = client.SymmetricKey{}
	}
}

func printDevice(w io.Writer, d *client.Device, modules []*client.Module) error {
	p := newPrinter(w, false)
	row := func(name string, value any) {
		_ = p.row(nil, name, value) // errors come at the flush
	}
	row("Device", d.DeviceID)
	row("Status", d.Status)
	if d.StatusReason != "" {
		row("Reason", d.StatusReason)
	}
	row("Connection", d.ConnectionState+", since "+when(d.ConnectionStateUpdated))
	row("Last activity", when(d.LastActivity))
	printAuthentication(row, d.Authentication)
	row("Etag", d.ETag)
	for i, m := range modules {
		name := ""
		if i == 0 {
			name = "Modules"
		}
		row(name, string(m.ModuleID)+" ("+m.ConnectionState+")")
	}
	return p.flush()
}

func printAuthentication(row func(name string, value any), a *client.Authentication) {
	row("Authentication", a.Type)
	if a.SymmetricKey.Primary != "" {
		row("Primary key", a.SymmetricKey.Primary)
		row("Secondary key", a.SymmetricKey.Secondary)
	}
	if a.X509Thumbprint.Primary != "" {
		row("Primary thumbprint", a.X509Thumbprint.Primary)
	}
	if a.X509Thumbprint.Secondary != "" {
		row("Secondary thumbprint", a.X509Thumbprint.Secondary)
	}
}

func newDeviceStatusCommand(hub *hubFlags, verb string, disabled bool) *cobra.Command {
	var reason string
	short := "Let devices connect again"
	if disabled {
		short = "Keep devices and their modules from connecting, and close their connections"
	}
	cmd := &cobra.Command{
		Use:     verb + " ID...",
		Short:   short,
		Example: "  tvilling device " + verb + " thermostat-1 --reason \"after repair\"",
		Args:    cobra.MinimumNArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			p := newPrinter(cmd.OutOrStdout(), hub.json, "DEVICE", "STATUS", "REASON")
			err := each(cmd.Context(), args, func(s string) (*client.Device, error) {
				id, err := parseDevice(s)
				if err != nil {
					return nil, err
				}
				d, err := c.Device(cmd.Context(), id)
				if err != nil {
					return nil, err
				}
				d.Status = "enabled"
				if disabled {
					d.Status = "disabled"
				}
				d.StatusReason = reason
				return c.UpdateDevice(cmd.Context(), *d, client.IfTag(d.ETag))
			}, func(_ int, d *client.Device) error {
				hideKeys(d.Authentication)
				return p.row(d, d.DeviceID, d.Status, dash(d.StatusReason))
			})
			return errors.Join(p.flush(), err)
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, in at most 128 characters")
	return cmd
}
