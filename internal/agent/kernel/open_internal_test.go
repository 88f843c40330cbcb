//go:build linux

package kernel

import (
	"context"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inNetwork calls f in a network namespace of its own, with the loopback
// interface up. Goroutines that f starts are not in it.
func inNetwork(t *testing.T, f func()) {
	t.Helper()
	var err error
	inThread(func() {
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return
		}
		if err = loopbackUp(); err == nil {
			f()
		}
	})
	if err != nil {
		t.Skipf("no network namespace: %v", err)
	}
}

// inThread calls f in a thread that ends afterwards. That is not the process's
// first one, whose network /proc/net shows to all others.
func inThread(f func()) {
	var wg sync.WaitGroup
	wg.Go(func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			inThread(f) // this goroutine keeps the first thread meanwhile
			runtime.UnlockOSThread()
			return
		}
		f() // locked for good: the thread ends with the goroutine
	})
	wg.Wait()
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr)
}

func TestOpen(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		prefer  Prefer
		reasons int // at least
	}{{"", 0}, {Auto, 0}, {Netlink, 1}, {Polling, 2}} {
		s, err := Open(Options{Processes: true, Connections: true, Prefer: tt.prefer, Interval: 20 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Processes.Reasons) < tt.reasons {
			t.Errorf("%q: the reasons are %+v", tt.prefer, s.Processes.Reasons)
		}
		names := map[string]bool{}
		for _, one := range s.Sources {
			names[one.Name()] = true
		}
		for what, c := range map[string]Choice{"processes": s.Processes, "connections": s.Connections} {
			if !names[c.Source] {
				t.Errorf("%q: %s are seen by %q, which is none of %v", tt.prefer, what, c.Source, names)
			}
			if len(c.Reasons) > 0 && c.Misses == "" {
				t.Errorf("%q: %s are seen by %q, which is said to miss nothing", tt.prefer, what, c.Source)
			}
			for _, r := range c.Reasons {
				if r.Source == "" || r.Source == c.Source || !strings.HasSuffix(r.Why, ".") || !strings.HasSuffix(r.Remedy, ".") {
					t.Errorf("%q: %s: the reason is %+v", tt.prefer, what, r)
				}
			}
		}
		if tt.prefer == Polling && s.Processes.Source != pollName {
			t.Errorf("asked for polling, got %q", s.Processes.Source)
		}
		if tt.prefer == Netlink && s.Processes.Source == ebpfName {
			t.Error("asked for netlink, got eBPF")
		}
		observeAll(t, &s)
	}
}

// observeAll runs the sources, and wants to be told of a process and of a
// listening port.
func observeAll(t *testing.T, s *Sources) {
	t.Helper()
	r := &recorder{lost: map[string]uint64{}, fresh: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for _, one := range s.Sources {
		wg.Go(func() {
			if err := one.Run(ctx, r.take, r.miss); err != nil {
				t.Errorf("%s: %v", one.Name(), err)
			}
		})
	}
	p, w := heldShell(t, "exec /bin/cat")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r.wait(t, "the process", of(Exec, p.Pid))
	// eBPF does not know the port when the kernel chooses it.
	r.wait(t, "the port", func(s *seen) bool { return s.Kind == Listen && int(s.PID) == os.Getpid() })
	w.Close()
	if _, err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	cancel()
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestOpenOnlyWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{{}, {Processes: true}, {Connections: true}} {
		s, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		if (s.Processes.Source != "") != o.Processes || (s.Connections.Source != "") != o.Connections {
			t.Errorf("%+v: got %+v", o, s)
		}
		if err := s.Close(); err != nil || len(s.Sources) > 0 {
			t.Errorf("%+v: %v, %d sources are left", o, err, len(s.Sources))
		}
	}
}

// Without rights, as for an agent in a network namespace of a container, there
// is still something to be seen.
func TestOpenInANamespace(t *testing.T) {
	t.Parallel()
	inNetwork(t, func() {
		s, err := Open(Options{Processes: true, Connections: true, Prefer: Netlink})
		if err != nil {
			t.Error(err)
			return
		}
		if s.Processes.Source != pollName || len(s.Processes.Reasons) != 2 || s.Processes.Reasons[1].Source != connectorName {
			t.Errorf("processes are seen by %+v", s.Processes)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
