//go:build linux

package kernel

import (
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// inNetwork calls f in a network namespace of its own, with the loopback
// interface up. Goroutines that f starts are not in it.
func inNetwork(t *testing.T, f func()) {
	t.Helper()
	var wg sync.WaitGroup
	var err error
	wg.Go(func() {
		runtime.LockOSThread() // for good: the thread ends, and the namespace with it
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return
		}
		if err = loopbackUp(); err == nil {
			f()
		}
	})
	wg.Wait()
	if err != nil {
		t.Skipf("no network namespace: %v", err)
	}
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
