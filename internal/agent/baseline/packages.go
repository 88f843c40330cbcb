package baseline

import (
	"bytes"
	"errors"
	"path"
	"strings"
)

// packageSet is what is installed.
type packageSet struct {
	names map[string]struct{}
	// why says why nobody knows, if nobody does.
	why string
	err error
}

// packageSet reads the database of packages, once in a run.
func (r *run) packageSet() *packageSet {
	if r.packages == nil {
		r.packages = r.readPackages()
	}
	return r.packages
}

func (r *run) readPackages() *packageSet {
	s := &packageSet{names: map[string]struct{}{}}
	known := false
	for _, db := range []struct {
		paths []string
		parse func(add func(name string)) func(line []byte)
	}{
		{[]string{"/var/lib/dpkg/status", "/var/lib/dpkg/status.d/*", "/usr/lib/opkg/status", "/var/lib/opkg/status"}, stanzas},
		{[]string{"/lib/apk/db/installed", "/usr/lib/apk/db/installed"}, apkRecords},
	} {
		for _, pattern := range db.paths {
			list, err := r.tree.glob(pattern)
			for _, p := range list {
				if strings.HasSuffix(p, ".md5sums") {
					continue
				}
				known = true
				f := db.parse(func(name string) { s.names[name] = struct{}{} })
				err = errors.Join(err, r.stream(p, f))
				f(nil) // ends the last stanza
			}
			s.err = errors.Join(s.err, err)
		}
	}
	if !known {
		s.why = "there is no database of packages that the agent can read"
		for _, p := range []string{"/var/lib/rpm", "/usr/lib/sysimage/rpm"} {
			if r.tree.has(p) {
				s.why = "the agent does not read the database of rpm"
			}
		}
	}
	return s
}

// stanzas reads the format that dpkg and opkg share, deb-status: a package is
// installed if the third word of its status says so, or if there is no status
// (as in images without dpkg).
func stanzas(add func(string)) func([]byte) {
	var name string
	installed := true
	return func(l []byte) {
		switch {
		case len(l) == 0:
			if name != "" && installed {
				add(name)
			}
			name, installed = "", true
		case bytes.HasPrefix(l, []byte("Package: ")):
			name = string(bytes.TrimSpace(l[len("Package: "):]))
		case bytes.HasPrefix(l, []byte("Status: ")):
			f := bytes.Fields(l)
			installed = len(f) == 4 && string(f[3]) == "installed"
		}
	}
}

// apkRecords reads the database of apk: P: is the name of each package.
func apkRecords(add func(string)) func([]byte) {
	return func(l []byte) {
		if name, ok := bytes.CutPrefix(l, []byte("P:")); ok {
			add(string(name))
		}
	}
}

// find returns the installed packages that match names.
func (s *packageSet) find(names []string) []string {
	var found []string
	for _, n := range names {
		if !strings.ContainsAny(n, `*?[\`) {
			if _, ok := s.names[n]; ok {
				found = append(found, n)
			}
			continue
		}
		for have := range s.names {
			if ok, err := path.Match(n, have); ok && err == nil {
				found = append(found, have)
			}
		}
	}
	return sorted(found)
}

// matching returns the installed packages whose whole name matches.
func (s *packageSet) matching(e *expr) []string {
	var found []string
	for have := range s.names {
		if e.MatchString(have) {
			found = append(found, have)
		}
	}
	return sorted(found)
}

// any asks whether one of names is installed.
func (s *packageSet) any(names []string) outcome { return s.outcome(s.find(names), names) }

// outcome passes if anything was found.
func (s *packageSet) outcome(found, names []string) outcome {
	switch {
	case s.err != nil:
		return unreadable(s.err)
	case s.why != "":
		return outcome{unknown, s.why}
	case len(found) > 0:
		return pass("package %s is installed", some(found))
	default:
		return fail("package %s is not installed", strings.Join(names, " or "))
	}
}

func (t *PackageTest) eval(r *run) outcome {
	if t.pattern != nil {
		s := r.packageSet()
		return s.outcome(s.matching(t.pattern), t.Installed)
	}
	if t.Installed != nil {
		return r.packageSet().any(t.Installed)
	}
	o := r.packageSet().any(t.Absent)
	switch o.verdict {
	case passed:
		o.verdict = failed
	case failed:
		o.verdict = passed
	default:
	}
	return o
}
