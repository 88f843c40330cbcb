package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

func newDetectTryCommand(hub *hubFlags) *cobra.Command {
	var span period
	var device string
	cmd := &cobra.Command{
		Use:   "try FILE",
		Short: "Try a Sigma rule on stored events; change nothing",
		Long: `Try a Sigma rule on stored events, the newest first, those of the last day unless
--since, --from or --to says otherwise (- is standard input). Prints what the
rule would have found, the newest 50, and says so if the hub could not look at
all in the bounds of a trial: 100,000 events, 8 seconds. Nothing is changed.
Alerts fold what belongs together, so there would be fewer of them.`,
		Example: `  tvilling detect try backdoor-port.yml
  tvilling detect try backdoor-port.yml --device thermostat-1 --since 7d`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeFiles,
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			from, to, err := span.bounds()
			if err != nil {
				return err
			}
			if from.IsZero() && to.IsZero() {
				from = time.Now().AddDate(0, 0, -1)
			}
			text, err := readFile(args[0], cmd.InOrStdin())
			if err != nil {
				return err
			}
			if err := refuseFaulty(cmd.Context(), c, cmd.ErrOrStderr(), args[0], string(text)); err != nil {
				return err
			}
			got, err := c.TryRule(cmd.Context(), string(text), tvilling.DeviceID(device), from, to)
			if err != nil {
				return err
			}
			if hub.json {
				return writeJSON(cmd.OutOrStdout(), got)
			}
			if err := printTrial(cmd.OutOrStdout(), got); err != nil {
				return err
			}
			printTrialNotes(cmd.ErrOrStderr(), got)
			return nil
		}),
	}
	span.add(cmd, "happened")
	cmd.Flags().StringVar(&device, "device", "", "only events of this `device`")
	completesBy(cmd, "device", hub.completeDevices)
	return cmd
}

func printTrial(w io.Writer, t *client.RuleTrial) error {
	if _, err := fmt.Fprintf(w, "would have found %s in %s %s\n", counted(int64(t.Found), "item"), counted(int64(t.Looked), "event"), oneLine(t.Event)); err != nil || len(t.Matches) == 0 {
		return err
	}
	fmt.Fprintln(w)
	p := newPrinter(w, false, "TIME", "DEVICE", "EVENT", "BECAUSE OF")
	for _, m := range t.Matches {
		if err := p.row(nil, when(m.Time), m.Device, m.Position, because(m.Matched)); err != nil {
			return err
		}
	}
	return p.flush()
}

// because tells by which values a rule found something.
func because(list []client.Match) string {
	values := make([]string, 0, len(list))
	for _, m := range list {
		values = append(values, m.Field+"="+shorten(m.Value, 80))
	}
	return dash(strings.Join(values, ", "))
}

// printTrialNotes says what of the events is not in the answer.
func printTrialNotes(w io.Writer, t *client.RuleTrial) {
	switch t.Cut {
	case "events":
		fmt.Fprintf(w, "Not all was looked at: these are as many events as a trial looks at, since %s; ask for less: --device, --from, --to, --since.\n", when(t.Since))
	case "time":
		fmt.Fprintf(w, "Not all was looked at: these are the events since %s, as many as could be looked at in time; ask for less: --device, --from, --to, --since.\n", when(t.Since))
	}
	if more := t.Found - len(t.Matches); more > 0 {
		fmt.Fprintf(w, "The newest %d are listed; there are %d more.\n", len(t.Matches), more)
	}
	if t.Damaged > 0 {
		fmt.Fprintf(w, "%s could not be read: they are damaged in the store.\n", counted(int64(t.Damaged), "event"))
	}
}
