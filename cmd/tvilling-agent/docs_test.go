package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var spans = regexp.MustCompile("`(tvilling-agent [^`]+)`")

// documented returns the command lines of the agent in the project's texts:
// those in fenced blocks, with sudo before them or not, and code spans.
func documented(t *testing.T) map[string]string {
	t.Helper()
	lines := map[string]string{}
	for _, pattern := range []string{"../../*.md", "../../docs/*.md", "../../docs/*/*.md", "../../changelog/unreleased/*", "../../packaging/*.*", "../../packaging/deb/*"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			fenced, n := false, 0
			for l := range strings.Lines(string(text)) {
				n++
				where := fmt.Sprintf("%s:%d", strings.TrimPrefix(path, "../../"), n)
				l = strings.TrimSpace(l)
				if strings.HasPrefix(l, "```") {
					fenced = !fenced
				}
				l = strings.TrimPrefix(strings.TrimPrefix(l, "$ "), "sudo ")
				if fenced && strings.HasPrefix(l, "tvilling-agent ") {
					lines[where] = l
				}
				for i, m := range spans.FindAllStringSubmatch(l, -1) {
					lines[fmt.Sprintf("%s (%d)", where, i+1)] = m[1]
				}
			}
		}
	}
	return lines
}

// accepts reports whether the program would take a command line, without
// running it. It knows no quotes, which no line needs.
func accepts(text string) error {
	var args []string
	for _, word := range strings.Fields(text)[1:] {
		if strings.ContainsAny(word[:1], "<>|#&") {
			break
		}
		args = append(args, word)
	}
	for _, c := range commands() {
		if len(args) == 0 || c.name != args[0] {
			continue
		}
		f := flag.NewFlagSet(c.name, flag.ContinueOnError)
		f.SetOutput(io.Discard)
		if c.flags != nil {
			c.flags(f)
		}
		err := f.Parse(args[1:])
		if err == nil && c.args == "" && f.NArg() > 0 {
			err = fmt.Errorf("%q follows the flags", f.Arg(0))
		}
		if errors.Is(err, flag.ErrHelp) {
			err = nil
		}
		return err
	}
	return errors.New("there is no such command")
}

// TestDocumentedCommands parses the command lines in the texts.
func TestDocumentedCommands(t *testing.T) {
	lines := documented(t)
	if len(lines) < 5 {
		t.Fatalf("found %d command lines in the texts: this test looks at nothing", len(lines))
	}
	for where, text := range lines {
		if err := accepts(text); err != nil {
			t.Errorf("%s: %s: %v", where, text, err)
		}
	}
	for _, bad := range []string{"tvilling-agent nonsense", "tvilling-agent run --nonsense", "tvilling-agent status surplus"} {
		if accepts(bad) == nil {
			t.Errorf("%s is accepted: this test looks at nothing", bad)
		}
	}
}
