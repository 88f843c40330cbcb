//go:build linux

package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/tvilling/tvilling/internal/agent"
	"github.com/tvilling/tvilling/internal/agent/identity"
)

func newOnce() *command {
	var asJSON bool
	return &command{
		name: "once", short: "print one snapshot of this device as a security message",
		long: `Take every snapshot once (listening ports, users, firewall, hardware, system, the
baseline's checks that do not pass) and print them as one security message, in
JSON, as it would be sent. Needs no hub, and no configuration; what cannot be seen
is told on standard error.`,
		example: "  sudo tvilling-agent once\n  sudo tvilling-agent once | jq '.Events[] | select(.Name == \"OSBaseline\").Payload'",
		flags: func(f *flag.FlagSet) {
			f.BoolVar(&asJSON, "json", true, "print JSON; there is nothing else")
		},
		run: func(ctx context.Context, s stdio, _ []string) error {
			body, problems := agent.Once(ctx, identity.Default(), programVersion())
			for _, err := range problems {
				fmt.Fprintf(s.err, "tvilling-agent once: %s\n", printable(describe(err)))
			}
			_, err := fmt.Fprintf(s.out, "%s\n", body)
			return err
		},
	}
}
