//go:build linux

package collect

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// auditGet asks for the audit system's state; auditReadlog is the group of those
// who read along (linux/audit.h).
const (
	auditGet     = 1000
	auditReadlog = 1
)

// auditFilter lets USER_AUTH and USER_LOGIN through, so that a device which
// audits every call wakes nobody here. The type is the third field of a netlink
// message, in the machine's order, where the filter reads big-endian.
func auditFilter() []unix.SockFilter {
	swap := func(kind uint16) uint32 {
		var b [2]byte
		binary.NativeEndian.PutUint16(b[:], kind)
		return uint32(binary.BigEndian.Uint16(b[:]))
	}
	return []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: 4},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: swap(auditUserAuth), Jt: 1},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: swap(auditUserLogin), Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 1 << 18},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
}

// openAudit joins those who read along with the audit system (netlink(7),
// CAP_AUDIT_READ). It changes nothing: the kernel tells its daemon as before, and
// tells nothing while auditing is off.
func openAudit() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_AUDIT)
	if err != nil {
		return nil, fmt.Errorf("open audit socket: %w", err)
	}
	f := os.NewFile(uintptr(fd), "audit")
	filter := auditFilter()
	err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (auditReadlog - 1)})
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("read along with audit: %w", err)
	}
	return f, nil
}

// auditEnabled asks whether the kernel audits; it takes CAP_AUDIT_CONTROL to ask.
func auditEnabled() (bool, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_AUDIT)
	if err != nil {
		return false, fmt.Errorf("open audit socket: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 200_000}); err != nil {
		return false, fmt.Errorf("ask the audit system: %w", err)
	}
	var ask [unix.SizeofNlMsghdr]byte
	binary.NativeEndian.PutUint32(ask[0:], unix.SizeofNlMsghdr)
	binary.NativeEndian.PutUint16(ask[4:], auditGet)
	binary.NativeEndian.PutUint16(ask[6:], unix.NLM_F_REQUEST)
	if err := unix.Sendto(fd, ask[:], 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return false, fmt.Errorf("ask the audit system: %w", err)
	}
	var b [512]byte
	n, _, err := unix.Recvfrom(fd, b[:], 0)
	if err != nil {
		return false, fmt.Errorf("ask the audit system: %w", err)
	}
	switch kind := binary.NativeEndian.Uint16(b[4:]); {
	case kind == auditGet && n >= unix.SizeofNlMsghdr+8:
		return binary.NativeEndian.Uint32(b[unix.SizeofNlMsghdr+4:]) != 0, nil // audit_status.enabled
	case kind == unix.NLMSG_ERROR && n >= unix.SizeofNlMsghdr+4:
		return false, fmt.Errorf("ask the audit system: %w", unix.Errno(-int32(binary.NativeEndian.Uint32(b[unix.SizeofNlMsghdr:]))))
	}
	return false, errors.New("ask the audit system: no answer")
}

// hearAudit gives what is said on f to tell until ctx ends (nil).
func hearAudit(ctx context.Context, f *os.File, tell func(sighting), lost func()) error {
	stop := context.AfterFunc(ctx, func() { f.Close() })
	defer func() {
		if stop() {
			f.Close()
		}
	}()
	buf := make([]byte, unix.SizeofNlMsghdr+maxAudit)
	for {
		n, err := f.Read(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS):
			lost()
		case err != nil:
			return fmt.Errorf("read along with audit: %w", err)
		case n > unix.SizeofNlMsghdr:
			kind := binary.NativeEndian.Uint16(buf[4:])
			if s, ok := parseAudit(kind, string(buf[unix.SizeofNlMsghdr:n])); ok {
				tell(s)
			}
		}
	}
}
