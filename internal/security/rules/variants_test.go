package rules_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tvilling/tvilling/internal/security/rules/corpus"
)

// TestVariants checks the lists that the rules were written along: other ways
// to write an attack, and other commands that look like one. They keep what was
// reached; they are not part of what is measured.
func TestVariants(t *testing.T) {
	files, err := filepath.Glob("testdata/variants/*.txt")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d lists, %v", len(files), err)
	}
	e := engine(t)
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		detection := strings.TrimSuffix(filepath.Base(name), ".txt")
		for line := range strings.Lines(string(text)) {
			sign, line, ok := strings.Cut(strings.TrimSpace(line), " ")
			if sign != "+" && sign != "-" || !ok {
				continue
			}
			cases, err := corpus.Parse(detection+".txt", example(detection, line))
			if err != nil {
				t.Fatalf("%s: %s: %v", name, line, err)
			}
			if got := slices.Contains(found(t, e, cases[0].Item), detection); got != (sign == "+") {
				t.Errorf("%s %s: found %v", detection, line, got)
			}
		}
	}
}

// example writes a line of a list as an example of a corpus.
func example(detection, line string) string {
	if detection == "reverse-shell-connection" {
		f := strings.SplitN(line, "|", 4)
		text := fmt.Sprintf("+ x\nEvent: ConnectionCreate\nExecutable: %s\nRemoteAddress: %s\nRemotePort: %s\n", f[0], f[1], f[2])
		if f[3] != "" {
			text += "CommandLine: " + f[3] + "\n"
		}
		return text
	}
	text := "+ x\nCommandLine: " + line + "\n"
	if detection == "web-shell" {
		text += "UserName: www-data\n"
	}
	return text
}
