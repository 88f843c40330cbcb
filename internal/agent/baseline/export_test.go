package baseline

import (
	"maps"
	"slices"
)

// Parts for tests.
var (
	OSNames       = osNames
	OSTerm        = osTerm
	ParseMounts   = parseMountinfo
	ParseFstab    = parseFstab
	MaxFoundBytes = maxFound
)

// AccountRules are the names of the rules there are.
func AccountRules() []AccountRule { return slices.Sorted(maps.Keys(accountRules)) }

// XMLCommands are the commands of the XML format.
func XMLCommands() []string { return slices.Sorted(maps.Keys(xmlCommands)) }

// MakesSense says whether a check is for a system, as far as its operating
// system and init system tell.
func (c *Check) MakesSense(id, version, init string, like ...string) bool {
	s := &system{id: id, version: version, like: like, init: init}
	a := c.Applies
	return a == nil || (a.OS == nil || s.fits(a.OS, a.exact)) && (a.Init == nil || slices.Contains(a.Init, init))
}

// Each calls f for t and all tests in it, those of conditions as well.
func (t *Test) Each(f func(*Test)) {
	f(t)
	if t.Applies != nil && t.Applies.When != nil {
		t.Applies.When.Each(f)
	}
	if t.Not != nil {
		t.Not.Each(f)
	}
	for i := range t.All {
		t.All[i].Each(f)
	}
	for i := range t.Any {
		t.Any[i].Each(f)
	}
}

// PointOf is where something is mounted.
func PointOf(m mount) string { return m.point }
