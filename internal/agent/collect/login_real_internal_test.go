//go:build linux

package collect

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sshServer starts the device's sshd on a port of its own, with PAM and records
// as it is set up here, and its log in a file.
func sshServer(t *testing.T, log string) (port string) {
	t.Helper()
	sshd, err := exec.LookPath("/usr/sbin/sshd")
	if err != nil {
		t.Skip("there is no sshd here")
	}
	if os.Getuid() != 0 {
		t.Skip("an sshd that asks for passwords takes root")
	}
	for _, program := range []string{"ssh", "ssh-keygen", "setsid"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("there is no %s here", program)
		}
	}
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		t.Skipf("sshd has no folder of its own: %v", err)
	}
	dir := t.TempDir()
	key := filepath.Join(dir, "host")
	if out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err = net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "config")
	text := fmt.Sprintf("Port %s\nListenAddress 127.0.0.1\nHostKey %s\nPidFile none\nUsePAM no\nPasswordAuthentication yes\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n", port, key)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	// -E writes the messages to a file, without a time; it is given one below.
	cmd := exec.CommandContext(t.Context(), sshd, "-D", "-f", config, "-E", log)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for deadline := time.Now().Add(10 * time.Second); ; {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
			return port
		}
		if time.Now().After(deadline) {
			t.Fatalf("sshd does not answer: %v", err)
		}
	}
}

// wrongPassword tries to log in with one.
func wrongPassword(t *testing.T, port, user string) {
	t.Helper()
	dir := t.TempDir()
	ask := filepath.Join(dir, "ask")
	if err := os.WriteFile(ask, []byte("#!/bin/sh\necho wrong\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "setsid", "ssh", "-F", "none", "-p", port, "-o", "StrictHostKeyChecking=no",
		"-o", "UserKnownHostsFile=/dev/null", "-o", "PreferredAuthentications=password", "-o", "NumberOfPasswordPrompts=1", user+"@127.0.0.1", "true")
	cmd.Env = append(os.Environ(), "SSH_ASKPASS="+ask, "SSH_ASKPASS_REQUIRE=force", "DISPLAY=none")
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatal("a wrong password was taken")
	}
	if !strings.Contains(string(out), "Permission denied") {
		t.Fatalf("ssh: %v: %s", err, out)
	}
}

// The words are those of the sshd that is installed, and so is the record it
// makes in the device's btmp.
func TestLoginsOfARealSSHServer(t *testing.T) {
	t.Parallel()
	log := filepath.Join(t.TempDir(), "sshd.log")
	port := sshServer(t, log)
	to, _ := watch(t, NewLogins(LoginOptions{Root: "/", NoAudit: true}))
	const user = "tvilling-no-such-user"
	begin := time.Now()
	wrongPassword(t, port, user)

	// The device's own logs: btmp, and those that a syslog daemon writes here.
	if _, err := os.Stat("/var/log/btmp"); err == nil {
		found := false
		for n := 1; !found; n++ {
			got := to.await(t, n)[n-1]
			if got.UserName != user {
				continue // somebody else's
			}
			found = true
			if got.Result != "Fail" || got.RemoteAddress != "127.0.0.1" || got.Executable != execSSHD || got.ProcessID == 0 {
				t.Errorf("told of %+v", got)
			}
			if at := to.at[n-1]; at.Before(begin.Add(-time.Second)) || at.After(time.Now()) {
				t.Errorf("told of %v", at)
			}
		}
	} else {
		t.Log("there is no btmp here")
	}

	// The same through its text, as a syslog daemon would write it.
	root := logRoot(t)
	auth := filepath.Join(root, "var/log/auth.log")
	appendTo(t, auth, nil)
	to, _ = watch(t, NewLogins(LoginOptions{Root: root, NoAudit: true}))
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		appendTo(t, auth, logText("sshd[77]: "+strings.TrimSpace(line)))
	}
	got := to.await(t, 1)
	if l := got[0]; l.UserName != user || l.Operation != "ssh:password" || l.RemoteAddress != "127.0.0.1" || l.RemotePort == "" || l.Result != "Fail" {
		t.Errorf("told of %+v, of\n%s", l, text)
	}
}
