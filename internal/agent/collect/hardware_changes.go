//go:build linux

package collect

import (
	"bytes"
	"context"
	"fmt"

	"golang.org/x/sys/unix"
)

// ueventGroup is the group of NETLINK_KOBJECT_UEVENT that the kernel speaks to;
// udev speaks to another.
const ueventGroup = 1

// HardwareChanges calls notify whenever a part was connected or taken away (a
// device on USB or PCI, a drive, a network interface, a serial port), until
// ctx ends (nil) or the kernel cannot be heard (an error). One part makes
// several calls; to put them together is the caller's.
func HardwareChanges(ctx context.Context, notify func()) error {
	err := follow(ctx, unix.NETLINK_KOBJECT_UEVENT, ueventGroup, func(b []byte) {
		if b == nil || hardwareChange(b) {
			notify()
		}
	})
	if err != nil {
		return fmt.Errorf("changes of hardware: %w", err)
	}
	return nil
}

// hardwareChange reports whether a uevent tells of a part that came or went.
// It is "add@/devices/…" and variables, each ended by a NUL.
func hardwareChange(b []byte) bool {
	head, rest, _ := bytes.Cut(b, []byte{0})
	action, device, ok := bytes.Cut(head, []byte{'@'})
	if !ok || string(action) != "add" && string(action) != "remove" || bytes.HasPrefix(device, []byte("/devices/virtual/")) {
		return false
	}
	for len(rest) > 0 {
		var v []byte
		v, rest, _ = bytes.Cut(rest, []byte{0})
		if s, ok := bytes.CutPrefix(v, []byte("SUBSYSTEM=")); ok {
			switch string(s) {
			case "usb", "pci", "block", "net", "tty":
				return true
			default:
				return false
			}
		}
	}
	return false
}
