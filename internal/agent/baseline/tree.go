package baseline

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
)

// tree is the file system below a root, as a process would see it that is
// confined to it by chroot(2): absolute links begin at the root, and ".." does
// not lead out. An [os.Root] refuses such links; tree resolves them itself.
type tree struct{ root *os.Root }

// The bounds of a tree.
const (
	maxHops    = 40      // links on the way to a file, as in path_resolution(7)
	maxParts   = 512     // parts of a path with all its links
	maxMatches = 4096    // files that one pattern stands for
	maxEntries = 1 << 16 // entries that are read of a directory
)

// rel is the name of an absolute path in the root.
func rel(p string) string {
	if p = strings.TrimPrefix(path.Clean("/"+p), "/"); p == "" {
		return "."
	}
	return p
}

// resolve follows the links on the way to p, and p itself if it is one and
// last asks for it. It returns an absolute path without links.
func (t tree) resolve(p string, last bool) (string, error) {
	todo := strings.Split(p, "/")
	done := "/"
	for hops, parts := 0, 0; len(todo) > 0; parts++ {
		part := todo[0]
		todo = todo[1:]
		if parts > maxParts {
			return "", &fs.PathError{Op: "resolve", Path: p, Err: syscall.ENAMETOOLONG}
		}
		if part == "" || part == "." {
			continue
		}
		if part == ".." {
			done = path.Dir(done)
			continue
		}
		next := path.Join(done, part)
		info, err := t.root.Lstat(rel(next))
		if err != nil {
			return "", named(p, err)
		}
		if info.Mode()&fs.ModeSymlink == 0 || len(todo) == 0 && !last {
			done = next
			continue
		}
		if hops++; hops > maxHops {
			return "", &fs.PathError{Op: "resolve", Path: p, Err: syscall.ELOOP}
		}
		to, err := t.root.Readlink(rel(next))
		if err != nil {
			return "", named(p, err)
		}
		if path.IsAbs(to) {
			done = "/"
		}
		todo = slices.Concat(strings.Split(to, "/"), todo)
	}
	return done, nil
}

// named gives an error the path that was asked for, without the root's own.
func named(p string, err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return &fs.PathError{Op: e.Op, Path: p, Err: e.Err}
	}
	return fmt.Errorf("%s: %w", p, err)
}

// try calls f with the name of p, and if the root refuses that, with the name
// of what p leads to.
func try[T any](t tree, p string, last bool, f func(name string) (T, error)) (T, error) {
	v, err := f(rel(p))
	if err == nil || gone(err) || errors.Is(err, fs.ErrPermission) {
		if err != nil {
			err = named(p, err)
		}
		return v, err
	}
	to, rerr := t.resolve(p, last)
	if rerr != nil {
		return v, rerr
	}
	if v, err = f(rel(to)); err != nil {
		err = named(p, err)
	}
	return v, err
}

// stat follows links, lstat does not follow the last.
func (t tree) stat(p string) (fs.FileInfo, error)  { return try(t, p, true, t.root.Stat) }
func (t tree) lstat(p string) (fs.FileInfo, error) { return try(t, p, false, t.root.Lstat) }

// readlink returns what a link says, without following it.
func (t tree) readlink(p string) (string, error) { return try(t, p, false, t.root.Readlink) }

// exists says whether p is there; an error other than its absence is returned.
func (t tree) exists(p string) (bool, error) {
	switch _, err := t.stat(p); {
	case err == nil:
		return true, nil
	case gone(err):
		return false, nil
	default:
		return false, err
	}
}

// has is exists where a file that cannot be seen counts as not there.
func (t tree) has(p string) bool {
	ok, err := t.exists(p)
	return ok && err == nil
}

// open opens a regular file for reading. It never blocks, as opening a FIFO
// would, and wakes up no device.
func (t tree) open(p string) (*os.File, fs.FileInfo, error) {
	info, err := t.stat(p)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, &fs.PathError{Op: "open", Path: p, Err: errors.New("not a regular file")}
	}
	f, err := try(t, p, true, func(name string) (*os.File, error) {
		return t.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	})
	if err != nil {
		return nil, nil, err
	}
	if info, err = f.Stat(); err != nil || !info.Mode().IsRegular() {
		_ = f.Close()
		return nil, nil, &fs.PathError{Op: "open", Path: p, Err: errors.New("not a regular file")}
	}
	return f, info, nil
}

// maxText is how much of a file is read; a longer one is an error.
const maxText = 1 << 20

// read returns what is in a file.
func (t tree) read(p string) ([]byte, fs.FileInfo, error) {
	f, info, err := t.open(p)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }()
	// Files of /proc say that they are empty; others are read in one go.
	b := make([]byte, 0, min(max(info.Size(), 0), maxText)+512)
	for {
		n, err := f.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case len(b) > maxText:
			return nil, nil, &fs.PathError{Op: "read", Path: p, Err: errors.New("larger than 1 MiB")}
		case errors.Is(err, io.EOF):
			return b, info, nil
		case err != nil:
			return nil, nil, named(p, err)
		case len(b) == cap(b):
			b = slices.Grow(b, len(b))
		}
	}
}

// list returns the names in a directory, in order.
func (t tree) list(p string) ([]string, error) {
	f, err := try(t, p, true, func(name string) (*os.File, error) {
		return t.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_DIRECTORY, 0)
	})
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	names, err := f.Readdirnames(maxEntries)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, named(p, err)
	}
	if len(names) == maxEntries {
		return nil, &fs.PathError{Op: "read", Path: p, Err: fmt.Errorf("more than %d entries", maxEntries)}
	}
	slices.Sort(names)
	return names, nil
}

// glob returns the paths that are there and match pattern, in order. A pattern
// without wildcards stands for itself. What is not there matches nothing.
func (t tree) glob(pattern string) ([]string, error) {
	found := []string{"/"}
	known := false // whether the last part was found in its directory
	for part := range strings.SplitSeq(strings.Trim(pattern, "/"), "/") {
		var next []string
		known = strings.ContainsAny(part, `*?[\`)
		for _, dir := range found {
			if !known {
				next = append(next, path.Join(dir, part))
				continue
			}
			names, err := t.list(dir)
			if err != nil {
				if gone(err) {
					continue
				}
				return nil, err
			}
			for _, n := range names {
				if match(part, n) && (n[0] != '.' || part[0] == '.') {
					next = append(next, path.Join(dir, n))
				}
			}
			if len(next) > maxMatches {
				return nil, fmt.Errorf("%s: more than %d files match", pattern, maxMatches)
			}
		}
		found = next
	}
	if known {
		return found, nil
	}
	// Parts without wildcards were taken on trust.
	there := found[:0]
	for _, p := range found {
		_, err := t.lstat(p)
		switch {
		case err == nil:
			there = append(there, p)
		case !gone(err):
			return nil, err
		}
	}
	return there, nil
}

// match is path.Match for patterns that were looked at before.
func match(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}
