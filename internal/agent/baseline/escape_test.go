package baseline_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tvilling/tvilling/internal/agent/baseline"
)

// TestEscape tries to reach a file beside the root by every kind of link and
// path, and to find the file of the same name within.
func TestEscape(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	root := filepath.Join(top, "root")
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ok(os.MkdirAll(filepath.Join(root, "etc"), 0o755))
	ok(os.WriteFile(filepath.Join(top, "secret"), []byte("outside\n"), 0o666))
	ok(os.Chmod(filepath.Join(top, "secret"), 0o666))
	ok(os.WriteFile(filepath.Join(root, "secret"), []byte("inside\n"), 0o644))
	for name, to := range map[string]string{
		"relative": "../secret", "far": "../../../secret", "absolute": "/secret",
		"chain": "/etc/far", "through": "../../up/secret", "host": filepath.Join(top, "secret"),
		"dir": "..", "root": "/", "loop": "/etc/loop",
	} {
		ok(os.Symlink(to, filepath.Join(root, "etc", name)))
	}
	ok(os.Symlink("..", filepath.Join(root, "up")))
	ok(syscall.Mkfifo(filepath.Join(root, "etc/fifo"), 0o644))
	r := openRoot(t, root)
	one := func(test string) baseline.Result {
		t.Helper()
		checks, err := baseline.ParseTOML("test", []byte(check(test)))
		ok(err)
		rep, err := baseline.Run(t.Context(), baseline.Options{Root: r, Checks: checks})
		ok(err)
		return rep.Results[0]
	}
	for _, p := range []string{"/etc/relative", "/etc/far", "/etc/absolute", "/etc/chain", "/etc/through", "/etc/dir/secret", "/etc/root/secret", "/etc/dir/etc/dir/secret", "/up/secret", "/up/*cret"} {
		if got := one(`lines = { paths = ["` + p + `"], match = '^inside$' }`); got.Outcome != pass {
			t.Errorf("%s: %s %s, want the file within the root", p, got.Outcome, got.Error)
		}
		if got := one(`file = { paths = ["` + p + `"], exists = true, mode = "0644" }`); got.Outcome != pass {
			t.Errorf("%s: %s %s, want the mode of the file within", p, got.Outcome, got.Error)
		}
	}
	if got := one(`file = { paths = ["/etc/host"], exists = true }`); got.Outcome != fail {
		t.Errorf("a path of the host: %s %s", got.Outcome, got.Error)
	}
	if got := one(`walk = { paths = ["/", "/up", "/etc/dir"], find = "world-writable" }`); got.Outcome != pass {
		t.Errorf("a walk: %s %s", got.Outcome, got.Error)
	}
	if got := one(`lines = { paths = ["/etc/loop"], match = 'x' }`); got.Outcome != errs || !strings.Contains(got.Error, "too many levels") {
		t.Errorf("a loop: %s %s", got.Outcome, got.Error)
	}
	// A FIFO that nobody writes to would block whoever opens it.
	if got := one(`lines = { paths = ["/etc/fifo"], match = 'x' }`); got.Outcome != errs || !strings.Contains(got.Error, "not a regular file") {
		t.Errorf("a FIFO: %s %s", got.Outcome, got.Error)
	}
}

func TestLargeFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, n := range map[string]int{"most": 1 << 20, "more": 1<<20 + 1} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Repeat("a", n-1)+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	checks, err := baseline.ParseTOML("test", []byte(check(`lines = { paths = ["/most"], match = '^aaa' }`)+
		strings.Replace(check(`lines = { paths = ["/more"], match = '^aaa' }`), "X-1", "X-2", 1)))
	if err != nil {
		t.Fatal(err)
	}
	rep, err := baseline.Run(t.Context(), baseline.Options{Root: openRoot(t, dir), Checks: checks})
	if err != nil {
		t.Fatal(err)
	}
	if got := rep.Results[0]; got.Outcome != pass {
		t.Errorf("1 MiB: %s %s", got.Outcome, got.Error)
	}
	if got := rep.Results[1]; got.Outcome != errs || !strings.Contains(got.Error, "larger than 1 MiB") {
		t.Errorf("more: %s %s", got.Outcome, got.Error)
	}
}
