package baseline

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// mountTable is what is mounted, or is to be.
type mountTable struct {
	mounts []mount
	err    error
}

type mount struct {
	point, fstype string
	options       []string
}

const (
	mountinfoFile = "/proc/self/mountinfo"
	// initMountinfoFile has what the system has mounted. A service may see other
	// mounts: ProtectSystem= of systemd.exec(5) makes the root of the agent
	// read-only and /home a mount.
	initMountinfoFile = "/proc/1/mountinfo"
	fstabFile         = "/etc/fstab"
)

// mountTable reads a table of mounts, once in a run.
func (r *run) mountTable(file string) *mountTable {
	if t := r.mounts[file]; t != nil {
		return t
	}
	t := &mountTable{}
	from := file
	if file == mountinfoFile {
		if _, _, err := r.tree.read(initMountinfoFile); err == nil {
			from = initMountinfoFile
		}
	}
	data, _, err := r.tree.read(from)
	switch {
	case err != nil:
		t.err = err
	case file == fstabFile:
		t.mounts = parseFstab(data)
	default:
		t.mounts = parseMountinfo(data)
	}
	if r.mounts == nil {
		r.mounts = map[string]*mountTable{}
	}
	r.mounts[file] = t
	return t
}

// parseMountinfo reads proc_pid_mountinfo(5); a mount that is covered by a
// later one at the same place is left out.
func parseMountinfo(data []byte) []mount {
	var all []mount
	at := map[string]int{}
	for _, l := range lines(data, "") {
		before, after, ok := strings.Cut(l, " - ")
		f, g := strings.Fields(before), strings.Fields(after)
		if !ok || len(f) < 6 || len(g) < 1 {
			continue
		}
		m := mount{point: unescape(f[4]), fstype: g[0], options: strings.Split(f[5], ",")}
		if len(g) >= 3 {
			m.options = append(m.options, strings.Split(g[2], ",")...)
		}
		if i, ok := at[m.point]; ok {
			all[i] = m
			continue
		}
		at[m.point] = len(all)
		all = append(all, m)
	}
	return all
}

// parseFstab reads fstab(5).
func parseFstab(data []byte) []mount {
	var all []mount
	for _, l := range lines(data, "#") {
		f := strings.Fields(l)
		if len(f) < 3 {
			continue
		}
		m := mount{point: unescape(f[1]), fstype: f[2]}
		if len(f) >= 4 {
			m.options = implied(strings.Split(f[3], ","))
		}
		all = append(all, m)
	}
	return all
}

// implied adds the options that mount(8) takes from "user" and its like, unless
// a later one says otherwise.
func implied(options []string) []string {
	all := options
	for i, o := range options {
		var more []string
		switch o {
		case "user", "users":
			more = []string{"noexec", "nosuid", "nodev"}
		case "owner", "group":
			more = []string{"nosuid", "nodev"}
		}
		for _, m := range more {
			if !slices.Contains(options[i:], strings.TrimPrefix(m, "no")) {
				all = append(all, m)
			}
		}
	}
	return all
}

// unescape replaces \040 and the like by the byte of that octal number.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func (t *MountTest) eval(r *run) outcome {
	file, is := mountinfoFile, "is mounted"
	if t.Table == "fstab" {
		file, is = fstabFile, "is in "+fstabFile
	}
	table := r.mountTable(file)
	if table.err != nil && (file != fstabFile || !gone(table.err)) {
		return unreadable(table.err)
	}
	n := 0
	for i := range table.mounts {
		m := &table.mounts[i]
		if t.Point != "" && !match(t.Point, m.point) || len(t.FSTypes) > 0 && !slices.Contains(t.FSTypes, m.fstype) {
			continue
		}
		n++
		for _, o := range t.Options {
			if !slices.Contains(m.options, o) {
				return fail("%s %s without %s", m.point, is, o)
			}
		}
		for _, o := range t.NoOptions {
			if slices.Contains(m.options, o) {
				return fail("%s %s with %s", m.point, is, o)
			}
		}
	}
	what := t.Point
	if what == "" {
		what = "a file system of type " + strings.Join(t.FSTypes, " or ")
	}
	if n == 0 {
		return t.Missing.outcome(MissingFail, "%s %s", what, strings.Replace(is, "is ", "is not ", 1))
	}
	return pass("%s", fmt.Sprintf("%s %s", what, is))
}
