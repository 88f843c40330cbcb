package baseline

import (
	"path"
	"strings"
)

// moduleFacts is what is known of kernel modules. Names have '_' for '-'.
type moduleFacts struct {
	loaded, builtin, available, overridden map[string]struct{}
	// tree says that the list of available modules could be read.
	tree bool
	err  error
}

// moduleFacts reads the tables of kernel modules, once in a run.
func (r *run) moduleFacts() *moduleFacts {
	if r.modules == nil {
		r.modules = &moduleFacts{
			loaded: map[string]struct{}{}, builtin: map[string]struct{}{},
			available: map[string]struct{}{}, overridden: map[string]struct{}{},
		}
		r.modules.err = r.modules.read(r)
	}
	return r.modules
}

func (m *moduleFacts) read(r *run) error {
	// A kernel that cannot load modules has no such file.
	err := r.stream("/proc/modules", func(l []byte) {
		name, _, _ := strings.Cut(string(l), " ")
		m.loaded[moduleName(name)] = struct{}{}
	})
	if err != nil && !gone(err) {
		return err
	}
	release, _, err := r.tree.read("/proc/sys/kernel/osrelease")
	if err != nil {
		return err
	}
	for _, base := range []string{"/lib/modules", "/usr/lib/modules"} {
		dir := path.Join(base, path.Base("/"+strings.TrimSpace(string(release))))
		err := r.stream(dir+"/modules.dep", func(l []byte) {
			file, _, _ := strings.Cut(string(l), ":")
			m.available[moduleName(file)] = struct{}{}
		})
		if gone(err) {
			continue
		}
		if err != nil {
			return err
		}
		m.tree = true
		err = r.stream(dir+"/modules.builtin", func(l []byte) { m.builtin[moduleName(string(l))] = struct{}{} })
		if err != nil && !gone(err) {
			return err
		}
		break
	}
	return m.readOverrides(r)
}

// readOverrides reads modprobe.d(5).
func (m *moduleFacts) readOverrides(r *run) error {
	list, err := r.files([]string{
		"/etc/modprobe.d/*.conf", "/run/modprobe.d/*.conf", "/usr/local/lib/modprobe.d/*.conf",
		"/usr/lib/modprobe.d/*.conf", "/lib/modprobe.d/*.conf", "/etc/modprobe.conf",
	})
	if err != nil {
		return err
	}
	for _, p := range list {
		x := r.text(p)
		if x.err != nil {
			return x.err
		}
		for _, l := range lines(x.data, "#") {
			f := strings.Fields(l)
			if len(f) == 2 && f[0] == "blacklist" || len(f) >= 3 && f[0] == "install" && nothing(f[2]) {
				m.overridden[moduleName(f[1])] = struct{}{}
			}
		}
	}
	return nil
}

// nothing says that a program does nothing.
func nothing(program string) bool {
	switch path.Base(program) {
	case "false", "true", ":":
		return true
	}
	return false
}

// moduleName is the name of a module, from its name or its file.
func moduleName(s string) string {
	s = path.Base(s)
	if i := strings.Index(s, ".ko"); i >= 0 {
		s = s[:i]
	}
	return strings.ReplaceAll(s, "-", "_")
}

func (t *ModuleTest) eval(r *run) outcome {
	m := r.moduleFacts()
	if m.err != nil {
		return unreadable(m.err)
	}
	in := func(set map[string]struct{}, name string) bool {
		_, ok := set[moduleName(name)]
		return ok
	}
	doubt := ""
	for _, n := range t.Names {
		switch {
		case in(m.loaded, n):
			return fail("module %s is loaded", n)
		case in(m.builtin, n):
			return fail("module %s is built into the kernel", n)
		case in(m.overridden, n):
		case in(m.available, n):
			return fail("module %s can be loaded; no file in /etc/modprobe.d forbids it", n)
		case !m.tree:
			doubt = n
		}
	}
	if doubt != "" {
		return outcome{unknown, "the modules of the running kernel are not on this root; nobody knows about " + doubt}
	}
	return pass("no module of %s can be loaded", strings.Join(t.Names, ", "))
}
