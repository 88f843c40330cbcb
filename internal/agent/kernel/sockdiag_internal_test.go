//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// watch opens a source of sockets whose looks the test makes.
func watch(t *testing.T, path string, o SocketOptions, diag bool) (*sockets, *recorder) {
	t.Helper()
	s, reason, err := openSockets(path, o, diag)
	if err != nil {
		t.Fatal(err)
	}
	if (reason == nil) != diag {
		t.Errorf("the reason is %+v", reason)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	r := &recorder{lost: map[string]uint64{}, fresh: make(chan struct{}, 1)}
	s.handle, s.lost = r.take, r.miss
	return s, r
}

func mustLook(t *testing.T, s *sockets) {
	t.Helper()
	if err := s.look(); err != nil {
		t.Fatal(err)
	}
}

// find1 is the only happening that satisfies is.
func find1(t *testing.T, r *recorder, what string, is func(*seen) bool) seen {
	t.Helper()
	found := r.find(is)
	if len(found) != 1 {
		t.Fatalf("told of %d happenings, want one: %s: %+v", len(found), what, found)
	}
	return found[0]
}

func hasDiag() bool {
	d, err := openDiag()
	if err != nil {
		return false
	}
	defer d.close()
	_, err = d.dump(&socketTables[0], func(*Socket) {})
	return err == nil
}

func TestSockets(t *testing.T) {
	t.Parallel()
	for _, diag := range []bool{true, false} {
		for _, address := range []string{"127.0.0.1", "::1"} {
			t.Run(fmt.Sprintf("%s by sock_diag %v", address, diag), func(t *testing.T) {
				t.Parallel()
				if diag && !hasDiag() {
					t.Skip("the kernel has no socket diagnosis")
				}
				testSockets(t, address, diag)
			})
		}
	}
}

func testSockets(t *testing.T, address string, diag bool) {
	t.Helper()
	s, r := watch(t, procPath, SocketOptions{}, diag)
	l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT) {
		t.Skipf("there is no %s", address)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port, want := portOf(l.Addr()), l.Addr().(*net.TCPAddr).AddrPort()
	mustLook(t, s)
	got := find1(t, r, "the listening", at(Listen, port, 0))
	if got.Local != want || got.Remote.IsValid() || got.Protocol != "tcp" || int(got.PID) != os.Getpid() || !got.HasUID || int(got.UID) != os.Getuid() {
		t.Errorf("the listening is %+v, want it at %v", got, want)
	}

	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	near := portOf(c.LocalAddr())
	mustLook(t, s)
	got = find1(t, r, "the connection", at(Connect, near, port))
	if got.Local.Addr() != want.Addr() || got.Remote != want || got.Protocol != "tcp" || int(got.PID) != os.Getpid() || !got.HasUID || int(got.UID) != os.Getuid() {
		t.Errorf("the connection is %+v, want it to %v", got, want)
	}
	got = find1(t, r, "the accepted connection", at(Accept, port, near))
	if got.Local != want || got.Remote.Port() != near || got.PID != 0 {
		t.Errorf("the accepted connection is %+v, want it at %v", got, want)
	}

	u, err := net.Dial("udp", net.JoinHostPort(address, "9"))
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	mustLook(t, s)
	udp := u.LocalAddr().(*net.UDPAddr).AddrPort()
	got = find1(t, r, "the UDP socket", at(Connect, udp.Port(), 9))
	if got.Protocol != "udp" || got.Local != udp || int(got.PID) != os.Getpid() {
		t.Errorf("the UDP socket is %+v, want it from %v", got, udp)
	}

	// A connection that is closed by the one who asked for it is seen even so.
	short, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	gone := portOf(short.LocalAddr())
	short.Close()
	mustLook(t, s)
	find1(t, r, "the short connection", at(Connect, gone, port))

	l.Close()
	for range 3 {
		mustLook(t, s)
	}
	got = find1(t, r, "the end of listening", at(Unlisten, port, 0))
	if got.Local != want || int(got.PID) != os.Getpid() {
		t.Errorf("the end of listening is %+v, want it at %v", got, want)
	}
	for what, is := range map[string]func(*seen) bool{
		"the listening": at(Listen, port, 0), "the connection": at(Connect, near, port), "the accepted connection": at(Accept, port, near),
	} {
		find1(t, r, what, is) // none is told twice
	}
}

func TestSocketsLeaveOutSelf(t *testing.T) {
	t.Parallel()
	s, r := watch(t, procPath, SocketOptions{Self: int32(os.Getpid())}, hasDiag())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	mustLook(t, s)
	if found := r.find(at(Listen, portOf(l.Addr()), 0)); len(found) > 0 {
		t.Errorf("told of the own: %+v", found)
	}
}

func TestSocketsOnlyUDP(t *testing.T) {
	t.Parallel()
	s, r := watch(t, procPath, SocketOptions{UDPOnly: true}, hasDiag())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	u, err := net.Dial("udp", "127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	mustLook(t, s)
	if found := r.find(func(s *seen) bool { return s.Protocol == "tcp" }); len(found) > 0 {
		t.Errorf("told of TCP: %+v", found)
	}
	find1(t, r, "the UDP socket", at(Connect, u.LocalAddr().(*net.UDPAddr).AddrPort().Port(), 9))
}

func TestSocketsRun(t *testing.T) {
	t.Parallel()
	src, _, err := OpenSockets(SocketOptions{Interval: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	r := record(t, src)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r.wait(t, "the listening", at(Listen, portOf(l.Addr()), 0))
}
