//go:build linux

package main

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/agent/baseline"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/schema"
)

// call runs a command line with a standard input.
func call(t *testing.T, in string, args ...string) (out, errs string, code int) {
	t.Helper()
	var o, e strings.Builder
	code = run(t.Context(), stdio{strings.NewReader(in), &o, &e}, args)
	return o.String(), e.String(), code
}

// configuration writes a local configuration whose hub is nowhere, and returns
// its path.
func configuration(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "agent.toml")
	text := `connection-string = "HostName=localhost;DeviceId=d1;ModuleId=azureiotsecurity;SharedAccessKey=YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY="
state-directory = "` + dir + `"
status-socket = "` + dir + `/status.sock"
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestHelp: every command has its help, with an example that is a command line
// of it, and what prints can print JSON.
func TestHelp(t *testing.T) {
	t.Parallel()
	all, errs, code := call(t, "", "help")
	if code != 0 || errs != "" {
		t.Errorf("help: exit code %d: %s", code, errs)
	}
	for _, c := range commands() {
		if !strings.Contains(all, "  "+c.name+" ") {
			t.Errorf("help lacks %s", c.name)
		}
		out, errs, code := call(t, "", "help", c.name)
		again, _, _ := call(t, "", c.name, "--help")
		if code != 0 || errs != "" || out != again {
			t.Errorf("help %s: exit code %d: %s", c.name, code, errs)
		}
		if !strings.Contains(out, "\nExample:\n  ") || !strings.Contains(out, "tvilling-agent "+c.name) || strings.HasSuffix(c.short, ".") {
			t.Errorf("help %s is\n%s", c.name, out)
		}
		for l := range strings.Lines(c.example) {
			line := strings.TrimPrefix(strings.TrimSpace(l), "sudo ")
			if err := accepts(line); err != nil || !strings.HasPrefix(line, "tvilling-agent "+c.name) {
				t.Errorf("the example of %s, %q: %v", c.name, line, err)
			}
		}
		f := flag.NewFlagSet(c.name, flag.ContinueOnError)
		c.flags(f)
		if prints := c.name != "run" && c.name != "enroll"; prints && f.Lookup("json") == nil {
			t.Errorf("%s has no --json", c.name)
		}
		f.VisitAll(func(g *flag.Flag) {
			if g.Usage == "" || !strings.Contains(out, "--"+g.Name) {
				t.Errorf("help %s lacks --%s", c.name, g.Name)
			}
		})
	}
}

// TestMistakes: a mistake in the command line ends with exit code 2, and says
// where to look.
func TestMistakes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ line, in, says string }{
		{"", "", "Usage: tvilling-agent COMMAND"},
		{"nonsense", "", `there is no command "nonsense"; see tvilling-agent help`},
		{"help nonsense", "", `there is no command "nonsense"`},
		{"run --nonsense", "", "See tvilling-agent run --help"},
		{"run now", "", `nothing can follow the flags, but "now" does`},
		{"status --wait soon", "", "See tvilling-agent status --help"},
		{"check --offline=maybe", "", "See tvilling-agent check --help"},
		{"once more", "", `"more"`},
		{"version --long", "", "See tvilling-agent version --help"},
		{"baseline nonsense", "", `there is no check and no group "nonsense"`},
		{"enroll", "", "give the connection string on standard input"},
		{"enroll", "\n", "give the connection string on standard input"},
		{"enroll --mqtt-port x", "", "See tvilling-agent enroll --help"},
	} {
		out, errs, code := call(t, tt.in, strings.Fields(tt.line)...)
		if code != 2 || out != "" || !strings.Contains(errs, tt.says) {
			t.Errorf("%q: exit code %d, %q, %q; want %q", tt.line, code, out, errs, tt.says)
		}
	}
}

// TestNoConfiguration: without a configuration a command fails, and says what to do.
func TestNoConfiguration(t *testing.T) {
	t.Parallel()
	absent := filepath.Join(t.TempDir(), "agent.toml")
	for _, args := range [][]string{{"run"}, {"status"}, {"check", "--offline"}} {
		_, errs, code := call(t, "", append(args, "--config", absent)...)
		if code != 1 || !strings.Contains(errs, "There is no configuration. Enrol the device (tvilling-agent enroll), or write the file.") {
			t.Errorf("%v: exit code %d: %s", args, code, errs)
		}
	}
	_, errs, code := call(t, "", "run", "--import", filepath.Dir(absent)+"/none")
	if code != 1 || errs == "" {
		t.Errorf("run --import: exit code %d: %s", code, errs)
	}
	_, errs, code = call(t, "", "status", "--config", configuration(t))
	if code != 1 || !strings.Contains(errs, "No agent answers there. Start it") {
		t.Errorf("status of none: exit code %d: %s", code, errs)
	}
	_, errs, code = call(t, "", "run", "--log-level", "loud", "--config", configuration(t))
	if code == 0 || !strings.Contains(errs, "log-level") {
		t.Errorf("run --log-level loud: exit code %d: %s", code, errs)
	}
}

// TestEnrollRefused: what cannot be a connection string is told without a
// secret in it, and writes nothing.
func TestEnrollRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "agent.toml")
	for in, says := range map[string]string{
		"HostName=h;SharedAccessKeyName=iothubowner;SharedAccessKey=c2VjcmV0": "is that of a policy",
		"HostName=h;SharedAccessKey=c2VjcmV0":                                 "has no DeviceId",
		"c2VjcmV0":                                                            "list of Name=value",
		"HostName=h;DeviceId=d;x509=true":                                     "device-certificate-file",
	} {
		_, errs, code := call(t, in+"\n", "enroll", "--config", path)
		if code != 1 || !strings.Contains(errs, says) || strings.Contains(errs, "c2VjcmV0") {
			t.Errorf("%s: exit code %d: %s", in, code, errs)
		}
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 0 {
		t.Errorf("files %v, %v; want none", files, err)
	}
}

// TestOnce: the snapshot is a security message, as the hub reads it.
func TestOnce(t *testing.T) {
	t.Parallel()
	out, errs, code := call(t, "", "once")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	now := time.Now()
	m, err := schema.Decode(&tvilling.Message{From: tvilling.Identity{Device: "d1", Module: tvilling.SecurityModule}, Body: []byte(out)}, now)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if len(m.Rejects) > 0 {
		t.Errorf("the hub would refuse %v", m.Rejects)
	}
	var kinds []event.Kind
	for i := range m.Events {
		kinds = append(kinds, m.Events[i].Kind)
		if at := m.Events[i].Time; at.Before(now.Add(-time.Minute)) || at.After(now.Add(time.Minute)) {
			t.Errorf("%v is of %v", m.Events[i].Kind, at)
		}
	}
	for _, want := range []event.Kind{event.SystemInformationKind, event.LocalUsersKind, event.ListeningPortsKind} {
		if !slices.Contains(kinds, want) {
			t.Errorf("no %v among %v", want, kinds)
		}
	}
}

// TestCheck: the report as JSON says the same as the exit code.
func TestCheck(t *testing.T) {
	t.Parallel()
	out, errs, code := call(t, "", "check", "--offline", "--json", "--config", configuration(t))
	var r struct {
		OK      bool
		Problem string
		Checks  []struct {
			What, Found string
			OK          bool
		}
		Collectors []struct{ Name, Extent, Why string }
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if r.OK != (code == 0) || r.OK == (r.Problem != "") || !r.OK && !strings.Contains(errs, r.Problem) {
		t.Errorf("exit code %d, %q, of %s", code, errs, out)
	}
	if len(r.Checks) < 3 || r.Checks[0].What != "configuration" || !r.Checks[0].OK || r.Checks[0].Found != "d1/azureiotsecurity of localhost" {
		t.Errorf("checks %+v", r.Checks)
	}
	if len(r.Collectors) < 5 {
		t.Errorf("collectors %+v", r.Collectors)
	}
	for _, c := range r.Collectors {
		if c.Extent != "full" && c.Why == "" {
			t.Errorf("%s is %s, and nothing says why", c.Name, c.Extent)
		}
	}
	text, _, again := call(t, "", "check", "--offline", "--config", configuration(t))
	if again != code || !strings.Contains(text, "ok  configuration") || !strings.Contains(text, "SEES") {
		t.Errorf("exit code %d:\n%s", again, text)
	}
}

// TestBaseline: checks by group and id, as JSON one a line.
func TestBaseline(t *testing.T) {
	t.Parallel()
	out, errs, code := call(t, "", "baseline", "ssh", "--json")
	if code != 2 || !strings.Contains(errs, `"--json"`) {
		t.Errorf("a flag after the names: exit code %d: %s%s", code, out, errs)
	}
	out, errs, code = call(t, "", "baseline", "--json", "ssh", "TV-KRN-001")
	failed := 0
	ids := map[string]bool{}
	for l := range strings.Lines(out) {
		var r checkResult
		if err := json.Unmarshal([]byte(l), &r); err != nil {
			t.Fatalf("%v: %s", err, l)
		}
		if r.Group != "ssh" && r.ID != "TV-KRN-001" || r.Title == "" || r.Remedy == "" || r.Result == "" {
			t.Errorf("%+v", r)
		}
		if r.Result == string(baseline.Fail) || r.Result == string(baseline.Err) {
			failed++
		}
		ids[r.ID] = true
	}
	if len(ids) < 5 || (failed > 0) != (code == 1) {
		t.Errorf("%d checks, %d failed, exit code %d: %s", len(ids), failed, code, errs)
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	out, _, code := call(t, "", "version")
	if want := "tvilling-agent " + programVersion() + " " + runtime.GOOS + "/" + runtime.GOARCH + "\n"; out != want || code != 0 {
		t.Errorf("exit code %d, %q, want %q", code, out, want)
	}
	out, _, code = call(t, "", "version", "--json")
	if want := `{"platform":"` + runtime.GOOS + "/" + runtime.GOARCH + `","version":"` + programVersion() + "\"}\n"; out != want || code != 0 {
		t.Errorf("exit code %d, %q, want %q", code, out, want)
	}
}

// TestPrintable: what others chose does nothing to a terminal.
func TestPrintable(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"plain\ttext\n ":      "plain text",
		"\x1b[2Jgone":         "\ufffd[2Jgone",
		"a\x00b\u202ec\u009b": "a\ufffdb\ufffdc\ufffd",
		"bad\xff":             "bad\ufffd",
		"höchstens 3 °C":      "höchstens 3 °C",
	} {
		if got := oneLine(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
	_, errs, _ := call(t, "", "run", "--config", "/nowhere/\x1b[2J.toml")
	if strings.Contains(errs, "\x1b") {
		t.Errorf("an escape sequence gets through: %q", errs)
	}
}
