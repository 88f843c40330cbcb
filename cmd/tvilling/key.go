package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling/internal/client"
)

func newKeyCommand() *cobra.Command {
	var hub hubFlags
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Keep the shared access policies and their keys",
		Long: `Keep the shared access policies of the hub: named permissions that two keys
give. A new hub has iothubowner, service, device, registryRead and
registryReadWrite as an IoT Hub has them, and security, with SecurityRead and
SecurityWrite. Keys of devices and modules: "tvilling device rotate-key".`,
		Example: "  tvilling key list\n  tvilling key connection-string service\n  tvilling key rotate service secondary",
	}
	hub.add(cmd)
	cmd.AddCommand(newKeyListCommand(&hub), newKeyConnectionStringCommand(&hub), newKeyCreateCommand(&hub), newKeyRotateCommand(&hub), newKeyDeleteCommand(&hub))
	return cmd
}

func newKeyListCommand(hub *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the policies with their permissions",
		Example: "  tvilling key list",
		Args:    cobra.NoArgs,
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			list, err := c.Policies(cmd.Context())
			if err != nil {
				return err
			}
			p := newPrinter(cmd.OutOrStdout(), hub.json, "POLICY", "PERMISSIONS")
			for _, policy := range list {
				policy.Primary, policy.Secondary = "", "" // shown by connection-string alone
				if err := p.row(policy, policy.Name, strings.Join(policy.Permissions, ", ")); err != nil {
					return err
				}
			}
			return p.flush()
		}),
	}
}

func newKeyConnectionStringCommand(hub *hubFlags) *cobra.Command {
	var secondary bool
	cmd := &cobra.Command{
		Use:     "connection-string POLICY",
		Short:   "Print the connection string of a policy",
		Example: "  tvilling key connection-string security",
		Args:    cobra.ExactArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			p, err := c.Policy(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if secondary {
				p.Primary = p.Secondary
			}
			s := p.ConnectionString(c.HostName())
			if hub.json {
				return writeJSON(cmd.OutOrStdout(), map[string]string{"connectionString": s})
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), s)
			return err
		}),
	}
	cmd.Flags().BoolVar(&secondary, "secondary", false, "with the secondary key")
	return cmd
}

func newKeyCreateCommand(hub *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "create POLICY PERMISSION...",
		Short: "Create a policy, or change its permissions",
		Long: `Create a policy with keys made by the hub, or change the permissions of one that
is there, which keeps its keys. Permissions: RegistryRead, RegistryWrite,
ServiceConnect, DeviceConnect, SecurityRead, SecurityWrite.`,
		Example: "  tvilling key create dashboard ServiceConnect RegistryRead",
		Args:    cobra.MinimumNArgs(2),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			p, err := c.PutPolicy(cmd.Context(), client.Policy{Name: args[0], Permissions: args[1:]})
			if err != nil {
				return err
			}
			return printPolicy(cmd, hub, p)
		}),
	}
}

func printPolicy(cmd *cobra.Command, hub *hubFlags, policy *client.Policy) error {
	policy.Primary, policy.Secondary = "", ""
	p := newPrinter(cmd.OutOrStdout(), hub.json, "POLICY", "PERMISSIONS")
	if err := p.row(policy, policy.Name, strings.Join(policy.Permissions, ", ")); err != nil {
		return err
	}
	return p.flush()
}

func newKeyRotateCommand(hub *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "rotate POLICY primary|secondary|swap",
		Short: "Make a new key for a policy, or swap its two",
		Long: `Make a new primary or secondary key for a policy, or swap its two. Connections
that were made with a key that is gone are closed.

owner.connection-string in the data directory follows the primary key of
iothubowner at the next start of the hub.`,
		Example: "  tvilling key rotate service secondary",
		Args:    cobra.ExactArgs(2),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			p, err := c.RegeneratePolicyKey(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			return printPolicy(cmd, hub, p)
		}),
	}
}

func newKeyDeleteCommand(hub *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use:     "delete POLICY",
		Short:   "Delete a policy",
		Example: "  tvilling key delete dashboard",
		Args:    cobra.ExactArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			if err := c.DeletePolicy(cmd.Context(), args[0]); err != nil {
				return err
			}
			p := newPrinter(cmd.OutOrStdout(), hub.json)
			if err := p.row(map[string]string{"deleted": args[0]}, "deleted", args[0]); err != nil {
				return err
			}
			return p.flush()
		}),
	}
}
