package baseline

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Severity says how much a failed check matters. The words are those of
// security messages.
type Severity string

// The severities.
const (
	Critical      Severity = "Critical"
	Important     Severity = "Important"
	Warning       Severity = "Warning"
	Informational Severity = "Informational"
)

// Check is one check of the baseline, as it is written in TOML.
type Check struct {
	// ID names the check for good: "TV-SSH-004".
	ID string `toml:"id"`
	// Title is the passing condition, as a sentence.
	Title string `toml:"title"`
	// Rationale says why it matters, Remedy what to do when it fails.
	Rationale string `toml:"rationale"`
	Remedy    string `toml:"remedy"`
	// Severity and Group are how bad a failure is, and what it is about ("ssh").
	Severity Severity `toml:"severity"`
	Group    string   `toml:"group"`
	// Refs are numbers of the same check elsewhere; see [Check.CceID].
	Refs []string `toml:"refs"`
	// Applies says where the check makes sense; nil: everywhere.
	Applies *Applies `toml:"applies"`
	// Test is what is looked at.
	Test Test `toml:"test"`

	// cce is the number that the XML format gives.
	cce string
}

var (
	checkID    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$`)
	groupName  = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)
	refPattern = regexp.MustCompile(`^(CCE-[0-9X]{1,7}-[0-9]|CIS-[A-Za-z0-9._-]{1,80}|CIS [A-Za-z0-9. -]{1,80})$`)
)

// CceID is the number that is sent for c: that of the XML format, or the first of its references that is
// a number of the Common Configuration Enumeration ("CCE-4370-3"), else the
// first that is an id of the original's later agent ("CIS-debian-9-…"), else
// the check's own id.
func (c *Check) CceID() string {
	if c.cce != "" {
		return c.cce
	}
	for _, prefix := range []string{"CCE-", "CIS-"} {
		if i := slices.IndexFunc(c.Refs, func(r string) bool { return strings.HasPrefix(r, prefix) }); i >= 0 {
			return c.Refs[i]
		}
	}
	return c.ID
}

// maxTitle bounds what is sent of a check's texts, in bytes.
const maxTitle = 400

// prepare looks for what is wrong with c, and compiles its expressions.
func (c *Check) prepare() error {
	if !checkID.MatchString(c.ID) {
		return fmt.Errorf("id %q must be 1 to 80 letters, digits, '.', '_' or '-'", c.ID)
	}
	if strings.TrimSpace(c.Title) == "" {
		return errors.New("title is missing: write what holds when the check passes")
	}
	if len(c.Title) > maxTitle {
		return fmt.Errorf("title is longer than %d bytes", maxTitle)
	}
	switch c.Severity {
	case Critical, Important, Warning, Informational:
	default:
		return fmt.Errorf("severity %q must be Critical, Important, Warning or Informational", c.Severity)
	}
	if !groupName.MatchString(c.Group) {
		return fmt.Errorf("group %q must be 1 to 40 of a-z, 0-9 and '-'", c.Group)
	}
	for _, r := range c.Refs {
		if !refPattern.MatchString(r) {
			return fmt.Errorf("reference %q must look like \"CCE-4370-3\", \"CIS-debian-9-Filesystem-1.1.2\" or \"CIS Debian 12 5.1.20\"", r)
		}
	}
	if err := c.Applies.prepare(0); err != nil {
		return fmt.Errorf("applies: %w", err)
	}
	if err := c.Test.prepare(0); err != nil {
		return fmt.Errorf("test%w", err)
	}
	return nil
}
