//go:build linux

package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/tvilling/tvilling/internal/agent"
)

func newCheck() *command {
	var l localFlags
	var asJSON, offline bool
	return &command{
		name: "check", short: "explain what the agent can and cannot see here, and why",
		long: `Look at this device as the agent would: what each collector can see, by what
means, what is missed and what to do about it; whether the configuration can be
read, and whether the hub lets the agent in. It changes nothing, and can be run
beside a running agent. The exit code is 1 when the agent could not do its work.`,
		example: "  sudo tvilling-agent check\n  tvilling-agent check --offline --json",
		flags: func(f *flag.FlagSet) {
			l.add(f)
			f.BoolVar(&asJSON, "json", false, "print JSON")
			f.BoolVar(&offline, "offline", false, "do not ask the hub")
		},
		run: func(ctx context.Context, s stdio, _ []string) error {
			c, configErr := l.load()
			r := agent.Check(ctx, c, configErr, offline)
			if asJSON {
				if err := writeJSON(s.out, r); err != nil {
					return err
				}
			} else if err := printCheck(s, &r); err != nil {
				return err
			}
			if !r.OK {
				return fmt.Errorf("%s", r.Problem)
			}
			return nil
		},
	}
}

func printCheck(s stdio, r *agent.CheckReport) error {
	for _, l := range r.Lines {
		mark := "ok  "
		if !l.OK {
			mark = "NO  "
		}
		fmt.Fprintf(s.out, "%s%-14s %s\n", mark, l.What, oneLine(l.Found))
		for _, w := range wrap(oneLine(l.Remedy), 76) {
			fmt.Fprintf(s.out, "      %s\n", w)
		}
	}
	fmt.Fprintln(s.out)
	return printSights(s.out, r.Sights)
}
