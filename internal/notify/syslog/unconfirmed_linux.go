package syslog

import (
	"fmt"
	"syscall"
	"time"
)

// tcpUserTimeout is the option TCP_USER_TIMEOUT of Linux.
const tcpUserTimeout = 0x12

// limitUnconfirmed has a connection fail if the receiver's system does not
// confirm bytes in time. Without it the system goes on for a quarter of an
// hour, and a connection that holds would say little.
func limitUnconfirmed(_, _ string, raw syscall.RawConn) error {
	var set error
	err := raw.Control(func(fd uintptr) {
		set = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(confirmed/time.Millisecond))
	})
	if err == nil {
		err = set
	}
	if err != nil {
		return fmt.Errorf("limit the time of unconfirmed bytes: %w", err)
	}
	return nil
}
