package baseline

import (
	"bytes"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strconv"
	"strings"
)

func (t *FileTest) eval(r *run) outcome {
	seen := 0
	for _, pattern := range t.Paths {
		found, err := r.tree.glob(pattern)
		if err != nil {
			return unreadable(err)
		}
		if t.Exists != nil && !*t.Exists {
			if len(found) > 0 {
				return fail("%s exists", some(found))
			}
			continue
		}
		there := 0
		for _, p := range found {
			info, err := t.stat(r, p)
			if gone(err) {
				continue // a link to nothing
			}
			if err != nil {
				return unreadable(err)
			}
			there++
			if o := t.one(r, p, info); o.verdict != passed {
				return o
			}
		}
		if there == 0 && t.Exists != nil {
			return fail("%s does not exist", pattern)
		}
		seen += there
	}
	if t.Exists != nil && !*t.Exists || seen == 0 {
		return pass("%s does not exist", some(t.Paths))
	}
	return pass("%s is as said", some(t.Paths))
}

func (t *FileTest) stat(r *run, p string) (fs.FileInfo, error) {
	if t.Type == "symlink" {
		return r.tree.lstat(p)
	}
	return r.tree.stat(p)
}

// one looks at one file.
func (t *FileTest) one(r *run, p string, info fs.FileInfo) outcome {
	is := "something else"
	switch {
	case info.Mode().IsRegular():
		is = "file"
	case info.IsDir():
		is = "directory"
	case info.Mode()&fs.ModeSymlink != 0:
		is = "symlink"
	}
	if t.Type != "" && is != t.Type {
		return fail("%s is no %s but a %s", p, t.Type, is)
	}
	uid, gid, _, mode := ownerOf(info)
	if t.Owner != nil || t.Group != nil {
		a, err := r.accountFiles()
		if err != nil {
			return unreadable(err)
		}
		if user := a.userName(uid); t.Owner != nil && !named1(t.Owner, user, uid) {
			return fail("%s belongs to user %s; it should to %s", p, user, strings.Join(t.Owner, " or "))
		}
		if group := a.groupName(gid); t.Group != nil && !named1(t.Group, group, gid) {
			return fail("%s belongs to group %s; it should to %s", p, group, strings.Join(t.Group, " or "))
		}
	}
	if t.Mode != "" && mode&^t.mode != 0 {
		return fail("%s has mode %04o; at most %04o is allowed", p, mode, t.mode)
	}
	if mode&t.bits != t.bits {
		return fail("%s has mode %04o, without %04o", p, mode, t.bits)
	}
	return pass("%s is a %s with mode %04o", p, is, mode)
}

// named1 says whether a user or group is one of names, which may be numbers.
func named1(names []string, name string, id uint32) bool {
	return slices.Contains(names, name) || slices.Contains(names, strconv.FormatUint(uint64(id), 10))
}

func (t *LinesTest) eval(r *run) outcome {
	list, err := r.files(t.Paths)
	if err != nil {
		return unreadable(err)
	}
	if len(list) == 0 && t.Missing != "" {
		return t.Missing.outcome("", "%s does not exist", some(t.Paths))
	}
	var trouble error
	for _, p := range list {
		x := r.text(p)
		if x.err != nil {
			trouble = x.err
			continue
		}
		for n, l := range t.lines(x) {
			switch {
			case t.match != nil && t.match.MatchString(l):
				return pass("%s line %d%s", p, n, quote(x, l))
			case t.noMatch != nil && t.noMatch.MatchString(l):
				return fail("%s line %d%s", p, n, quote(x, l))
			}
		}
	}
	if trouble != nil {
		return unreadable(trouble)
	}
	where := some(t.Paths)
	if len(list) == 0 {
		where += ", which does not exist"
	}
	if t.match != nil {
		return fail("no line like %s in %s", t.Match, where)
	}
	return pass("no line like %s in %s", t.NoMatch, where)
}

// quote adds a line to what was found, if everybody may read it.
func quote(x *text, line string) string {
	if !x.public {
		return ""
	}
	return fmt.Sprintf(": %s", clean(line, 160))
}

// lines gives the lines that count.
func (t *LinesTest) lines(x *text) iter.Seq2[int, string] {
	if !t.raw {
		return within(lines(x.data, commentOf(t.Comment)), t.Section)
	}
	return func(yield func(int, string) bool) {
		n, inside := 0, t.header == nil
		for l := range bytes.Lines(x.data) {
			n++
			s := strings.TrimRight(string(l), "\r\n")
			if t.header != nil && t.header.MatchString(s) {
				inside = t.wanted.MatchString(s)
				continue
			}
			if inside && (t.filter == nil || t.filter.MatchString(s)) && !yield(n, s) {
				return
			}
		}
	}
}
