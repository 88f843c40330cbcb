package baseline

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// ParseXML reads a file of checks in the format of the original agent; name is
// what errors call it. They are *[tvilling.Error] with the line and the
// reason. docs/baseline.md says what the commands mean. What the format has
// beside audits, such as remediations with scripts, is not looked at.
func ParseXML(name string, text []byte) ([]Check, error) {
	if len(text) > maxFile {
		return nil, refuse(name, 0, errors.New("the file is larger than 1 MiB; split it"))
	}
	x := &xmlReader{d: xml.NewDecoder(bytes.NewReader(text))}
	err := x.read()
	if err == nil {
		err = unique(x.checks)
	}
	if err != nil {
		line, _ := x.d.InputPos()
		return nil, refuse(name, line, err)
	}
	return x.checks, nil
}

// xmlReader reads tokens; path is the elements that it is in.
type xmlReader struct {
	d      *xml.Decoder
	path   []string
	audit  *Check      // in an audit
	check  *xmlCheck   // in a check
	text   []byte      // of a dependency
	checks []Check     // so far
	tests  []*xmlCheck // of the audit
	depend string      // type of the dependency
}

// xmlCheck is one check element.
type xmlCheck struct {
	attr  map[string]string
	files []string // that must exist
}

func (x *xmlReader) read() error {
	found := false
	for {
		t, err := x.d.Token()
		switch {
		case errors.Is(err, io.EOF) && !found:
			return errors.New("there is no baseline element")
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if len(x.path) == 0 {
				if t.Name.Local != "baseline" || found {
					return fmt.Errorf("<%s> is not <baseline>, of which there must be one", t.Name.Local)
				}
				found = true
			}
			x.path = append(x.path, t.Name.Local)
			err = x.start(t)
		case xml.CharData:
			if x.depend != "" {
				x.text = append(x.text, t...)
			}
		case xml.EndElement:
			err = x.end()
			x.path = x.path[:len(x.path)-1]
		default:
		}
		if err != nil {
			return err
		}
	}
}

// in says whether the elements around are these.
func (x *xmlReader) in(path ...string) bool { return slices.Equal(x.path, path) }

func (x *xmlReader) start(t xml.StartElement) error {
	switch {
	case x.in("baseline", "audits", "audit"):
		a, err := attributes(t, "description", "msid", "cceid", "severity", "impact", "remediation", "ruleId")
		if err != nil {
			return err
		}
		x.audit = &Check{
			ID: a["msid"], Title: strings.Join(strings.Fields(a["description"]), " "), Rationale: a["impact"], Remedy: a["remediation"],
			Severity: Severity(a["severity"]), Group: "custom", cce: clean(a["cceid"], 80),
		}
		if x.audit.ID == "" {
			x.audit.ID = a["ruleId"]
		}
	case x.in("baseline", "audits", "audit", "check"):
		a, err := attributes(t, "distro", "command", "path", "regex", "filter", "expect", "key", "value", "service", "packagename")
		if err != nil {
			return err
		}
		x.check = &xmlCheck{attr: a}
	case x.in("baseline", "audits", "audit", "check", "dependency"):
		a, err := attributes(t, "type")
		if err != nil {
			return err
		}
		if x.depend = a["type"]; x.depend != "FileExists" {
			return fmt.Errorf("a dependency of type %q is not known, only FileExists", x.depend)
		}
	case x.audit != nil:
		return fmt.Errorf("<%s> is not known in an audit", t.Name.Local)
	}
	return nil
}

func (x *xmlReader) end() error {
	switch {
	case x.in("baseline", "audits", "audit", "check", "dependency"):
		x.check.files = append(x.check.files, strings.TrimSpace(string(x.text)))
		x.text, x.depend = nil, ""
	case x.in("baseline", "audits", "audit", "check"):
		x.tests = append(x.tests, x.check)
		x.check = nil
	case x.in("baseline", "audits", "audit"):
		c := x.audit
		for _, t := range x.tests {
			test, err := t.test()
			if err != nil {
				return fmt.Errorf("audit %q: %w", c.ID, err)
			}
			c.Test.Any = append(c.Test.Any, test)
		}
		if err := c.prepare(); err != nil {
			return fmt.Errorf("audit %q: %w", c.ID, err)
		}
		x.checks = append(x.checks, *c)
		x.audit, x.tests = nil, nil
	}
	return nil
}

// attributes returns those of an element by their names, with blanks around
// them removed, unless the name tells that they matter.
func attributes(t xml.StartElement, known ...string) (map[string]string, error) {
	a := make(map[string]string, len(t.Attr))
	for _, at := range t.Attr {
		name := at.Name.Local
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("attribute %q is not known in <%s>", name, t.Name.Local)
		}
		if name != "regex" && name != "filter" {
			at.Value = strings.TrimSpace(at.Value)
		}
		a[name] = at.Value
	}
	return a, nil
}

// distroIDs are the names of the format, and the IDs of os-release(5).
var distroIDs = map[string]string{"redhat": "rhel", "oracle": "ol"}

// applies turns a distro expression and dependencies in conditions.
func (c *xmlCheck) applies() (*Applies, error) {
	a := &Applies{Files: c.files, exact: true}
	distro := c.attr["distro"]
	if distro == "" {
		return nil, errors.New("a check needs distro; \"*\" is all")
	}
	for term := range strings.SplitSeq(distro, "|") {
		term = strings.ToLower(strings.TrimSpace(term))
		if term == "*" {
			a.OS = nil
			break
		}
		m := osTerm.FindStringSubmatch(term)
		if m == nil {
			return nil, fmt.Errorf("distro %q is not understood", clean(distro, 80))
		}
		id := m[2]
		if to := distroIDs[id]; to != "" {
			id = to
		}
		a.OS = append(a.OS, m[1]+id+m[3]+m[4])
	}
	return a, nil
}
