//go:build unix

package segment

import (
	"os"
	"syscall"
)

// lockFile takes an advisory lock, which ends with the file handle and
// therefore with the process, however that ends.
func lockFile(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
