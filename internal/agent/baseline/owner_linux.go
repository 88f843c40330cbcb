//go:build linux

package baseline

import (
	"io/fs"
	"syscall"
)

// ownerOf returns the user and group of a file, the device it is on, and its
// mode as stat(2) gives it, without the type.
func ownerOf(info fs.FileInfo) (uid, gid uint32, dev uint64, mode uint32) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, 0, uint32(info.Mode().Perm())
	}
	return st.Uid, st.Gid, uint64(st.Dev), uint32(st.Mode) & 0o7777 //nolint:unconvert // Dev differs by architecture
}
