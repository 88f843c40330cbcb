package baseline

import (
	"fmt"
	"path"
	"strings"
)

// held is the outcome of comparing a value; what names it, where is its place.
func (c *Compare) held(what, value, where string, fold, public bool) outcome {
	if where != "" {
		where = " (" + where + ")"
	}
	if !public {
		return when(c.holds(value, fold), "%s is not as it should be%s", what, where)
	}
	is := fmt.Sprintf("%s is %s%s", what, clean(value, 160), where)
	if value == "" {
		is = fmt.Sprintf("%s is empty%s", what, where)
	}
	if c.holds(value, fold) {
		return pass("%s", is)
	}
	return fail("%s; it should be %s", is, clean(c.want(), 160))
}

func (t *SettingTest) eval(r *run) outcome {
	list, err := r.files(t.Paths)
	if err != nil {
		return unreadable(err)
	}
	var value, where string
	found, public := false, true
	for _, p := range list {
		x := r.text(p)
		if x.err != nil {
			return unreadable(x.err)
		}
		for n, l := range within(lines(x.data, commentOf(t.Comment)), t.Section) {
			k, v := keyValue(l, t.Separator)
			if k != t.Key && (!t.IgnoreCase || !strings.EqualFold(k, t.Key)) || found && t.First {
				continue
			}
			found, value, where, public = true, v, fmt.Sprintf("%s line %d", p, n), x.public
		}
	}
	if found {
		return t.held(t.Key, value, where, t.IgnoreCase, public)
	}
	if t.Default != nil {
		return t.held(t.Key, *t.Default, "by default", t.IgnoreCase, true)
	}
	return fail("%s is not set in %s", t.Key, some(t.Paths))
}

// keyValue splits a line in key and value.
func keyValue(line, separator string) (key, value string) {
	switch separator {
	case "":
		i := strings.IndexAny(line, " \t=")
		if i < 0 {
			return line, ""
		}
		key, value = line[:i], strings.TrimLeft(line[i:], " \t")
		value = strings.TrimPrefix(value, "=")
	case " ":
		i := strings.IndexAny(line, " \t")
		if i < 0 {
			return line, ""
		}
		key, value = line[:i], line[i:]
	default:
		key, value, _ = strings.Cut(line, separator)
	}
	return strings.TrimSpace(key), unquote(strings.TrimSpace(value))
}

// unquote removes the quotes around a value.
func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

func (t *SysctlTest) eval(r *run) outcome {
	name := t.Name
	if !strings.Contains(name, "/") {
		name = strings.ReplaceAll(name, ".", "/")
	}
	found, err := r.tree.glob(path.Join("/proc/sys", name))
	if err != nil {
		return unreadable(err)
	}
	if len(found) == 0 {
		return t.Missing.outcome(MissingFail, "this kernel has no %s", t.Name)
	}
	var last outcome
	for _, p := range found {
		data, _, err := r.tree.read(p)
		if err != nil {
			return unreadable(err)
		}
		one := strings.TrimPrefix(p, "/proc/sys/")
		if !strings.Contains(one, ".") {
			one = strings.ReplaceAll(one, "/", ".")
		}
		value := strings.Join(strings.Fields(string(data)), " ")
		if last = t.held(one, value, "", false, true); last.verdict != passed {
			return last
		}
	}
	return last
}
