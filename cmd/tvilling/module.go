package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

func newModuleCommand() *cobra.Command {
	var hub hubFlags
	cmd := &cobra.Command{
		Use:   "module",
		Short: "Register, list and change modules of devices",
		Long: `Register, list and change modules of devices. A module is named device/module.
The security module, azureiotsecurity, is there from the start.`,
		Example: "  tvilling module list thermostat-1\n  tvilling module create thermostat-1/camera\n  tvilling module restore thermostat-1",
	}
	hub.add(cmd)
	cmd.AddCommand(
		newModuleCreateCommand(&hub), newModuleListCommand(&hub), newModuleShowCommand(&hub), newDeleteCommand(&hub, "module"),
		newModuleRestoreCommand(&hub), newConnectionStringCommand(&hub, "module"), newRotateCommand(&hub, "module"),
	)
	completesAll(cmd, hub.completeTwins)
	return cmd
}

func newModuleCreateCommand(hub *hubFlags) *cobra.Command {
	var thumbprint, managedBy string
	cmd := &cobra.Command{
		Use:     "create DEVICE/MODULE...",
		Short:   "Register modules",
		Example: "  tvilling module create thermostat-1/camera",
		Args:    cobra.MinimumNArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			var a *client.Authentication
			if thumbprint != "" {
				a = &client.Authentication{Type: "selfSigned", X509Thumbprint: client.X509Thumbprint{Primary: thumbprint}}
			}
			p := newPrinter(cmd.OutOrStdout(), hub.json, "MODULE", "AUTHENTICATION")
			err := each(cmd.Context(), args, func(s string) (*client.Module, error) {
				id, err := parseModule(s)
				if err != nil {
					return nil, err
				}
				return c.CreateModule(cmd.Context(), client.Module{DeviceID: id.Device, ModuleID: id.Module, Authentication: a, ManagedBy: managedBy})
			}, func(_ int, m *client.Module) error { return p.row(m, m.ID(), m.Authentication.Type) })
			return errors.Join(p.flush(), err)
		}),
	}
	cmd.Flags().StringVar(&thumbprint, "thumbprint", "", "SHA-1 or SHA-256 `hash` of the certificate that the module shows")
	cmd.Flags().StringVar(&managedBy, "managed-by", "", "`who` manages it, a note")
	return cmd
}

func newModuleListCommand(hub *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use:     "list DEVICE",
		Short:   "List the modules of a device",
		Example: "  tvilling module list thermostat-1",
		Args:    cobra.ExactArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			id, err := parseDevice(args[0])
			if err != nil {
				return err
			}
			list, err := c.Modules(cmd.Context(), id)
			if err != nil {
				return err
			}
			p := newPrinter(cmd.OutOrStdout(), hub.json, "MODULE", "CONNECTION", "LAST ACTIVITY", "AUTHENTICATION")
			for _, m := range list {
				hideKeys(m.Authentication)
				if err := p.row(m, m.ID(), m.ConnectionState, when(m.LastActivity), m.Authentication.Type); err != nil {
					return err
				}
			}
			return p.flush()
		}),
	}
}

func newModuleShowCommand(hub *hubFlags) *cobra.Command {
	var keys bool
	cmd := &cobra.Command{
		Use:     "show DEVICE/MODULE",
		Short:   "Show a module",
		Example: "  tvilling module show thermostat-1/azureiotsecurity",
		Args:    cobra.ExactArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			id, err := parseModule(args[0])
			if err != nil {
				return err
			}
			m, err := c.Module(cmd.Context(), id)
			if err != nil {
				return err
			}
			if !keys {
				hideKeys(m.Authentication)
			}
			if hub.json {
				return writeJSON(cmd.OutOrStdout(), m)
			}
			p := newPrinter(cmd.OutOrStdout(), false)
			row := func(name string, value any) {
				_ = p.row(nil, name, value) // errors come at the flush
			}
			row("Module", m.ID())
			row("Connection", m.ConnectionState+", since "+when(m.ConnectionStateUpdated))
			row("Last activity", when(m.LastActivity))
			printAuthentication(row, m.Authentication)
			row("Managed by", dash(m.ManagedBy))
			row("Etag", m.ETag)
			return p.flush()
		}),
	}
	cmd.Flags().BoolVar(&keys, "keys", false, "show the keys, too")
	return cmd
}

func newModuleRestoreCommand(hub *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "restore DEVICE...",
		Short: "Make the security module of a device again after it was deleted",
		Long: `Make the security module of a device again after it was deleted on purpose. The
new one has new keys and a new twin.`,
		Example: "  tvilling module restore thermostat-1",
		Args:    cobra.MinimumNArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			p := newPrinter(cmd.OutOrStdout(), hub.json, "MODULE", "AUTHENTICATION")
			err := each(cmd.Context(), args, func(s string) (*client.Module, error) {
				var id tvilling.DeviceID
				id, err := parseDevice(s)
				if err != nil {
					return nil, err
				}
				return c.RestoreModule(cmd.Context(), id)
			}, func(_ int, m *client.Module) error {
				hideKeys(m.Authentication)
				return p.row(m, m.ID(), m.Authentication.Type)
			})
			return errors.Join(p.flush(), err)
		}),
	}
}
