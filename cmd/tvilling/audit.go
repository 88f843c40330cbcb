package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling/internal/client"
)

// auditOptions are the flags of audit.
type auditOptions struct {
	filter   client.AuditFilter
	from, to moment
	since    span
	limit    int
	csv      bool
}

func newAuditCommand() *cobra.Command {
	var hub hubFlags
	var o auditOptions
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "See what users and policies did",
		Long: `See what users and policies did, newest first: who, what, on what, when. The actor
is user:NAME or policy:NAME, or one of the words alone for all of them; an action
is a word with its group before it, such as user.created or device.delete, or the
group alone. With --csv all of it is written, oldest first. This needs the owner's
connection string.`,
		Example: `  tvilling audit
  tvilling audit --actor user --action device --since 24h
  tvilling audit --subject pump-0417 --json
  tvilling audit --csv > audit.csv`,
		Args: cobra.NoArgs,
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, _ []string) error { return runAudit(cmd, &hub, c, o) }),
	}
	hub.add(cmd)
	f := cmd.Flags()
	f.StringVar(&o.filter.Actor, "actor", "", "`who`: user:NAME, policy:NAME, user, policy, nobody")
	f.StringVar(&o.filter.Action, "action", "", "`what`: an action or a group of them")
	f.StringVar(&o.filter.Subject, "subject", "", "part of the `id` of what was acted upon")
	f.Var(&o.from, "from", "not before this `time`")
	f.Var(&o.to, "to", "before this `time`")
	f.Var(&o.since, "since", "not before this `span` ago, such as 24h or 7d")
	f.IntVar(&o.limit, "limit", 100, "at most so many (`number`)")
	f.BoolVar(&o.csv, "csv", false, "write all of it as CSV, oldest first")
	cmd.MarkFlagsMutuallyExclusive("from", "since")
	cmd.MarkFlagsMutuallyExclusive("csv", "json")
	cmd.MarkFlagsMutuallyExclusive("csv", "limit")
	return cmd
}

func runAudit(cmd *cobra.Command, hub *hubFlags, c *client.Client, o auditOptions) error {
	if o.limit < 1 {
		return usageError{errors.New("--limit must be at least 1")}
	}
	f := o.filter
	f.From, f.To = o.from.Time, o.to.Time
	if o.since > 0 {
		f.From = time.Now().Add(-time.Duration(o.since))
	}
	if o.csv {
		_, err := c.ExportAudit(cmd.Context(), f, "csv", cmd.OutOrStdout())
		return err
	}
	p := newPrinter(cmd.OutOrStdout(), hub.json, "TIME", "WHO", "ACT", "ON", "DETAILS")
	const most = 1000
	before, damaged := uint64(0), 0
	for left := o.limit; left > 0; {
		page, err := c.Audit(cmd.Context(), f, before, min(left, most))
		if err != nil {
			return err
		}
		for _, a := range page.Entries {
			if err := p.row(a, when(a.Time), a.Actor, a.Action, dash(a.Subject), string(a.Detail)); err != nil {
				return err
			}
		}
		left -= len(page.Entries)
		damaged += page.Damaged
		if before = page.Next; before == 0 {
			break
		}
	}
	if damaged > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "%d entries could not be read; the hub's log says where\n", damaged)
	}
	return p.flush()
}
