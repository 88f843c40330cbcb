//go:build linux

package collect

import (
	"net/netip"

	"github.com/tvilling/tvilling/internal/agent/kernel"
)

// listenerOf returns a process that listens for TCP at an address of this
// network namespace, 0 if none is found, or may not be looked at.
func listenerOf(local netip.AddrPort) int32 {
	sockets := make(map[uint64]int32)
	for _, file := range [...]string{"tcp", "tcp6"} {
		// A kernel without IPv6 has no second file; without /proc nothing is found.
		_ = kernel.ReadNet(file, func(s *kernel.Socket) bool {
			if s.State == kernel.Listening && s.Inode != 0 && listensAt(s.Local, local) {
				sockets[s.Inode] = 0
			}
			return true
		})
	}
	if len(sockets) == 0 {
		return 0
	}
	_, _ = kernel.Owners(sockets) // what is not found stays 0
	found := int32(0)
	for _, pid := range sockets {
		found = max(found, pid)
	}
	return found
}

// listensAt reports whether a socket that is bound to an address takes
// connections at another.
func listensAt(bound, local netip.AddrPort) bool {
	return bound.Port() == local.Port() && (bound.Addr() == local.Addr() || bound.Addr().IsUnspecified())
}
