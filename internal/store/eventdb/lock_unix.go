//go:build unix

package eventdb

import (
	"os"
	"syscall"
)

// tryLock takes the lock of an open file for this process, or fails.
func tryLock(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

// unlock gives the lock back. Closing the file alone would not while a process
// that is being started still has a copy of it.
func unlock(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
}
