package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

// parser returns how the ids of a kind are read: "device" or "module".
func parser(kind string) func(string) (tvilling.Identity, error) {
	if kind == "module" {
		return parseModule
	}
	return func(s string) (tvilling.Identity, error) {
		d, err := parseDevice(s)
		return tvilling.Device(d), err
	}
}

// example is an id of a kind.
func example(kind string) string {
	if kind == "module" {
		return "thermostat-1/camera"
	}
	return "thermostat-1"
}

func newDeleteCommand(hub *hubFlags, kind string) *cobra.Command {
	var etag string
	long := "Delete devices with all of their modules and twins. Their connections are closed."
	if kind == "module" {
		long = `Delete modules with their twins. Their connections are closed. Deleting the
security module of a device is remembered: the hub does not make it again until
"tvilling module restore".`
	}
	cmd := &cobra.Command{
		Use:     "delete ID...",
		Short:   "Delete " + kind + "s",
		Long:    long,
		Example: "  tvilling " + kind + " delete " + example(kind),
		Args:    cobra.MinimumNArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			if etag != "" && len(args) > 1 {
				return usageError{errors.New("--etag goes with one " + kind)}
			}
			p := newPrinter(cmd.OutOrStdout(), hub.json)
			bar := newProgress(cmd.ErrOrStderr(), "deleted", len(args))
			err := each(cmd.Context(), args, func(s string) (tvilling.Identity, error) {
				id, err := parser(kind)(s)
				if err != nil {
					return id, err
				}
				return id, c.Delete(cmd.Context(), id, tvilling.ParseMatch(etag))
			}, func(n int, id tvilling.Identity) error {
				if len(args) > 1 {
					bar.set(n)
				}
				return p.row(map[string]string{"deleted": id.String()}, "deleted", id)
			})
			return errors.Join(p.flush(), err)
		}),
	}
	cmd.Flags().StringVar(&etag, "etag", "", "only if it still has this `etag`")
	return cmd
}

// authentication returns what an identity authenticates with.
func authentication(ctx context.Context, c *client.Client, id tvilling.Identity) (*client.Authentication, error) {
	if id.IsModule() {
		m, err := c.Module(ctx, id)
		if err != nil {
			return nil, err
		}
		return m.Authentication, nil
	}
	d, err := c.Device(ctx, id.Device)
	if err != nil {
		return nil, err
	}
	return d.Authentication, nil
}

// connectionString is what a device SDK is configured with.
func connectionString(host string, id tvilling.Identity, a *client.Authentication, secondary bool) (string, error) {
	s := "HostName=" + host + ";DeviceId=" + string(id.Device)
	if id.IsModule() {
		s += ";ModuleId=" + string(id.Module)
	}
	switch a.Type {
	case "sas":
		key := a.SymmetricKey.Primary
		if secondary {
			key = a.SymmetricKey.Secondary
		}
		return s + ";SharedAccessKey=" + key, nil
	case "selfSigned", "certificateAuthority":
		return s + ";x509=true", nil
	default:
		return "", fmt.Errorf("%s is registered to have no way to connect (authentication type %s)", id, a.Type)
	}
}

func newConnectionStringCommand(hub *hubFlags, kind string) *cobra.Command {
	var secondary bool
	var host string
	cmd := &cobra.Command{
		Use:   "connection-string ID",
		Short: "Print the connection string that a " + kind + "'s SDK is given",
		Example: "  tvilling " + kind + " connection-string " + example(kind) +
			"\n  tvilling " + kind + " connection-string " + example(kind) + " --host localhost:18883",
		Args: cobra.ExactArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			id, err := parser(kind)(args[0])
			if err != nil {
				return err
			}
			a, err := authentication(cmd.Context(), c, id)
			if err != nil {
				return err
			}
			if host == "" {
				host = c.HostName()
			}
			s, err := connectionString(host, id, a, secondary)
			if err != nil {
				return err
			}
			if hub.json {
				return writeJSON(cmd.OutOrStdout(), map[string]string{"connectionString": s})
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), s)
			return err
		}),
	}
	cmd.Flags().BoolVar(&secondary, "secondary", false, "with the secondary key")
	cmd.Flags().StringVar(&host, "host", "", "`name` of the hub in it, if not the hub's own; the Node SDK takes host:port over MQTT")
	return cmd
}

func newRotateCommand(hub *hubFlags, kind string) *cobra.Command {
	return &cobra.Command{
		Use:   "rotate-key ID primary|secondary|swap",
		Short: "Make a new key, or swap the two",
		Long: `Make a new primary or secondary key, or swap the two. Connections that were made
with a key that is gone are closed. To rotate without a gap: make a new secondary
key, move the client to it, swap, and make a new secondary key again.`,
		Example:   "  tvilling " + kind + " rotate-key " + example(kind) + " secondary",
		Args:      cobra.ExactArgs(2),
		ValidArgs: []string{"primary", "secondary", "swap"},
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			id, err := parser(kind)(args[0])
			if err != nil {
				return err
			}
			if _, err := c.RegenerateKey(cmd.Context(), id, args[1]); err != nil {
				return err
			}
			p := newPrinter(cmd.OutOrStdout(), hub.json)
			if err := p.row(map[string]string{"id": id.String(), "rotated": args[1]}, id, args[1]+" done"); err != nil {
				return err
			}
			return p.flush()
		}),
	}
}
