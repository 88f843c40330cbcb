//go:build linux

package collect

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"
)

// FirewallChanges calls notify whenever the rules of nftables have changed,
// those made by iptables-nft among them, until ctx ends (nil) or the kernel
// cannot be heard (an error). The rules of iptables (legacy) change without a
// word. Many changes at a time make several calls; to put them together is the
// caller's.
func FirewallChanges(ctx context.Context, notify func()) error {
	err := follow(ctx, unix.NETLINK_NETFILTER, 1<<(unix.NFNLGRP_NFTABLES-1), func([]byte) { notify() })
	if err != nil {
		return fmt.Errorf("changes of the firewall: %w", err)
	}
	return nil
}
