package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a server under measurement, with its children.
type process struct {
	cmd   *exec.Cmd
	out   *bufio.Reader
	ended chan error
}

// startProcess starts a command. Its standard error goes to a file in dir.
func startProcess(dir string, cmd *exec.Cmd) (*process, error) {
	log, err := os.Create(filepath.Join(dir, filepath.Base(cmd.Path)+".log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the child has its own
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &process{cmd: cmd, out: bufio.NewReader(out), ended: make(chan error, 1)}, nil
}

// line waits for a line of standard output with a prefix, and has the rest of
// the output thrown away from then on.
func (p *process) line(ctx context.Context, prefix string) (string, error) {
	defer context.AfterFunc(ctx, func() { _ = p.cmd.Process.Kill() })()
	for {
		s, err := p.out.ReadString('\n')
		if err != nil {
			return "", fmt.Errorf("%s ended before it was ready; see its log", filepath.Base(p.cmd.Path))
		}
		if strings.HasPrefix(s, prefix) {
			p.discard()
			return strings.TrimSpace(s), nil
		}
	}
}

// discard reads output away until the process ends.
func (p *process) discard() {
	go func() {
		_, err := io.Copy(io.Discard, p.out)
		p.ended <- errors.Join(err, p.cmd.Wait())
	}()
}

// stop ends the process by a signal and waits for it.
func (p *process) stop(s os.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case err := <-p.ended:
		var exit *exec.ExitError
		if errors.As(err, &exit) { // it was told to go
			return nil
		}
		return err
	case <-time.After(30 * time.Second):
		return errors.Join(fmt.Errorf("%s did not stop in 30 s", filepath.Base(p.cmd.Path)), p.cmd.Process.Kill(), <-p.ended)
	}
}

// meter takes what a process used between two moments.
type meter struct {
	pids func() []int
	cpu  time.Duration
	rss  int64 // at the end; shared memory is counted once
}

func (p *process) meter() *meter {
	return &meter{pids: func() []int { return family(p.cmd.Process.Pid) }}
}

// self meters the generator.
func self() *meter { return &meter{pids: func() []int { return []int{os.Getpid()} }} }

func (m *meter) begin() { m.cpu = -m.used() }

func (m *meter) end() {
	m.cpu += m.used()
	for _, pid := range m.pids() {
		m.rss += resident(pid)
	}
}

// used is the processor time of the processes so far.
func (m *meter) used() (d time.Duration) {
	const tick = 10 * time.Millisecond // USER_HZ is 100 everywhere
	for _, pid := range m.pids() {
		b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil {
			continue // it ended meanwhile
		}
		// The name in parentheses may hold spaces.
		f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		for _, i := range []int{11, 12} { // utime, stime
			n, _ := strconv.ParseInt(f[i], 10, 64) //nolint:errcheck // the kernel writes numbers
			d += time.Duration(n) * tick
		}
	}
	return d
}

// quiet waits until a process has nothing to do.
func (p *process) quiet(ctx context.Context) error {
	const look, busy = 500 * time.Millisecond, 20 * time.Millisecond
	m := p.meter()
	for range 240 {
		before := m.used()
		select {
		case <-time.After(look):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if m.used()-before <= busy {
			return nil
		}
	}
	return errors.New("the process had something to do for two minutes")
}

// family is a process and its children.
func family(pid int) []int {
	list := []int{pid}
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid)) //nolint:errcheck // none, then
	for s := range strings.FieldsSeq(string(b)) {
		if child, err := strconv.Atoi(s); err == nil {
			list = append(list, child)
		}
	}
	return list
}

// resident is the memory of a process, what it shares divided among those who
// share it.
func resident(pid int) int64 {
	return procValue(pid, "smaps_rollup", "Pss:")
}

// peak is the most memory that a process has had.
func peak(pid int) int64 { return procValue(pid, "status", "VmHWM:") }

// procValue reads a line such as "Pss:  123 kB"; 0 if there is none.
func procValue(pid int, file, name string) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64) //nolint:errcheck // the kernel writes numbers
			return n << 10
		}
	}
	return 0
}

// loadAverage is how busy the machine was in the last minute.
func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Fields(string(b))[0]
}

// model names the processor.
func model() string {
	b, _ := os.ReadFile("/proc/cpuinfo") //nolint:errcheck // unknown, then
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// as makes a command run as a user, for programs that refuse to run as root.
func as(cmd *exec.Cmd, uid, gid int) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}} //nolint:gosec // ids fit
}
