//go:build linux

package kernel

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// at is a happening of a kind with one end at a port.
func at(k Kind, local, remote uint16) func(*seen) bool {
	return func(s *seen) bool {
		return s.Kind == k && (local == 0 || s.Local.Port() == local) && (remote == 0 || s.Remote.Port() == remote)
	}
}

func portOf(a net.Addr) uint16 { return a.(*net.TCPAddr).AddrPort().Port() }

func TestEBPFTellsOfConnections(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, network, listen, dial, local string }{
		{"IPv4", "tcp4", "127.0.0.1", "127.0.0.1", "127.0.0.1"},
		{"IPv6", "tcp6", "::1", "::1", "::1"},
		{"IPv4 on a socket of both", "tcp", "::", "127.0.0.1", "127.0.0.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := observe(t, EBPFOptions{Connections: true})
			l, err := net.Listen(tt.network, net.JoinHostPort(tt.listen, "0"))
			if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EADDRNOTAVAIL) {
				t.Skip("there is no " + tt.network)
			}
			if err != nil {
				t.Fatal(err)
			}
			port := portOf(l.Addr())
			got := r.wait(t, "the listening", at(Listen, port, 0))
			want := netip.AddrPortFrom(netip.MustParseAddr(tt.listen), port)
			if got.Local != want || got.Remote.IsValid() || got.Protocol != "tcp" || int(got.PID) != os.Getpid() || !got.HasUID || int(got.UID) != os.Getuid() {
				t.Errorf("the listening is %+v, want it at %v", got, want)
			}

			c, err := net.Dial("tcp", netip.AddrPortFrom(netip.MustParseAddr(tt.dial), port).String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			near, far := netip.AddrPortFrom(netip.MustParseAddr(tt.local), portOf(c.LocalAddr())), netip.AddrPortFrom(netip.MustParseAddr(tt.dial), port)
			got = r.wait(t, "the connection", at(Connect, near.Port(), port))
			if got.Local != near || got.Remote != far || got.Protocol != "tcp" || int(got.PID) != os.Getpid() || !got.HasUID || int(got.UID) != os.Getuid() || got.name == "" {
				t.Errorf("the connection is %+v, want it from %v to %v", got, near, far)
			}
			got = r.wait(t, "the accepted connection", at(Accept, port, near.Port()))
			if got.Local != far || got.Remote != near || got.PID != 0 || got.HasUID {
				t.Errorf("the accepted connection is %+v, want it from %v to %v", got, near, far)
			}

			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if got := r.wait(t, "the end of listening", at(Unlisten, port, 0)); got.Local != want || got.Remote.IsValid() {
				t.Errorf("the end of listening is %+v, want it at %v", got, want)
			}
			deaf := netip.AddrPortFrom(far.Addr(), deafPort(t, far.Addr()))
			if c, err := net.Dial("tcp", deaf.String()); err == nil {
				c.Close()
				t.Fatal("connected to nobody")
			}
			got = r.wait(t, "the refused connection", at(Refused, 0, deaf.Port()))
			if got.Remote != deaf || got.Local.Addr() != near.Addr() || got.Local.Port() == 0 || int(got.PID) != os.Getpid() || !got.HasUID {
				t.Errorf("the refused connection is %+v, want it to %v", got, deaf)
			}
			if found := r.find(at(Connect, 0, port)); len(found) != 1 {
				t.Errorf("told of %d connections, want 1: %+v", len(found), found)
			}
			if len(r.lost) > 0 {
				t.Errorf("lost %v", r.lost)
			}
		})
	}
}

func TestEBPFLeavesOutOwnConnections(t *testing.T) {
	t.Parallel()
	r := observe(t, EBPFOptions{Connections: true, Self: int32(os.Getpid())})
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := portOf(l.Addr())
	c, err := (&net.Dialer{}).DialContext(context.Background(), "tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	deaf := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), deafPort(t, netip.MustParseAddr("127.0.0.1")))
	if c, err := net.Dial("tcp4", deaf.String()); err == nil {
		c.Close()
		t.Fatal("connected to nobody")
	}
	// Accept and Unlisten are in nobody's name; so is what marks the end.
	r.wait(t, "the accepted connection", at(Accept, port, 0))
	r.wait(t, "the end of listening", at(Unlisten, port, 0))
	mark, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := mark.Close(); err != nil {
		t.Fatal(err)
	}
	r.wait(t, "the mark", at(Unlisten, portOf(mark.Addr()), 0))
	for _, is := range []func(*seen) bool{at(Listen, port, 0), at(Connect, 0, port), at(Refused, 0, deaf.Port())} {
		if found := r.find(is); len(found) > 0 {
			t.Errorf("told of the own %+v", found)
		}
	}
}

// deafPort is a port of an address that is taken until the test's end, at which
// nobody listens.
func deafPort(t *testing.T, a netip.Addr) uint16 {
	t.Helper()
	family, name := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Addr: a.As16()})
	if a.Is4() {
		family, name = unix.AF_INET, &unix.SockaddrInet4{Addr: a.As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Close(fd); err != nil {
			t.Error(err)
		}
	})
	if err := unix.Bind(fd, name); err != nil {
		t.Fatal(err)
	}
	taken, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	switch taken := taken.(type) {
	case *unix.SockaddrInet4:
		return uint16(taken.Port)
	case *unix.SockaddrInet6:
		return uint16(taken.Port)
	}
	t.Fatalf("the address is %#v", taken)
	return 0
}

// A socket that connects to itself is the simplest case of both ends connecting
// at once: it goes from SYN_SENT to SYN_RECV, and nobody accepts.
func TestEBPFTellsOfConnectingAtOnce(t *testing.T) {
	t.Parallel()
	r := observe(t, EBPFOptions{Connections: true})
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	own, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(fd, own); err != nil {
		t.Fatal(err)
	}
	port := uint16(own.(*unix.SockaddrInet4).Port)
	if got := r.wait(t, "the connection", at(Connect, port, port)); int(got.PID) != os.Getpid() {
		t.Errorf("the connection is %+v, want it of process %d", got, os.Getpid())
	}
	if found := r.find(at(Accept, port, port)); len(found) > 0 {
		t.Errorf("told of %+v", found)
	}
}

// An option that is off attaches nothing.
func TestEBPFKindsThatAreOff(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		o    EBPFOptions
		want int
	}{
		{EBPFOptions{Processes: true}, 3},
		{EBPFOptions{Connections: true}, 1},
		{EBPFOptions{Processes: true, Connections: true}, 4},
	} {
		src, reason, err := OpenEBPF(tt.o)
		if err != nil {
			t.Fatal(err)
		}
		if reason != nil {
			t.Skip(reason.Why)
		}
		if got := len(src.(*ebpfSource).links); got != tt.want {
			t.Errorf("%+v: attached %d programs, want %d", tt.o, got, tt.want)
		}
		if err := src.Close(); err != nil {
			t.Error(err)
		}
	}
}
