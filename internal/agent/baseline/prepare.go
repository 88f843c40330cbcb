package baseline

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// expr is a compiled expression.
type expr struct{ *regexp.Regexp }

// maxExpr bounds the text of an expression.
const maxExpr = 2000

// compile returns nil for an empty expression.
func compile(key, text string) (*expr, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // an expression that is not given is none
	}
	if len(text) > maxExpr {
		return nil, fmt.Errorf("%s is longer than %d bytes", key, maxExpr)
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return &expr{re}, nil
}

// checkPaths says what is wrong with a list of paths with wildcards.
func checkPaths(key string, paths []string) error {
	if len(paths) == 0 {
		return fmt.Errorf("%s needs at least one path", key)
	}
	for _, p := range paths {
		if !path.IsAbs(p) || path.Clean(p) != p || strings.ContainsRune(p, 0) {
			return fmt.Errorf("%s: %q must be an absolute path without . and .., and must not end in /", key, p)
		}
		if _, err := path.Match(p, ""); err != nil {
			return fmt.Errorf("%s: %q: %w", key, p, err)
		}
	}
	return nil
}

// checkNames says what is wrong with a list of names, which may have wildcards.
func checkNames(key string, names []string) error {
	if len(names) == 0 {
		return fmt.Errorf("%s needs at least one name", key)
	}
	for _, n := range names {
		if n == "" || strings.ContainsAny(n, "/\x00\n") {
			return fmt.Errorf("%s: %q is not a name", key, n)
		}
		if _, err := path.Match(n, ""); err != nil {
			return fmt.Errorf("%s: %q: %w", key, n, err)
		}
	}
	return nil
}

// oneOf says what is wrong with a word.
func oneOf(key, word string, words ...string) error {
	if !slices.Contains(words, word) {
		return fmt.Errorf("%s %q must be one of %s", key, word, strings.Join(words, ", "))
	}
	return nil
}

// parseMode reads an octal mode; "" is 0.
func parseMode(key, text string) (uint32, error) {
	if text == "" {
		return 0, nil
	}
	m, err := strconv.ParseUint(text, 8, 32)
	if err != nil || m > 0o7777 {
		return 0, fmt.Errorf("%s %q must be octal, at most 7777", key, text)
	}
	return uint32(m), nil
}

func (t *FileTest) prepare() (err error) {
	if err := checkPaths("paths", t.Paths); err != nil {
		return err
	}
	stats := t.Owner != nil || t.Group != nil || t.Mode != "" || t.Bits != "" || t.Type != ""
	switch {
	case t.Exists == nil && !stats:
		return errors.New("needs one of exists, owner, group, mode, bits and type")
	case t.Exists != nil && !*t.Exists && stats:
		return errors.New("exists = false goes with paths only")
	case t.Type != "":
		if err := oneOf("type", t.Type, "file", "directory", "symlink"); err != nil {
			return err
		}
	}
	if t.mode, err = parseMode("mode", t.Mode); err != nil {
		return err
	}
	t.bits, err = parseMode("bits", t.Bits)
	return err
}

func (t *LinesTest) prepare() (err error) {
	if err := checkPaths("paths", t.Paths); err != nil {
		return err
	}
	if (t.Match == "") == (t.NoMatch == "") {
		return errors.New("needs one of match and no_match")
	}
	if t.match, err = compile("match", t.Match); err != nil {
		return err
	}
	if t.noMatch, err = compile("no_match", t.NoMatch); err != nil {
		return err
	}
	return t.Missing.prepare()
}

func (t *SettingTest) prepare() error {
	if err := checkPaths("paths", t.Paths); err != nil {
		return err
	}
	if t.Key == "" {
		return errors.New("key is missing")
	}
	if err := oneOf("separator", t.Separator, "", "=", ":", " "); err != nil {
		return err
	}
	return t.Compare.prepare()
}

func (t *SysctlTest) prepare() error {
	if t.Name == "" || strings.HasPrefix(t.Name, "/") || strings.Contains(t.Name, "..") || strings.ContainsRune(t.Name, 0) {
		return fmt.Errorf("name %q must be like \"net.ipv4.ip_forward\"", t.Name)
	}
	if _, err := path.Match(t.Name, ""); err != nil {
		return fmt.Errorf("name %q: %w", t.Name, err)
	}
	if err := t.Missing.prepare(); err != nil {
		return err
	}
	return t.Compare.prepare()
}

func (t *SshdTest) prepare() error {
	if t.Keyword == "" || strings.ContainsAny(t.Keyword, " \t=\"") {
		return fmt.Errorf("keyword %q must be one word", t.Keyword)
	}
	return t.Compare.prepare()
}

func (t *PackageTest) prepare() error {
	if (t.Installed == nil) == (t.Absent == nil) {
		return errors.New("needs one of installed and absent")
	}
	if t.pattern != nil {
		return nil
	}
	if t.Installed != nil {
		return checkNames("installed", t.Installed)
	}
	return checkNames("absent", t.Absent)
}

func (t *ServiceTest) prepare() error {
	if err := checkNames("names", t.Names); err != nil {
		return err
	}
	return oneOf("state", t.State, "enabled", "disabled", "masked", "running", "stopped")
}

func (t *MountTest) prepare() error {
	if t.Point == "" && len(t.FSTypes) == 0 {
		return errors.New("needs point or fstypes")
	}
	if t.Point != "" {
		if err := checkPaths("point", []string{t.Point}); err != nil {
			return err
		}
	}
	if err := oneOf("table", t.Table, "", "live", "fstab"); err != nil {
		return err
	}
	return t.Missing.prepare()
}

func (t *ModuleTest) prepare() error { return checkNames("names", t.Names) }

func (t *ProcessTest) prepare() (err error) {
	if err := checkNames("names", t.Names); err != nil {
		return err
	}
	if t.Running == nil {
		return errors.New("running must be true or false")
	}
	t.args, err = compile("args", t.Args)
	return err
}

func (t *AccountsTest) prepare() error {
	if _, ok := accountRules[t.Rule]; !ok {
		return fmt.Errorf("rule %q is not known; docs/baseline.md has the list", t.Rule)
	}
	return nil
}

func (t *InterfacesTest) prepare() error {
	return oneOf("none", t.None, "promiscuous", "wireless")
}

// The limits of walks, in entries.
const (
	defaultWalk = 20_000
	maxWalk     = 200_000
)

func (t *WalkTest) prepare() error {
	if err := checkPaths("paths", t.Paths); err != nil {
		return err
	}
	if t.Except != nil {
		if err := checkPaths("except", t.Except); err != nil {
			return err
		}
	}
	if t.Limit < 0 || t.Limit > maxWalk {
		return fmt.Errorf("limit must be between 0 and %d", maxWalk)
	}
	return oneOf("find", t.Find, "world-writable", "unowned", "setuid")
}
