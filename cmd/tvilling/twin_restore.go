package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

func newTwinDiffCommand(hub *hubFlags) *cobra.Command {
	var from, to point
	cmd := &cobra.Command{
		Use:   "diff ID --from POINT [--to POINT]",
		Short: "Show in what a twin differs between two moments",
		Long: `Show in what a twin differs between two moments, the second of which is now if it
is not given. A point is a version of the twin, a time, or a place in the
journal.`,
		Example: `  tvilling twin diff thermostat-1 --from 7
  tvilling twin diff thermostat-1 --from 7 --to 9
  tvilling twin diff thermostat-1/azureiotsecurity --from "2026-01-31 14:30" --json`,
		Args: cobra.ExactArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			id, err := parseIdentity(args[0])
			if err != nil {
				return err
			}
			if from.String() == "" {
				return usageError{errors.New("say from which point on: --from; " + pointHelp)}
			}
			if to.String() == "" {
				to.now = true
			}
			d, err := c.TwinDiff(cmd.Context(), id, from.String(), to.String())
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			if hub.json {
				return writeJSON(w, d.Raw)
			}
			fmt.Fprintf(w, "%s  from %s to %s\n", oneLine(id.String()), describeMark(d.From), describeMark(d.To))
			return printDiff(w, d.Edits)
		}),
	}
	cmd.Flags().Var(&from, "from", "from this `point`: a version, a time, sequence:N")
	cmd.Flags().Var(&to, "to", "to this `point` (default now)")
	return cmd
}

func describeMark(m client.TwinMark) string {
	s := fmt.Sprintf("version %d", m.Version)
	if !m.Time.IsZero() {
		s += " (" + when(m.Time) + ")"
	}
	return s
}

func printDiff(w io.Writer, edits []client.Edit) error {
	if len(edits) == 0 {
		_, err := fmt.Fprintln(w, "  no difference")
		return err
	}
	return printEdits(w, edits, false)
}

func newTwinRestoreCommand(hub *hubFlags) *cobra.Command {
	var at point
	var may consent
	cmd := &cobra.Command{
		Use:   "restore ID --at POINT",
		Short: "Make tags and desired properties of a twin what they were at a moment",
		Long: `Make tags and desired properties of a twin what they were at a moment of its
history: a version of the twin, a time, or a place in the journal. The change is
shown and asked for, and written as one change that can be undone likewise.
Reported properties are the device's own and stay.`,
		Example: `  tvilling twin restore thermostat-1 --at 7
  tvilling twin restore thermostat-1 --at "2026-01-31 14:30" --dry-run
  tvilling twin restore thermostat-1/azureiotsecurity --at 7 --yes`,
		Args: cobra.ExactArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			id, err := parseIdentity(args[0])
			if err != nil {
				return err
			}
			if at.now || at.String() == "" {
				return usageError{errors.New("say to which point: --at; " + pointHelp)}
			}
			return runTwinRestore(cmd, hub.json, c, id, at, may)
		}),
	}
	may.add(cmd)
	cmd.Flags().Var(&at, "at", "as it was at this `point`: a version, a time, sequence:N")
	return cmd
}

func runTwinRestore(cmd *cobra.Command, asJSON bool, c *client.Client, id tvilling.Identity, at point, may consent) error {
	// The etag is read first: what is shown is then never older than it.
	now, err := c.Twin(cmd.Context(), id)
	if err != nil {
		return err
	}
	d, err := c.TwinDiff(cmd.Context(), id, "now", at.String())
	if err != nil {
		return err
	}
	d.Edits = restored(d.Edits)
	out := cmd.OutOrStdout()
	if asJSON {
		out = cmd.ErrOrStderr() // what is for people
	}
	fmt.Fprintf(out, "%s  back to %s\n", oneLine(id.String()), describeMark(d.To))
	if err := printDiff(out, d.Edits); err != nil {
		return err
	}
	if len(d.Edits) == 0 || may.dryRun {
		if asJSON {
			return writeJSON(cmd.OutOrStdout(), restoreResult{Device: id.Device, Module: id.Module, At: d.To, Edits: d.Edits})
		}
		return nil
	}
	if err := may.ask(cmd, "Write this?"); err != nil {
		return err
	}
	t, err := c.RestoreTwin(cmd.Context(), id, at.TwinPoint, client.IfTag(now.ETag))
	if tvilling.CodeOf(err) == tvilling.PreconditionFailed {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s was changed meanwhile, and nothing was written; run the command again to see the change as it is now.\n", oneLine(id.String()))
	}
	if err != nil {
		return err
	}
	if asJSON {
		return writeJSON(cmd.OutOrStdout(), restoreResult{Device: id.Device, Module: id.Module, At: d.To, Edits: d.Edits, Written: true, Version: t.Version, ETag: t.ETag})
	}
	fmt.Fprintf(out, "%s is now at version %d, etag %s\n", id, t.Version, t.ETag)
	return nil
}

// restoreResult is what programs are told of a restore.
type restoreResult struct {
	Device tvilling.DeviceID `json:"deviceId"`
	Module tvilling.ModuleID `json:"moduleId,omitempty"`
	// At is the moment it is put back to.
	At      client.TwinMark `json:"at"`
	Edits   []client.Edit   `json:"edits"`
	Written bool            `json:"written"`
	Version int64           `json:"version,omitempty"`
	ETag    tvilling.ETag   `json:"etag,omitempty"`
}

// restored leaves the edits that a restore makes.
func restored(edits []client.Edit) []client.Edit {
	list := []client.Edit{}
	for _, e := range edits {
		if strings.HasPrefix(e.Path, "tags.") || strings.HasPrefix(e.Path, "properties.desired.") {
			list = append(list, e)
		}
	}
	return list
}
