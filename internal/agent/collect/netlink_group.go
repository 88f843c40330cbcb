//go:build linux

package collect

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// follow hears the multicast groups (a mask) of a netlink protocol, and calls
// handle with each datagram until ctx ends (nil) or the socket fails. Messages
// that the kernel could not deliver are not lost without a word: handle is
// called with nil then. It takes no thread while nothing is said.
func follow(ctx context.Context, protocol int, groups uint32, handle func([]byte)) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return fmt.Errorf("open netlink socket: %w", err)
	}
	f := os.NewFile(uintptr(fd), "netlink")
	stop := context.AfterFunc(ctx, func() { f.Close() })
	defer func() {
		if stop() {
			f.Close()
		}
	}()
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("hear netlink group: %w", err)
	}
	buf := make([]byte, 16<<10)
	for {
		n, err := f.Read(buf)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS):
			handle(nil)
		case err != nil:
			return fmt.Errorf("read netlink: %w", err)
		default:
			handle(buf[:n])
		}
	}
}
