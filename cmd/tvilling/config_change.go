package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

func newConfigCreateCommand(hub *hubFlags) *cobra.Command {
	var o configFlags
	var paused bool
	cmd := &cobra.Command{
		Use:   "create [ID]",
		Short: "Make an automatic configuration, from a file or from flags",
		Long: `Make an automatic configuration, from a JSON file in the form of Azure's tools, from
flags, or from a file over which flags are put. It is applied at once, to the
twins that are there and to those to come. "tvilling config plan" with the same
arguments shows beforehand what it would do.

With a condition that begins with "from devices.modules where" it is for the twins
of modules, otherwise for those of devices. --agent is for the configuration of
security agents, in the twins of their modules: a condition that does not say of
which modules it is about then means those, with the tags that they have.

What it sets never changes: make another one instead, with a higher priority, and
delete the old one when the new one is everywhere.

With --step it is a rollout: it comes to so many of the twins, waits, asks whether
they are healthy, and goes on or halts or takes everything back.`,
		Example: `  tvilling config create lab-fps --target "tags.site = 'lab'" --priority 10 --set properties.desired.fps=30
  tvilling config create snapshots --target "*" --agent snapshotFrequency=PT1H
  tvilling config create fw-5 --target "tags.model = 'T1'" --set properties.desired.firmware.version=5 --step 5% --step 50% --wait 10m --unhealthy "properties.reported.firmware.failed = true" --limit 2% --on-unhealthy rollback
  tvilling config create --file chiller.json`,
		Args: cobra.MaximumNArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			s, err := o.read(args, cmd.InOrStdin())
			if err != nil {
				return err
			}
			if s.Content == nil {
				return usageError{errors.New("say what is to be in the twins: by --set, --agent or --file")}
			}
			if paused {
				s.Paused = true
			}
			got, err := c.PutConfiguration(cmd.Context(), s, tvilling.Match{})
			if err != nil {
				return pointOutIn(s, err)
			}
			if hub.json {
				return writeJSON(cmd.OutOrStdout(), got.Raw)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is made, etag %s, and finds %s\n", oneLine(got.ID), got.ETag, foundText(got))
			if got.TargetCondition == "" {
				fmt.Fprintln(cmd.ErrOrStderr(), "note: without a --target it is for no twin; give it one by \"tvilling config update\".")
			}
			printNotices(cmd.ErrOrStderr(), got.Notices)
			return noteUntargeted(cmd, c, got)
		}),
	}
	o.add(cmd)
	cmd.Flags().BoolVar(&paused, "paused", false, "write nothing until \"tvilling config resume\"")
	return cmd
}

func newConfigUpdateCommand(hub *hubFlags) *cobra.Command {
	var o configFlags
	var etag string
	cmd := &cobra.Command{
		Use:   "update [ID]",
		Short: "Change target, priority, labels, metrics or rollout of a configuration",
		Long: `Change an automatic configuration: its target condition, priority, labels, metrics
and rollout, by flags over what it is, or by a file that says all of it. Twins that
are not found any more lose what it wrote. What it sets never changes; make
another configuration for that.`,
		Example: `  tvilling config update lab-fps --priority 20
  tvilling config update lab-fps --target "tags.site IN ['lab', 'roof']" --label owner=ann
  tvilling config update fw-5 --no-rollout`,
		Args: cobra.MaximumNArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			s, match, err := o.update(cmd, c, args)
			if err != nil {
				return err
			}
			if etag != "" {
				match = tvilling.ParseMatch(etag)
			}
			got, err := c.PutConfiguration(cmd.Context(), s, match)
			if err != nil {
				return pointOutIn(s, err)
			}
			if hub.json {
				return writeJSON(cmd.OutOrStdout(), got.Raw)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is changed, etag %s, and finds %s\n", oneLine(got.ID), got.ETag, foundText(got))
			printNotices(cmd.ErrOrStderr(), got.Notices)
			return noteUntargeted(cmd, c, got)
		}),
	}
	o.add(cmd)
	cmd.Flags().BoolVar(&o.noRollout, "no-rollout", false, "apply it to all twins at once from now on")
	cmd.Flags().StringVar(&etag, "etag", "", "only if the configuration still has this `etag`")
	for _, flag := range rolloutFlags {
		cmd.MarkFlagsMutuallyExclusive("no-rollout", flag)
	}
	cmd.ValidArgsFunction = hub.completeConfigurations
	return cmd
}

// update puts a changed configuration together: flags over the present one,
// which then must still be what was read, or a file that says all of it.
func (o *configFlags) update(cmd *cobra.Command, c *client.Client, args []string) (client.ConfigurationSpec, tvilling.Match, error) {
	if o.file != "" {
		s, err := o.read(args, cmd.InOrStdin())
		return s, client.Any(), err
	}
	var s client.ConfigurationSpec
	if len(args) == 0 {
		return s, tvilling.Match{}, usageError{errors.New("give the id of the configuration, or a --file that has it")}
	}
	present, err := c.Configuration(cmd.Context(), args[0])
	if err != nil {
		return s, tvilling.Match{}, err
	}
	s = present.ConfigurationSpec
	s.Metrics.Results = nil
	if err := o.change(&s); err != nil {
		return s, tvilling.Match{}, err
	}
	content, err := o.content(&s)
	if err == nil && content != nil {
		s.Content = content // the hub says whether that is a change
	}
	return s, client.IfTag(present.ETag), err
}

func newConfigDeleteCommand(hub *hubFlags) *cobra.Command {
	var etag string
	cmd := &cobra.Command{
		Use:   "delete ID",
		Short: "Delete a configuration, and with it what it wrote",
		Long: `Delete an automatic configuration. What it wrote goes from the twins at once; where
another configuration wants the same property, its value comes in its place.`,
		Example: `  tvilling config delete lab-fps
  tvilling config delete lab-fps --etag MQ==`,
		Args: cobra.ExactArgs(1),
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			if err := c.DeleteConfiguration(cmd.Context(), args[0], tvilling.ParseMatch(etag)); err != nil {
				return err
			}
			if hub.json {
				return writeJSON(cmd.OutOrStdout(), map[string]string{"deleted": args[0]})
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s is deleted; what it wrote goes from the twins now\n", args[0])
			return err
		}),
	}
	cmd.Flags().StringVar(&etag, "etag", "", "only if the configuration still has this `etag`")
	cmd.ValidArgsFunction = hub.completeConfigurations
	return cmd
}

// noteUntargeted tells what may be the reason that a configuration finds no twin.
func noteUntargeted(cmd *cobra.Command, c *client.Client, got *client.Configuration) error {
	text := got.SystemMetrics.Queries["targetedCount"]
	if n, ok := got.SystemMetrics.Results["targetedCount"]; !ok || n > 0 || text == "" || got.TargetCondition == "" {
		return nil
	}
	return noteNothing(cmd, c, "", text)
}

// printNotices tells what the author of a configuration should know.
func printNotices(w io.Writer, list []client.Notice) {
	for _, n := range list {
		fmt.Fprintln(w, "note: "+oneLine(n.Message))
	}
}

// foundText says how many twins a configuration is for.
func foundText(c *client.Configuration) string {
	n, ok := c.SystemMetrics.Results["targetedCount"]
	if !ok {
		return "a number of twins that cannot be told now"
	}
	return counted(n, "twin")
}
