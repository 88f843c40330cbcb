package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/enroll"
)

// enrollment is what enroll-command prints.
type enrollment struct {
	Command string    `json:"command"`
	Expires time.Time `json:"expires"`
}

func newEnrollCommand(hub *hubFlags) *cobra.Command {
	var host string
	valid := time.Hour
	cmd := &cobra.Command{
		Use:   "enroll-command DEVICE",
		Short: "Print the one line that installs the security agent on a device and connects it",
		Long: `Print the one line that, run in a shell on the device, installs tvilling-agent from
this hub and connects it as the device's security module.

The line has no key: it has a token of the device that is valid for an hour (see
--valid), which the agent uses once, to fetch the key of the security module. It
also says which certificate the hub shows, so nobody between can put another
program in place of the agent.`,
		Example: "  tvilling device enroll-command pump-7\n  ssh pump-7 \"$(tvilling device enroll-command pump-7 --host hub.example.com)\"",
		Args:    cobra.ExactArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			id, err := parser("device")(args[0])
			if err != nil {
				return err
			}
			if valid < time.Minute || valid > 30*24*time.Hour {
				return usageError{errors.New("--valid must be from 1m to 720h")}
			}
			if host != "" && !enroll.IsHost(host) {
				return usageError{fmt.Errorf("--host %q: give a name or an IPv4 address, with a port if it is not 443, as in hub.example.com:8443", host)}
			}
			e, err := enrollCommand(cmd.Context(), c, host, id, time.Now().Add(valid))
			if err != nil {
				return err
			}
			if err := c.AgentPrograms(cmd.Context()); tvilling.CodeOf(err) == tvilling.NotFound {
				fmt.Fprintf(cmd.ErrOrStderr(), "Warning: no device can be given the agent yet. %s\n", tvilling.MessageOf(err))
			} else if err != nil {
				return err
			}
			if hub.json {
				return writeJSON(cmd.OutOrStdout(), e)
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "Run this on %s before %s:\n", id, e.Expires.Local().Format("15:04 on January 2"))
			_, err = fmt.Fprintln(cmd.OutOrStdout(), e.Command)
			return err
		}),
	}
	cmd.Flags().StringVar(&host, "host", "", "`name` or name:port by which the device reaches the hub, if not by the hub's own")
	cmd.Flags().DurationVar(&valid, "valid", valid, "how long the line can be used")
	return cmd
}

// enrollCommand makes the line.
func enrollCommand(ctx context.Context, c *client.Client, host string, id tvilling.Identity, expires time.Time) (enrollment, error) {
	a, err := authentication(ctx, c, id)
	if err != nil {
		return enrollment{}, err
	}
	if a.Type != "sas" {
		return enrollment{}, fmt.Errorf("%s authenticates by a certificate, which stays on the device: install tvilling-agent there and name the certificate in /etc/tvilling-agent/agent.toml (device-certificate-file, device-private-key-file)", id)
	}
	if _, err := c.Module(ctx, tvilling.Identity{Device: id.Device, Module: tvilling.SecurityModule}); tvilling.CodeOf(err) == tvilling.ModuleNotFound {
		return enrollment{}, fmt.Errorf("%s has no security module to connect the agent as; make it with: tvilling module restore %s", id, enroll.Word(string(id.Device)))
	} else if err != nil {
		return enrollment{}, err
	}
	settings, err := c.Settings(ctx)
	if err != nil {
		return enrollment{}, err
	}
	if settings.HideModuleKeys {
		return enrollment{}, fmt.Errorf("the hub keeps the keys of modules from devices (hide-module-keys), so none could fetch the agent's: install tvilling-agent on %s, and give \"tvilling-agent enroll\" there what this prints: tvilling module connection-string %s", id, enroll.Word(string(id.Device)+"/"+string(tvilling.SecurityModule)))
	}
	if host == "" {
		host = c.HostName()
	}
	server, err := c.Server(ctx)
	if err != nil {
		return enrollment{}, err
	}
	name, port := host, server.Port
	if h, p, err := net.SplitHostPort(host); err == nil {
		name, port = h, p
	}
	line, err := enroll.Line(enroll.Options{
		Host: name, Port: port, Chain: server.Chain, Device: id.Device, Key: a.SymmetricKey.Primary, Expires: expires,
	})
	if err != nil {
		return enrollment{}, err
	}
	return enrollment{Command: line, Expires: expires.Truncate(time.Second).UTC()}, nil
}
