package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

func newConfigWhyCommand(hub *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "why DEVICE[/MODULE]",
		Short: "Say of each desired value of a twin who set it and what would be next",
		Long: `Say of each desired value of a twin who set it and when, which configuration wants
it, and what would be there if that one were gone; and of each configuration
whether it finds the twin and, if it is not applied, why not. Settings of the
security agent stand behind "agent:"; --json has their whole paths.`,
		Example: `  tvilling config why thermostat-1
  tvilling config why thermostat-1/azureiotsecurity --json`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: hub.completeTwins,
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			id, err := parseIdentity(args[0])
			if err != nil {
				return err
			}
			y, err := c.Why(cmd.Context(), id)
			if err != nil {
				return err
			}
			if hub.json {
				return writeJSON(cmd.OutOrStdout(), y.Raw)
			}
			return printWhy(cmd.OutOrStdout(), id.String(), y)
		}),
	}
}

func printWhy(w io.Writer, name string, y *client.Why) error {
	fmt.Fprintf(w, "%s\n\n", oneLine(name))
	t := newPrinter(w, false, "DESIRED", "VALUE", "SET BY", "WHEN", "NEXT")
	for _, l := range y.Desired {
		next := nextOf(y, l.Path)
		value, by := "(nothing)", "-"
		if l.Value != nil {
			value, by = shorten(string(l.Value), 60), dash(actorText(l.Actor))
		}
		if err := t.row(nil, shortPath(l.Path), value, by, when(l.Time), next); err != nil {
			return err
		}
	}
	if len(y.Desired) == 0 {
		if err := t.row(nil, "(nothing)"); err != nil {
			return err
		}
	}
	if err := t.flush(); err != nil {
		return err
	}
	if len(y.Configurations) == 0 {
		_, err := fmt.Fprintln(w, "\nThere is no configuration.")
		return err
	}
	fmt.Fprintln(w)
	t = newPrinter(w, false, "CONFIGURATION", "PRIORITY", "FINDS IT", "STATUS", "WHY")
	for _, c := range y.Configurations {
		finds := "no"
		if c.Targeted {
			finds = "yes"
		}
		if err := t.row(nil, c.ID, c.Priority, finds, dash(c.Status), dash(c.Reason)); err != nil {
			return err
		}
	}
	return t.flush()
}

// shortPath writes the place of a setting of the security agent without the
// name of the object that holds them all, which would push everything else off
// the line.
func shortPath(path string) string {
	setting, ok := strings.CutPrefix(path, agentconfig.Object+".")
	if !ok {
		return path
	}
	return "agent: " + strings.TrimSuffix(setting, ".value")
}

// actorText names a configuration that wrote something without the digest of
// its revision, which only programs need.
func actorText(actor string) string {
	if strings.HasPrefix(actor, "configuration:") {
		actor, _, _ = strings.Cut(actor, "@")
	}
	return actor
}

// nextOf says what would be at a path if what is in force there were gone.
func nextOf(y *client.Why, path string) string {
	for _, l := range y.Desired {
		if l.Path != path {
			continue
		}
		wishes := l.Wishes
		if len(wishes) == 0 {
			return "-"
		}
		if len(wishes) == 1 {
			return "nothing"
		}
		value := "nothing"
		if wishes[1].Value != nil {
			value = shorten(string(wishes[1].Value), 40)
		}
		return value + " by " + wishes[1].Configuration
	}
	return "-"
}
