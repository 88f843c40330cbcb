package baseline

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
)

// text is a file that was read, or why it could not be.
type text struct {
	data []byte
	// public says that everybody may read the file; what is in others is not
	// told to anybody.
	public bool
	err    error
}

// maxCached is how much text a run keeps for checks to come, in bytes.
const maxCached = 512 << 10

// text reads a file, once in a run if it is not long.
func (r *run) text(p string) *text {
	if t := r.texts[p]; t != nil {
		return t
	}
	data, info, err := r.tree.read(p)
	t := &text{data: data, err: err, public: info != nil && info.Mode().Perm()&0o004 != 0}
	if r.cached+len(data) <= maxCached {
		if r.texts == nil {
			r.texts = map[string]*text{}
		}
		r.cached += len(data)
		r.texts[p] = t
	}
	return t
}

// stream calls f for each line of a file that may be long, such as a database
// of packages; f must not keep the line. Lines longer than 4 KiB are cut.
func (r *run) stream(p string, f func(line []byte)) error {
	const most = 64 << 20
	file, info, err := r.tree.open(p)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if info.Size() > most {
		return fmt.Errorf("%s: larger than 64 MiB", p)
	}
	b := bufio.NewReaderSize(io.LimitReader(file, most), 4096)
	for whole := true; ; {
		line, err := b.ReadSlice('\n')
		if whole && len(line) > 0 {
			f(bytes.TrimRight(line, "\r\n"))
		}
		whole = !errors.Is(err, bufio.ErrBufferFull)
		switch {
		case err == nil || !whole:
		case errors.Is(err, io.EOF):
			return nil
		default:
			return named(p, err)
		}
	}
}

// lines gives the lines of a text with their numbers, without comments and
// blanks at their ends; empty ones are left out. Without a comment, no
// comments are removed.
func lines(data []byte, comment string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		n := 0
		for l := range bytes.Lines(data) {
			n++
			s := strings.TrimSpace(uncomment(string(l), comment))
			if s != "" && !yield(n, s) {
				return
			}
		}
	}
}

// uncomment removes what follows a comment sign that begins the line or
// follows a blank.
func uncomment(line, sign string) string {
	if sign == "" {
		return line
	}
	for from := 0; ; {
		i := strings.Index(line[from:], sign)
		if i < 0 {
			return line
		}
		i += from
		if i == 0 || line[i-1] == ' ' || line[i-1] == '\t' {
			return line[:i]
		}
		from = i + len(sign)
	}
}

// commentOf is the sign of a test's comments.
func commentOf(c *string) string {
	if c == nil {
		return "#"
	}
	return *c
}

// within gives those lines that are in a section of an INI file, all if it has
// no name.
func within(in iter.Seq2[int, string], section string) iter.Seq2[int, string] {
	if section == "" {
		return in
	}
	return func(yield func(int, string) bool) {
		inside := false
		for n, l := range in {
			if name, ok := strings.CutPrefix(l, "["); ok {
				name, _, _ = strings.Cut(name, "]")
				inside = strings.EqualFold(strings.TrimSpace(name), section)
				continue
			}
			if inside && !yield(n, l) {
				return
			}
		}
	}
}

// files returns the files that paths stand for; a directory stands for the
// files in it. Files that are not there are left out.
func (r *run) files(paths []string) ([]string, error) {
	var all []string
	for _, p := range paths {
		found, err := r.tree.glob(p)
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			info, err := r.tree.stat(f)
			if err != nil {
				if gone(err) {
					continue // a link to nothing
				}
				return nil, err
			}
			if !info.IsDir() {
				all = append(all, f)
				continue
			}
			if all, err = r.inside(all, f); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

func (r *run) inside(all []string, dir string) ([]string, error) {
	names, err := r.tree.list(dir)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		p := dir + "/" + n
		info, err := r.tree.stat(p)
		if err == nil && info.Mode().IsRegular() {
			all = append(all, p)
		} else if err != nil && !gone(err) {
			return nil, err
		}
	}
	return all, nil
}
