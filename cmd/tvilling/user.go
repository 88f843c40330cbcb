package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

func newUserCommand() *cobra.Command {
	var hub hubFlags
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Keep the users of the console",
		Long: `Keep the users of the console: their roles, passwords, one-time links and
sessions. A viewer sees everything but secrets; an operator also works on alerts
and recommendations, and changes devices, twins and configurations; an admin also
keeps users, keys, detections, sinks and the hub. This needs the owner's
connection string.`,
		Example: `  tvilling user add anna --role admin
  tvilling user link anna
  tvilling user list`,
	}
	hub.add(cmd)
	cmd.AddCommand(newUserListCommand(&hub), newUserAddCommand(&hub), newUserRoleCommand(&hub), newUserDisableCommand(&hub, true), newUserDisableCommand(&hub, false),
		newUserPasswordCommand(&hub), newUserRemoveCommand(&hub), newUserLinkCommand(&hub), newUserSessionsCommand(&hub), newUserSignOutCommand(&hub))
	return cmd
}

// printUsers prints users as a table.
func printUsers(cmd *cobra.Command, hub *hubFlags, list ...*client.User) error {
	p := newPrinter(cmd.OutOrStdout(), hub.json, "USER", "ROLE", "STATE", "PASSWORD", "SIGNED IN", "SESSIONS")
	for _, u := range list {
		state, password := "enabled", "none"
		if u.Disabled {
			state = "disabled"
		}
		if u.HasPassword {
			password = "set " + when(u.PasswordChanged)
		}
		if err := p.row(u, u.Name, u.Role, state, password, when(u.SignedIn), u.Sessions); err != nil {
			return err
		}
	}
	return p.flush()
}

func newUserListCommand(hub *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the users with their roles",
		Example: "  tvilling user list",
		Args:    cobra.NoArgs,
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			list, err := c.Users(cmd.Context())
			if err != nil {
				return err
			}
			return printUsers(cmd, hub, list...)
		}),
	}
}

func newUserAddCommand(hub *hubFlags) *cobra.Command {
	var role string
	var linked bool
	var from passwordSource
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Make a user",
		Long: `Make a user. The password is asked for on a terminal, without showing it; or it is
the first line of a file, or of standard input with --password-file -. With --link
the user gets no password but a one-time link, and sets a password there.`,
		Example: `  tvilling user add anna --role admin
  tvilling user add bert --role viewer --link
  tvilling user add carla --role operator --password-file carla.txt`,
		Args: cobra.ExactArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			password := ""
			if !linked {
				var err error
				if password, err = from.read(cmd, args[0]); err != nil {
					return err
				}
			}
			u, err := c.AddUser(cmd.Context(), args[0], role, password)
			if err != nil {
				return err
			}
			if !linked {
				return printUsers(cmd, hub, u)
			}
			return printLink(cmd, hub, c, u.Name)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&role, "role", "viewer", "`role`: viewer, operator or admin")
	f.BoolVar(&linked, "link", false, "make a one-time link instead of a password")
	from.add(cmd)
	cmd.MarkFlagsMutuallyExclusive("link", "password-file")
	completesBy(cmd, "role", completeRoles)
	return cmd
}

func completeRoles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"viewer", "operator", "admin"}, cobra.ShellCompDirectiveNoFileComp
}

func newUserRoleCommand(hub *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "role NAME viewer|operator|admin",
		Short: "Give a user another role",
		Long: `Give a user another role. The sessions of a user who may do less than before end.
The last admin stays one.`,
		Example: "  tvilling user role anna operator",
		Args:    cobra.ExactArgs(2),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			u, err := c.ChangeUser(cmd.Context(), args[0], client.UserEdit{Role: args[1]}, tvilling.Match{})
			if err != nil {
				return err
			}
			return printUsers(cmd, hub, u)
		}),
	}
}

func newUserDisableCommand(hub *hubFlags, disable bool) *cobra.Command {
	cmd := &cobra.Command{Use: "enable NAME", Short: "Let a user sign in again", Example: "  tvilling user enable anna"}
	if disable {
		cmd = &cobra.Command{Use: "disable NAME", Short: "Let a user sign in no more, and end the user's sessions", Example: "  tvilling user disable anna"}
	}
	cmd.Args = cobra.ExactArgs(1)
	cmd.RunE = hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
		u, err := c.ChangeUser(cmd.Context(), args[0], client.UserEdit{Disabled: &disable}, tvilling.Match{})
		if err != nil {
			return err
		}
		return printUsers(cmd, hub, u)
	})
	return cmd
}

func newUserPasswordCommand(hub *hubFlags) *cobra.Command {
	var from passwordSource
	cmd := &cobra.Command{
		Use:     "password NAME",
		Short:   "Give a user another password, and end the user's sessions",
		Long:    "Give a user another password, and end the user's sessions. The password is asked\nfor on a terminal, or read from a file; see \"tvilling user add\".",
		Example: "  tvilling user password anna\n  tvilling user password anna --password-file new.txt",
		Args:    cobra.ExactArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			password, err := from.read(cmd, args[0])
			if err != nil {
				return err
			}
			if err := c.SetUserPassword(cmd.Context(), args[0], password); err != nil {
				return err
			}
			return say(cmd, hub, map[string]string{"passwordChanged": args[0]}, "password changed of "+args[0])
		}),
	}
	from.add(cmd)
	return cmd
}

// say prints that something was done.
func say(cmd *cobra.Command, hub *hubFlags, v any, text string) error {
	p := newPrinter(cmd.OutOrStdout(), hub.json)
	if err := p.row(v, text); err != nil {
		return err
	}
	return p.flush()
}

func newUserRemoveCommand(hub *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use:     "remove NAME",
		Short:   "Remove a user, and end the user's sessions",
		Example: "  tvilling user remove anna",
		Args:    cobra.ExactArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			if err := c.RemoveUser(cmd.Context(), args[0], tvilling.Match{}); err != nil {
				return err
			}
			return say(cmd, hub, map[string]string{"removed": args[0]}, "removed "+args[0])
		}),
	}
}

func newUserLinkCommand(hub *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "link NAME",
		Short: "Make a link that signs a user in, once",
		Long: `Make a link that signs a user in, once, within 10 minutes. It is for a new user,
and for one who has forgotten the password. Send it where nobody else reads it.`,
		Example: "  tvilling user link anna",
		Args:    cobra.ExactArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			return printLink(cmd, hub, c, args[0])
		}),
	}
}

func printLink(cmd *cobra.Command, hub *hubFlags, c *client.Client, name string) error {
	l, err := c.LinkUser(cmd.Context(), name)
	if err != nil {
		return err
	}
	address := hub.console(c) + l.Path
	if hub.json {
		return writeJSON(cmd.OutOrStdout(), map[string]any{"user": name, "url": address, "expiresTime": l.Expires})
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), address)
	return err
}

// console is the address that the hub has for a browser.
func (h *hubFlags) console(c *client.Client) string {
	if h.address == "" && h.connection == "" {
		if e, err := readEndpoints(h.data); err == nil && len(e.HTTPS) > 0 {
			_, port, _ := cutPort(hostPort(e.HTTPS[0]))
			return httpsAddress(c.HostName(), port)
		}
	}
	if _, port, ok := cutPort(h.address); ok {
		return httpsAddress(c.HostName(), port)
	}
	return "https://" + c.HostName()
}

func httpsAddress(host, port string) string {
	return strings.TrimSuffix("https://"+host+":"+port, ":443")
}

func newUserSessionsCommand(hub *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use:     "sessions NAME",
		Short:   "List where a user is signed in",
		Example: "  tvilling user sessions anna",
		Args:    cobra.ExactArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			list, err := c.UserSessions(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			p := newPrinter(cmd.OutOrStdout(), hub.json, "SESSION", "ADDRESS", "SIGNED IN", "USED", "ENDS", "BROWSER")
			for _, s := range list {
				if err := p.row(s, s.ID, dash(s.Address), when(s.Created), when(s.Seen), when(s.Expires), dash(s.Agent)); err != nil {
					return err
				}
			}
			return p.flush()
		}),
	}
}

func newUserSignOutCommand(hub *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use:     "sign-out NAME [SESSION]",
		Short:   "End all sessions of a user, or one",
		Example: "  tvilling user sign-out anna\n  tvilling user sign-out anna 0123456789abcdef",
		Args:    cobra.RangeArgs(1, 2),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			session := ""
			if len(args) == 2 {
				session = args[1]
			}
			if err := c.EndUserSession(cmd.Context(), args[0], session); err != nil {
				return err
			}
			return say(cmd, hub, map[string]string{"signedOut": args[0]}, "signed out "+args[0])
		}),
	}
}
