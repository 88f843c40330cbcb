//go:build linux

package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// connectorName is the means, and the source in a Reason.
const connectorName = "proc connector"

// connector is the source that listens to the kernel's proc connector.
type connector struct {
	file *os.File
	conn syscall.RawConn
	proc *procDir
	in   *receiver
	self int32

	handle  func(*Happening)
	lost    func(n uint64, why string)
	dropped uint32 // what is told of the kernel's count
	overrun bool   // the buffer was full, and what was lost is not told yet
	it      Happening
}

// OpenConnector starts to listen to the proc connector (NETLINK_CONNECTOR,
// CN_IDX_PROC): Fork, Exec and Exit of all processes of the device. A Reason
// says why this kernel or these rights do not allow it; then Source and error
// are nil. self is a process to leave out, 0 for none.
//
// The kernel gives numbers only: arguments, user and parent of an Exec are read
// from /proc at once, and are missing of a program that ended faster. A process
// whose first thread ends before the others is told as gone then.
//
// It needs CONFIG_PROC_EVENTS, before Linux 6.6 CAP_NET_ADMIN, and to be outside
// of containers' PID and network namespaces. Without CAP_SYS_PTRACE it does not
// know the files that other users run.
func OpenConnector(self int32) (Source, *Reason, error) {
	file, err := openConnectorSocket()
	if err != nil {
		if r := connectorRefusal(err); r != nil {
			return nil, r, nil
		}
		return nil, nil, fmt.Errorf("open proc connector: %w", err)
	}
	c := &connector{file: file, in: newReceiver(), self: self}
	if c.conn, err = file.SyscallConn(); err == nil {
		if c.proc, err = openProc(procPath); err == nil {
			err = c.listen()
		}
	}
	if err == nil {
		return c, nil, nil
	}
	if r := connectorRefusal(err); r != nil {
		return nil, r, c.Close()
	}
	return nil, nil, errors.Join(fmt.Errorf("open proc connector: %w", err), c.Close())
}

var errNoAnswer = errors.New("the kernel does not answer")

// connectorRefusal is what an error says about the kernel or the rights, nil
// if nothing.
func connectorRefusal(err error) *Reason {
	switch {
	case errors.Is(err, unix.EPROTONOSUPPORT):
		return &Reason{connectorName, "The kernel has no connector.", "Use a kernel with CONFIG_CONNECTOR and CONFIG_PROC_EVENTS."}
	case errors.Is(err, errNoAnswer) && ownPIDNamespace():
		return &Reason{connectorName, "The agent runs in a PID namespace of its own, to which the kernel tells nothing of processes.", "Run its container with the host's PID namespace (--pid=host)."}
	case errors.Is(err, errNoAnswer):
		return &Reason{connectorName, "The kernel tells nothing of processes.", "Use a kernel with CONFIG_PROC_EVENTS."}
	case errors.Is(err, unix.ECONNREFUSED):
		return &Reason{connectorName, "The agent runs in a network namespace of its own, which has no connector.", "Run its container with the host's network (--network=host)."}
	case errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES):
		return &Reason{connectorName, "The agent has not the capability CAP_NET_ADMIN on the host.", "Run it as root, or with CAP_NET_ADMIN, outside of a user namespace."}
	}
	return nil
}

// answerTime is how long the kernel may take to answer. It does so within the
// request; the kernels that did not are old.
const answerTime = time.Second

// listen asks for events, and waits for the answer: a kernel without them, and
// one that gives them to others only, takes the request and stays silent.
func (c *connector) listen() error {
	mark := uint32(os.Getpid()) ^ uint32(time.Now().UnixNano())
	if err := c.request(cnListen, mark); err != nil {
		return err
	}
	if err := c.file.SetReadDeadline(time.Now().Add(answerTime)); err != nil {
		return fmt.Errorf("wait for the answer: %w", err)
	}
	for {
		n, err := c.receive()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return errNoAnswer
		}
		if err != nil {
			return err
		}
		for i := range n {
			p, ok := c.in.message(i)
			if !ok {
				continue
			}
			m, err := parseConnector(p)
			if err != nil || m.what != cnNone || m.ack != mark+1 {
				continue // an event, or the answer to somebody else
			}
			if m.status != 0 {
				return fmt.Errorf("listen: %w", unix.Errno(m.status))
			}
			if err := c.file.SetReadDeadline(time.Time{}); err != nil {
				return fmt.Errorf("listen: %w", err)
			}
			return nil
		}
	}
}

func (c *connector) request(op, mark uint32) (err error) {
	to := &unix.SockaddrNetlink{Family: unix.AF_NETLINK}
	if e := c.conn.Control(func(fd uintptr) { err = unix.Sendto(int(fd), connectorRequest(op, mark), 0, to) }); e != nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// receive waits for messages. When there are none any more it tells what was
// lost since the buffer was full; until then the kernel goes on to lose.
func (c *connector) receive() (n int, err error) {
	e := c.conn.Read(func(fd uintptr) bool {
		for {
			n, err = c.in.receive(fd)
			switch {
			case errors.Is(err, unix.EAGAIN):
				c.tellDrops(fd)
				return false
			case errors.Is(err, unix.ENOBUFS):
				c.overrun = true
			default:
				return true
			}
		}
	})
	if e != nil {
		return 0, fmt.Errorf("receive: %w", e)
	}
	return n, os.NewSyscallError("receive", err)
}

func (c *connector) tellDrops(fd uintptr) {
	if !c.overrun || c.lost == nil {
		return
	}
	c.overrun = false
	if n, ok := drops(fd); !ok {
		c.lost(1, "socket buffer full") // at least
	} else if n != c.dropped {
		c.lost(uint64(n-c.dropped), "socket buffer full")
		c.dropped = n
	}
}

// Name is "proc connector".
func (c *connector) Name() string { return connectorName }

// Run implements Source. lost is told "socket buffer full" when Run was too
// slow, with the number of messages that the kernel threw away, and "record
// malformed".
func (c *connector) Run(ctx context.Context, handle func(*Happening), lost func(n uint64, why string)) error {
	c.handle, c.lost = handle, lost
	stop := context.AfterFunc(ctx, func() { _ = c.file.SetReadDeadline(time.Unix(1, 0)) }) // fails only on a closed file, which does not wait either
	defer stop()
	for ctx.Err() == nil {
		n, err := c.receive()
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return fmt.Errorf("run proc connector: %w", err)
		}
		c.take(n)
	}
	return os.NewSyscallError("proc connector", c.conn.Control(c.tellDrops))
}

// take tells of n messages.
func (c *connector) take(n int) {
	var mono unix.Timespec
	now := time.Now().Round(0)
	start := now // when CLOCK_MONOTONIC was zero
	known := unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono) == nil
	if known {
		start = now.Add(-time.Duration(mono.Nano()))
	}
	for i := range n {
		p, ok := c.in.message(i)
		if !ok {
			continue // not of the kernel
		}
		m, err := parseConnector(p)
		if err != nil {
			c.lost(1, "record malformed")
			continue
		}
		if m.thread || m.pid == c.self || m.what == cnNone {
			continue
		}
		c.it = Happening{At: now, PID: m.pid, ParentPID: m.parent}
		if known && m.since < 1<<62 {
			c.it.At = start.Add(time.Duration(m.since))
		}
		switch m.what {
		case cnFork:
			c.it.Kind = Fork
		case cnExit:
			c.it.Kind, c.it.Status = Exit, m.status
		case cnExec:
			c.it.Kind = Exec
			c.proc.describe(&c.it)
		default:
			continue
		}
		c.handle(&c.it)
	}
}

// Close ends the listening.
func (c *connector) Close() error {
	// New kernels notice by themselves that nobody listens, and for old ones it
	// is a courtesy; where listening is forbidden, so is this.
	_ = c.request(cnIgnore, 0)
	if c.proc != nil {
		c.proc.close()
	}
	if err := c.file.Close(); err != nil {
		return fmt.Errorf("close proc connector: %w", err)
	}
	return nil
}
