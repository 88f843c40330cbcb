package baseline

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Compare is what a value is held to; all that is given must hold.
type Compare struct {
	// Eq and Ne are the value's whole text.
	Eq *string `toml:"eq"`
	Ne *string `toml:"ne"`
	// In and NotIn are texts of which one, or none, is the value's.
	In    []string `toml:"in"`
	NotIn []string `toml:"not_in"`
	// Le and Ge are for values that are integers; another value does not hold.
	Le *int64 `toml:"le"`
	Ge *int64 `toml:"ge"`
	// Match is an expression (RE2) that is found in the value.
	Match string `toml:"match"`

	match *expr
}

func (c *Compare) prepare() (err error) {
	if c.Eq == nil && c.Ne == nil && c.In == nil && c.NotIn == nil && c.Le == nil && c.Ge == nil && c.Match == "" {
		return errors.New("needs one of eq, ne, in, not_in, le, ge and match")
	}
	c.match, err = compile("match", c.Match)
	return err
}

// holds says whether the value is as wanted; fold compares texts in any case.
func (c *Compare) holds(value string, fold bool) bool {
	same := func(s string) bool { return s == value || fold && strings.EqualFold(s, value) }
	switch {
	case c.Eq != nil && !same(*c.Eq),
		c.Ne != nil && same(*c.Ne),
		c.In != nil && !slices.ContainsFunc(c.In, same),
		slices.ContainsFunc(c.NotIn, same),
		c.match != nil && !c.match.MatchString(value):
		return false
	}
	if c.Le == nil && c.Ge == nil {
		return true
	}
	n, err := strconv.ParseInt(value, 10, 64)
	return err == nil && (c.Le == nil || n <= *c.Le) && (c.Ge == nil || n >= *c.Ge)
}

// want says in words what holds asks for.
func (c *Compare) want() string {
	var s []string
	if c.Eq != nil {
		s = append(s, fmt.Sprintf("%q", *c.Eq))
	}
	if c.Ne != nil {
		s = append(s, fmt.Sprintf("not %q", *c.Ne))
	}
	if c.In != nil {
		s = append(s, "one of "+strings.Join(c.In, ", "))
	}
	if c.NotIn != nil {
		s = append(s, "none of "+strings.Join(c.NotIn, ", "))
	}
	if c.Ge != nil {
		s = append(s, fmt.Sprintf("at least %d", *c.Ge))
	}
	if c.Le != nil {
		s = append(s, fmt.Sprintf("at most %d", *c.Le))
	}
	if c.Match != "" {
		s = append(s, "like "+c.Match)
	}
	return strings.Join(s, ", ")
}
