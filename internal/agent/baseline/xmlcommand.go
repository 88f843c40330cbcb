package baseline

import (
	"errors"
	"fmt"
	"strings"
)

// test turns a check of the XML format in a test.
func (c *xmlCheck) test() (Test, error) {
	applies, err := c.applies()
	if err != nil {
		return Test{}, err
	}
	command, ok := xmlCommands[c.attr["command"]]
	if !ok {
		return Test{}, fmt.Errorf("command %q is not known", clean(c.attr["command"], 80))
	}
	for _, need := range command.needs {
		if c.attr[need] == "" {
			return Test{}, fmt.Errorf("command %s needs the attribute %s", c.attr["command"], need)
		}
	}
	t, err := command.make(c)
	if err != nil {
		return Test{}, fmt.Errorf("command %s: %w", c.attr["command"], err)
	}
	t.Applies = applies
	return t, nil
}

// xmlCommand is a command of the XML format: the attributes that it must have,
// and the test that it is.
type xmlCommand struct {
	needs []string
	make  func(c *xmlCheck) (Test, error)
}

// xmlCommands are all that the format has. Those without IfExists fail when
// there is no file.
var xmlCommands = map[string]xmlCommand{
	"CheckMatchingLines":           {[]string{"path", "regex"}, xmlLines(true, MissingFail)},
	"CheckMatchingLinesIfExists":   {[]string{"path", "regex"}, xmlLines(true, MissingPass)},
	"CheckMatchingLinesInDir":      {[]string{"path", "regex"}, xmlLines(true, MissingFail)},
	"CheckMatchingLinesInFiles":    {[]string{"path", "regex"}, xmlLines(true, MissingFail)},
	"CheckMatchingLinesSection":    {[]string{"path", "regex", "key", "expect"}, xmlSection},
	"CheckNoMatchingLines":         {[]string{"path", "regex"}, xmlLines(false, MissingFail)},
	"CheckNoMatchingLinesIfExists": {[]string{"path", "regex"}, xmlLines(false, MissingPass)},

	"CheckFileExists":        {[]string{"path"}, xmlExists},
	"CheckFileStats":         {[]string{"path", "expect"}, xmlStats(true)},
	"CheckFileStatsIfExists": {[]string{"path", "expect"}, xmlStats(false)},

	"CheckPackageNotInstalled":       {[]string{"packagename"}, xmlPackage},
	"CheckPackageNotInstalledRegexp": {[]string{"packagename"}, xmlPackagePattern(false)},
	"CheckPackageInstalledRegexp":    {[]string{"packagename"}, xmlPackagePattern(true)},

	"CheckServiceDisabled": {[]string{"service"}, xmlService("disabled")},
	"CheckServiceEnabled":  {[]string{"service"}, xmlService("enabled")},
	"CheckServiceStatus":   {[]string{"service", "expect"}, xmlStatus},

	"CheckRootUID":              {nil, xmlAccounts("only-root-uid-0", "/etc/passwd")},
	"CheckSystemAccounts":       {nil, xmlAccounts("system-accounts-no-login", "/etc/passwd")},
	"CheckShadowDate":           {[]string{"key", "expect", "value"}, xmlShadowDate},
	"CheckNoPromiscInterfaces":  {nil, xmlInterfaces("promiscuous")},
	"CheckNoWirelessInterfaces": {nil, xmlInterfaces("wireless")},
	"VerifyKernelSource":        {[]string{"regex"}, xmlKernel},
}

// xmlPaths splits paths, and removes the '/' at the end of directories.
func xmlPaths(path string) []string {
	paths := strings.Split(path, "|")
	for i, p := range paths {
		paths[i] = strings.TrimRight(strings.TrimSpace(p), "/")
	}
	return paths
}

func xmlLines(match bool, missing Missing) func(*xmlCheck) (Test, error) {
	return func(c *xmlCheck) (t Test, err error) {
		l := &LinesTest{Paths: xmlPaths(c.attr["path"]), Missing: missing, raw: true}
		if match {
			l.Match = c.attr["regex"]
		} else {
			l.NoMatch = c.attr["regex"]
		}
		l.filter, err = compile("filter", c.attr["filter"])
		return Test{Lines: l}, err
	}
}

func xmlSection(c *xmlCheck) (Test, error) {
	header, err := compile("key", c.attr["key"])
	if err != nil {
		return Test{}, err
	}
	wanted, err := compile("expect", c.attr["expect"])
	return Test{Lines: &LinesTest{
		Paths: xmlPaths(c.attr["path"]), Match: c.attr["regex"], Missing: MissingFail,
		raw: true, header: header, wanted: wanted,
	}}, err
}

func xmlExists(c *xmlCheck) (Test, error) {
	yes := true
	return Test{File: &FileTest{Paths: xmlPaths(c.attr["path"]), Exists: &yes}}, nil
}

func xmlStats(must bool) func(*xmlCheck) (Test, error) {
	return func(c *xmlCheck) (Test, error) {
		f := strings.Fields(c.attr["expect"])
		if len(f) != 3 {
			return Test{}, errors.New("expect must be \"owner group mode\"")
		}
		t := &FileTest{Paths: xmlPaths(c.attr["path"]), Owner: f[:1], Group: f[1:2], Mode: f[2]}
		if must {
			t.Exists = &must
		}
		return Test{File: t}, nil
	}
}

func xmlPackage(c *xmlCheck) (Test, error) {
	return Test{Package: &PackageTest{Absent: xmlList(c.attr["packagename"])}}, nil
}

func xmlPackagePattern(installed bool) func(*xmlCheck) (Test, error) {
	return func(c *xmlCheck) (Test, error) {
		e, err := compile("packagename", "^(?:"+c.attr["packagename"]+")$")
		if err != nil {
			return Test{}, err
		}
		t := Test{Package: &PackageTest{Installed: []string{c.attr["packagename"]}, pattern: e}}
		if !installed {
			return Test{Not: &t}, nil
		}
		return t, nil
	}
}

// xmlList splits a list at commas.
func xmlList(s string) []string {
	list := strings.Split(s, ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}

// xmlService asks for each service of the list.
func xmlService(state string) func(*xmlCheck) (Test, error) {
	return func(c *xmlCheck) (t Test, err error) {
		for _, n := range xmlList(c.attr["service"]) {
			t.All = append(t.All, Test{Service: &ServiceTest{Names: []string{n}, State: state}})
		}
		return t, nil
	}
}

func xmlStatus(c *xmlCheck) (Test, error) {
	if c.attr["expect"] != "running" {
		return Test{}, fmt.Errorf("expect %q is not known, only running", clean(c.attr["expect"], 80))
	}
	return xmlService("running")(c)
}

func xmlAccounts(rule AccountRule, file string) func(*xmlCheck) (Test, error) {
	return func(c *xmlCheck) (Test, error) {
		if p := c.attr["path"]; p != "" && p != file {
			return Test{}, fmt.Errorf("path can be %s only", file)
		}
		return Test{Accounts: &AccountsTest{Rule: rule}}, nil
	}
}

// xmlShadowDate takes the one comparison that the format is known to have: the
// third field, which it counts as 2.
func xmlShadowDate(c *xmlCheck) (Test, error) {
	if c.attr["key"] != "2" || c.attr["expect"] != "before" || c.attr["value"] != "now" {
		return Test{}, errors.New("only key=\"2\" (the date of the last change) expect=\"before\" value=\"now\" is known")
	}
	return xmlAccounts("password-dates-past", "/etc/shadow")(c)
}

func xmlInterfaces(none string) func(*xmlCheck) (Test, error) {
	return func(*xmlCheck) (Test, error) { return Test{Interfaces: &InterfacesTest{None: none}}, nil }
}

func xmlKernel(c *xmlCheck) (Test, error) {
	return Test{Lines: &LinesTest{Paths: []string{"/proc/version"}, Match: c.attr["regex"], raw: true}}, nil
}
