//go:build linux || darwin || freebsd

package eventdb

import (
	"path/filepath"
	"syscall"
)

// freeBytes returns how much the file system of a path still takes.
func freeBytes(path string) (bytes uint64, ok bool) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(path), &st); err != nil {
		return 0, false
	}
	return uint64(max(int64(st.Bavail), 0)) * uint64(st.Bsize), true
}
