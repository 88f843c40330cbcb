//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// dumper lists sockets, by the kernel's socket diagnosis or from /proc/net.
type dumper interface {
	// dump gives the sockets of a table. Its error is fs.ErrNotExist where the
	// kernel has not that family or protocol. What is missing because sockets
	// changed meanwhile, whole is false for.
	dump(t *socketTable, yield func(*Socket)) (whole bool, err error)
	close()
}

// socketTable is a kind of socket.
type socketTable struct {
	file     string // in /proc/net
	protocol string
	family   uint8
	number   uint8
	states   uint32
}

// watchedTCP are the states that are watched. Those of a connection that is being
// closed are among them, since a short one may never be seen in another.
const watchedTCP = 1<<Established | 1<<SynSent | 1<<Listening | 1<<FinWait1 | 1<<FinWait2 | 1<<TimeWait | 1<<CloseWait | 1<<LastAck | 1<<Closing

// socketTables are what is watched: of UDP only connected sockets.
var socketTables = [...]socketTable{
	{"tcp", "tcp", familyIPv4, protocolTCP, watchedTCP},
	{"tcp6", "tcp", familyIPv6, protocolTCP, watchedTCP},
	{"udp", "udp", familyIPv4, protocolUDP, 1 << Established},
	{"udp6", "udp", familyIPv6, protocolUDP, 1 << Established},
}

// procDumper reads /proc/net.
type procDumper struct{ proc *procDir }

func (d *procDumper) dump(t *socketTable, yield func(*Socket)) (bool, error) {
	return true, d.proc.readNet(t.file, func(s *Socket) bool {
		if s.State < 32 && t.states>>s.State&1 != 0 {
			yield(s)
		}
		return true
	})
}

func (d *procDumper) close() {}

// diagDumper asks the kernel.
type diagDumper struct {
	fd  int
	seq uint32
	buf []byte
}

const (
	// diagBuffer is the most that the kernel puts into a datagram, when the
	// reader has room for it.
	diagBuffer = 32 << 10
	// diagSeconds bounds the wait for an answer, which the kernel has at once.
	diagSeconds = 5
)

func openDiag() (*diagDumper, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, fmt.Errorf("open socket diagnosis: %w", err)
	}
	if err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: diagSeconds}); err != nil {
		return nil, errors.Join(fmt.Errorf("open socket diagnosis: %w", err), unix.Close(fd))
	}
	return &diagDumper{fd: fd, buf: make([]byte, diagBuffer)}, nil
}

func (d *diagDumper) close() { unix.Close(d.fd) }

func (d *diagDumper) dump(t *socketTable, yield func(*Socket)) (whole bool, err error) {
	d.seq++
	if err := unix.Sendto(d.fd, diagQuestion(t.family, t.number, t.states, d.seq), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return false, fmt.Errorf("ask for sockets of %s: %w", t.file, err)
	}
	whole = true
	for {
		n, err := d.receive()
		if err != nil {
			return false, fmt.Errorf("receive sockets of %s: %w", t.file, err)
		}
		r, err := parseDiag(d.buf[:n], d.seq, t.protocol, yield)
		if err != nil {
			return false, err
		}
		whole = whole && !r.interrupted
		switch {
		case !r.done:
		case unix.Errno(r.errno) == unix.ENOENT:
			return whole, fmt.Errorf("ask for sockets of %s: %w", t.file, fs.ErrNotExist)
		case r.errno != 0:
			return false, fmt.Errorf("ask for sockets of %s: %w", t.file, unix.Errno(r.errno))
		default:
			return whole, nil
		}
	}
}

// receive receives a datagram of the kernel.
func (d *diagDumper) receive() (int, error) {
	var from unix.RawSockaddrNetlink
	for {
		size := uint32(unix.SizeofSockaddrNetlink)
		n, _, errno := unix.Syscall6(unix.SYS_RECVFROM, uintptr(d.fd), uintptr(unsafe.Pointer(&d.buf[0])), uintptr(len(d.buf)), 0, uintptr(unsafe.Pointer(&from)), uintptr(unsafe.Pointer(&size))) //nolint:gosec // the call does not keep them
		switch {
		case errno == unix.EINTR:
		case errno != 0:
			return 0, os.NewSyscallError("recvfrom", errno)
		case from.Pid == 0:
			return int(n), nil
		}
	}
}
