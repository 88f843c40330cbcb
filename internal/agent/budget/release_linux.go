package budget

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// releaseProgram unmaps the pages of the program's file. The kernel maps 64 KiB
// or more around each page that is touched, and so nearly all of it.
func releaseProgram() {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return // procfs is not there; the pages stay
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	text, err := io.ReadAll(io.LimitReader(f, fileLimit))
	_ = f.Close() // it was only read
	if err != nil {
		return
	}
	for _, r := range cleanRanges(text, program) {
		// A kernel that refuses leaves the pages where they are.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, r.start, r.end-r.start, unix.MADV_DONTNEED)
	}
}
