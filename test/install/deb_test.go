//go:build linux

package install_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling/packaging"
)

// deb makes a package of a program for this machine and returns its path.
func deb(t *testing.T, program, version string) string {
	t.Helper()
	need(t, "dpkg-deb", "bash")
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("there is no package for this kind of machine")
	}
	folder := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "../../scripts/deb", program, runtime.GOARCH, folder, version)
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1790000000")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return filepath.Join(folder, "tvilling-agent_"+version+"_"+runtime.GOARCH+".deb")
}

var whole struct {
	once sync.Once
	deb  []byte
}

// agentDeb is the package of the agent, version 1.2.3, which is made once.
func agentDeb(t *testing.T) []byte {
	t.Helper()
	whole.once.Do(func() { whole.deb = read(t, deb(t, program(t, "tvilling-agent"), "1.2.3")) })
	if whole.deb == nil {
		t.Skip("there is no package: see the other test")
	}
	return whole.deb
}

// write writes a file that others may read, and returns its path.
func write(t *testing.T, folder, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// TestPackage: what is in the package, with which rights, and that it is the
// same package each time.
func TestPackage(t *testing.T) {
	t.Parallel()
	path := write(t, t.TempDir(), "tvilling-agent_1.2.3_"+runtime.GOARCH+".deb", agentDeb(t))
	var got []string
	for l := range strings.Lines(output(t, "dpkg-deb", "-c", path)) {
		f := strings.Fields(l)
		if f[3] != "2026-09-21" {
			t.Errorf("the time is not that of the source: %s", l)
		}
		if strings.HasPrefix(f[0], "-") || strings.Contains(l, "tvilling-agent/\n") || strings.Contains(l, "overrides/") {
			got = append(got, f[0]+" "+f[1]+" "+f[5])
		}
	}
	want := []string{
		"drwxr-xr-x root/root ./etc/tvilling-agent/",
		"-rw-r--r-- root/root ./lib/systemd/system/tvilling-agent.service",
		"-rwxr-xr-x root/root ./usr/bin/tvilling-agent",
		"drwxr-xr-x root/root ./usr/share/doc/tvilling-agent/",
		"-rw-r--r-- root/root ./usr/share/doc/tvilling-agent/agent.md",
		"-rw-r--r-- root/root ./usr/share/doc/tvilling-agent/changelog.gz",
		"-rw-r--r-- root/root ./usr/share/doc/tvilling-agent/copyright",
		"drwxr-xr-x root/root ./usr/share/lintian/overrides/",
		"-rw-r--r-- root/root ./usr/share/lintian/overrides/tvilling-agent",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("files (-want +got):\n%s", d)
	}
	root := t.TempDir()
	output(t, "dpkg-deb", "-x", path, root)
	unit, err := os.ReadFile(filepath.Join(root, "lib/systemd/system/tvilling-agent.service"))
	if err != nil || string(unit) != packaging.AgentUnit {
		t.Errorf("the unit is another one than the hub gives out: %v", err)
	}
	if got, want := output(t, filepath.Join(root, "usr/bin/tvilling-agent"), "version"), "tvilling-agent 1.2.3 linux/"+runtime.GOARCH+"\n"; got != want {
		t.Errorf("version: %q, want %q", got, want)
	}
	control := output(t, "dpkg-deb", "-f", path)
	contains(t, control, "Package: tvilling-agent\nVersion: 1.2.3\nArchitecture: "+runtime.GOARCH+"\n")
	if strings.Contains(control, "%") || strings.Contains(control, "Depends") {
		t.Errorf("control:\n%s", control)
	}
	if lintian, err := exec.LookPath("lintian"); err == nil {
		if out := output(t, lintian, "--allow-root", "--fail-on=none", path); out != "" {
			t.Errorf("lintian says:\n%s", out)
		}
	} else {
		t.Log("lintian is not there")
	}
}

// TestReproducible: the same program and time give the same package.
func TestReproducible(t *testing.T) {
	t.Parallel()
	first, second := read(t, deb(t, "/bin/true", "1.2.3")), read(t, deb(t, "/bin/true", "1.2.3"))
	if !bytes.Equal(first, second) {
		t.Error("the same source gave two packages")
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestBadPackage: what is no version makes no package.
func TestBadPackage(t *testing.T) {
	t.Parallel()
	need(t, "bash", "dpkg-deb")
	for _, args := range [][]string{{"x", "amd64"}, {"/bin/true", "amd64", t.TempDir(), "next/one"}, {"/bin/true", "amd64", t.TempDir(), "beta"}} {
		out, err := exec.CommandContext(t.Context(), "../../scripts/deb", args...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "usage: deb") && !strings.Contains(string(out), "is not a version") {
			t.Errorf("%v: %v %s", args, err, out)
		}
	}
}

// TestDebian: dpkg installs the package, which starts nothing before the agent
// is enrolled; an upgrade keeps the configuration and starts the agent anew, a
// removal stops it and keeps what it has, a purge leaves nothing.
func TestDebian(t *testing.T) {
	t.Parallel()
	need(t, "dpkg", "deb-systemd-helper", "systemctl")
	s := newSystem(t)
	write(t, s.shared, "1.2.3.deb", agentDeb(t))
	write(t, s.shared, "1.2.4.deb", read(t, deb(t, "/bin/true", "1.2.4")))
	// No systemd runs here: what is for it is written down, but links are made.
	s.put("bin/systemctl", "#!/bin/sh\ncase \"$*\" in\n*preset*) SYSTEMD_OFFLINE=1 exec /usr/bin/systemctl \"$@\" ;;\nesac\n")
	s.put("bin/deb-systemd-invoke", "#!/bin/sh\necho \"invoke $*\" >&2\n")
	out, code := s.run(debian, `
mkdir -p /run/systemd/system
echo "== install"; dpkg -i /shared/1.2.3.deb || exit 3
stat -c '%a %U %n' /etc/tvilling-agent /usr/bin/tvilling-agent
readlink /etc/systemd/system/multi-user.target.wants/tvilling-agent.service
tvilling-agent check --offline; [ $? -eq 1 ] || exit 4
echo key >/etc/tvilling-agent/connection-string
mkdir /var/lib/tvilling-agent; echo event >/var/lib/tvilling-agent/event
echo "== upgrade"; dpkg -i /shared/1.2.4.deb || exit 5
echo "== remove"; dpkg -r tvilling-agent || exit 6
[ ! -e /usr/bin/tvilling-agent ] && [ -e /etc/tvilling-agent/connection-string ] && [ -e /var/lib/tvilling-agent/event ] || exit 7
echo "== purge"; dpkg -P tvilling-agent || exit 8
find /etc /usr /lib/ /var /run -name '*tvilling-agent*' | grep . && exit 9
exit 0
`)
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	steps := strings.Split(out, "== ")
	if len(steps) != 5 {
		t.Fatalf("%d steps in:\n%s", len(steps)-1, out)
	}
	contains(t, steps[1], "invoke restart tvilling-agent.service", "755 root /etc/tvilling-agent\n", "755 root /usr/bin/tvilling-agent\n",
		"/lib/systemd/system/tvilling-agent.service\n", "tvilling-agent enroll")
	contains(t, steps[2], "invoke restart tvilling-agent.service")
	contains(t, steps[3], "invoke stop tvilling-agent.service")
	if strings.Contains(steps[2], "invoke stop") {
		t.Error("the agent is away during an upgrade")
	}
}
