//go:build linux

package collect_test

import (
	"io/fs"
	"net"
	"net/netip"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling/internal/agent/collect"
	"github.com/tvilling/tvilling/internal/agent/kernel"
	"github.com/tvilling/tvilling/internal/security/event"
)

func end(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func TestConnectionCreate(t *testing.T) {
	var to seen
	c := collect.NewConnections(collect.ConnectionOptions{
		Process: func(pid int32) (kernel.Proc, error) {
			switch pid {
			case 10:
				return kernel.Proc{PID: 10, UID: 1000, Comm: "curl", Exe: "/usr/bin/curl", Args: args("curl", "a b")}, nil
			case 11: // another user's, which may not be looked at
				return kernel.Proc{PID: 11, UID: 5, Comm: "secret"}, nil
			default:
				return kernel.Proc{}, fs.ErrNotExist
			}
		},
		Executable: func(pid int32) string { return map[int32]string{12: "/usr/bin/gone"}[pid] },
		Listener: func(local netip.AddrPort) int32 {
			return map[netip.AddrPort]int32{end("10.0.0.5:22"): 10}[local]
		},
	}, &to)
	for _, test := range []struct {
		name string
		h    kernel.Happening
		want *event.ConnectionCreate
	}{
		{
			"out",
			kernel.Happening{Kind: kernel.Connect, PID: 10, Protocol: "tcp", Local: end("10.0.0.5:50000"), Remote: end("203.0.113.9:443")},
			&event.ConnectionCreate{Direction: "Out", Protocol: "tcp", LocalAddress: "10.0.0.5", LocalPort: "50000", RemoteAddress: "203.0.113.9", RemotePort: "443", ProcessID: 10, UserID: "1000", Executable: "/usr/bin/curl", CommandLine: "curl 'a b'"},
		},
		{
			"as another user",
			kernel.Happening{Kind: kernel.Connect, PID: 10, UID: 7, HasUID: true, Protocol: "udp", Local: end("10.0.0.5:50000"), Remote: end("203.0.113.9:53")},
			&event.ConnectionCreate{Direction: "Out", Protocol: "udp", LocalAddress: "10.0.0.5", LocalPort: "50000", RemoteAddress: "203.0.113.9", RemotePort: "53", ProcessID: 10, UserID: "7", Executable: "/usr/bin/curl", CommandLine: "curl 'a b'"},
		},
		{
			"refused, of one that is gone",
			kernel.Happening{Kind: kernel.Refused, PID: 12, Protocol: "tcp", Local: end("[fe80::1%eth0]:50000"), Remote: end("[fe80::2%eth0]:443")},
			&event.ConnectionCreate{Direction: "Out", Protocol: "tcp", LocalAddress: "fe80::1", LocalPort: "50000", RemoteAddress: "fe80::2", RemotePort: "443", ProcessID: 12, Executable: "/usr/bin/gone", Extra: event.Details{{Name: "Established", Value: "false"}}},
		},
		{
			"of one that hides",
			kernel.Happening{Kind: kernel.Connect, PID: 11, Protocol: "tcp", Remote: end("203.0.113.9:443")},
			&event.ConnectionCreate{Direction: "Out", Protocol: "tcp", RemoteAddress: "203.0.113.9", RemotePort: "443", ProcessID: 11, UserID: "5", Executable: "secret"},
		},
		{
			"gone, with a name",
			kernel.Happening{Kind: kernel.Connect, PID: 13, Name: []byte("n\xff"), Protocol: "tcp", Remote: end("203.0.113.9:443")},
			&event.ConnectionCreate{Direction: "Out", Protocol: "tcp", RemoteAddress: "203.0.113.9", RemotePort: "443", ProcessID: 13, Executable: "n\uFFFD"},
		},
		{
			"in, by who listens",
			kernel.Happening{Kind: kernel.Accept, Protocol: "tcp", Local: end("[::ffff:10.0.0.5]:22"), Remote: end("[::ffff:198.51.100.4]:40022")},
			&event.ConnectionCreate{Direction: "In", Protocol: "tcp", LocalAddress: "10.0.0.5", LocalPort: "22", RemoteAddress: "198.51.100.4", RemotePort: "40022", ProcessID: 10, UserID: "1000", Executable: "/usr/bin/curl", CommandLine: "curl 'a b'"},
		},
		{
			"in, nobody knows",
			kernel.Happening{Kind: kernel.Accept, Protocol: "tcp", Local: end("10.0.0.5:23"), Remote: end("198.51.100.4:40022")},
			&event.ConnectionCreate{Direction: "In", Protocol: "tcp", LocalAddress: "10.0.0.5", LocalPort: "23", RemoteAddress: "198.51.100.4", RemotePort: "40022"},
		},
		{"with itself", kernel.Happening{Kind: kernel.Connect, PID: 10, Protocol: "tcp", Local: end("127.0.0.1:1"), Remote: end("127.0.0.53:53")}, nil},
		{"with itself, IPv6", kernel.Happening{Kind: kernel.Accept, Protocol: "tcp", Local: end("[::1]:1"), Remote: end("[::1]:2")}, nil},
		{"with nobody", kernel.Happening{Kind: kernel.Connect, PID: 10, Protocol: "udp", Local: end("10.0.0.5:1")}, nil},
		{"a port", kernel.Happening{Kind: kernel.Listen, PID: 10, Protocol: "tcp", Local: end("10.0.0.5:1")}, nil},
		{"a process", kernel.Happening{Kind: kernel.Exit, PID: 10}, nil},
	} {
		c.Handle(&test.h)
		var want []event.Item
		if test.want != nil {
			want = append(want, test.want)
		}
		if d := cmp.Diff(want, to.take()); d != "" {
			t.Errorf("%s: %s", test.name, d)
		}
	}
	c.SetLoopback(true)
	c.Handle(&kernel.Happening{Kind: kernel.Connect, PID: 10, Protocol: "tcp", Local: end("127.0.0.1:1"), Remote: end("127.0.0.53:53")})
	if n := len(to.take()); n != 1 {
		t.Errorf("with loopback %d were told", n)
	}
}

// Processes and listeners are looked for once, until something says that they
// are others.
func TestConnectionsRemember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		processes, listeners := 0, 0
		c := collect.NewConnections(collect.ConnectionOptions{
			Process:  func(pid int32) (kernel.Proc, error) { processes++; return kernel.Proc{PID: pid, Exe: "/a"}, nil },
			Listener: func(local netip.AddrPort) int32 { listeners++; return int32(local.Port()) - 80 },
		}, nothing{})
		looked := func(what string, p, l int) {
			t.Helper()
			for range 3 {
				c.Handle(&kernel.Happening{Kind: kernel.Accept, Protocol: "tcp", Local: end("10.0.0.5:81"), Remote: end("198.51.100.4:40022")})
				c.Handle(&kernel.Happening{Kind: kernel.Accept, Protocol: "tcp", Local: end("10.0.0.5:80"), Remote: end("198.51.100.4:40022")})
			}
			if processes != p || listeners != l {
				t.Errorf("%s: looked for %d processes and %d listeners, want %d and %d", what, processes, listeners, p, l)
			}
			processes, listeners = 0, 0
		}
		looked("at first", 1, 2)
		looked("again", 0, 0)
		c.Handle(&kernel.Happening{Kind: kernel.Exec, PID: 1})
		looked("after an exec", 1, 0)
		c.Handle(&kernel.Happening{Kind: kernel.Unlisten, Local: end("[::]:81")})
		looked("after it was closed", 0, 1)
		c.Handle(&kernel.Happening{Kind: kernel.Listen, Local: end("0.0.0.0:0")})
		looked("after one that is not known was opened", 0, 2)
		<-time.After(2 * time.Second)
		looked("later", 1, 0)
		<-time.After(30 * time.Second)
		looked("when nobody is looked for again", 1, 1)
		<-time.After(5 * time.Minute)
		looked("much later", 1, 2)
	})
}

// Who listens here is found, at any of the device's addresses.
func TestListenerHere(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"} {
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
		if err != nil {
			t.Logf("%s: %v", address, err) // no IPv6, most likely
			continue
		}
		port := l.Addr().(*net.TCPAddr).AddrPort().Port()
		local := netip.AddrPortFrom(end(address).Addr(), port)
		if local.Addr().IsUnspecified() {
			local = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
		}
		var to seen
		c := collect.NewConnections(collect.ConnectionOptions{}, &to)
		c.Handle(&kernel.Happening{Kind: kernel.Accept, Protocol: "tcp", Local: local, Remote: end("198.51.100.4:40022")})
		items := to.take()
		if len(items) != 1 || items[0].(*event.ConnectionCreate).ProcessID != int64(os.Getpid()) {
			t.Errorf("%s: %+v", address, items)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

func BenchmarkConnections(b *testing.B) {
	c := collect.NewConnections(collect.ConnectionOptions{}, nothing{})
	b.ReportAllocs()
	h := kernel.Happening{Kind: kernel.Connect, PID: int32(os.Getpid()), Protocol: "tcp", Local: end("10.0.0.5:50000"), Remote: end("203.0.113.9:443")}
	for b.Loop() {
		c.Handle(&h)
	}
}

// Finding out who listens goes through the files of all processes: whoever
// opens one port after the other cannot have it done for each.
func TestListenersAreLookedForNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var to seen
		looks := 0
		c := collect.NewConnections(collect.ConnectionOptions{
			Process:  func(int32) (kernel.Proc, error) { return kernel.Proc{}, fs.ErrNotExist },
			Listener: func(netip.AddrPort) int32 { looks++; return 7 },
		}, &to)
		accept := func(n int) {
			for port := range n {
				c.Handle(&kernel.Happening{Kind: kernel.Accept, Protocol: "tcp", Local: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.5"), uint16(1000+port)), Remote: end("198.51.100.4:40022")})
			}
		}
		accept(1000)
		if looks != 16 {
			t.Errorf("%d looks, want 16", looks)
		}
		time.Sleep(20 * time.Second) //nolint:forbidigo // in the bubble
		accept(1000)
		if looks != 26 {
			t.Errorf("%d looks, want 26", looks)
		}
		if n := len(to.take()); n != 2000 {
			t.Errorf("%d connections are told, want 2000", n)
		}
	})
}
