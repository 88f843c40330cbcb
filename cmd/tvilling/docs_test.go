package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling/internal/app/apptest"
)

// line is a command line of ours that somebody may copy.
type line struct {
	where, text string
	fenced      bool // in a block of its own, not in running text
}

var inline = regexp.MustCompile("`(tvilling [^`]+)`")

// documented returns the command lines in the project's texts: every line that
// begins with "tvilling " in a fenced block, and every such code span.
func documented(t *testing.T) []line {
	t.Helper()
	var lines []line
	for _, pattern := range []string{"../../*.md", "../../docs/*.md", "../../docs/*/*.md", "../../changelog/unreleased/*"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			fenced := false
			n := 0
			for l := range strings.Lines(string(text)) {
				n++
				where := fmt.Sprintf("%s:%d", strings.TrimPrefix(path, "../../"), n)
				if strings.HasPrefix(strings.TrimSpace(l), "```") {
					fenced = !fenced
					continue
				}
				if fenced {
					l = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(l), "$ "))
					l = strings.TrimPrefix(l, "go run ./cmd/")
					if strings.HasPrefix(l, "tvilling ") {
						lines = append(lines, line{where, l, true})
					}
					continue
				}
				for _, m := range inline.FindAllStringSubmatch(l, -1) {
					lines = append(lines, line{where, m[1], false})
				}
			}
		}
	}
	return lines
}

// examples returns the command lines in the commands' own help.
func examples(cmd *cobra.Command) []line {
	var lines []line
	for l := range strings.Lines(cmd.Example) {
		if l = strings.TrimSpace(l); strings.HasPrefix(l, "tvilling ") {
			lines = append(lines, line{"help of " + cmd.CommandPath(), l, true})
		}
	}
	for _, sub := range cmd.Commands() {
		lines = append(lines, examples(sub)...)
	}
	return lines
}

// TestDocumentedCommandsExist parses every command line in the texts and in
// the help against the real commands: the verb, its flags, its arguments.
func TestDocumentedCommandsExist(t *testing.T) {
	lines := documented(t)
	if len(lines) < 10 {
		t.Fatalf("found %d command lines in the texts: this test looks at nothing", len(lines))
	}
	lines = append(lines, examples(newRootCommand())...)
	for _, l := range lines {
		if err := accepts(l.text); err != nil {
			t.Errorf("%s: %s: %v", l.where, l.text, err)
		}
	}
}

// accepts reports whether the program would take a command line, without
// running it. A line in running text may stop short of its arguments.
func accepts(text string) error {
	args, err := split(text)
	if err != nil {
		return err
	}
	root := newRootCommand()
	cmd, rest, err := root.Find(args[1:])
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	given := cmd.Flags().Args()
	if cmd.HasSubCommands() {
		if len(given) > 0 {
			return fmt.Errorf("%q is no command of %q", given[0], cmd.CommandPath())
		}
		return nil
	}
	if len(given) == 0 {
		return nil
	}
	return cmd.ValidateArgs(given)
}

// split splits a line as a shell does, as far as the texts need it: quotes,
// comments, and a pipe or redirection as the end.
func split(text string) ([]string, error) {
	var words []string
	var word strings.Builder
	var quote rune
	inWord := false
	end := func() {
		if inWord {
			words = append(words, word.String())
			word.Reset()
			inWord = false
		}
	}
	for _, r := range strings.TrimSpace(text) {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				word.WriteRune(r)
			}
		case r == '\'' || r == '"':
			quote, inWord = r, true
		case r == ' ' || r == '\t':
			end()
		case !inWord && (r == '#' || r == '|' || r == '>' || r == '<' || r == '&'):
			return words, nil
		default:
			inWord = true
			word.WriteRune(r)
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("no closing %q", quote)
	}
	end()
	return words, nil
}

// TestDocumentedCommandsRun runs the commands in the texts against a hub, file
// by file, line after line, as somebody would who follows them: all but those
// that run until they are stopped.
func TestDocumentedCommandsRun(t *testing.T) {
	byFile := map[string][]line{}
	for _, l := range documented(t) {
		name, _, _ := strings.Cut(l.where, ":")
		byFile[name] = append(byFile[name], l)
	}
	for _, name := range []string{"README.md", "docs/security-module.md", "docs/operations.md", "docs/agent.md", "docs/agent-configuration.md", "docs/configurations.md", "docs/twins.md", "docs/tutorial.md", "docs/how-to/connect-a-device.md", "docs/how-to/deploy-agents.md", "docs/how-to/write-a-detection.md", "docs/how-to/send-alerts.md", "docs/access.md"} {
		t.Run(name, func(t *testing.T) {
			files := fileBlocks(t, name)
			t.Chdir(t.TempDir())
			for file, text := range files {
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			hub := apptest.Start(t, nil)
			// What the texts take as given when they do not make it themselves.
			if name == "docs/operations.md" || name == "docs/agent-configuration.md" {
				mustRun(t, line{"set-up", "tvilling device create thermometer-1", true}, hub.Data)
			}
			ran := 0
			for _, l := range byFile[name] {
				if !l.fenced || endless(l.text) || asks(l.text) {
					continue
				}
				mustRun(t, l, hub.Data)
				ran++
			}
			if ran == 0 {
				t.Errorf("%d commands run: this test looks at nothing", ran)
			}
		})
	}
}

// asks reports whether a command line asks for a password at a terminal, which
// a test does not have.
func asks(text string) bool {
	return strings.HasPrefix(text, "tvilling user add") && !strings.Contains(text, "--link") && !strings.Contains(text, "--password-file")
}

var fileBlock = regexp.MustCompile("(?ms)^```[a-z]+\n((?:#|//) ([a-z0-9.-]+\\.[a-z]+)\n.*?)^```$")

// fileBlocks returns the files that a text shows whole: blocks whose first line
// is a comment with nothing but a file's name.
func fileBlocks(t *testing.T, name string) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../" + name)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, m := range fileBlock.FindAllStringSubmatch(string(text), -1) {
		files[m[2]] = m[1]
	}
	return files
}

// endless reports whether a command line is one that runs until it is stopped.
func endless(text string) bool {
	if strings.HasPrefix(text, "tvilling simulate attack") {
		return false
	}
	for _, begin := range []string{"tvilling serve", "tvilling demo", "tvilling simulate", "tvilling twin watch"} {
		if strings.HasPrefix(text, begin) {
			return true
		}
	}
	switch {
	case strings.Contains(text, "--once"):
		return false
	case strings.HasPrefix(text, "tvilling events"):
		return !strings.Contains(text, "--security") || strings.Contains(text, "--follow") || strings.Contains(text, "--raw")
	default:
		return strings.HasPrefix(text, "tvilling alert watch")
	}
}

func mustRun(t *testing.T, l line, data string) {
	t.Helper()
	args, err := split(l.text)
	if err != nil {
		t.Fatalf("%s: %v", l.where, err)
	}
	var stdout, stderr bytes.Buffer
	if status := run(t.Context(), append(args[1:], "--data", data), strings.NewReader(""), &stdout, &stderr); status != exitOK {
		t.Errorf("%s: %s: exit status %d\n%s%s", l.where, l.text, status, stdout.String(), stderr.String())
	}
}

// TestDocumentedCommandsAreReallyChecked proves that the check can fail.
func TestDocumentedCommandsAreReallyChecked(t *testing.T) {
	for _, bad := range []string{
		"tvilling nonsense",
		"tvilling device nonsense",
		"tvilling device create d --no-such-flag",
		"tvilling twin show one two",
		"tvilling query 'open",
		"tvilling status surplus",
	} {
		if err := accepts(bad); err == nil {
			t.Errorf("%s: accepted", bad)
		}
	}
	for _, good := range []string{
		"tvilling serve --data /tmp/x # comment",
		`tvilling query "SELECT * FROM devices" | head`,
		"tvilling device create",
	} {
		if err := accepts(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}
