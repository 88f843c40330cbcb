package baseline

import (
	"errors"
	"fmt"
)

// Test is what a check looks at: exactly one of the kinds, or a combination of
// tests. docs/baseline.md has the words and what they mean.
type Test struct {
	// Applies leaves the test out of all and any where it does not hold; a test
	// that is left out altogether skips its check.
	Applies *Applies `toml:"applies"`

	// All passes when each of the tests passes, Any when one does, Not when the
	// test does not.
	All []Test `toml:"all"`
	Any []Test `toml:"any"`
	Not *Test  `toml:"not"`

	File       *FileTest       `toml:"file"`
	Lines      *LinesTest      `toml:"lines"`
	Setting    *SettingTest    `toml:"setting"`
	Sysctl     *SysctlTest     `toml:"sysctl"`
	Sshd       *SshdTest       `toml:"sshd"`
	Package    *PackageTest    `toml:"package"`
	Service    *ServiceTest    `toml:"service"`
	Mount      *MountTest      `toml:"mount"`
	Module     *ModuleTest     `toml:"module"`
	Process    *ProcessTest    `toml:"process"`
	Accounts   *AccountsTest   `toml:"accounts"`
	Interfaces *InterfacesTest `toml:"interfaces"`
	Walk       *WalkTest       `toml:"walk"`
}

// FileTest looks at files themselves: who owns them, who may do what.
type FileTest struct {
	// Paths are absolute; *, ? and [ ] match within one part of the path.
	Paths []string `toml:"paths"`
	// Exists asks that each path be there (true) or not (false). Without it,
	// what is not there is all right.
	Exists *bool `toml:"exists"`
	// Owner and Group are names or numbers, of which one must be the file's.
	Owner []string `toml:"owner"`
	Group []string `toml:"group"`
	// Mode is the most that is allowed, in octal: "0644". Bits are bits that
	// must be set: "1000" is the sticky bit.
	Mode string `toml:"mode"`
	Bits string `toml:"bits"`
	// Type is "file", "directory" or "symlink". Links are followed, except to
	// see whether there is one.
	Type string `toml:"type"`

	mode, bits uint32
}

// LinesTest looks for a line in text files.
type LinesTest struct {
	Paths []string `toml:"paths"`
	// Match is an expression (RE2) that some line in some of the files must
	// match, NoMatch one that no line may match. Lines have blanks at their
	// ends and comments removed, and are not empty.
	Match   string `toml:"match"`
	NoMatch string `toml:"no_match"`
	// Comment begins a comment, at a line's begin or after a blank; nil is "#",
	// "" says that there are none.
	Comment *string `toml:"comment"`
	// Section is the section of an INI file, without brackets, in which lines count.
	Section string `toml:"section"`
	// Missing is what the test gives when there is no such file: "pass",
	// "fail" or "skip". By default a file that is not there has no lines.
	Missing Missing `toml:"missing"`

	match, noMatch *expr
	// The XML format has lines as they are, lines that alone count, and headers
	// of sections, of which one sort begins the wanted section.
	raw                    bool
	filter, header, wanted *expr
}

// SettingTest compares the value of a key in files with one setting a line.
type SettingTest struct {
	Compare
	Paths []string `toml:"paths"`
	Key   string   `toml:"key"`
	// Separator stands between key and value: "=", ":" or " " (blanks). By
	// default it is '=' where the line has one after its first word, else blanks.
	Separator string `toml:"separator"`
	Section   string `toml:"section"`
	// Comment is as in [LinesTest].
	Comment *string `toml:"comment"`
	// First says that the first setting of a key counts, not the last.
	First bool `toml:"first"`
	// IgnoreCase compares keys and values in any case.
	IgnoreCase bool `toml:"ignore_case"`
	// Default is what holds if no file has the key; without it, the test fails.
	Default *string `toml:"default"`
}

// SysctlTest compares a kernel parameter as it is now.
type SysctlTest struct {
	Compare
	// Name is "net.ipv4.ip_forward" or "net/ipv4/conf/eth0.1/rp_filter"; with *
	// all that match are compared.
	Name string `toml:"name"`
	// Missing is what the test gives when the kernel has no such parameter;
	// by default it fails.
	Missing Missing `toml:"missing"`
}

// SshdTest compares the effective value of a keyword of OpenSSH's server.
type SshdTest struct {
	Compare
	Keyword string `toml:"keyword"`
	// Default is the value if the configuration has none; without it, the test fails.
	Default *string `toml:"default"`
}

// PackageTest asks what is installed.
type PackageTest struct {
	// Installed are names of packages of which one must be installed, Absent
	// those of which none may be; * is allowed.
	Installed []string `toml:"installed"`
	Absent    []string `toml:"absent"`

	// pattern is the XML format's: a package whose whole name matches.
	pattern *expr
}

// ServiceTest asks for the state of services.
type ServiceTest struct {
	Names []string `toml:"names"`
	// State is "enabled" or "running" (one of the services must be), "disabled",
	// "masked" or "stopped" (all must be). What is not installed is disabled
	// and stopped.
	State string `toml:"state"`
}

// MountTest asks for mounts and their options.
type MountTest struct {
	// Point is where; with *, all that match. FSTypes are types of file system.
	Point   string   `toml:"point"`
	FSTypes []string `toml:"fstypes"`
	// Options must all be there, NoOptions must not.
	Options   []string `toml:"options"`
	NoOptions []string `toml:"no_options"`
	// Table is "live" (what is mounted now; the default) or "fstab".
	Table string `toml:"table"`
	// Missing is what the test gives when there is no such mount; by default
	// it fails.
	Missing Missing `toml:"missing"`
}

// ModuleTest asks that kernel modules neither are loaded nor can be.
type ModuleTest struct {
	Names []string `toml:"names"`
}

// ProcessTest asks for processes.
type ProcessTest struct {
	// Names are the last parts of the paths of programs; for BusyBox's, of the
	// first argument.
	Names []string `toml:"names"`
	// Args is an expression (RE2) that the command line, joined by blanks,
	// must match as well.
	Args string `toml:"args"`
	// Running asks that one of them runs (true) or that none does (false).
	Running *bool `toml:"running"`

	args *expr
}

// AccountsTest is a test of users and groups that the agent has by name.
type AccountsTest struct {
	Rule AccountRule `toml:"rule"`
	// Except are users or groups that are left out.
	Except []string `toml:"except"`
}

// InterfacesTest asks that no network interface is of a sort.
type InterfacesTest struct {
	// None is "promiscuous" or "wireless".
	None string `toml:"none"`
}

// WalkTest looks for files that nobody wants, below directories.
type WalkTest struct {
	// Paths are directories; the walk does not enter other file systems.
	Paths []string `toml:"paths"`
	// Find is "world-writable" (files, and directories without the sticky bit),
	// "unowned" (of no user or no group) or "setuid" (or setgid, files).
	Find string `toml:"find"`
	// Except are paths, with * as in [FileTest], that are all right; a directory
	// among them is not entered.
	Except []string `toml:"except"`
	// Limit is how many entries are looked at, at most; 0 is 20 000. A walk that
	// ends at the limit and has found nothing is an error.
	Limit int `toml:"limit"`
}

// Missing is what a test gives when what it looks at is not there.
type Missing string

// The values of Missing. The default is said at each use.
const (
	MissingPass Missing = "pass"
	MissingFail Missing = "fail"
	MissingSkip Missing = "skip"
)

func (m Missing) prepare() error {
	switch m {
	case "", MissingPass, MissingFail, MissingSkip:
		return nil
	}
	return fmt.Errorf("missing %q must be pass, fail or skip", m)
}

// kind is one kind of test.
type kind interface {
	// prepare says what is wrong with the test, and compiles it.
	prepare() error
	// eval makes the test.
	eval(r *run) outcome
}

const maxDepth = 8

// kind returns the one kind that t is of, nil for a combination.
func (t *Test) kind() (name string, k kind, n int) {
	add := func(s string, is bool, v kind) {
		if is {
			name, k, n = s, v, n+1
		}
	}
	add("file", t.File != nil, t.File)
	add("lines", t.Lines != nil, t.Lines)
	add("setting", t.Setting != nil, t.Setting)
	add("sysctl", t.Sysctl != nil, t.Sysctl)
	add("sshd", t.Sshd != nil, t.Sshd)
	add("package", t.Package != nil, t.Package)
	add("service", t.Service != nil, t.Service)
	add("mount", t.Mount != nil, t.Mount)
	add("module", t.Module != nil, t.Module)
	add("process", t.Process != nil, t.Process)
	add("accounts", t.Accounts != nil, t.Accounts)
	add("interfaces", t.Interfaces != nil, t.Interfaces)
	add("walk", t.Walk != nil, t.Walk)
	return name, k, n
}

// prepare returns an error whose text continues the word "test".
func (t *Test) prepare(depth int) error {
	if depth > maxDepth {
		return fmt.Errorf(": nested more than %d deep", maxDepth)
	}
	name, k, n := t.kind()
	for _, is := range []bool{t.All != nil, t.Any != nil, t.Not != nil} {
		if is {
			n++
		}
	}
	if n != 1 {
		return fmt.Errorf(" must be one of the kinds, or one of all, any and not; it has %d of them", n)
	}
	if err := t.Applies.prepare(depth + 1); err != nil {
		return fmt.Errorf(".applies: %w", err)
	}
	if k != nil {
		if err := k.prepare(); err != nil {
			return fmt.Errorf(".%s: %w", name, err)
		}
		return nil
	}
	if t.Not != nil {
		if err := t.Not.prepare(depth + 1); err != nil {
			return fmt.Errorf(".not%w", err)
		}
		return nil
	}
	name, list := "all", t.All
	if t.Any != nil {
		name, list = "any", t.Any
	}
	if len(list) == 0 {
		return fmt.Errorf(".%s: %w", name, errors.New("needs at least one test"))
	}
	for i := range list {
		if err := list[i].prepare(depth + 1); err != nil {
			return fmt.Errorf(".%s[%d]%w", name, i, err)
		}
	}
	return nil
}
