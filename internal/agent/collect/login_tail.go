//go:build linux

package collect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// tailBuffer is how much of a file is read at a time.
	tailBuffer = 32 << 10
	// maxBacklog is how much of what was written while the agent was not there
	// is read of one file.
	maxBacklog = 4 << 20
	// tailHead is how much of a file's beginning a format may look at.
	tailHead = 400
)

// tailFormat makes sense of what is read.
type tailFormat interface {
	// begin is told the beginning of a file that will be read from off, and
	// returns where that is to begin: off or less.
	begin(head []byte, off int64) int64
	// take reads whole records at the beginning of b, and returns their length.
	take(b []byte) int
}

// tail follows a file that grows: through rotation by renaming, and by copying
// and truncating. A file that shrank is read from its beginning; if it has grown
// again to where it was before that was seen, its new beginning is missed.
type tail struct {
	path   string
	format tailFormat
	f      *os.File
	id     fileID
	off    int64
	old    *os.File // the file before, until the new one has something
	oldOff int64
	behind bool // more was written than is read
}

// openTailed opens a file to be followed. Only regular files are: opening or
// reading another could block.
func openTailed(path string) (*os.File, fileID, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, fileID{}, err
	}
	id, size, err := identify(f)
	if err != nil || size < 0 {
		f.Close()
		if err == nil {
			err = &fs.PathError{Op: "open", Path: path, Err: errors.New("not a regular file")}
		}
		return nil, fileID{}, err
	}
	return f, id, nil
}

// identify returns what file this is and its size, -1 if it is not a regular one.
func identify(f *os.File) (fileID, int64, error) {
	st, err := f.Stat()
	if err != nil {
		return fileID{}, 0, err
	}
	if !st.Mode().IsRegular() {
		return fileID{}, -1, nil
	}
	return idOf(st), st.Size(), nil
}

func idOf(st fs.FileInfo) fileID {
	if s, ok := st.Sys().(*syscall.Stat_t); ok {
		return fileID{s.Dev, s.Ino}
	}
	return fileID{}
}

// open opens the file at its end, or, if fresh, at its beginning.
func (t *tail) open(fresh bool) error {
	f, id, err := openTailed(t.path)
	if err != nil {
		return err
	}
	_, size, err := identify(f)
	if err != nil {
		f.Close()
		return err
	}
	t.f, t.id = f, id
	if fresh {
		size = 0
	}
	return t.seek(size)
}

// resume goes to where an earlier follower was: in this file, or in the one that
// was rotated away since, which has ".1" behind its name (logrotate) or ".0"
// (BusyBox syslogd).
func (t *tail) resume(p filePosition) error {
	if p.File == t.id {
		_, size, err := identify(t.f)
		if err != nil {
			return err
		}
		if p.Offset > size {
			p.Offset = 0 // copied and truncated
		}
		return t.seek(p.Offset)
	}
	for _, ending := range []string{".1", ".0"} {
		f, id, err := openTailed(t.path + ending)
		if err != nil {
			continue // it need not be there
		}
		if id == p.File {
			t.old, t.oldOff = f, p.Offset
			break
		}
		f.Close()
	}
	return t.seek(0)
}

// seek goes to an offset of the current file, or as far back as is read of a backlog.
func (t *tail) seek(off int64) error {
	_, size, err := identify(t.f)
	if err != nil {
		return err
	}
	if size-off > maxBacklog {
		off, t.behind = size-maxBacklog, true
	}
	head := make([]byte, tailHead)
	n, err := t.f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	t.off = t.format.begin(head[:n], off)
	return nil
}

// drain reads what is new. It notices that the file shrank, or is another one.
func (t *tail) drain(ctx context.Context, buf []byte) error {
	if err := t.drainOld(ctx, buf); err != nil {
		return err
	}
	_, size, err := identify(t.f)
	if err != nil {
		return fmt.Errorf("follow %s: %w", t.path, err)
	}
	// A format may see the beginning of a file only when there is one. What is
	// far ahead, as in a file with a hole, is left out as after a start.
	off := t.off
	if size < off {
		off = 0
	}
	if off == 0 && size > 0 || size-off > maxBacklog {
		if err := t.seek(off); err != nil {
			return fmt.Errorf("follow %s: %w", t.path, err)
		}
	} else if size == 0 {
		t.off = 0
	}
	t.off, err = t.copy(ctx, t.f, t.off, buf)
	return err
}

// drainOld reads on in the file that was rotated away. Its writer may not know
// yet; it does when the new file has something.
func (t *tail) drainOld(ctx context.Context, buf []byte) error {
	if t.old == nil {
		return nil
	}
	_, size, err := identify(t.f)
	if err != nil {
		return fmt.Errorf("follow %s: %w", t.path, err)
	}
	if t.oldOff, err = t.copy(ctx, t.old, t.oldOff, buf); err != nil {
		return err
	}
	if size > 0 {
		t.old.Close()
		t.old = nil
	}
	return nil
}

func (t *tail) copy(ctx context.Context, f *os.File, off int64, buf []byte) (int64, error) {
	for ctx.Err() == nil {
		n, err := f.ReadAt(buf, off)
		if err != nil && !errors.Is(err, io.EOF) {
			return off, fmt.Errorf("follow %s: %w", t.path, err)
		}
		used := t.format.take(buf[:n])
		off += int64(used)
		if n < len(buf) || used == 0 {
			return off, nil
		}
	}
	return off, nil
}

// rotated reports whether the path names another file now, and goes over to it.
func (t *tail) rotated() (bool, error) {
	st, err := os.Stat(t.path)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && idOf(st) == t.id) {
		return false, nil // with no file of that name, the old one is still followed
	}
	if err != nil {
		return false, err
	}
	f, id, err := openTailed(t.path)
	if err != nil {
		return false, err
	}
	if t.old != nil {
		t.old.Close()
	}
	t.old, t.oldOff = t.f, t.off
	t.f, t.id = f, id
	return true, t.seek(0)
}

func (t *tail) close() {
	for _, f := range []*os.File{t.f, t.old} {
		if f != nil {
			f.Close()
		}
	}
	t.f, t.old = nil, nil
}

func (t *tail) position() filePosition { return filePosition{File: t.id, Offset: t.off} }
