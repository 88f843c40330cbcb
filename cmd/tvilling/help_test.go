package main

import (
	"testing"

	"github.com/spf13/cobra"
)

// TestEveryCommandIsDocumented holds what users can rely on: each command says
// what it does and shows an example, and each that prints has --json.
func TestEveryCommandIsDocumented(t *testing.T) {
	quiet := map[string]bool{"serve": true, "demo": true} // they print one line for scripts already
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		if cmd.Name() == "help" || cmd.Name() == "completion" {
			return
		}
		t.Run(cmd.CommandPath(), func(t *testing.T) {
			if cmd.Short == "" {
				t.Error("no description")
			}
			if cmd.HasParent() && cmd.Example == "" {
				t.Error("no example")
			}
			if cmd.HasParent() && !quiet[cmd.Name()] && cmd.Flag("json") == nil {
				t.Error("no --json")
			}
		})
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(newRootCommand())
}
