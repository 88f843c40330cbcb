package security_test

import (
	"fmt"
	"syscall"
)

// mount puts a disk in memory of a certain size on a directory.
func mount(dir string, size int64) error {
	return syscall.Mount("tvilling-test", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size))
}

func unmount(dir string) error { return syscall.Unmount(dir, syscall.MNT_DETACH) }
