//go:build linux

package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// connectorBuffer is how much the kernel may keep for the agent, enough for some
// thousand messages. It is the kernel's memory, used only while messages wait.
const connectorBuffer = 1 << 20

// openConnectorSocket opens a socket that hears the proc connector, once a
// request to listen was sent.
func openConnectorSocket() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_CONNECTOR)
	if err != nil {
		return nil, fmt.Errorf("open socket: %w", err)
	}
	err = os.NewSyscallError("set filter", unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, connectorProgram()))
	if err == nil {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, connectorBuffer) != nil {
			// Without CAP_NET_ADMIN it is as much as the system allows.
			err = os.NewSyscallError("set buffer", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, connectorBuffer))
		}
	}
	if err == nil {
		err = os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (cnIndex - 1)}))
	}
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), "proc connector"), nil
}

// connectorProgram lets through what the source tells of: the starts and ends
// of processes, not of threads, and answers. Everything else would wake the
// agent for nothing.
func connectorProgram() *unix.SockFprog {
	// A classic BPF program reads words in network order.
	network := func(n uint32) uint32 {
		var p [4]byte
		binary.NativeEndian.PutUint32(p[:], n)
		return binary.BigEndian.Uint32(p[:])
	}
	const (
		load    = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		move    = unix.BPF_MISC | unix.BPF_TAX
		equals  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		equalsX = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_X
		end     = unix.BPF_RET | unix.BPF_K
	)
	code := []unix.SockFilter{
		0:  {Code: load, K: cnEvent},
		1:  {Code: equals, K: network(cnExec), Jt: 11}, // to 13
		2:  {Code: equals, K: network(cnNone), Jt: 10},
		3:  {Code: equals, K: network(cnFork), Jt: 1}, // to 5
		4:  {Code: equals, K: network(cnExit), Jt: 4, Jf: 9},
		5:  {Code: load, K: forkGroup},
		6:  {Code: move},
		7:  {Code: load, K: forkChild},
		8:  {Code: equalsX, Jt: 4, Jf: 5},
		9:  {Code: load, K: exitGroup},
		10: {Code: move},
		11: {Code: load, K: exitThread},
		12: {Code: equalsX, Jt: 0, Jf: 1},
		13: {Code: end, K: 1 << 18}, // all of the message
		14: {Code: end, K: 0},
	}
	return &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
}

// connectorBatch is how many messages are received at a time.
const connectorBatch = 32

// receiver receives messages of the kernel, several with one call.
type receiver struct {
	heads [connectorBatch]struct {
		unix.Msghdr
		length uint32
	}
	parts [connectorBatch]unix.Iovec
	from  [connectorBatch]unix.RawSockaddrNetlink
	data  [connectorBatch][cnBytes]byte
}

func newReceiver() *receiver {
	r := &receiver{}
	for i := range r.heads {
		r.parts[i].Base = &r.data[i][0]
		r.parts[i].SetLen(cnBytes)
		r.heads[i].Iov = &r.parts[i]
		r.heads[i].SetIovlen(1)
		r.heads[i].Name = (*byte)(unsafe.Pointer(&r.from[i])) //nolint:gosec // recvmmsg(2) wants bytes
	}
	return r
}

// receive returns how many messages there are now; the error is EAGAIN of none,
// and ENOBUFS when some were lost.
func (r *receiver) receive(fd uintptr) (int, error) {
	for i := range r.heads {
		r.heads[i].Namelen = unix.SizeofSockaddrNetlink
	}
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&r.heads[0])), uintptr(len(r.heads)), unix.MSG_DONTWAIT, 0, 0) //nolint:gosec // r is on the heap
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// message is one of those received; false if it is not of the kernel.
func (r *receiver) message(i int) ([]byte, bool) {
	return r.data[i][:min(r.heads[i].length, cnBytes)], r.from[i].Pid == 0
}

// drops is how many messages the kernel could not keep for a socket; false
// before Linux 4.12.
func drops(fd uintptr) (uint32, bool) {
	const count = 8 // SK_MEMINFO_DROPS of include/uapi/linux/sock_diag.h
	var info [count + 1]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO, uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0) //nolint:gosec // the call does not keep them
	return info[count], errno == 0 && uintptr(size) >= unsafe.Sizeof(info)
}
