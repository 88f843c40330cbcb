//go:build linux

package agent_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/agent"
	"github.com/tvilling/tvilling/internal/agent/collect"
	"github.com/tvilling/tvilling/internal/agent/identity"
)

// soon is how long it may take from what happens on the device to what the
// operator sees.
const soon = 5 * time.Second

// quick wants some events at once, and all others never.
func quick(kinds ...string) string {
	var members []string
	for _, k := range kinds {
		members = append(members, `"eventPriority`+k+`":{"value":"High"}`, `"aggregationEnabled`+k+`":{"value":false}`)
	}
	var kept []string
	for _, m := range members {
		if !strings.HasPrefix(m, `"aggregation`) || strings.Contains(m, "Process") || strings.Contains(m, "Connection") {
			kept = append(kept, m)
		}
	}
	s := silent(kept...)
	return strings.Replace(s, `"immediateEvents":[],"snapshotsOnChange":false`, `"immediateEvents":["`+strings.Join(kinds, `","`)+`"],"snapshotsOnChange":true`, 1)
}

// watches waits until an agent watches something.
func (w *world) watches(a *running, name string) {
	w.Helper()
	w.until(name+" are watched", func() bool {
		return slices.ContainsFunc(a.Status().Sights, func(s collect.Sight) bool { return s.Name == name && s.Source != "" })
	})
}

// TestSeenMiner: a miner's command line becomes an alert.
func TestSeenMiner(t *testing.T) {
	t.Parallel()
	root(t)
	w := start(t)
	w.desire(quick("ProcessCreate"))
	a := w.run(w.config())
	w.state("applied")
	w.watches(a, "processes")
	if out, err := exec.CommandContext(t.Context(), "sh", "-c", "echo cpuminer-multi; :").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	w.alert(soon, "IoT_CryptoMiner", "cpuminer-multi")
	w.within(soon, "the twin says that the device is at risk", func() bool {
		p := w.posture()
		return p.State != "healthy" && p.State != "unknown" && len(p.Alerts) > 0
	})
}

// TestSeenPort: a port that is opened becomes a recommendation, which goes when
// it is closed.
func TestSeenPort(t *testing.T) {
	t.Parallel()
	root(t)
	w := start(t)
	w.desire(quick("ListeningPorts"))
	a := w.run(w.config())
	w.state("applied")
	w.sees("ListeningPorts", "")
	w.watches(a, "connections")
	// By another process: agents do not watch their own.
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), listenEnv+"=0.0.0.0:0")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var p string
	if _, err := fmt.Fscanln(out, &p); err != nil {
		t.Fatal(err)
	}
	w.advice(soon, "IoT_OpenPorts", "active", `"`+p+`"`)
	if err := errors.Join(in.Close(), cmd.Wait()); err != nil {
		t.Fatal(err)
	}
	w.within(soon, "the port is no longer in the recommendation", func() bool {
		r, err := w.owner.Recommendation(t.Context(), "IoT_OpenPorts", deviceID)
		return err == nil && (r.State != "active" || !strings.Contains(string(r.Details), `"`+p+`"`))
	})
}

// TestSeenLogin: a login that an sshd of this machine refuses becomes an alert.
func TestSeenLogin(t *testing.T) {
	t.Parallel()
	root(t)
	for _, program := range []string{"/usr/sbin/sshd", "ssh", "ssh-keygen", "setsid"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("there is no %s here", program)
		}
	}
	if _, err := os.Stat("/var/log/btmp"); err != nil {
		t.Skip("there is no btmp here")
	}
	w := start(t)
	w.desire(quick("Login"))
	a := w.run(w.config())
	w.state("applied")
	w.watches(a, "logins")
	const user = "tvilling-nobody"
	refused(t, w.dir, user)
	w.sees("Login", user)
	w.alert(soon, "IoT_FailedLocalLogin", user)
}

// refused runs an sshd, and logs in with a wrong password.
func refused(t *testing.T, dir, user string) {
	t.Helper()
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		t.Skipf("sshd has no folder of its own: %v", err)
	}
	key, ask, conf := filepath.Join(dir, "host"), filepath.Join(dir, "ask"), filepath.Join(dir, "sshd.conf")
	if out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, p, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		ask:  "#!/bin/sh\necho wrong\n",
		conf: fmt.Sprintf("Port %s\nListenAddress 127.0.0.1\nHostKey %s\nPidFile none\nUsePAM no\nPasswordAuthentication yes\nKbdInteractiveAuthentication no\n", p, key),
	} {
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	server := exec.CommandContext(t.Context(), "/usr/sbin/sshd", "-D", "-f", conf, "-E", filepath.Join(dir, "sshd.log"))
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	end := time.Now().Add(patience)
	for {
		if c, err := net.Dial("tcp", "127.0.0.1:"+p); err == nil {
			_ = c.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatal("sshd does not answer")
		}
		<-time.After(20 * time.Millisecond)
	}
	c := exec.CommandContext(t.Context(), "setsid", "ssh", "-F", "none", "-p", p, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
		"-o", "PreferredAuthentications=password", "-o", "NumberOfPasswordPrompts=1", user+"@127.0.0.1", "true")
	c.Env = append(os.Environ(), "SSH_ASKPASS="+ask, "SSH_ASKPASS_REQUIRE=force", "DISPLAY=none")
	if out, err := c.CombinedOutput(); err == nil || !strings.Contains(string(out), "Permission denied") {
		t.Fatalf("ssh: %v: %s", err, out)
	}
}

// TestSeenUser: a user who is added, in a copy of /etc that only this agent
// sees, becomes an alert.
func TestSeenUser(t *testing.T) { //nolint:paralleltest // its thread has mounts of its own
	root(t)
	w := start(t)
	etc := filepath.Join(w.dir, "etc")
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", "/etc", etc).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	alone(t)
	if err := syscall.Mount(etc, "/etc", "", syscall.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	w.desire(quick("LocalUsers"))
	p := w.install(t, w.config())
	p.start(t)
	w.state("applied")
	w.sees("LocalUsers", `"root"`)
	add := func(file, line string) {
		f, err := os.OpenFile(filepath.Join(etc, file), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(line); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	add("group", "mallory:x:4711:\n")
	add("passwd", "mallory:x:4711:4711::/home/mallory:/bin/sh\n")
	w.alert(soon, "IoT_LocalUserAdded", "mallory")
}

// TestOnce holds the snapshot of this machine against the schema.
func TestOnce(t *testing.T) {
	t.Parallel()
	c := identity.Default()
	c.StateDirectory = filepath.Join(t.TempDir(), "state")
	body, problems := agent.Once(t.Context(), c, "1.0.0")
	for _, err := range problems {
		t.Errorf("a snapshot cannot be taken: %v", err)
	}
	for _, p := range breaches(body) {
		t.Errorf("%s", p)
	}
	names := map[string]bool{}
	var m struct{ Events []struct{ Name string } }
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	for _, e := range m.Events {
		names[e.Name] = true
	}
	for _, name := range []string{"SystemInformation", "LocalUsers", "ListeningPorts", "FirewallConfiguration", "ConnectedHardware", "OSBaseline"} {
		if !names[name] {
			t.Errorf("there is no %s", name)
		}
	}
	if _, err := os.Stat(c.StateDirectory); err == nil {
		t.Error("something was written")
	}
}

// TestCustomChecks: the twin names a file of checks. Those outside of the folder
// or with another hash are not made, which is told; a good one is.
func TestCustomChecks(t *testing.T) {
	t.Parallel()
	root(t)
	w := start(t)
	c := w.config()
	c.ChecksDirectory = filepath.Join(w.dir, "checks")
	text := []byte("[[check]]\nid = \"ACME-1\"\ntitle = \"The door is locked\"\nseverity = \"Critical\"\ngroup = \"acme\"\ntest.file = { paths = [\"/etc/no-such-door\"], exists = true }\n")
	sum := sha256.Sum256(text)
	good, outside := filepath.Join(c.ChecksDirectory, "door.toml"), filepath.Join(w.dir, "door.toml")
	if err := os.Mkdir(c.ChecksDirectory, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{good, outside} {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	custom := func(path, hash string) string {
		return `{` + object + `:{"baselineCustomChecksEnabled":{"value":true},"baselineCustomChecksFilePath":{"value":"` + path + `"},"baselineCustomChecksFileHash":{"value":"` + hash + `"}}}`
	}
	hash := hex.EncodeToString(sum[:])
	w.desire(silent(`"eventPriorityOSBaseline":{"value":"High"}`, `"highPriorityMessageFrequency":{"value":"PT1S"}`))
	w.desire(custom(outside, hash))
	w.run(c)
	w.state("applied")
	w.sees("OSBaseline", "TV-CUSTOM")
	again := func(path, hash string, fits func(payload string) bool) {
		t.Helper()
		before := len(w.events("OSBaseline"))
		w.desire(custom(path, hash))
		w.until("the path is taken", func() bool {
			r := w.reported()
			return r.value("baselineCustomChecksFilePath") == path && r.value("baselineCustomChecksFileHash") == hash
		})
		w.until("the checks are made as "+path+" asks", func() bool {
			all := w.events("OSBaseline")
			return len(all) > before && fits(string(all[len(all)-1].Payload))
		})
	}
	again(good, strings.Repeat("0", 64), func(p string) bool { return strings.Contains(p, "TV-CUSTOM") && !strings.Contains(p, "ACME-1") })
	again(filepath.Join(c.ChecksDirectory, "..", "door.toml"), hash, func(p string) bool { return strings.Contains(p, "TV-CUSTOM") && !strings.Contains(p, "ACME-1") })
	again(good, hash, func(p string) bool { return !strings.Contains(p, "TV-CUSTOM") && strings.Contains(p, "ACME-1") })
	w.advice(patience, "IoT_Baseline", "active", "ACME-1")
}
