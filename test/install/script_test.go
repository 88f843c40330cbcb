//go:build linux

package install_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tvilling/tvilling/internal/app"
	"github.com/tvilling/tvilling/internal/app/apptest"
)

// systemctl stands for systemd: it runs what the unit says, and writes down
// what it was told.
const systemctl = `#!/bin/sh
echo "systemctl $*" >>/shared/systemctl.log
case "$*" in
"restart tvilling-agent")
    if [ -e /run/agent.pid ]; then
        kill "$(cat /run/agent.pid)"
        while [ -e "/proc/$(cat /run/agent.pid)/exe" ]; do sleep 0.1; done
    fi
    $(sed -n 's/^ExecStart=//p' /etc/systemd/system/tvilling-agent.service) 2>>/shared/agent.log &
    echo $! >/run/agent.pid
    ;;
esac
`

// line has the hub print the line that installs the agent on a device.
func line(t *testing.T, h *apptest.Hub, flags ...string) string {
	t.Helper()
	args := append([]string{"device", "enroll-command", "d1", "--data", h.Data}, flags...)
	cmd := exec.CommandContext(t.Context(), program(t, "tvilling"), args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// newHub runs a hub that has the agent for this machine, and the device d1.
func newHub(t *testing.T) *apptest.Hub {
	t.Helper()
	need(t, "curl")
	folder := t.TempDir()
	b, err := os.ReadFile(program(t, "tvilling-agent"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "tvilling-agent"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	h := apptest.Start(t, func(o *app.Options) { o.Agents = folder })
	h.Register(h.Client(), "d1")
	return h
}

// TestSystemd: the line, run twice as at an upgrade, leaves an agent that
// systemd runs and that is connected.
func TestSystemd(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	h := newHub(t)
	s.put("bin/systemctl", systemctl)
	s.put("line", line(t, h))
	out, code := s.run(debian, `
mkdir -p /run/systemd/system
sh -e /shared/line || exit 3
first=$(cat /run/agent.pid)
sh -e /shared/line || exit 4
[ ! -e "/proc/$first/exe" ] && [ "$first" != "$(cat /run/agent.pid)" ] || exit 5
stat -c '%a %U %n' /usr/bin/tvilling-agent /etc/tvilling-agent /etc/tvilling-agent/* /etc/systemd/system/tvilling-agent.service
ls -A /usr/bin | grep '^\.tvilling' && exit 6
ls -A /tmp | grep . && exit 7
grep -c SharedAccessKey /etc/tvilling-agent/connection-string
grep SharedAccessSignature /etc/tvilling-agent/* && exit 8
tvilling-agent version
`)
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	contains(t, out, "enrolled as d1/azureiotsecurity of localhost", "d1/azureiotsecurity  connected since",
		"755 root /usr/bin/tvilling-agent", "755 root /etc/tvilling-agent", "644 root /etc/tvilling-agent/agent.toml", "644 root /etc/tvilling-agent/ca.pem",
		"600 root /etc/tvilling-agent/connection-string", "644 root /etc/systemd/system/tvilling-agent.service", "tvilling-agent 1.2.3 linux/")
	log, err := os.ReadFile(filepath.Join(s.shared, "systemctl.log"))
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Repeat("systemctl daemon-reload\nsystemctl --quiet enable tvilling-agent\nsystemctl restart tvilling-agent\n", 2); string(log) != want {
		t.Errorf("systemctl was told:\n%s", log)
	}
}

// TestInit: without systemd the init script runs the agent, with Debian's
// programs and with those of BusyBox, and stops one whose program was replaced.
func TestInit(t *testing.T) {
	t.Parallel()
	need(t, "start-stop-daemon", "busybox")
	const script = `
sh -e /shared/line || exit 3
first=$(cat /run/tvilling-agent.pid)
/etc/init.d/tvilling-agent start
[ "$first" = "$(cat /run/tvilling-agent.pid)" ] || exit 4
sh -e /shared/line || exit 5
second=$(cat /run/tvilling-agent.pid)
[ "$first" != "$second" ] && ! kill -0 "$first" 2>/dev/null || exit 6
/etc/init.d/tvilling-agent status || exit 7
/etc/init.d/tvilling-agent stop || exit 8
! kill -0 "$second" 2>/dev/null || exit 9
[ ! -e /run/tvilling-agent.pid ] || exit 10
/etc/init.d/tvilling-agent stop || exit 11
/etc/init.d/tvilling-agent 2>/dev/null && exit 12
`
	for _, tt := range []struct{ name, before, path, after, says string }{
		{"debian", "", debian, "ls /etc/rc2.d", "tvilling-agent\n"},
		{
			"busybox", `
busybox mkdir -p /bb /etc/init.d
busybox --install -s /bb
cp /usr/bin/curl /bb/curl
ln -sf /bb/sh /bin/sh
touch /etc/init.d/rcS
`, "/bb", "readlink /etc/init.d/S95tvilling-agent", "\ntvilling-agent\n",
		},
		{"neither", "busybox mkdir -p /bb; busybox --install -s /bb; cp /usr/bin/curl /bb/curl; rm -f /etc/init.d/rcS", "/bb", "true", "have this system start /etc/init.d/tvilling-agent when it boots"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			s.put("line", line(t, newHub(t)))
			before := "PATH=" + debian + "\n" + tt.before + "\nPATH=/shared/bin:" + tt.path + "\nexport PATH\n"
			out, code := s.run(debian, before+script+tt.after)
			if code != 0 {
				t.Errorf("exit code %d", code)
			}
			contains(t, out, "d1/azureiotsecurity  connected since", tt.says)
		})
	}
}

// TestNoInit: a system with neither is told what to do.
func TestNoInit(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	h := newHub(t)
	s.put("line", line(t, h))
	out, code := s.run(debian, "rm -rf /etc/init.d; sh -e /shared/line")
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	contains(t, out, "installed; have this system run: /usr/bin/tvilling-agent run")
}

// TestRefused: whatever goes wrong before the agent is enrolled, what was there
// stays as it was, and there is a sentence about what to do.
func TestRefused(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	good := line(t, h)
	script, connection, ok := strings.Cut(good, " | sudo sh -s -- ")
	if !ok {
		t.Fatalf("the line is %q", good)
	}
	const truncating = `#!/bin/sh
/usr/bin/curl "$@" || exit
for a; do
    [ "$last" != -o ] || echo surplus >>"$a"
    last=$a
done
`
	for _, tt := range []struct {
		name, before, line, says string
		files                    map[string]string
	}{
		{name: "a token that is not right", line: strings.Replace(good, "sig=", "sig=AAAA", 1), says: "nothing was changed"},
		{name: "a program that is not the hub's", line: good, says: "the program that came is not the one that the hub had", files: map[string]string{"bin/curl": truncating}},
		{name: "a kind of machine without a program", line: good, says: "the hub has no agent for linux-armv7: put the file tvilling-agent-linux-armv7 into its folder", files: map[string]string{"bin/uname": "#!/bin/sh\n[ \"$1\" = -s ] && echo Linux || echo armv7l\n"}},
		{name: "a kind of machine that there is none for", line: good, says: "there is no agent for riscv64", files: map[string]string{"bin/uname": "#!/bin/sh\n[ \"$1\" = -s ] && echo Linux || echo riscv64\n"}},
		{name: "another system", line: good, says: "the agent is for Linux, and this is Darwin", files: map[string]string{"bin/uname": "#!/bin/sh\necho Darwin\n"}},
		{name: "not root", line: good, says: "put sudo before sh", files: map[string]string{"bin/id": "#!/bin/sh\necho 1000\n"}},
		{name: "no sha256sum", before: "rm /usr/bin/sha256sum", line: good, says: "sha256sum is not there: install it"},
		{name: "no curl", line: "cat /shared/script | sudo sh -s -- " + connection, before: script + " >/shared/script; rm /usr/bin/curl", says: "curl is not there: install it"},
		{name: "no connection string", line: script + " | sudo sh", says: "give the device's connection string as the one argument"},
		{name: "another certificate than the line says", line: strings.Replace(good, "sha256//", "sha256//AAAA", 1), says: "public key does not match pinned public key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			for name, text := range tt.files {
				s.put(name, text)
			}
			s.put("line", tt.line)
			out, code := s.run(debian, `
state() { find /usr/bin/tvilling-agent /etc/tvilling-agent /etc/systemd /etc/init.d | sort; cat /usr/bin/tvilling-agent /etc/tvilling-agent/*; }
mkdir -p /etc/tvilling-agent
for f in /usr/bin/tvilling-agent /etc/tvilling-agent/agent.toml /etc/tvilling-agent/ca.pem /etc/tvilling-agent/connection-string; do echo old >$f; done
before=$(state)
`+tt.before+`
sh /shared/line
[ "$before" = "$(state)" ] || { state; exit 3; }
ls -A /usr/bin | grep '^\.tvilling' && exit 4
ls -A /tmp | grep . && exit 5
exit 0
`)
			if code != 0 {
				t.Errorf("exit code %d: something was changed", code)
			}
			contains(t, out, tt.says)
		})
	}
}
