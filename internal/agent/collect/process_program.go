//go:build linux

package collect

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/tvilling/tvilling/internal/agent/kernel"
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

// programOf says what a process ran when it was told to run a file. The
// kernel's link in /proc says it best, but it may be gone with the process, and
// it may be about the next program already, since what is told of is past:
// "env", "nohup" and their like run another program within a millisecond, which
// shows in the arguments. Of a script the program is its interpreter.
//
// close is to be called on the result.
func (p *Processes) programOf(h *kernel.Happening, parent int32) program {
	named := text(h.Path)
	absolute := strings.HasPrefix(named, "/")
	exe := p.path(h.PID, "/exe")
	link, err := readlink(exe)
	switch {
	case err == nil:
	case absolute:
		return p.programBy(parent, named)
	default:
		return program{path: named}
	}
	g := program{path: link, open: exe}
	g.known = unix.Stat(exe, &g.stat) == nil
	g.undelete()
	if !absolute || named == link || !g.known || g.deleted || p.hasArguments(h) {
		return g
	}
	n := resolve(p.path(h.PID, "/root"), named)
	if n.file == nil || n.stat.Dev == g.stat.Dev && n.stat.Ino == g.stat.Ino {
		n.close()
		return g // another name of it, or its script; and the title was changed
	}
	return n
}

// maxAncestors bounds how far up a program is looked for.
const maxAncestors = 4

// programBy returns the program that is named so for a process's parent, or
// that one's, which are most often still there and see the same files. Where
// the process was the first one of a container they do not, and the program
// that is told can be another one of that name.
func (p *Processes) programBy(parent int32, named string) program {
	for range maxAncestors {
		if parent <= 0 {
			break
		}
		if g := resolve(p.path(parent, "/root"), named); g.file != nil {
			return g
		}
		p.mu.Lock()
		e, _ := p.table.get(parent)
		p.mu.Unlock()
		parent = e.parent
	}
	return program{path: named}
}

// undelete takes from the path what the kernel adds to that of a file that is
// gone, if it is.
func (g *program) undelete() {
	if path, ok := strings.CutSuffix(g.path, " (deleted)"); ok && g.known && g.stat.Nlink == 0 {
		g.path, g.deleted = path, true
	}
}

// hasArguments reports whether a process still has the arguments that it was
// started with, as far as that can be known.
func (p *Processes) hasArguments(h *kernel.Happening) bool {
	f, err := os.Open(p.path(h.PID, "/cmdline"))
	if err != nil || h.ArgsMissing {
		return true
	}
	defer f.Close()
	now := make([]byte, len(h.Args)+1)
	n, err := io.ReadFull(f, now)
	switch {
	case err != nil && !errors.Is(err, io.ErrUnexpectedEOF), n == 0: // it is gone, or on its way
		return true
	case h.ArgsCut:
		return bytes.HasPrefix(now[:n], bytes.TrimRight(h.Args, "\x00"))
	default:
		return bytes.Equal(now[:n], h.Args)
	}
}

// maxInterpreters bounds interpreters that are scripts themselves, as the
// kernel does.
const maxInterpreters = 5

// resolve returns the program that the kernel runs for a file, as a process
// sees it whose root directory is root. What cannot be opened is known by its
// name alone.
func resolve(root, named string) program {
	g := program{path: named}
	for range maxInterpreters {
		g.take(openWithin(root, g.path))
		if g.file == nil {
			return g
		}
		var head [maxScriptHead]byte
		n, err := g.file.ReadAt(head[:], 0)
		if err != nil && !errors.Is(err, io.EOF) {
			return g
		}
		next := interpreterOf(head[:n])
		if next == "" {
			if link, err := readlink("/proc/self/fd/" + strconv.Itoa(int(g.file.Fd()))); err == nil {
				g.path = link
				g.undelete()
			}
			return g
		}
		g.close()
		g = program{path: next}
	}
	return g
}

// maxScriptHead is how much the kernel reads of a file to find its interpreter.
const maxScriptHead = 256

// interpreterOf returns the interpreter of the script that begins with head
// (execve(2)), "" of what is no script.
func interpreterOf(head []byte) string {
	line, ok := bytes.CutPrefix(head, []byte("#!"))
	if !ok {
		return ""
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	words := bytes.Fields(line)
	if len(words) == 0 || words[0][0] != '/' {
		return ""
	}
	return text(words[0])
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

// openWithin opens a regular file for reading as a process sees it whose root
// directory is root, so that a container's /bin/sh is not taken for ours; nil
// if it cannot be. Nothing leads out of root (openat2(2), Linux 5.6).
//
// Whoever owns the name may have put another file there since it was run. So
// what the file is is known before it is opened: to open a device can be enough
// to start it, as with a watchdog.
func openWithin(root, name string) *os.File {
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(dir)
	at, err := unix.Openat2(dir, name, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil
	}
	defer unix.Close(at)
	var st unix.Stat_t
	if unix.Fstat(at, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil
	}
	fd, err := unix.Open("/proc/self/fd/"+strconv.Itoa(at), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil
	}
	return os.NewFile(uintptr(fd), name)
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
