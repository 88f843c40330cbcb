package baseline

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"syscall"
)

// walkBatch is how many entries are looked at between two pauses.
const walkBatch = 256

// walker is one walk: the directories to go to, and what was found.
type walker struct {
	t    *WalkTest
	r    *run
	dirs []string
	tops []string // where walks began; /bin may be /usr/bin
	dev  uint64
	left int
	// found are the first that were found, of n.
	found []string
	n     int
	// trouble is the first thing that could not be looked at, such as what is
	// mounted for one user only.
	trouble error
	a       *accountFiles
}

// errLimit ends a walk at its limit.
var errLimit = errors.New("limit")

func (t *WalkTest) eval(r *run) outcome {
	w := &walker{t: t, r: r, left: t.Limit}
	if w.left == 0 {
		w.left = defaultWalk
	}
	if t.Find == "unowned" {
		a, err := r.accountFiles()
		if err != nil {
			return unreadable(err)
		}
		w.a = a
	}
	for _, pattern := range t.Paths {
		tops, err := r.tree.glob(pattern)
		if err != nil {
			return unreadable(err)
		}
		for _, top := range tops {
			switch err := w.walk(top); {
			case errors.Is(err, errLimit):
				if len(w.found) > 0 {
					return fail("%s: %s; not all was looked at", t.Find, someOf(w.found, w.n))
				}
				return unreadable(fmt.Errorf("%s: there are more files than the limit allows to look at; nothing was found so far", top))
			case err != nil:
				return unreadable(err)
			}
		}
	}
	if len(w.found) > 0 {
		return fail("%s: %s", t.Find, someOf(w.found, w.n))
	}
	if w.trouble != nil {
		return unreadable(w.trouble)
	}
	return pass("nothing below %s is %s", some(t.Paths), t.Find)
}

// walk looks at what is below one directory, on one file system.
func (w *walker) walk(top string) error {
	info, err := w.r.tree.stat(top)
	if gone(err) || err == nil && !info.IsDir() {
		return nil
	}
	if err != nil {
		return err
	}
	if top, err = w.r.tree.resolve(top, true); err != nil {
		return err
	}
	if slices.Contains(w.tops, top) {
		return nil
	}
	w.tops = append(w.tops, top)
	_, _, w.dev, _ = ownerOf(info)
	w.dirs = append(w.dirs[:0], top)
	for len(w.dirs) > 0 {
		dir := w.dirs[len(w.dirs)-1]
		w.dirs = w.dirs[:len(w.dirs)-1]
		if err := w.tolerate(w.directory(dir)); err != nil {
			return err
		}
	}
	return nil
}

// tolerate notes what a walk can go on without.
func (w *walker) tolerate(err error) error {
	switch {
	case err == nil, gone(err):
		return nil
	case errors.Is(err, fs.ErrPermission):
		if w.trouble == nil {
			w.trouble = err
		}
		return nil
	default:
		return err
	}
}

// directory looks at the entries of one directory.
func (w *walker) directory(dir string) error {
	f, err := w.r.tree.root.OpenFile(rel(dir), os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_DIRECTORY, 0)
	if err != nil {
		return named(dir, err)
	}
	defer func() { _ = f.Close() }()
	for {
		if err := w.r.pause(); err != nil {
			w.r.stopped = err
			return err
		}
		entries, err := f.ReadDir(walkBatch)
		for _, e := range entries {
			if w.left--; w.left < 0 {
				return errLimit
			}
			if err := w.tolerate(w.entry(f, dir, e)); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return named(dir, err)
		}
	}
}

func (w *walker) entry(f *os.File, dir string, e fs.DirEntry) error {
	if e.Type()&fs.ModeSymlink != 0 {
		return nil
	}
	at, err := statAt(f, e.Name())
	if err != nil {
		return named(path.Join(dir, e.Name()), err)
	}
	bad := w.bad(at)
	if !bad && (!at.dir || at.dev != w.dev) {
		return nil
	}
	p := path.Join(dir, e.Name())
	for _, pattern := range w.t.Except {
		if match(pattern, p) {
			return nil
		}
	}
	if at.dir && at.dev != w.dev {
		return nil
	}
	if at.dir {
		w.dirs = append(w.dirs, p)
	}
	if bad {
		if w.n++; w.n <= maxSome {
			w.found = append(w.found, p)
		}
	}
	return nil
}

// bad says whether a file is what the walk is to find.
func (w *walker) bad(e entry) bool {
	switch w.t.Find {
	case "world-writable":
		return e.regular && e.mode&0o002 != 0 || e.dir && e.mode&0o1002 == 0o002
	case "unowned":
		return w.a.userName(e.uid) == "" || w.a.groupName(e.gid) == ""
	default:
		return e.regular && e.mode&0o6000 != 0
	}
}
