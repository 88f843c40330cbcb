//go:build linux || darwin || freebsd

package app

import (
	"syscall"

	"github.com/tvilling/tvilling/internal/hub/health"
)

// disk looks at the file system of the data directory; what cannot be looked at
// is not known.
func disk(dir string) health.Disk {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return health.Disk{}
	}
	size := int64(st.Bsize) //nolint:unconvert // systems have it in different types
	return health.Disk{Free: int64(st.Bavail) * size, Total: int64(st.Blocks) * size}
}
