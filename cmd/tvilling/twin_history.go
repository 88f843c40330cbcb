package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

// historyOptions are the flags of twin history.
type historyOptions struct {
	limit int
	since span
	from  moment
	query client.HistoryQuery
}

func newTwinHistoryCommand(hub *hubFlags) *cobra.Command {
	var o historyOptions
	cmd := &cobra.Command{
		Use:   "history ID",
		Short: "Show the versions of a twin: who changed what, when and why",
		Long: `Show the versions of a twin, newest first: who changed it, when, why, and each value
before and after. How far back it goes is set by [history] of the hub's
configuration; where it ends, that is said.`,
		Example: `  tvilling twin history thermostat-1
  tvilling twin history thermostat-1/azureiotsecurity --part desired --since 7d
  tvilling twin history thermostat-1 --limit 0 --json`,
		Args: cobra.ExactArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			return runTwinHistory(cmd, hub, c, o, args[0])
		}),
	}
	f := cmd.Flags()
	f.IntVar(&o.limit, "limit", 20, "at most `n` versions; 0 for all")
	f.Var(&o.since, "since", "only what was changed in the `span` up to now: 30m, 12h, 7d")
	f.Var(&o.from, "from", "only what was changed at this `time` or later")
	f.Uint64Var(&o.query.Before, "before", 0, "only what is older than this `sequence` of the journal")
	f.StringSliceVar(&o.query.Parts, "part", nil, "only changes of these `parts`: tags, desired, reported, identity, hub (members that the hub keeps)")
	f.BoolVar(&o.query.Connections, "connections", false, "also when it connected and disconnected")
	cmd.MarkFlagsMutuallyExclusive("since", "from")
	return cmd
}

func runTwinHistory(cmd *cobra.Command, hub *hubFlags, c *client.Client, o historyOptions, name string) error {
	id, err := parseIdentity(name)
	if err != nil {
		return err
	}
	if o.limit < 0 {
		return usageError{errors.New("--limit must not be negative")}
	}
	begin := o.from.Time
	if o.since != 0 {
		begin = time.Now().Add(-time.Duration(o.since))
	}
	w := cmd.OutOrStdout()
	n := 0
	// One more than is wanted tells whether there is more.
	if o.query.Limit = maxPage; o.limit > 0 {
		o.query.Limit = min(o.limit+1, maxPage)
	}
	for p, err := range c.History(cmd.Context(), id, o.query) {
		if err != nil {
			return err
		}
		for _, v := range p.Versions {
			if v.Time.Before(begin) {
				return noteEmpty(cmd, hub, n)
			}
			if n == o.limit && o.limit > 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "There are more than these %d; give --limit 0 for all, or --before %d for those that follow.\n", n, v.Sequence+1)
				return nil
			}
			n++
			if hub.json {
				err = writeJSON(w, v.Raw)
			} else {
				err = printVersion(w, v, n == 1)
			}
			if err != nil {
				return err
			}
		}
		if p.Next == 0 && !p.Complete {
			fmt.Fprintf(cmd.ErrOrStderr(), "What is older is no longer kept: the hub's history begins %s, at sequence %d.\n", when(p.Kept.Time), p.Kept.Sequence)
		}
	}
	return noteEmpty(cmd, hub, n)
}

// noteEmpty tells people that there is no version to show.
func noteEmpty(cmd *cobra.Command, hub *hubFlags, versions int) error {
	if versions == 0 && !hub.json {
		fmt.Fprintln(cmd.ErrOrStderr(), "There is no such change in what is kept.")
	}
	return nil
}

// printVersion writes a version with what it changed.
func printVersion(w io.Writer, v *client.TwinVersion, first bool) error {
	if !first {
		fmt.Fprintln(w)
	}
	name := fmt.Sprintf("sequence %d", v.Sequence)
	if v.Version > 0 {
		name = fmt.Sprintf("version %d", v.Version)
	}
	fmt.Fprintf(w, "%s  %s  %s  %s\n", name, when(v.Time), oneLine(v.Op), oneLine(dash(v.Actor)))
	if v.Cause != "" {
		wrap(w, "  ", "why: "+oneLine(v.Cause))
	}
	if v.Together {
		fmt.Fprintln(w, "  (its changes are told with those of the next newer change: both were written at once)")
	}
	if v.Partial {
		fmt.Fprintln(w, "  (what was there before is no longer kept)")
	}
	return printEdits(w, v.Edits, v.Partial)
}

// printEdits writes what differs, objects leaf by leaf.
func printEdits(w io.Writer, edits []client.Edit, partial bool) error {
	p := newPrinter(w, false)
	for _, e := range edits {
		old, err := leavesOfEdit(e.Path, e.Old)
		if err != nil {
			return err
		}
		now, err := leavesOfEdit(e.Path, e.New)
		if err != nil {
			return err
		}
		// A leaf that became another is one line; what came or went whole is a
		// line for each leaf.
		if len(old) == 1 && len(now) == 1 && old[0].path == now[0].path {
			if err := p.row(nil, "  "+editPath(old[0].path), shorten(old[0].value, 60)+" → "+shorten(now[0].value, 60)); err != nil {
				return err
			}
			continue
		}
		for _, l := range old {
			if err := p.row(nil, "  "+editPath(l.path), shorten(l.value, 60)+" → –"); err != nil {
				return err
			}
		}
		before := "– → "
		if partial {
			before = "? → "
		}
		for _, l := range now {
			if err := p.row(nil, "  "+editPath(l.path), before+shorten(l.value, 60)); err != nil {
				return err
			}
		}
		if partial && len(old)+len(now) == 0 {
			if err := p.row(nil, "  "+editPath(e.Path), "? → –"); err != nil {
				return err
			}
		}
	}
	return p.flush()
}

// editPath writes the place of a change; a setting of the security agent without
// the name of the object that holds them all, see [shortPath].
func editPath(path string) string {
	for section, name := range map[string]string{"properties.desired.": "agent: ", "properties.reported.": "agent has: "} {
		for _, object := range []string{agentconfig.Object, "[[" + agentconfig.Object + "]]"} {
			if setting, ok := strings.CutPrefix(path, section+object+"."); ok {
				return name + strings.TrimSuffix(setting, ".value")
			}
		}
	}
	return path
}

// leavesOfEdit returns the leaves of a value, itself if it is no object.
func leavesOfEdit(path string, raw json.RawMessage) ([]leaf, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	if raw[0] != '{' || len(raw) == len("{}") {
		return []leaf{{path: path, value: string(raw)}}, nil
	}
	members, err := readObject(raw)
	if err != nil {
		return nil, err
	}
	return collect(nil, path, members, stamp{})
}
