//go:build unix

package budget

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// processTime is the CPU time of this process, of all threads.
func processTime() (time.Duration, error) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("getrusage: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}
