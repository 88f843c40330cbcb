//go:build linux

package collect

import (
	"context"
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// FirewallChanges calls notify whenever the rules of nftables have changed,
// those made by iptables-nft among them, until ctx ends (nil) or the kernel
// cannot be heard (an error). The rules of iptables (legacy) change without a
// word. Each transaction, such as the start of a tool, makes one call; to put
// several together is the caller's.
func FirewallChanges(ctx context.Context, notify func()) error {
	err := follow(ctx, unix.NETLINK_NETFILTER, 1<<(unix.NFNLGRP_NFTABLES-1), func(b []byte) {
		if b == nil || newGeneration(b) {
			notify()
		}
	})
	if err != nil {
		return fmt.Errorf("changes of the firewall: %w", err)
	}
	return nil
}

// newGeneration reports whether the end of a transaction is among messages.
func newGeneration(b []byte) bool {
	for len(b) >= unix.SizeofNlMsghdr {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.SizeofNlMsghdr || size > len(b) {
			return true // a message that is cut may be the one
		}
		if binary.NativeEndian.Uint16(b[4:]) == unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWGEN {
			return true
		}
		b = b[min(len(b), (size+3)&^3):]
	}
	return false
}
