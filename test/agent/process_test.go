//go:build linux

package agent_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/agent"
	"github.com/tvilling/tvilling/internal/agent/identity"
)

// program builds the agent as it is installed, once, and returns its path.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "tvilling-agent-test-")
	if err != nil {
		return "", err
	}
	built = dir
	path := filepath.Join(dir, "tvilling-agent")
	cmd := exec.Command("go", "build", "-o", path, "github.com/tvilling/tvilling/cmd/tvilling-agent")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the agent: %w: %s", err, out)
	}
	return path, nil
})

// built is the folder that is to be removed at the end.
var built string

// listenEnv makes this program listen at an address until its input ends.
const listenEnv = "TVILLING_TEST_LISTEN"

func listen(addr string) error {
	l, err := net.Listen("tcp4", addr)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, l.Addr().(*net.TCPAddr).Port)
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, l.Close())
}

func TestMain(m *testing.M) {
	if addr := os.Getenv(listenEnv); addr != "" {
		if err := listen(addr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	if built != "" {
		_ = os.RemoveAll(built)
	}
	os.Exit(code)
}

// process is the agent in a process of its own.
type process struct {
	path, config, socket, state string
	log                         string
	cmd                         *exec.Cmd
}

// install writes a local configuration for the program.
func (w *world) install(t *testing.T, c identity.Config) *process {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{path: path, config: filepath.Join(w.dir, "agent.toml"), socket: c.StatusSocket, state: c.StateDirectory, log: filepath.Join(w.dir, "agent.log")}
	text := fmt.Sprintf("host-name = %q\ndevice-id = %q\ndevice-key-file = %q\nca-file = %q\nmqtt-port = %d\nhttps-port = %d\nstate-directory = %q\nstatus-socket = %q\n",
		c.HostName, c.DeviceID, c.DeviceKeyFile, c.CAFile, c.MQTTPort, c.HTTPSPort, c.StateDirectory, c.StatusSocket)
	if err := os.WriteFile(p.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			b, err := os.ReadFile(p.log)
			t.Logf("the agent's log (%v):\n%s", err, b)
		}
	})
	return p
}

// start starts the agent in the namespaces of the calling thread.
func (p *process) start(t *testing.T) {
	t.Helper()
	f, err := os.OpenFile(p.log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // the process has its own
	p.cmd = exec.Command(p.path, "run", "--config", p.config, "--log-level", "debug")
	p.cmd.Stderr = f
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

// kill ends the agent without warning.
func (p *process) kill() {
	if p.cmd != nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait() // killed is what it is to be
		p.cmd = nil
	}
}

// stop ends the agent in order.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("the end of the agent: %v", err)
	}
	p.cmd = nil
}

// snapshot makes the agent take all snapshots and send them.
func (p *process) snapshot(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// status asks the agent.
func (p *process) status(t *testing.T) agent.Status {
	t.Helper()
	st, err := agent.AskStatus(t.Context(), p.socket)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// connected waits until the agent says that it is connected and follows its twin.
func (p *process) connected(w *world) (st agent.Status) {
	w.Helper()
	w.until("the agent is connected", func() bool {
		var err error
		st, err = agent.AskStatus(w.Context(), p.socket)
		return err == nil && st.Connected && st.Configuration.State == "applied"
	})
	return st
}

// cpu returns the CPU time of the agent.
func (p *process) cpu(t *testing.T) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	fields := strings.Fields(rest)
	var ticks int
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// alone gives the calling goroutine a thread with mounts of its own, which
// processes that it starts have, too.
func alone(t *testing.T) {
	t.Helper()
	root(t)
	runtime.LockOSThread() // for good: the thread ends with the goroutine
	if err := syscall.Unshare(syscall.CLONE_NEWNS | syscall.CLONE_FS); err != nil {
		t.Skip("needs the right to mount: ", err)
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Skip("needs the right to mount: ", err)
	}
}

// run runs the program to its end, and returns what it printed.
func output(t *testing.T, args ...string) (stdout string, code int) {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(errs.String(), "goroutine ") {
		t.Fatalf("%v: it panics:\n%s", args, &errs)
	}
	return string(out), code
}
