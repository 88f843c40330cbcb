//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"unsafe"

	"golang.org/x/sys/unix"
)

// netBuffer is how much of /proc/net is read at a time.
const netBuffer = 16 << 10

// ReadNet gives the sockets in a file of /proc/net until yield returns false;
// file is "tcp", "tcp6", "udp" or "udp6". Its error is fs.ErrNotExist where the
// kernel has not that protocol. The Socket is valid during the call.
func ReadNet(file string, yield func(*Socket) bool) error {
	p, err := openProc(procPath)
	if err != nil {
		return err
	}
	defer p.close()
	return p.readNet(file, yield)
}

func (p *procDir) readNet(file string, yield func(*Socket) bool) error {
	if len(file) < 3 {
		return fmt.Errorf("read sockets: there is no protocol %q", file)
	}
	fd, err := openat(p.fd, "net/"+file, 0)
	if err != nil {
		return fmt.Errorf("read sockets of %s: %w", file, err)
	}
	defer unix.Close(fd)
	buf := make([]byte, netBuffer)
	kept := 0
	var first error
	for on := true; on; {
		n, err := readFD(fd, buf[kept:])
		if err != nil {
			return fmt.Errorf("read sockets of %s: %w", file, err)
		}
		whole := lastLineEnd(buf[:kept+n])
		if whole == 0 && (n == 0 || kept+n == len(buf)) {
			break // the end, or a line that is none
		}
		err = ParseNet(buf[:whole], file[:3], func(s *Socket) bool {
			on = yield(s)
			return on
		})
		if first == nil {
			first = err
		}
		kept = copy(buf, buf[whole:kept+n])
	}
	return first
}

// lastLineEnd is the length of the whole lines in p.
func lastLineEnd(p []byte) int {
	for i := len(p); i > 0; i-- {
		if p[i-1] == '\n' {
			return i
		}
	}
	return 0
}

// Owners finds a process that has each of the sockets whose inodes are the keys,
// and sets the values to their numbers; those that are not found stay 0.
// denied is how many processes the agent may not look into, for which it needs
// CAP_SYS_PTRACE.
func Owners(inodes map[uint64]int32) (denied int, err error) {
	p, err := openProc(procPath)
	if err != nil {
		return 0, err
	}
	defer p.close()
	f := ownerFinder{proc: p}
	return f.find(inodes, nil)
}

// ownersKept is how many of the last owners are looked at first: whoever opened
// a socket opens another.
const ownersKept = 16

// ownerFinder finds the processes that have sockets.
type ownerFinder struct {
	proc   *procDir
	recent [ownersKept]int32
	next   int
	buf    []byte
}

// find sets the values of inodes. Only processes whose effective user is in
// users are looked at, unless that is nil.
func (f *ownerFinder) find(inodes map[uint64]int32, users map[uint32]bool) (denied int, err error) {
	left := 0
	for _, pid := range inodes {
		if pid == 0 {
			left++
		}
	}
	if f.buf == nil {
		f.buf = make([]byte, procBuffer)
	}
	look := func(pid int32) {
		found, err := f.lookInto(pid, inodes)
		if errors.Is(err, fs.ErrPermission) {
			denied++
		}
		if found > 0 {
			left -= found
			f.keep(pid)
		}
	}
	for _, pid := range f.recent {
		if pid != 0 && left > 0 {
			look(pid)
		}
	}
	if left <= 0 {
		return denied, nil
	}
	denied = 0 // they are looked at again
	err = f.proc.pids(func(pid int32) bool {
		if users == nil || f.ownedBy(pid, users) {
			look(pid)
		}
		return left > 0
	})
	return denied, err
}

func (f *ownerFinder) keep(pid int32) {
	for _, known := range f.recent {
		if known == pid {
			return
		}
	}
	f.recent[f.next] = pid
	f.next = (f.next + 1) % len(f.recent)
}

func (f *ownerFinder) ownedBy(pid int32, users map[uint32]bool) bool {
	var st unix.Stat_t
	if err := unix.Fstatat(f.proc.fd, f.proc.path(pid, "stat"), &st, 0); err != nil {
		return false
	}
	// The folder of a process that protects itself is root's, whoever it is of.
	return st.Uid == 0 || users[st.Uid]
}

// lookInto goes through the open files of a process, and returns how many of
// the inodes it has that had no owner yet.
func (f *ownerFinder) lookInto(pid int32, inodes map[uint64]int32) (found int, err error) {
	fd, err := openat(f.proc.fd, f.proc.path(pid, "fd"), unix.O_DIRECTORY)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	var link [64]byte
	err = listDir(fd, f.buf, func(name []byte) bool {
		n, errno := readlinkat(fd, name, link[:])
		if errno != nil {
			return true // it was closed
		}
		inode, ok := parseSocketLink(link[:n])
		if !ok {
			return true
		}
		if owner, wanted := inodes[inode]; wanted && owner == 0 {
			inodes[inode] = pid
			found++
		}
		return true
	})
	return found, err
}

// readlinkat is readlinkat(2) of a name that a NUL follows in its array. That of
// package unix copies the name, which would be garbage of megabytes here.
func readlinkat(dir int, name, to []byte) (int, error) {
	n, _, errno := unix.Syscall6(unix.SYS_READLINKAT, uintptr(dir), uintptr(unsafe.Pointer(unsafe.SliceData(name))), uintptr(unsafe.Pointer(&to[0])), uintptr(len(to)), 0, 0) //nolint:gosec // the call does not keep them
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
