package baseline

import (
	"fmt"
	"path"
	"strings"
)

// sshdConfig is what OpenSSH's server would read, as sshd_config(5) says: the
// first value of a keyword counts.
type sshdConfig struct {
	values map[string]sshdValue // by keyword in lower case
	err    error
	files  int
}

type sshdValue struct {
	value, file string
	line        int
}

const sshdFile = "/etc/ssh/sshd_config"

// The bounds of a configuration: the first is OpenSSH's own.
const (
	maxIncludes  = 16
	maxSshdFiles = 256
)

func (t *SshdTest) eval(r *run) outcome {
	if r.sshd == nil {
		r.sshd = &sshdConfig{values: map[string]sshdValue{}}
		r.sshd.err = r.sshd.read(r, sshdFile, 0)
	}
	if r.sshd.err != nil {
		if gone(r.sshd.err) {
			return outcome{leftOut, sshdFile + " does not exist"}
		}
		return unreadable(r.sshd.err)
	}
	if v, ok := r.sshd.values[strings.ToLower(t.Keyword)]; ok {
		return t.held(t.Keyword, v.value, fmt.Sprintf("%s line %d", v.file, v.line), true, true)
	}
	if t.Default != nil {
		return t.held(t.Keyword, *t.Default, "by default", true, true)
	}
	return fail("%s is not set in %s", t.Keyword, sshdFile)
}

// read takes the values of a file and of those that it includes.
func (c *sshdConfig) read(r *run, p string, depth int) error {
	if depth > maxIncludes {
		return fmt.Errorf("%s: included more than %d deep", p, maxIncludes)
	}
	if c.files++; c.files > maxSshdFiles {
		return fmt.Errorf("%s: more than %d files are included", p, maxSshdFiles)
	}
	x := r.text(p)
	if x.err != nil {
		return x.err
	}
	global := true
	for n, l := range lines(x.data, "#") {
		key, args := sshdLine(l)
		switch key {
		case "":
		case "match":
			// "Match all" is how a file says that what follows is for everybody.
			global = len(args) == 1 && strings.EqualFold(args[0], "all")
		case "include":
			if !global {
				continue
			}
			for _, pattern := range args {
				if err := c.include(r, pattern, depth); err != nil {
					return err
				}
			}
		default:
			if _, ok := c.values[key]; global && !ok {
				c.values[key] = sshdValue{strings.Join(args, " "), p, n}
			}
		}
	}
	return nil
}

func (c *sshdConfig) include(r *run, pattern string, depth int) error {
	if !path.IsAbs(pattern) {
		pattern = "/etc/ssh/" + pattern
	}
	if _, err := path.Match(pattern, ""); err != nil {
		return fmt.Errorf("%s: Include %q: %w", sshdFile, clean(pattern, 80), err)
	}
	found, err := r.tree.glob(path.Clean(pattern))
	if err != nil {
		return err
	}
	for _, p := range found {
		if err := c.read(r, p, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// sshdLine splits a line in the keyword, in lower case, and its arguments,
// which may be in quotes. A '=' may follow the keyword.
func sshdLine(line string) (key string, args []string) {
	i := strings.IndexAny(line, " \t=\"")
	if i < 0 {
		return strings.ToLower(line), nil
	}
	key = strings.ToLower(line[:i])
	rest := strings.TrimLeft(line[i:], " \t")
	rest = strings.TrimPrefix(rest, "=")
	for rest = strings.TrimLeft(rest, " \t"); rest != ""; rest = strings.TrimLeft(rest, " \t") {
		var arg string
		if quoted, ok := strings.CutPrefix(rest, `"`); ok {
			arg, rest, _ = strings.Cut(quoted, `"`)
		} else if i := strings.IndexAny(rest, " \t"); i >= 0 {
			arg, rest = rest[:i], rest[i:]
		} else {
			arg, rest = rest, ""
		}
		args = append(args, arg)
	}
	return key, args
}
