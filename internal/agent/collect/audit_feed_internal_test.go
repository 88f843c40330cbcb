//go:build linux

package collect

import (
	"encoding/binary"
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// The filter is tried on a pair of sockets, since nobody can make the kernel
// send audit messages of any type.
func TestAuditFilter(t *testing.T) {
	t.Parallel()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, fd := range pair {
			unix.Close(fd)
		}
	})
	filter := auditFilter()
	if err := unix.SetsockoptSockFprog(pair[1], unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}); err != nil {
		t.Fatal(err)
	}
	for kind, through := range map[uint16]bool{auditUserAuth: true, auditUserLogin: true, 1300: false, 1101: false, 1105: false, 0: false, 0x4c04: false} {
		b := make([]byte, 100)
		binary.NativeEndian.PutUint16(b[4:], kind)
		// What the filter drops may be told as an error; what comes is looked at
		_ = unix.Send(pair[0], b, 0)
		n, _, err := unix.Recvfrom(pair[1], b, 0)
		switch {
		case through && (err != nil || n != 100):
			t.Errorf("type %d: %d bytes, %v", kind, n, err)
		case !through && !errors.Is(err, unix.EAGAIN):
			t.Errorf("type %d came through: %v", kind, err)
		}
	}
}

func TestAuditFeedHere(t *testing.T) {
	t.Parallel()
	f, err := openAudit()
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EPROTONOSUPPORT) {
		t.Skipf("no audit system may be heard here: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	on, err := auditEnabled()
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ECONNREFUSED) {
		t.Skipf("the audit system may not be asked here: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the kernel audits: %v", on)
}
