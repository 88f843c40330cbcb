package baseline

import (
	"path"
	"slices"
	"strings"
)

// startedSet is what the init system starts by itself.
type startedSet struct {
	// where has the link or line that starts a service, by the service's name.
	where map[string]string
	err   error
}

// The directories of systemd's units; the first that has a unit counts.
var unitDirs = []string{
	"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system",
	"/usr/lib/systemd/system", "/lib/systemd/system",
}

// The links of SysV's levels 2 to 5 and S, of Debian, Red Hat, and OpenWrt.
var sysvLinks = []string{
	"/etc/rc[2345S].d/S[0-9][0-9]*", "/etc/rc.d/rc[2345].d/S[0-9][0-9]*", "/etc/rc.d/S[0-9][0-9]*",
}

// startedSet looks at what the init system starts, once in a run.
func (r *run) startedSet() *startedSet {
	if r.started != nil {
		return r.started
	}
	s := &startedSet{where: map[string]string{}}
	r.started = s
	init := r.systemFacts().init
	// systemd starts the scripts of SysV, too, for which it has no unit.
	for _, pattern := range sysvLinks {
		r.startedLinks(s, pattern, afterNumber)
	}
	same := func(base string) string { return base }
	switch init {
	case "systemd":
		seen := map[string]bool{}
		for _, dir := range unitDirs {
			// /lib may be /usr/lib.
			at, err := r.tree.resolve(dir, true)
			if err != nil || seen[at] {
				continue
			}
			seen[at] = true
			for _, kind := range []string{"/*.wants/*", "/*.requires/*"} {
				r.startedLinks(s, dir+kind, same)
			}
		}
	case "openrc":
		r.startedLinks(s, "/etc/runlevels/*/*", same)
	case "busybox", "sysv":
		// Buildroot's rcS runs what is in init.d itself.
		r.startedLinks(s, "/etc/init.d/S[0-9][0-9]*", afterNumber)
		r.startedLines(s)
	default:
	}
	return s
}

// afterNumber is the name of a service in that of a link: "S50telnet".
func afterNumber(base string) string { return base[len("S50"):] }

// startedLinks notes what links that match pattern start: what name makes of
// the link's own name, and what the link leads to.
func (r *run) startedLinks(s *startedSet, pattern string, name func(base string) string) {
	found, err := r.tree.glob(pattern)
	if err != nil {
		s.err = err
		return
	}
	for _, p := range found {
		if n := name(path.Base(p)); n != "" {
			s.where[n] = p
		}
		if to, err := r.tree.readlink(p); err == nil && to != "/dev/null" {
			s.where[path.Base(to)] = p
		}
	}
}

// startedLines notes the programs of inittab(5).
func (r *run) startedLines(s *startedSet) {
	x := r.text("/etc/inittab")
	if x.err != nil {
		if !gone(x.err) {
			s.err = x.err
		}
		return
	}
	for _, l := range lines(x.data, "#") {
		f := strings.SplitN(l, ":", 4)
		if len(f) < 4 || !slices.Contains([]string{"sysinit", "wait", "once", "respawn", "askfirst", "boot", "bootwait", "ondemand"}, f[2]) {
			continue
		}
		if args := strings.Fields(f[3]); len(args) > 0 {
			s.where[path.Base(args[0])] = "/etc/inittab"
		}
	}
}

// unit is a service that systemd knows.
type unit struct {
	name, file string // the real name, behind aliases
	masked     bool
}

// unit finds a unit by its name or an alias; ok is false if there is none.
func (r *run) unit(name string) (u unit, ok bool, err error) {
	const aliases = 4
	for range aliases {
		next := ""
		for _, dir := range unitDirs {
			p := path.Join(dir, name)
			info, err := r.tree.lstat(p)
			if gone(err) {
				continue
			}
			if err != nil {
				return unit{}, false, err
			}
			if info.Mode().IsRegular() {
				return unit{name: name, file: p, masked: info.Size() == 0}, true, nil
			}
			to, err := r.tree.readlink(p)
			if err != nil {
				return unit{}, false, err
			}
			if to == "/dev/null" {
				return unit{name: name, file: p, masked: true}, true, nil
			}
			if next = path.Base(to); next == name {
				return unit{name: name, file: p}, true, nil // a link to where the file is
			}
			break
		}
		if next == "" {
			break
		}
		name = next
	}
	// An instance has its template's file.
	if before, after, ok := strings.Cut(name, "@"); ok && !strings.HasPrefix(after, ".") {
		return r.unit(before + "@" + path.Ext(after))
	}
	return unit{}, false, nil
}

// unitName adds what systemd leaves out.
func unitName(name string) string {
	switch path.Ext(name) {
	case ".service", ".socket", ".timer", ".target", ".path", ".mount", ".automount":
		return name
	}
	return name + ".service"
}

// enabled says whether a service is started by itself, and by what.
func (r *run) enabled(name string) (by string, masked bool, err error) {
	s := r.startedSet()
	if s.err != nil {
		return "", false, s.err
	}
	if r.systemFacts().init != "systemd" {
		return s.where[name], false, nil
	}
	full := unitName(name)
	u, ok, err := r.unit(full)
	if err != nil {
		return "", false, err
	}
	if !ok {
		return s.where[name], false, nil // a script without a unit
	}
	if u.masked {
		return "", true, nil
	}
	if by := s.where[full]; by != "" {
		return by, false, nil
	}
	return s.where[u.name], false, nil
}

// running says whether a process of a service runs, and which.
func (r *run) running(name string) (string, error) {
	l := r.processList()
	if l.err != nil {
		return "", l.err
	}
	programs := []string{name}
	if r.systemFacts().init == "systemd" {
		u, ok, err := r.unit(unitName(name))
		if err != nil {
			return "", err
		}
		if _, runs := l.units[unitName(name)]; runs {
			return unitName(name), nil
		}
		if ok && !u.masked {
			if _, runs := l.units[u.name]; runs {
				return u.name, nil
			}
			programs = r.programs(u.file, []string{"ExecStart"}, nil)
		}
	} else {
		programs = r.programs("/etc/init.d/"+name, []string{"DAEMON", "command", "PROG", "EXEC"}, programs)
	}
	for i := range l.all {
		p := &l.all[i]
		for _, program := range programs {
			if p.program == program || (p.program == "" || !strings.Contains(program, "/")) && p.is(path.Base(program)) {
				return path.Base(program), nil
			}
		}
	}
	return "", nil
}

// programs adds the programs that a unit or script names by one of keys.
func (r *run) programs(file string, keys, programs []string) []string {
	x := r.text(file)
	if x.err != nil {
		return programs // a service may have no script
	}
	for _, l := range lines(x.data, "#") {
		k, v, ok := strings.Cut(l, "=")
		if !ok || !slices.Contains(keys, k) {
			continue
		}
		// systemd's prefixes, such as '-' for: failure does not matter.
		if f := strings.Fields(strings.TrimLeft(unquote(v), "-@:+!")); len(f) > 0 && path.IsAbs(f[0]) {
			if to, err := r.tree.resolve(f[0], true); err == nil {
				f[0] = to
			}
			if strings.HasPrefix(path.Base(f[0]), "busybox") {
				continue // every applet would fit
			}
			programs = append(programs, f[0])
		}
	}
	return programs
}

func (t *ServiceTest) eval(r *run) outcome {
	if r.systemFacts().init == "" {
		return outcome{unknown, "the init system is none that the agent knows"}
	}
	one := t.State == "enabled" || t.State == "running"
	for _, n := range t.Names {
		o := t.one(r, n)
		if o.verdict == broken || (o.verdict == passed) == one {
			return o
		}
	}
	names := strings.Join(t.Names, ", ")
	if one {
		return fail("service %s is not %s", names, t.State)
	}
	return pass("service %s is %s", names, t.State)
}

// one says whether one service is in the state.
func (t *ServiceTest) one(r *run, name string) outcome {
	switch t.State {
	case "running", "stopped":
		by, err := r.running(name)
		if err != nil {
			return unreadable(err)
		}
		if by == "" {
			return when(t.State == "stopped", "service %s does not run", name)
		}
		return when(t.State == "running", "service %s runs", name)
	default:
		by, masked, err := r.enabled(name)
		switch {
		case err != nil:
			return unreadable(err)
		case t.State == "masked":
			return when(masked, "service %s is %s", name, map[bool]string{true: "masked", false: "not masked"}[masked])
		case by == "":
			return when(t.State == "disabled", "service %s is not enabled", name)
		default:
			return when(t.State == "enabled", "service %s is enabled (%s)", name, by)
		}
	}
}
