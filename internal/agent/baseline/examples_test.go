package baseline_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling/internal/agent/baseline"
)

// example is a root on which a check passes and one on which it fails, by
// lines for [plant].
type example struct {
	id, system string
	good, bad  []string
}

// readExamples reads testdata/checks.txt, which says how it is to be read.
func readExamples(t *testing.T) []example {
	t.Helper()
	data, err := os.ReadFile("testdata/checks.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []example
	for l := range strings.Lines(string(data)) {
		l = strings.TrimRight(l, "\n")
		sign, rest, _ := strings.Cut(l, " ")
		var last *example
		if len(all) > 0 {
			last = &all[len(all)-1]
		}
		switch {
		case l == "" || sign == "#":
		case strings.HasPrefix(l, "TV-"):
			all = append(all, example{id: sign, system: rest})
		case last != nil && sign == "+":
			last.good = append(last.good, rest)
		case last != nil && sign == "-":
			last.bad = append(last.bad, rest)
		case last != nil && sign == "*":
			last.good, last.bad = append(last.good, rest), append(last.bad, rest)
		default:
			t.Fatalf("testdata/checks.txt: %q is not understood", l)
		}
	}
	return all
}

// systems are what examples begin with.
var systems = map[string][]string{
	"": {
		`etc/os-release = ID=debian\nVERSION_ID="12"`,
		`lib/systemd/systemd =`, `sbin/init -> /lib/systemd/systemd`, `var/lib/dpkg/status =`,
		`proc/1/exe -> /usr/lib/systemd/systemd`,
	},
	"ubuntu": {
		`etc/os-release = ID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"`,
		`lib/systemd/systemd =`, `sbin/init -> /lib/systemd/systemd`, `var/lib/dpkg/status =`,
		`proc/1/exe -> /usr/lib/systemd/systemd`,
	},
	"poky": {
		`etc/os-release = ID=poky\nVERSION_ID=5.0`, `bin/busybox 0755 =`, `bin/sh -> busybox`, `sbin/init -> /bin/busybox`,
		`proc/1/exe -> /bin/busybox`, `proc/1/cmdline = init`,
	},
	"container": {`.dockerenv =`, `etc/os-release = ID=debian\nVERSION_ID="12"`},
}

// common is on every system.
var common = []string{
	`etc/passwd = root:x:0:0:root:/root:/bin/sh`, `etc/group = root:x:0:`, `root/ 0700`,
	`proc/sys/kernel/osrelease = 6.1.0`, `proc/cmdline = root=/dev/sda1`, `lib/modules/6.1.0/modules.dep =`,
	`proc/self/mountinfo = 22 1 8:1 / / rw - ext4 /dev/sda1 rw`,
}

// plant makes one file: "path [mode [uid:gid]] = content" with \n for the ends
// of lines, "path/ [mode]" for a directory, "path -> target" for a link.
func plant(t *testing.T, dir, line string) {
	t.Helper()
	ok := func(err error) {
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	head, content, file := strings.Cut(line, " =")
	name, target, link := strings.Cut(head, " -> ")
	words := strings.Fields(name)
	p := filepath.Join(dir, words[0])
	ok(os.MkdirAll(filepath.Dir(p), 0o755))
	switch {
	case link:
		ok(os.RemoveAll(p))
		ok(os.Symlink(target, p))
		return
	case !file:
		ok(os.MkdirAll(p, 0o755))
	default:
		content = strings.NewReplacer(`\n`, "\n", `\x`, "\x01").Replace(strings.TrimPrefix(content, " "))
		if strings.HasSuffix(name, "/cmdline") && name != "proc/cmdline" { // as the kernel gives it
			content = strings.ReplaceAll(content, " ", "\x00") + "\x00"
		}
		ok(os.WriteFile(p, []byte(content+"\n"), 0o644))
	}
	if len(words) > 2 {
		uid, gid, _ := strings.Cut(words[2], ":")
		u, err := strconv.Atoi(uid)
		ok(err)
		g, err := strconv.Atoi(gid)
		ok(err)
		ok(os.Chown(p, u, g))
	}
	if len(words) > 1 {
		mode, err := strconv.ParseUint(words[1], 8, 32)
		ok(err)
		ok(os.Chmod(p, fileMode(mode)))
	}
}

// outcomeOf makes one check on a root of an example.
func outcomeOf(t *testing.T, c *baseline.Check, system string, lines []string) baseline.Result {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	begin, ok := systems[system]
	if !ok {
		t.Fatalf("%s: no system %q", c.ID, system)
	}
	for _, l := range slices.Concat(begin, common, lines) {
		plant(t, dir, l)
	}
	rep, err := baseline.Run(t.Context(), baseline.Options{Root: openRoot(t, dir), Checks: []baseline.Check{*c}})
	if err != nil {
		t.Fatal(err)
	}
	return rep.Results[0]
}

// derived are examples of checks that look at one service or package only.
func derived(c *baseline.Check) (e example, ok bool) {
	e.id = c.ID
	if c.Applies != nil && slices.Contains(c.Applies.OS, "ubuntu") {
		e.system = "ubuntu"
	}
	switch {
	case c.Test.Package != nil && c.Test.Package.Absent != nil:
		name := strings.ReplaceAll(c.Test.Package.Absent[0], "*", "")
		e.good = []string{`var/lib/dpkg/status = Package: ` + name + `\nStatus: deinstall ok config-files\n`}
		e.bad = []string{`var/lib/dpkg/status = Package: ` + name + `\nStatus: install ok installed\n`}
		return e, true
	case c.Test.Service != nil && c.Test.Service.State == "disabled":
		unit := c.Test.Service.Names[0]
		if filepath.Ext(unit) == "" {
			unit += ".service"
		}
		e.good = []string{"usr/lib/systemd/system/" + unit + " = [Service]"}
		e.bad = append(slices.Clone(e.good), "etc/systemd/system/multi-user.target.wants/"+unit+" -> /usr/lib/systemd/system/"+unit)
		return e, true
	}
	return e, false
}

// TestExamples makes every built-in check on a root where it passes and on one
// where it fails: one that cannot do both tells nothing.
func TestExamples(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("the examples have files of several owners, which only root can make")
	}
	examples := map[string][]example{}
	for _, e := range readExamples(t) {
		examples[e.id] = append(examples[e.id], e)
	}
	for _, c := range builtin(t) {
		list := examples[c.ID]
		delete(examples, c.ID)
		if e, ok := derived(&c); ok {
			list = append(list, e)
		}
		if len(list) == 0 {
			t.Errorf("%s has no example in testdata/checks.txt", c.ID)
		}
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			for _, e := range list {
				if r := outcomeOf(t, &c, e.system, e.good); r.Outcome != pass {
					t.Errorf("%q does not pass: %s %s\n%s", e.system, r.Outcome, r.Error, strings.Join(e.good, "\n"))
				}
				if r := outcomeOf(t, &c, e.system, e.bad); r.Outcome != fail {
					t.Errorf("%q does not fail: %s %s\n%s", e.system, r.Outcome, r.Error, strings.Join(e.bad, "\n"))
				}
			}
		})
	}
	for id := range examples {
		t.Errorf("%s of testdata/checks.txt is no check", id)
	}
}

// The least number of checks that are made, and not skipped, on a usual Debian
// and on a small image with BusyBox.
const (
	madeDebian  = 110
	madeBusyBox = 35
)

// TestWellKept makes all checks on systems that are as they should be: there
// must be many, and no false alarms.
func TestWellKept(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("the systems have files of several owners, which only root can make")
	}
	for name, least := range map[string]int{"server": madeDebian, "yocto": madeBusyBox} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			var want, got []string
			for l := range strings.Lines(string(data)) {
				l = strings.TrimRight(l, "\n")
				id, bad := strings.CutPrefix(l, "! ")
				switch {
				case bad:
					want = append(want, id)
				case !strings.HasPrefix(l, "#"):
					plant(t, dir, l)
				}
			}
			rep, err := baseline.Run(t.Context(), baseline.Options{Root: openRoot(t, dir), Checks: builtin(t)})
			if err != nil {
				t.Fatal(err)
			}
			made := 0
			for _, r := range rep.Results {
				switch r.Outcome {
				case skip:
					continue
				case pass:
				case fail:
					got = append(got, r.Check.ID)
				case errs:
					t.Errorf("%s: %s", r.Check.ID, r.Error)
				}
				made++
			}
			slices.Sort(got)
			slices.Sort(want)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("checks that fail (-want +got):\n%s", d)
			}
			t.Logf("%d checks are made, of which %d fail", made, len(got))
			if made < least {
				t.Errorf("%d checks are made, want at least %d", made, least)
			}
		})
	}
}
