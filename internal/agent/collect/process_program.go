//go:build linux

package collect

import (
	"bytes"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// program is the file that a process runs.
type program struct {
	// path is absolute wherever that can be known.
	path    string
	deleted bool
	// stat says what the file is, if that is known. It is to be opened as
	// open, unless it is open already.
	stat  unix.Stat_t
	known bool
	open  string
	file  *os.File
}

// programOf says what a process runs that was started as named, which is a
// path, and may be empty. The kernel's link in /proc says it best, but it may
// be gone with the process, and it may be about the next program already, since
// what is told of is past: "env", "nohup" and their like run another program
// within a millisecond. Of a script the program is its interpreter.
//
// close is to be called on the result.
func (p *Processes) programOf(pid, parent int32, named string) program {
	absolute := strings.HasPrefix(named, "/")
	exe := p.path(pid, "/exe")
	link, err := readlink(exe)
	if err != nil {
		// The parent is most often still there, and sees the same files.
		g := program{path: named}
		if absolute && parent > 0 {
			g.take(openWithin(p.path(parent, "/root"), named))
		}
		return g
	}
	g := program{path: link, open: exe}
	g.known = unix.Stat(exe, &g.stat) == nil
	if path, ok := strings.CutSuffix(link, " (deleted)"); ok && g.known && g.stat.Nlink == 0 {
		g.path, g.deleted = path, true
	}
	if !absolute || named == g.path || !g.known {
		return g
	}
	var n program
	n.take(openWithin(p.path(pid, "/root"), named))
	if n.file == nil {
		return g
	}
	if n.stat.Dev == g.stat.Dev && n.stat.Ino == g.stat.Ino || !isProgram(n.file) {
		n.close()
		return g // another name of it (/bin/sh), or its script
	}
	n.path = named
	return n
}

// take makes an open file the program's.
func (g *program) take(f *os.File) {
	if f == nil {
		return
	}
	if unix.Fstat(int(f.Fd()), &g.stat) != nil || g.stat.Mode&unix.S_IFMT != unix.S_IFREG {
		f.Close()
		return
	}
	g.file, g.known = f, true
}

func (g *program) close() {
	if g.file != nil {
		g.file.Close()
		g.file = nil
	}
}

// opened returns the file, open, which is the caller's from then on; nil if it
// cannot be opened, or has become another one.
func (g *program) opened() *os.File {
	f := g.file
	g.file = nil
	if f != nil || g.open == "" {
		return f
	}
	f, err := os.OpenFile(g.open, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	var st unix.Stat_t
	if unix.Fstat(int(f.Fd()), &st) != nil || st.Dev != g.stat.Dev || st.Ino != g.stat.Ino || st.Size != g.stat.Size || st.Mtim != g.stat.Mtim {
		f.Close()
		return nil
	}
	return f
}

// openWithin opens a file for reading as a process sees it whose root
// directory is root, so that a container's /bin/sh is not taken for ours; nil
// if it cannot be. Nothing leads out of root (openat2(2), Linux 5.6).
func openWithin(root, name string) *os.File {
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(dir)
	fd, err := unix.Openat2(dir, name, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil
	}
	return os.NewFile(uintptr(fd), name)
}

// isProgram reports whether a file is one that the kernel runs as it is (ELF),
// and not by an interpreter. It does not move the file's position.
func isProgram(f *os.File) bool {
	var head [4]byte
	n, err := f.ReadAt(head[:], 0)
	return err == nil && bytes.Equal(head[:n], []byte("\x7fELF"))
}

// path returns the path of a file of a process in /proc.
func (p *Processes) path(pid int32, name string) string { return procPath(p.proc, pid, name) }

func procPath(proc string, pid int32, name string) string {
	var room [64]byte
	b := append(room[:0], proc...)
	b = append(b, '/')
	b = strconv.AppendInt(b, int64(pid), 10)
	return string(append(b, name...))
}

// readlink is os.Readlink with less garbage.
func readlink(path string) (string, error) {
	var buf [1024]byte
	n, err := unix.Readlink(path, buf[:])
	switch {
	case err != nil:
		return "", err
	case n == len(buf): // longer paths are rare
		return os.Readlink(path)
	default:
		return strings.ToValidUTF8(string(buf[:n]), "\uFFFD"), nil
	}
}
