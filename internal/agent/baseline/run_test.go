package baseline_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling/internal/agent/baseline"
	"github.com/tvilling/tvilling/internal/security/event"
)

// several are checks with the outcomes Pass, Fail, Err and Skip.
func several(t testing.TB) []baseline.Check {
	t.Helper()
	var all []baseline.Check
	for i, test := range []string{
		`file = { paths = ["/here"], exists = true }`,
		`file = { paths = ["/there"], exists = true }`,
		`lines = { paths = ["/"], match = "x", missing = "skip" }` + "\n[check.applies]\nfiles = [\"/loop/x\"]",
		`lines = { paths = ["/there"], match = "x", missing = "skip" }`,
	} {
		text := strings.Replace(check(test), "X-1", []string{"A", "B", "C", "D"}[i], 1)
		text = strings.Replace(text, `"test"`, []string{`"one"`, `"two"`, `"two"`, `"one"`}[i], 1)
		checks, err := baseline.ParseTOML("test", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, checks...)
	}
	all[1].Refs = []string{"CIS Debian 12 1.1", "CIS-debian-9-X-1", "CCE-1-2"}
	return all
}

func severalRoot(t testing.TB) *os.Root {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "here"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("loop", filepath.Join(dir, "loop")); err != nil {
		t.Fatal(err)
	}
	return openRoot(t, dir)
}

func outcomes(rep baseline.Report) (s []string) {
	for _, r := range rep.Results {
		s = append(s, r.Check.ID+" "+string(r.Outcome))
	}
	return s
}

func TestRun(t *testing.T) {
	t.Parallel()
	var progress []int
	waits := 0
	rep, err := baseline.Run(t.Context(), baseline.Options{
		Root: severalRoot(t), Checks: several(t),
		Wait:       func(context.Context) error { waits++; return nil },
		OnProgress: func(done, of int) { progress = append(progress, done, of) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"A Pass", "B Fail", "C Err", "D Skip"}, outcomes(rep)); d != "" {
		t.Errorf("outcomes (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]int{1, 4, 2, 4, 3, 4, 4, 4}, progress); d != "" || waits != 4 {
		t.Errorf("%d waits, progress (-want +got):\n%s", waits, d)
	}
	want := []event.Item{
		&event.OSBaseline{Description: "It holds", CceID: "CCE-1-2", Result: "Fail", Error: "/there does not exist", Severity: "Warning", Extra: event.Details{{Name: "Id", Value: "B"}}},
		&event.OSBaseline{Description: "It holds", CceID: "C", Result: "Err", Error: "resolve /loop/x: too many levels of symbolic links", Severity: "Warning"},
	}
	if d := cmp.Diff(want, rep.Items()); d != "" {
		t.Errorf("items (-want +got):\n%s", d)
	}
}

func TestDisabled(t *testing.T) {
	t.Parallel()
	rep, err := baseline.Run(t.Context(), baseline.Options{
		Root: severalRoot(t), Checks: several(t), DisabledGroups: []string{"two", "none"}, DisabledChecks: []string{"D", "one"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"A Pass"}, outcomes(rep)); d != "" {
		t.Errorf("outcomes (-want +got):\n%s", d)
	}
	if items := rep.Items(); len(items) != 0 {
		t.Errorf("items of a run that passed: %v", items)
	}
}

// TestStopped ends runs before a check and in the middle of a walk: there must
// be no report, which would say that the rest passed.
func TestStopped(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	rep, err := baseline.Run(ctx, baseline.Options{
		Root: severalRoot(t), Checks: several(t), OnProgress: func(int, int) { cancel() },
	})
	if !errors.Is(err, context.Canceled) || rep.Results != nil {
		t.Errorf("a run that was cancelled gives %v, %v", outcomes(rep), err)
	}
	checks, err := baseline.ParseTOML("test", []byte(check(`walk = { paths = ["/"], find = "setuid" }`)))
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	waits := 0
	rep, err = baseline.Run(t.Context(), baseline.Options{
		Root: severalRoot(t), Checks: checks,
		Wait: func(context.Context) error {
			if waits++; waits > 1 {
				return stop
			}
			return nil
		},
	})
	if !errors.Is(err, stop) || rep.Results != nil {
		t.Errorf("a walk that was stopped gives %v, %v", outcomes(rep), err)
	}
}

func TestTrigger(t *testing.T) {
	t.Parallel()
	c, ok, err := baseline.Lookup("TV-TEST-000")
	if err != nil || !ok {
		t.Fatalf("Lookup: %v, %v", ok, err)
	}
	if _, ok, err := baseline.Lookup("TV-NONE-000"); ok || err != nil {
		t.Errorf("Lookup of nothing: %v, %v", ok, err)
	}
	dir := t.TempDir()
	o := baseline.Options{Root: openRoot(t, dir), Checks: []baseline.Check{c}}
	rep, err := baseline.Run(t.Context(), o)
	if err != nil || rep.Results[0].Outcome != baseline.Pass {
		t.Errorf("without the file: %v, %v", outcomes(rep), err)
	}
	if err := os.Mkdir(filepath.Join(dir, "tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tmp/DefenderForIoTOSBaselineTrigger.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	rep, err = baseline.Run(t.Context(), o)
	if err != nil || len(rep.Items()) != 1 {
		t.Fatalf("with the file: %v, %v", outcomes(rep), err)
	}
	if got := rep.Items()[0].(*event.OSBaseline); got.CceID != "CIS-debian-9-DEFENDER_FOR_IOT_TEST_CHECKS-0.0" || got.Result != "Fail" {
		t.Errorf("with the file: %+v", got)
	}
}

// TestThisMachine makes tests whose outcomes are known, because the machine
// runs this test, and all built-in checks, of which each must have an outcome.
func TestThisMachine(t *testing.T) {
	t.Parallel()
	me, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	me = filepath.Base(me)
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	for test, want := range map[string]baseline.Outcome{
		`process = { names = ["` + me + `"], running = true }`:                                         pass,
		`process = { names = ["` + me + `"], running = false }`:                                        fail,
		`process = { names = ["` + me + `"], running = true, args = '-test\.' }`:                       pass,
		`process = { names = ["no-such-program"], running = true }`:                                    fail,
		`sysctl = { name = "kernel.osrelease", eq = "` + strings.TrimSpace(string(release)) + `" }`:    pass,
		`mount = { point = "/proc", options = ["no-such-option"] }`:                                    fail,
		`mount = { point = "/proc", fstypes = ["proc"] }`:                                              pass,
		`file = { paths = ["/etc/passwd"], exists = true, owner = ["root"], type = "file" }`:           pass,
		`lines = { paths = ["/proc/mounts"], match = '^\S+ /proc proc ' }`:                             pass,
		`accounts = { rule = "root-gid-0" }`:                                                           pass,
		`interfaces = { none = "wireless" }` + "\n[check.applies]\nfiles = [\"/sys/class/net/none*\"]": skip,
	} {
		checks, err := baseline.ParseTOML("test", []byte(check(test)))
		if err != nil {
			t.Fatal(err)
		}
		rep, err := baseline.Run(t.Context(), baseline.Options{Checks: checks})
		if err != nil {
			t.Fatal(err)
		}
		if got := rep.Results[0]; got.Outcome != want {
			t.Errorf("%s: %s %s, want %s", test, got.Outcome, got.Error, want)
		}
	}
	checks, err := baseline.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	rep, err := baseline.Run(t.Context(), baseline.Options{Checks: checks})
	if err != nil || len(rep.Results) != len(checks) {
		t.Fatalf("%d results of %d checks, %v", len(rep.Results), len(checks), err)
	}
	for _, r := range rep.Results {
		switch {
		case r.Outcome == pass && r.Error == "", r.Outcome == fail && r.Error != "", r.Outcome == skip && r.Error != "":
		case r.Outcome == errs && r.Error != "": // without rights
			t.Logf("%s: %s %s", r.Check.ID, r.Outcome, r.Error)
		default:
			t.Errorf("%s: %s %q", r.Check.ID, r.Outcome, r.Error)
		}
	}
}

// BenchmarkRun makes a whole run with the built-in checks on this machine, with
// parsing them, as the agent does.
func BenchmarkRun(b *testing.B) {
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		checks, err := baseline.Builtin()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := baseline.Run(b.Context(), baseline.Options{Checks: checks}); err != nil {
			b.Fatal(err)
		}
		n = len(checks)
	}
	b.ReportMetric(float64(n), "checks")
}

// A check can be left out by the id that is sent, which is all that the hub has.
func TestDisabledByCceID(t *testing.T) {
	t.Parallel()
	checks, err := baseline.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	rep, err := baseline.Run(t.Context(), baseline.Options{
		Root: severalRoot(t), Checks: checks, DisabledChecks: []string{"CCE-4387-7"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(rep.Results); n != len(checks)-1 {
		t.Errorf("%d of %d checks are made; want one less", n, len(checks))
	}
	for i := range rep.Results {
		if rep.Results[i].Check.ID == "TV-SSH-004" {
			t.Error("TV-SSH-004 is made, which is sent as CCE-4387-7")
		}
	}
}
