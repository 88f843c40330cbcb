//go:build linux

package main

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by who builds a release.
var version = ""

// programVersion is the version of the program.
func programVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

func newVersion() *command {
	var asJSON bool
	return &command{
		name: "version", short: "print the version",
		long:    "Print the version of the agent and what it was built for.",
		example: "  tvilling-agent version",
		flags:   func(f *flag.FlagSet) { f.BoolVar(&asJSON, "json", false, "print JSON") },
		run: func(_ context.Context, s stdio, _ []string) error {
			if asJSON {
				return writeJSON(s.out, map[string]string{"version": programVersion(), "platform": runtime.GOOS + "/" + runtime.GOARCH})
			}
			_, err := fmt.Fprintf(s.out, "tvilling-agent %s %s/%s\n", programVersion(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
