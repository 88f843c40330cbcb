//go:build linux

// Package install_test installs the agent as people do, by the line that the
// hub prints and by the Debian package, on a copy of this system that is thrown
// away: nothing outside of temporary folders is written to.
package install_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// programs are built once, and removed when all tests have ended.
var programs string

func TestMain(m *testing.M) {
	var err error
	if programs, err = os.MkdirTemp("", "tvilling-install-test-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := os.RemoveAll(programs); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// build builds the hub and the agent, stripped as it is given out.
var build = sync.OnceValue(func() error {
	for _, name := range []string{"tvilling", "tvilling-agent"} {
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w -X main.version=1.2.3", "-o", filepath.Join(programs, name), "github.com/tvilling/tvilling/cmd/"+name)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	return nil
})

// program returns the path of a program of the project.
func program(t *testing.T, name string) string {
	t.Helper()
	if err := build(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(programs, name)
}

// enter goes into an overlay of this system in namespaces of its own, where
// only /dev and the network are this machine's, and runs a script there. The
// shared folder is /shared. Nothing outlives the script.
const enter = `
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$PRIVATE"
cd "$PRIVATE"
mkdir up work root
mount -t overlay overlay -o lowerdir=/,upperdir=up,workdir=work root
mount -t proc proc root/proc
mount --rbind /dev root/dev
mount -t tmpfs tmpfs root/run
mount -t tmpfs tmpfs root/tmp
mkdir root/shared
mount --bind "$SHARED" root/shared
rm -rf root/etc/tvilling-agent root/var/lib/tvilling-agent root/usr/bin/tvilling-agent
touch "$SHARED/entered"
exec chroot root /bin/sh -c "$SCRIPT"
`

// system is a copy of this system for a test.
type system struct {
	t *testing.T
	// shared is a folder that is there as /shared, with the programs in bin,
	// which come first on the PATH.
	shared string
}

func newSystem(t *testing.T) *system {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can make a copy of the system")
	}
	if _, err := exec.LookPath("unshare"); err != nil {
		t.Skip("unshare is not there")
	}
	s := &system{t: t, shared: t.TempDir()}
	if err := os.Chmod(s.shared, 0o755); err != nil {
		t.Fatal(err)
	}
	s.put("bin/sudo", "#!/bin/sh\nexec \"$@\"\n")
	return s
}

// put writes a program into the shared folder.
func (s *system) put(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.shared, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		s.t.Fatal(err)
	}
}

// run runs a script on the copy, with a PATH, and returns what it wrote and its
// exit code. Each run has a fresh copy.
func (s *system) run(path, script string) (out string, code int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "unshare", "--mount", "--pid", "--fork", "--kill-child", "/bin/sh", "-c", enter)
	cmd.Env = []string{"PATH=/shared/bin:" + path, "HOME=/root", "LANG=C", "TZ=UTC", "DEBIAN_FRONTEND=noninteractive", "SHARED=" + s.shared, "PRIVATE=" + s.t.TempDir(), "SCRIPT=" + script}
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	// Daemons of the script may hold the pipes; they end with the namespace.
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Run()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		s.t.Fatalf("%v\n%s", err, b.String())
	}
	if _, e := os.Stat(filepath.Join(s.shared, "entered")); e != nil {
		s.t.Skipf("this system cannot be copied by an overlay: %v: %s", err, b.String())
	}
	s.t.Logf("%s", b.String())
	return b.String(), cmd.ProcessState.ExitCode()
}

// debian is the PATH of a system with everything.
const debian = "/usr/sbin:/usr/bin:/sbin:/bin"

// need skips a test that cannot be without a program.
func need(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not there", name)
		}
	}
}

// contains reports every wanted text that is not in out.
func contains(t *testing.T, out string, wanted ...string) {
	t.Helper()
	for _, w := range wanted {
		if !strings.Contains(out, w) {
			t.Errorf("no %q in:\n%s", w, out)
		}
	}
}
