//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Proc is a process as /proc shows it (proc_pid(5)). What may not be read is
// zero.
type Proc struct {
	PID, PPID int32
	// UID is the real user.
	UID uint32
	// Comm is the kernel's short name of the process, at most 15 bytes; a
	// process can choose it.
	Comm string
	// Exe is the file that it runs, as an absolute path; empty of a kernel
	// thread, and without the right to know. Deleted says that the file is no
	// longer there.
	Exe     string
	Deleted bool
	// Args are its arguments, each ended by a NUL, as the process shows them.
	// ArgsCut says that there were more than 4 KiB.
	Args    []byte
	ArgsCut bool
	// Start is when it started.
	Start time.Time
	// Kernel says that it is a thread of the kernel.
	Kernel bool
}

// BootTime is when the kernel started, by the clock as it is set now.
func BootTime() (time.Time, error) {
	var boot unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot); err != nil {
		return time.Time{}, fmt.Errorf("read boot time: %w", err)
	}
	return time.Now().Round(0).Add(-time.Duration(boot.Nano())), nil
}

// Process reads what /proc has about a process. Its error is fs.ErrNotExist of
// one that is gone.
func Process(pid int32) (Proc, error) {
	p, err := openProc(procPath)
	if err != nil {
		return Proc{}, err
	}
	defer p.close()
	boot, err := BootTime()
	if err != nil {
		return Proc{}, err
	}
	return p.process(pid, boot)
}

// Processes reads about each process that there is, in the order of their
// numbers. One that ends meanwhile may be left out.
func Processes(yield func(Proc) bool) error {
	p, err := openProc(procPath)
	if err != nil {
		return err
	}
	defer p.close()
	boot, err := BootTime()
	if err != nil {
		return err
	}
	return p.pids(func(pid int32) bool {
		one, err := p.process(pid, boot)
		if err != nil {
			return true // it is gone, or hidden
		}
		return yield(one)
	})
}

func (p *procDir) process(pid int32, boot time.Time) (Proc, error) {
	one := Proc{PID: pid}
	b, err := p.read(pid, "stat")
	if err != nil {
		return Proc{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	stat, err := parseStat(b)
	if err != nil {
		return Proc{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	one.PPID, one.Comm, one.Kernel = stat.ppid, string(stat.comm), stat.kernel()
	one.Start = boot.Add(stat.started())
	if b, err = p.read(pid, "status"); err != nil {
		return Proc{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	status, err := parseStatus(b)
	if err != nil {
		return Proc{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	one.UID = status.uid
	if one.Kernel {
		return one, nil
	}
	// These need rights that the agent may not have.
	if b, err = p.readlink(pid, "exe"); err == nil {
		path, deleted := trimDeleted(b)
		one.Exe, one.Deleted = string(path), deleted
	}
	if b, err = p.read(pid, "cmdline"); err == nil {
		args, cut := cutArgs(b)
		one.Args, one.ArgsCut = append([]byte(nil), args...), cut
	}
	return one, nil
}

const procPath = "/proc"

// procDir reads files of /proc, through one descriptor and into one buffer.
type procDir struct {
	fd   int
	name []byte // of the file to be read
	buf  []byte
	last described
}

// procBuffer is more than any file of a process that is read here needs, and
// than the arguments that are kept.
const procBuffer = 8 << 10

// openProc opens /proc, or a folder like it.
func openProc(path string) (*procDir, error) {
	fd, err := openat(unix.AT_FDCWD, path, unix.O_DIRECTORY)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return &procDir{fd: fd, buf: make([]byte, procBuffer)}, nil
}

func (p *procDir) close() { unix.Close(p.fd) }

// path is the name of a file of a process, valid until the next call.
func (p *procDir) path(pid int32, file string) string {
	p.name = strconv.AppendInt(p.name[:0], int64(pid), 10)
	return string(append(append(p.name, '/'), file...))
}

// read reads a file of a process, as much as the buffer holds. What it returns
// is valid until the next call.
func (p *procDir) read(pid int32, file string) ([]byte, error) {
	return p.readFile(p.path(pid, file))
}

func (p *procDir) readFile(name string) ([]byte, error) {
	fd, err := openat(p.fd, name, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	n := 0
	for n < len(p.buf) {
		m, err := readFD(fd, p.buf[n:])
		if err != nil {
			return nil, err
		}
		if m == 0 {
			break
		}
		n += m
	}
	return p.buf[:n], nil
}

// readlink reads a link of a process. What it returns is valid until the next call.
func (p *procDir) readlink(pid int32, file string) ([]byte, error) {
	n, err := unix.Readlinkat(p.fd, p.path(pid, file), p.buf)
	if err != nil {
		return nil, gone(err)
	}
	return p.buf[:n], nil
}

// pids gives the numbers of all processes, in their order, until yield returns
// false.
func (p *procDir) pids(yield func(int32) bool) error {
	// A descriptor of its own, since reading a folder moves its position.
	fd, err := openat(p.fd, ".", unix.O_DIRECTORY)
	if err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	defer unix.Close(fd)
	err = listDir(fd, make([]byte, procBuffer), func(name []byte) bool {
		pid, ok := parsePID(name)
		return !ok || yield(pid)
	})
	if err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	return nil
}

// gone makes the two errors of a process that has ended one.
func gone(err error) error {
	if errors.Is(err, unix.ESRCH) {
		return fs.ErrNotExist
	}
	return err
}

func openat(dir int, name string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, flags|unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if !errors.Is(err, unix.EINTR) {
			return fd, gone(err)
		}
	}
}

func readFD(fd int, p []byte) (int, error) {
	for {
		n, err := unix.Read(fd, p)
		if !errors.Is(err, unix.EINTR) {
			return max(n, 0), gone(err)
		}
	}
}

// listDir gives the names in an open folder until yield returns false. A name
// is valid during the call, and a NUL follows it in its array.
func listDir(fd int, buf []byte, yield func(name []byte) bool) error {
	for {
		n, err := unix.Getdents(fd, buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n <= 0 {
			return gone(err)
		}
		if more, err := parseDirents(buf[:n], yield); err != nil || !more {
			return err
		}
	}
}
