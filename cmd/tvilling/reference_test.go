package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write the generated documents anew")

// TestCommandReference holds docs/reference/commands.md to the commands
// themselves, of which it is made.
func TestCommandReference(t *testing.T) {
	const path = "../../docs/reference/commands.md"
	var b strings.Builder
	b.WriteString("# Commands\n\n<!-- Generated from the commands by `go test ./cmd/tvilling -run TestCommandReference -update`; do not edit. -->\n\n")
	b.WriteString("Every command takes `--help`. Those that talk to a hub find it by its data directory or by a connection string.\n\n")
	b.WriteString(exitHelp + "\n")
	root := newRootCommand()
	describeCommands(&b, root)
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), string(have)); diff != "" {
		t.Errorf("%s is not what the commands say (run with -update):\n%s", path, diff)
	}
}

func describeCommands(b *strings.Builder, cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		sub.InitDefaultHelpFlag() // or it depends on whether the command ran in an earlier test
		if sub.Hidden || sub.Name() == "help" || sub.Name() == "completion" {
			continue
		}
		level := strings.Repeat("#", min(4, 1+strings.Count(sub.CommandPath(), " ")))
		fmt.Fprintf(b, "\n%s %s\n\n", level, sub.CommandPath())
		about := sub.Long
		if about == "" {
			about = sub.Short + "."
		}
		fmt.Fprintf(b, "```text\n%s\n", strings.TrimRight(about, "\n"))
		if sub.Runnable() {
			fmt.Fprintf(b, "\nUsage: %s\n", sub.UseLine())
		}
		if flags := sub.LocalFlags().FlagUsages(); flags != "" {
			fmt.Fprintf(b, "\nFlags:\n%s", flags)
		}
		b.WriteString("```\n")
		if sub.Example != "" {
			fmt.Fprintf(b, "\n```sh\n%s\n```\n", outdent(sub.Example))
		}
		describeCommands(b, sub)
	}
}

// outdent takes away what all lines are indented by.
func outdent(text string) string {
	var b strings.Builder
	for l := range strings.Lines(strings.Trim(text, "\n")) {
		b.WriteString(strings.TrimPrefix(l, "  "))
	}
	return strings.TrimRight(b.String(), "\n")
}
