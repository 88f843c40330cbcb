package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling/internal/client"
)

func newDetectCheckCommand(hub *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE...",
		Short: "Check Sigma rules as the hub would read them; change nothing",
		Long: `Check Sigma rules as the hub would read them, each in a file of its own (- is
standard input). Prints what is wrong as file:line: message and ends with status
1, or what the rule would be. Nothing is changed.`,
		Example:           "  tvilling detect check rules/*.yml",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: completeFiles,
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			w := cmd.OutOrStdout()
			problems, bad := 0, 0
			for _, file := range args {
				text, err := readFile(file, cmd.InOrStdin())
				if err != nil {
					return err
				}
				got, err := c.CheckRule(cmd.Context(), string(text))
				if err != nil {
					return fmt.Errorf("%s: %w", file, err)
				}
				if !got.OK {
					bad++
					problems += len(got.Errors)
				}
				if hub.json {
					err = writeJSON(w, checkedFile{file, *got})
				} else {
					err = printCheck(w, file, got)
				}
				if err != nil {
					return err
				}
			}
			if bad > 0 {
				return fmt.Errorf("%s in %d of %s", counted(int64(problems), "problem"), bad, counted(int64(len(args)), "file"))
			}
			return nil
		}),
	}
}

// checkedFile is what was found in a file, for programs.
type checkedFile struct {
	File string `json:"file"`
	client.RuleCheck
}

func printCheck(w io.Writer, file string, c *client.RuleCheck) error {
	for _, p := range c.Errors {
		place := file
		if p.Line > 0 {
			place = fmt.Sprintf("%s:%d", file, p.Line)
		}
		if p.Path != "" {
			place += ": " + p.Path
		}
		if _, err := fmt.Fprintf(w, "%s: %s\n", oneLine(place), oneLine(p.Message)); err != nil {
			return err
		}
	}
	for _, r := range c.Rules {
		if _, err := fmt.Fprintf(w, "%s: ok: %s raises %s, severity %s\n", oneLine(file), quoted(r.Title), oneLine(r.Type), oneLine(r.Severity)); err != nil {
			return err
		}
	}
	return nil
}

func newDetectPutCommand(hub *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "put NAME FILE",
		Short: "Put a Sigma rule of your own in force",
		Long: `Put a Sigma rule of your own in force under a name, in place of one that you have
put there before. It is checked first; one with mistakes changes nothing.`,
		Example: "  tvilling detect put backdoor-port backdoor-port.yml\n  cat rule.yml | tvilling detect put own-rule -",
		Args:    cobra.ExactArgs(2),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return nil, cobra.ShellCompDirectiveDefault
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			name, file := args[0], args[1]
			text, err := readFile(file, cmd.InOrStdin())
			if err != nil {
				return err
			}
			if err := refuseFaulty(cmd.Context(), c, cmd.ErrOrStderr(), file, string(text)); err != nil {
				return err
			}
			d, err := c.PutRule(cmd.Context(), name, string(text))
			if err != nil {
				return err
			}
			if hub.json {
				return writeJSON(cmd.OutOrStdout(), d)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is %s: %s raises %s, severity %s\n", oneLine(d.ID), stateOf(d), quoted(d.Title), oneLine(d.Type), oneLine(d.Severity))
			return err
		}),
	}
}

// refuseFaulty tells all that is wrong with a rule, where the hub's refusal
// tells the first.
func refuseFaulty(ctx context.Context, c *client.Client, stderr io.Writer, file, text string) error {
	got, err := c.CheckRule(ctx, text)
	if err != nil || got.OK {
		return err
	}
	if err := printCheck(stderr, file, got); err != nil {
		return err
	}
	return fmt.Errorf("%s in %s; nothing is changed", counted(int64(len(got.Errors)), "problem"), file)
}

func newDetectDeleteCommand(hub *hubFlags) *cobra.Command {
	return &cobra.Command{
		Use:               "delete NAME",
		Short:             "Remove a rule of your own; its alerts stay",
		Example:           "  tvilling detect delete backdoor-port",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: hub.completeDetections,
		RunE: hub.with(func(cmd *cobra.Command, c *client.Client, args []string) error {
			if err := c.DeleteRule(cmd.Context(), args[0]); err != nil {
				return err
			}
			if hub.json {
				return writeJSON(cmd.OutOrStdout(), map[string]string{"deleted": args[0]})
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s is deleted\n", oneLine(args[0]))
			return err
		}),
	}
}
