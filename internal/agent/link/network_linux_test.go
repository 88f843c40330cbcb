package link_test

import (
	"context"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/tvilling/tvilling/internal/agent/link"
)

// TestNetworkIsBack runs in a network namespace of its own, whose loopback
// interface comes up.
func TestNetworkIsBack(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a network namespace needs root")
	}
	type result struct {
		waited time.Duration
		ok     bool
		err    error
	}
	done, sock := make(chan result, 1), make(chan int, 1)
	go func() {
		runtime.LockOSThread() // and never back: the thread ends with the goroutine
		if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
			sock <- -1
			done <- result{err: err}
			return
		}
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
		if err != nil {
			sock <- -1
			done <- result{err: err}
			return
		}
		sock <- fd
		began := time.Now()
		ok := link.PauseForNetwork(t.Context(), 5*time.Minute)
		done <- result{time.Since(began), ok, nil}
	}()
	fd := <-sock
	if fd < 0 {
		t.Skipf("no network namespace: %v", (<-done).err)
	}
	defer syscall.Close(fd)
	// The interface goes up and down until that is noticed: the first time may be
	// before anybody listens.
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	end := time.After(time.Minute)
	for up := true; ; up = !up {
		setLoopback(t, fd, up)
		select {
		case r := <-done:
			if !r.ok || r.waited > time.Minute {
				t.Errorf("%+v", r)
			}
			return
		case <-end:
			t.Fatal("that the network is back is not noticed")
		case <-tick.C:
		}
	}
}

// setLoopback switches the loopback interface of the namespace of a socket
// (netdevice(7)).
func setLoopback(t *testing.T, fd int, up bool) {
	t.Helper()
	var request struct {
		name  [syscall.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}
	copy(request.name[:], "lo")
	if up {
		request.flags = syscall.IFF_UP
	}
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request))); errno != 0 {
		t.Fatal(errno)
	}
}

func TestPauseEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan bool, 1)
	go func() { ended <- link.PauseForNetwork(ctx, time.Hour) }()
	cancel()
	if <-ended {
		t.Error("the pause is over, although its context has ended")
	}
	if !link.PauseForNetwork(t.Context(), time.Millisecond) {
		t.Error("a pause that was waited for is none")
	}
}
