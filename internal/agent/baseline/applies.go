package baseline

import (
	"fmt"
	"regexp"
	"slices"
)

// Applies says where a check or a test makes sense; all that is given must
// hold.
type Applies struct {
	// OS has names of operating systems, of which one must fit: "debian",
	// "ubuntu>=22.04". One with '!' before it must not.
	OS []string `toml:"os"`
	// Init is the init system: "systemd", "sysv", "busybox", "openrc" or "procd".
	Init []string `toml:"init"`
	// Container asks whether the agent is in a container.
	Container *bool `toml:"container"`
	// Files are paths, with *, of which each must match something.
	Files []string `toml:"files"`
	// Packages are names of packages, of which one must be installed.
	Packages []string `toml:"packages"`
	// When is a test that must pass.
	When *Test `toml:"when"`

	// exact compares the ID alone, not ID_LIKE, as the XML format does.
	exact bool
}

// osTerm is one entry of [Applies.OS].
var osTerm = regexp.MustCompile(`^(!?)([a-z][a-z0-9_.-]*)(?:(<=|>=|<|>|=)([0-9][0-9A-Za-z.]*))?$`)

// Names that [Applies.OS] knows beyond what fits the ID or ID_LIKE of
// os-release(5).
const (
	osBusyBox = "busybox" // the basic commands are BusyBox's
	osYocto   = "yocto"   // an image made with OpenEmbedded
)

// osNames are the names that built-in checks may use, so that a slip of the
// pen does not switch a check off everywhere.
var osNames = []string{
	osBusyBox, osYocto, "alpine", "amzn", "arch", "buildroot", "centos", "debian", "fedora", "ol",
	"openwrt", "opensuse", "poky", "raspbian", "rhel", "sles", "suse", "ubuntu",
}

var initNames = []string{"systemd", "sysv", "busybox", "openrc", "procd"}

func (a *Applies) prepare(depth int) error {
	if a == nil {
		return nil
	}
	for _, s := range a.OS {
		if !osTerm.MatchString(s) {
			return fmt.Errorf("os %q must be a name in lower case, such as \"debian\", \"ubuntu>=22.04\" or \"!alpine\"", s)
		}
	}
	for _, s := range a.Init {
		if !slices.Contains(initNames, s) {
			return fmt.Errorf("init %q must be one of %v", s, initNames)
		}
	}
	if a.Files != nil {
		if err := checkPaths("files", a.Files); err != nil {
			return err
		}
	}
	if a.When != nil {
		if err := a.When.prepare(depth); err != nil {
			return fmt.Errorf("when%w", err)
		}
	}
	return nil
}
