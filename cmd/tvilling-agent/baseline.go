//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/tvilling/tvilling/internal/agent/baseline"
)

// checkResult is what baseline prints of a check as JSON.
type checkResult struct {
	ID        string            `json:"id"`
	CceID     string            `json:"cceId"`
	Title     string            `json:"title"`
	Group     string            `json:"group"`
	Severity  baseline.Severity `json:"severity"`
	Result    string            `json:"result"`
	Found     string            `json:"found,omitempty"`
	Rationale string            `json:"rationale"`
	Remedy    string            `json:"remedy"`
}

func newBaseline() *command {
	var asJSON, all bool
	var file string
	return &command{
		name: "baseline", short: "make the checks of the OS baseline, and say what to do about those that fail",
		long: `Make the checks of the OS baseline on this device and print those that fail, with
what was found, why it matters and what to do about it. With ids of checks, as here
or as they are sent (CCE-4387-7), or names of groups, only those are made, and shown
even if they pass. Nothing is sent, and nothing is changed. The exit code is 1 when
a check fails.

With --custom, it is the checks of a file of your own that are made, whoever the file
belongs to: to try them before the twin names it.`,
		example: "  sudo tvilling-agent baseline\n  sudo tvilling-agent baseline TV-SSH-004 kernel\n  sudo tvilling-agent baseline --all --json\n  sudo tvilling-agent baseline --all --custom ./checks.toml",
		args:    "[CHECK|GROUP...]",
		flags: func(f *flag.FlagSet) {
			f.BoolVar(&all, "all", false, "print those that pass, and those that make no sense here, too")
			f.StringVar(&file, "custom", "", "make the checks of a `file` of your own, and no others")
			f.BoolVar(&asJSON, "json", false, "print JSON, one check a line")
		},
		run: func(ctx context.Context, s stdio, names []string) error {
			results, err := makeChecks(ctx, file, names)
			if err != nil {
				return err
			}
			failed := 0
			for _, r := range results {
				if r.Result == string(baseline.Fail) || r.Result == string(baseline.Err) {
					failed++
				} else if !all && len(names) == 0 {
					continue
				}
				if asJSON {
					err = writeJSON(s.out, r)
				} else {
					err = r.print(s)
				}
				if err != nil {
					return err
				}
			}
			if failed > 0 {
				return fmt.Errorf("%d of %d checks do not pass", failed, len(results))
			}
			return nil
		},
	}
}

// checksOf returns the checks of a file, or the agent's own if there is none.
func checksOf(file string) ([]baseline.Check, error) {
	if file == "" {
		return baseline.Builtin()
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the checks: %w", err)
	}
	return baseline.ParseCustom(file, text)
}

// makeChecks makes the checks that are asked for, all of them if none is.
func makeChecks(ctx context.Context, file string, names []string) ([]checkResult, error) {
	checks, err := checksOf(file)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if !slices.ContainsFunc(checks, func(c baseline.Check) bool { return named(&c, name) }) {
			return nil, usageError{fmt.Errorf("there is no check and no group %q", name)}
		}
	}
	if len(names) > 0 {
		checks = slices.DeleteFunc(checks, func(c baseline.Check) bool {
			return !slices.ContainsFunc(names, func(name string) bool { return named(&c, name) })
		})
	}
	root, err := os.OpenRoot("/")
	if err != nil {
		return nil, fmt.Errorf("open the root folder: %w", err)
	}
	report, err := baseline.Run(ctx, baseline.Options{Root: root, Checks: checks})
	if err = errors.Join(err, root.Close()); err != nil {
		return nil, err
	}
	results := make([]checkResult, len(report.Results))
	for i := range report.Results {
		r := &report.Results[i]
		c := r.Check
		results[i] = checkResult{c.ID, c.CceID(), c.Title, c.Group, c.Severity, string(r.Outcome), r.Error, c.Rationale, c.Remedy}
	}
	return results, nil
}

// named reports whether a name on the command line means a check: its id, the one
// that is sent, or its group.
func named(c *baseline.Check, name string) bool {
	return c.ID == name || c.Group == name || c.CceID() == name
}

func (r *checkResult) print(s stdio) error {
	_, err := fmt.Fprintf(s.out, "%-4s  %s  %s (%s)\n", strings.ToUpper(r.Result), r.ID, oneLine(r.Title), r.Severity)
	for _, part := range []struct{ name, text string }{{"found", r.Found}, {"why", r.Rationale}, {"do", r.Remedy}} {
		if part.text == "" || r.Result == string(baseline.Pass) || r.Result == string(baseline.Skip) && part.name != "found" {
			continue
		}
		for i, l := range wrap(oneLine(part.text), 68) {
			name := part.name
			if i > 0 {
				name = ""
			}
			if err == nil {
				_, err = fmt.Fprintf(s.out, "      %-6s%s\n", name, l)
			}
		}
	}
	return err
}
