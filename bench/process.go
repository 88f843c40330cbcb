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

// as makes a command run as a user, for programs that refuse to run as root.
func as(cmd *exec.Cmd, uid, gid int) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}} //nolint:gosec // ids fit
}
