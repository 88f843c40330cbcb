package link

import (
	"context"
	"math/rand/v2"
	"os"
	"syscall"
	"time"
)

// Shorter waits are waited out; after longer ones the network may be tried as
// soon as it is back.
const worthWatching = 10 * time.Second

// pauseForNetwork is pause, but ends early, some seconds after the kernel's
// routes have changed: the network may be back. It costs a socket while it waits,
// and no goroutine (rtnetlink(7)).
func pauseForNetwork(ctx context.Context, d time.Duration) bool {
	if d <= worthWatching {
		return pause(ctx, d)
	}
	began := time.Now()
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, syscall.NETLINK_ROUTE)
	if err != nil {
		return pause(ctx, d) // without it the wait is as long as it is
	}
	f := os.NewFile(uintptr(fd), "rtnetlink")
	defer f.Close()
	const groups = 1<<(syscall.RTNLGRP_IPV4_ROUTE-1) | 1<<(syscall.RTNLGRP_IPV6_ROUTE-1)
	if err := syscall.Bind(fd, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK, Groups: groups}); err != nil {
		return pause(ctx, d)
	}
	if err := f.SetReadDeadline(began.Add(d)); err != nil {
		return pause(ctx, d)
	}
	stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var b [1]byte // what has changed does not matter
	if _, err := f.Read(b[:]); err != nil {
		return pause(ctx, d-time.Since(began)) // it is over, or there is nothing to read
	}
	// A network does not work from its first route on, and a fleet is not to come
	// back at once.
	return pause(ctx, min(time.Second+rand.N(4*time.Second), d-time.Since(began))) //nolint:gosec // not a secret
}
