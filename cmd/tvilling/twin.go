package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

func newTwinCommand() *cobra.Command {
	var hub hubFlags
	cmd := &cobra.Command{
		Use:   "twin",
		Short: "Show, change and watch twins, and their past",
		Long: `Show, change and watch twins, and their past: twins of devices (named device) and modules (named
device/module; the security module twin is device/azureiotsecurity).`,
		Example: "  tvilling twin show thermostat-1\n  tvilling twin patch thermostat-1 --desired '{\"fps\":30}'\n  tvilling twin configure thermostat-1 snapshotFrequency=PT1H\n  tvilling twin watch thermostat-1/azureiotsecurity",
	}
	hub.add(cmd)
	cmd.AddCommand(newTwinShowCommand(&hub), newTwinPatchCommand(&hub), newTwinReplaceCommand(&hub), newTwinConfigureCommand(&hub), newTwinWatchCommand(&hub))
	cmd.AddCommand(newTwinCompareCommand(&hub), newTwinHistoryCommand(&hub), newTwinDiffCommand(&hub), newTwinRestoreCommand(&hub))
	completesAll(cmd, hub.completeTwins)
	return cmd
}

func newTwinShowCommand(hub *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use:     "show ID",
		Short:   "Show a twin, with who set what and when",
		Example: "  tvilling twin show thermostat-1\n  tvilling twin show thermostat-1/azureiotsecurity --json",
		Args:    cobra.ExactArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			id, err := parseIdentity(args[0])
			if err != nil {
				return err
			}
			t, err := c.TwinWithActors(cmd.Context(), id)
			if err != nil {
				return err
			}
			if hub.json {
				return writeJSON(cmd.OutOrStdout(), t.Raw)
			}
			return printTwin(cmd.OutOrStdout(), t)
		}),
	}
}

func identityOf(t *client.Twin) tvilling.Identity {
	return tvilling.Identity{Device: t.DeviceID, Module: t.ModuleID}
}

// printTwin writes a twin as three lists of leaves, each with when it was set
// and by whom.
func printTwin(w io.Writer, t *client.Twin) error {
	fmt.Fprintf(w, "%s  %s, %s, version %d, etag %s\n", oneLine(identityOf(t).String()), t.Status, t.ConnectionState, t.Version, t.ETag)
	for _, s := range []struct {
		name string
		raw  json.RawMessage
	}{{"tags", t.Tags}, {"desired", t.Properties.Desired}, {"reported", t.Properties.Reported}} {
		if err := printSection(w, s.name, s.raw); err != nil {
			return err
		}
	}
	return printOwned(w, t)
}

// printOwned writes what the hub keeps in a twin: the marks of configurations
// and, in that of a security module, how it judges the device's security.
func printOwned(w io.Writer, t *client.Twin) error {
	var doc struct{ Configurations, Security json.RawMessage }
	if err := json.Unmarshal(t.Raw, &doc); err != nil {
		return err
	}
	if err := printTree(w, "\nconfigurations (by the hub; \"tvilling config why "+oneLine(identityOf(t).String())+"\" says why)", doc.Configurations); err != nil {
		return err
	}
	if t.ModuleID != tvilling.SecurityModule {
		return nil
	}
	return printTree(w, "\nsecurity (by the hub; \"tvilling security "+oneLine(string(t.DeviceID))+"\" says why)", doc.Security)
}

func printSection(w io.Writer, name string, raw json.RawMessage) error {
	s, err := readSection(raw)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	title := name
	if s.version > 0 {
		title = fmt.Sprintf("%s (version %d)", name, s.version)
	}
	fmt.Fprintf(w, "\n%s\n", title)
	if len(s.leaves) == 0 {
		fmt.Fprintln(w, "  (nothing)")
		return nil
	}
	p := newPrinter(w, false)
	for _, l := range s.leaves {
		if err := p.row(nil, "  "+l.path, shorten(l.value, 60), when(l.updated), dash(l.actor)); err != nil {
			return err
		}
	}
	return p.flush()
}

// shorten cuts a long value for a table.
func shorten(s string, most int) string {
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return string(r[:most-1]) + "…"
}

// twinChangeOptions are the flags of twin patch and twin replace.
type twinChangeOptions struct {
	desired, tags, file, etag string
}

func (o *twinChangeOptions) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.desired, "desired", "", "`JSON` object for the desired properties")
	f.StringVar(&o.tags, "tags", "", "`JSON` object for the tags")
	f.StringVar(&o.file, "file", "", "`file` with {\"tags\":…,\"properties\":{\"desired\":…}}, - for standard input")
	f.StringVar(&o.etag, "etag", "", "only if the twin still has this `etag`")
	completesBy(cmd, "file", completeFiles)
}

// patch puts the change together.
func (o *twinChangeOptions) patch(stdin io.Reader) (client.TwinPatch, error) {
	var p client.TwinPatch
	if o.file != "" {
		b, err := readFile(o.file, stdin)
		if err != nil {
			return p, err
		}
		var body struct {
			Tags       json.RawMessage
			Properties struct{ Desired json.RawMessage }
		}
		if err := json.Unmarshal(b, &body); err != nil {
			return p, usageError{fmt.Errorf("%s: %w", o.file, err)}
		}
		p.Tags, p.Desired = body.Tags, body.Properties.Desired
	}
	for _, s := range []struct {
		flag, text string
		into       *json.RawMessage
	}{{"desired", o.desired, &p.Desired}, {"tags", o.tags, &p.Tags}} {
		if s.text == "" {
			continue
		}
		if !json.Valid([]byte(s.text)) {
			return p, usageError{fmt.Errorf("--%s is not JSON: %s", s.flag, s.text)}
		}
		*s.into = json.RawMessage(s.text)
	}
	if p.Tags == nil && p.Desired == nil {
		return p, usageError{errors.New("give --desired, --tags or --file")}
	}
	return p, nil
}

func readFile(path string, stdin io.Reader) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(path)
}

func newTwinPatchCommand(hub *hubFlags) *cobra.Command {
	var o twinChangeOptions
	cmd := &cobra.Command{
		Use:   "patch ID",
		Short: "Merge a change into a twin",
		Long: `Merge a change into the tags or desired properties of a twin. Members that the
change does not name stay; null deletes one.`,
		Example: `  tvilling twin patch thermostat-1 --desired '{"fps":30,"old":null}'
  tvilling twin patch thermostat-1 --tags '{"site":"lab"}' --etag AAAAAAAAAAI=`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runTwinChange(cmd, hub, o, args[0], (*client.Client).PatchTwin, warnPartial)
		},
	}
	o.add(cmd)
	return cmd
}

func newTwinReplaceCommand(hub *hubFlags) *cobra.Command {
	var o twinChangeOptions
	cmd := &cobra.Command{
		Use:   "replace ID",
		Short: "Set the tags and desired properties of a twin whole",
		Long: `Set the tags and desired properties of a twin whole. A section that is not given
is emptied. Reported properties stay as they are.`,
		Example: `  tvilling twin replace thermostat-1 --desired '{"fps":30}' --tags '{"site":"lab"}'`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runTwinChange(cmd, hub, o, args[0], (*client.Client).ReplaceTwin, nil)
		},
	}
	o.add(cmd)
	return cmd
}

func runTwinChange(
	cmd *cobra.Command, hub *hubFlags, o twinChangeOptions, name string,
	change func(*client.Client, context.Context, tvilling.Identity, client.TwinPatch, tvilling.Match) (*client.Twin, error),
	warn func(io.Writer, tvilling.Identity, client.TwinPatch, *client.Twin),
) error {
	id, err := parseIdentity(name)
	if err != nil {
		return err
	}
	p, err := o.patch(cmd.InOrStdin())
	if err != nil {
		return err
	}
	c, err := hub.open()
	if err != nil {
		return err
	}
	defer c.Close()
	t, err := change(c, cmd.Context(), id, p, tvilling.ParseMatch(o.etag))
	if err != nil {
		return err
	}
	if warn != nil {
		warn(cmd.ErrOrStderr(), id, p, t)
	}
	if hub.json {
		return writeJSON(cmd.OutOrStdout(), t.Raw)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s is now at version %d, etag %s\n", id, t.Version, t.ETag)
	return nil
}

// warnPartial tells of a patch of a part of the agent's configuration: original
// agents take what they are sent for the whole of it, and everything that the
// patch does not name falls back to its default.
func warnPartial(w io.Writer, id tvilling.Identity, p client.TwinPatch, t *client.Twin) {
	if id.Module != tvilling.SecurityModule {
		return
	}
	part, whole := configuration(p.Desired), configuration(t.Properties.Desired)
	if part == nil || len(part) >= len(whole) {
		return
	}
	fmt.Fprintln(w, "note: this patches a part of the agent's configuration. An original C or C# agent takes the"+
		"\npatch for the whole of it, and resets what the patch does not name to its defaults until it starts again."+
		"\n\"tvilling twin configure\" sends the whole of it.")
}

// configuration returns the members of the agent's configuration in desired
// properties, nil when they hold none.
func configuration(desired json.RawMessage) map[string]json.RawMessage {
	var sections, members map[string]json.RawMessage
	if json.Unmarshal(desired, &sections) != nil || json.Unmarshal(sections[agentconfig.Object], &members) != nil {
		return nil
	}
	return members
}

func newTwinWatchCommand(hub *hubFlags) *cobra.Command {
	var after uint64
	cmd := &cobra.Command{
		Use:   "watch ID",
		Short: "Follow the changes of a twin and of its connection",
		Long: `Follow what changes about a device or module, from now on: desired and reported
properties, tags, connections, each with who did it.`,
		Example: "  tvilling twin watch thermostat-1\n  tvilling twin watch thermostat-1/azureiotsecurity --json",
		Args:    cobra.ExactArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			id, err := parseIdentity(args[0])
			if err != nil {
				return err
			}
			if _, err := c.Twin(cmd.Context(), id); err != nil {
				return err
			}
			o := client.StreamOptions{Device: id.Device, Module: id.Module, Follow: true, After: after, Latest: !cmd.Flags().Changed("after")}
			return follow(cmd, hub.json, c.Changes(cmd.Context(), o), id, func(c *client.Change) json.RawMessage { return c.Raw }, printChange)
		}),
	}
	cmd.Flags().Uint64Var(&after, "after", 0, "begin after this `sequence` of the journal, not with what is new")
	return cmd
}

func printChange(w io.Writer, c *client.Change) {
	body := ""
	if len(c.Body) > 0 {
		body = oneLine(string(c.Body))
	}
	why := ""
	if c.Cause != "" {
		why = "  (" + oneLine(c.Cause) + ")"
	}
	fmt.Fprintf(w, "%s  %-22s %s%s  %s\n", when(c.Time), c.Op, oneLine(c.Actor), why, body)
}
