package baseline

import (
	"path"
	"slices"
	"strconv"
	"strings"
)

// system says what this device runs.
type system struct {
	id, version string
	like        []string
	init        string // one of initNames, "" if none is known
	container   bool
}

// systemFacts finds out what this device runs, once in a run. What cannot be
// read is not known.
func (r *run) systemFacts() *system {
	if r.system != nil {
		return r.system
	}
	s := &system{}
	for _, p := range []string{"/etc/os-release", "/usr/lib/os-release"} {
		if x := r.text(p); x.err == nil {
			s.osRelease(x.data)
			break
		}
	}
	busybox := false
	for _, p := range []string{"/bin/sh", "/sbin/init"} {
		if to, err := r.tree.resolve(p, true); err == nil && strings.HasPrefix(path.Base(to), "busybox") {
			busybox = true
		}
	}
	if busybox {
		s.like = append(s.like, osBusyBox)
	}
	if s.id == "poky" || slices.Contains(s.like, "poky") || s.id == "nodistro" || r.tree.has("/etc/timestamp") && r.tree.has("/etc/version") {
		s.like = append(s.like, osYocto)
	}
	s.init = r.initSystem()
	s.container = r.inContainer()
	r.system = s
	return s
}

// osRelease reads os-release(5).
func (s *system) osRelease(data []byte) {
	for _, l := range lines(data, "#") {
		k, v := keyValue(l, "=")
		switch k {
		case "ID":
			s.id = strings.ToLower(v)
		case "VERSION_ID":
			s.version = v
		case "ID_LIKE":
			s.like = strings.Fields(strings.ToLower(v))
		}
	}
}

// initSystem returns the init system that runs, or that an image would run.
func (r *run) initSystem() string {
	init, err := r.tree.resolve("/sbin/init", true)
	if err != nil {
		init = ""
	}
	switch base := path.Base(init); {
	case r.tree.has("/run/systemd/system"), base == "systemd":
		return "systemd"
	case r.tree.has("/sbin/procd"):
		return "procd"
	case r.tree.has("/sbin/openrc"), r.tree.has("/usr/sbin/openrc"):
		return "openrc"
	case strings.HasPrefix(base, "busybox"):
		return "busybox"
	case base != "." && r.tree.has("/etc/inittab"):
		return "sysv"
	}
	return ""
}

// inContainer knows the marks that container engines leave.
func (r *run) inContainer() bool {
	if slices.ContainsFunc([]string{"/.dockerenv", "/run/.containerenv", "/run/systemd/container", "/run/secrets/kubernetes.io"}, r.tree.has) {
		return true
	}
	data, _, err := r.tree.read("/proc/1/environ")
	return err == nil && (strings.HasPrefix(string(data), "container=") || strings.Contains(string(data), "\x00container="))
}

// eval says whether all that a asks for holds: passed or leftOut; or unknown,
// or broken.
func (a *Applies) eval(r *run) outcome {
	if a == nil {
		return outcome{verdict: passed}
	}
	out := func(why string) outcome { return outcome{leftOut, why} }
	if a.OS != nil && !r.systemFacts().fits(a.OS, a.exact) {
		return out("not for this operating system")
	}
	if a.Init != nil && !slices.Contains(a.Init, r.systemFacts().init) {
		return out("not for this init system")
	}
	if a.Container != nil && *a.Container != r.systemFacts().container {
		return out("it depends on being in a container")
	}
	for _, p := range a.Files {
		found, err := r.tree.glob(p)
		if err != nil {
			return unreadable(err)
		}
		if len(found) == 0 {
			return out(p + " does not exist")
		}
	}
	if a.Packages != nil {
		if o := r.packageSet().any(a.Packages); o.verdict == failed {
			return out(o.found)
		} else if o.verdict != passed {
			return o
		}
	}
	if a.When != nil {
		if o := a.When.eval(r); o.verdict == failed {
			return out(o.found)
		} else if o.verdict != passed {
			return o
		}
	}
	return outcome{verdict: passed}
}

// fits says whether one of the terms fits, if there are any without '!', and
// none with. exact does not look at what the system is like.
func (s *system) fits(terms []string, exact bool) bool {
	asked, fit := false, false
	for _, term := range terms {
		m := osTerm.FindStringSubmatch(term)
		if m == nil {
			return false
		}
		one := s.id == m[2] && (m[3] == "" || s.version != "" && holdsVersion(s.version, m[3], m[4])) ||
			m[3] == "" && !exact && slices.Contains(s.like, m[2])
		if m[1] != "" {
			if one {
				return false
			}
			continue
		}
		asked, fit = true, fit || one
	}
	return fit || !asked
}

// holdsVersion compares as many parts of a version as want has, so that 12.5
// is 12 and not above it.
func holdsVersion(have, op, want string) bool {
	h, w := strings.Split(have, "."), strings.Split(want, ".")
	c := 0
	for i := 0; i < len(w) && c == 0; i++ {
		a := "0"
		if i < len(h) {
			a = h[i]
		}
		c = comparePart(a, w[i])
	}
	switch op {
	case "=":
		return c == 0
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	default:
		return c >= 0
	}
}

// comparePart compares numbers as numbers, and other parts as text.
func comparePart(a, b string) int {
	x, errX := strconv.ParseUint(a, 10, 64)
	y, errY := strconv.ParseUint(b, 10, 64)
	if errX != nil || errY != nil {
		return strings.Compare(a, b)
	}
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// sorted sorts a list in place and drops what is there twice.
func sorted(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}
