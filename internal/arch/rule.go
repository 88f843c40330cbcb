package arch

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Module is the path of the module whose packages the rules are about. The
// tables name its packages relative to it; "." is its root.
const Module = "github.com/tvilling/tvilling"

// Package is a package of the module with what it imports.
type Package struct {
	// Path is relative to [Module].
	Path string
	// Imports are the import paths of the package itself, TestImports those
	// of its test files, as written in the source.
	Imports     []string
	TestImports []string
}

// Edge allows packages to import packages of the module.
type Edge struct {
	// From and To are patterns: a path relative to [Module], or a path and
	// "/..." for it and all below it.
	From string
	To   []string
	// Why is the reason, in a few words.
	Why string
	// Test allows the edge to test files only.
	Test bool
}

// Foreign allows the packages that match In to import packages of a
// third-party module.
type Foreign struct {
	Module string
	In     []string
	Why    string
	// Test allows it to the test files of these packages only.
	Test bool
}

// Ban keeps packages of the standard library out of parts of the module.
type Ban struct {
	In  []string
	Std []string // patterns, as in [Edge]
	Why string
}

// Rules are the tables that the code is checked against.
type Rules struct {
	Edges   []Edge
	Foreign []Foreign
	Bans    []Ban
	// StdOnly are packages that, besides what an edge allows, import the
	// standard library only.
	StdOnly []string
	// Isolated are groups of which no member may import another, whatever the
	// edges say.
	Isolated [][]string
	// Support are packages that help tests: what holds for tests holds for
	// them, and only tests and they may import them.
	Support []string
}

// Check returns what in packages is against the rules, one sentence each,
// and the rows of the tables that allow something nobody does.
func (r *Rules) Check(packages []Package) (violations, idle []string) {
	used := make(map[string]bool)
	for _, p := range packages {
		support := matchAny(r.Support, p.Path)
		for _, imp := range p.Imports {
			violations = append(violations, r.check(p, imp, support, used)...)
		}
		for _, imp := range p.TestImports {
			violations = append(violations, r.check(p, imp, true, used)...)
		}
	}
	for _, e := range r.Edges {
		for _, to := range e.To {
			if !used[edgeKey(e, to)] {
				idle = append(idle, fmt.Sprintf("edge %s -> %s (%s)", e.From, to, e.Why))
			}
		}
	}
	for _, f := range r.Foreign {
		if !used[f.Module] {
			idle = append(idle, fmt.Sprintf("module %s (%s)", f.Module, f.Why))
		}
	}
	slices.Sort(violations)
	return slices.Compact(violations), idle
}

func (r *Rules) check(p Package, imp string, test bool, used map[string]bool) []string {
	switch {
	case imp == Module || strings.HasPrefix(imp, Module+"/"):
		return r.checkOwn(p, relative(imp), test, used)
	case isStd(imp):
		return r.checkStd(p, imp, test)
	default:
		return r.checkForeign(p, imp, test, used)
	}
}

func (r *Rules) checkOwn(p Package, to string, test bool, used map[string]bool) []string {
	if test && to == p.Path {
		return nil // an external test of the package itself
	}
	// No row of the table can lift the next two.
	if !test && matchAny(r.Support, to) {
		return []string{fmt.Sprintf("%s imports %s: that is for tests only", p.Path, to)}
	}
	if !test {
		for _, group := range r.Isolated {
			a, b := indexOf(group, p.Path), indexOf(group, to)
			if a >= 0 && b >= 0 && a != b {
				return []string{fmt.Sprintf("%s imports %s: %s and %s never import each other", p.Path, to, group[a], group[b])}
			}
		}
	}
	var allowed bool
	for _, e := range r.Edges {
		if e.Test && !test || !match(e.From, p.Path) {
			continue
		}
		for _, pattern := range e.To {
			if match(pattern, to) {
				// A test's import does not keep a row of the product alive.
				if test == e.Test {
					used[edgeKey(e, pattern)] = true
				}
				allowed = true
			}
		}
	}
	if allowed {
		return nil
	}
	if test && !matchAny(r.Support, p.Path) {
		return []string{fmt.Sprintf("the tests of %s import %s: no edge of the table allows it", p.Path, to)}
	}
	return []string{fmt.Sprintf("%s imports %s: no edge of the table allows it", p.Path, to)}
}

func (r *Rules) checkStd(p Package, imp string, test bool) []string {
	if test {
		return nil
	}
	var out []string
	for _, b := range r.Bans {
		if matchAny(b.In, p.Path) && matchAny(b.Std, imp) {
			out = append(out, fmt.Sprintf("%s imports %s: %s", p.Path, imp, b.Why))
		}
	}
	return out
}

func (r *Rules) checkForeign(p Package, imp string, test bool, used map[string]bool) []string {
	if !test && matchAny(r.StdOnly, p.Path) {
		return []string{fmt.Sprintf("%s imports %s: it may import the standard library only", p.Path, imp)}
	}
	for _, f := range r.Foreign {
		if imp != f.Module && !strings.HasPrefix(imp, f.Module+"/") {
			continue
		}
		if matchAny(f.In, p.Path) && (test || !f.Test) {
			used[f.Module] = true
			return nil
		}
		return []string{fmt.Sprintf("%s imports %s: that module enters through %s", p.Path, imp, strings.Join(f.In, ", "))}
	}
	return []string{fmt.Sprintf("%s imports %s: the module is not in the table", p.Path, imp)}
}

func edgeKey(e Edge, to string) string {
	return fmt.Sprintf("%s>%s>%t", e.From, to, e.Test)
}

// relative turns an import path of the module into the form of the tables.
func relative(imp string) string {
	if imp == Module {
		return "."
	}
	return strings.TrimPrefix(imp, Module+"/")
}

// isStd reports whether imp is of the standard library: its first element
// has no dot.
func isStd(imp string) bool {
	first, _, _ := strings.Cut(imp, "/")
	return !strings.Contains(first, ".")
}

// match reports whether p is what pattern says: the same path, or, for
// "x/...", x or something below it; "..." alone matches everything.
func match(pattern, p string) bool {
	if pattern == "..." {
		return true
	}
	if prefix, ok := strings.CutSuffix(pattern, "/..."); ok {
		return p == prefix || strings.HasPrefix(p, prefix+"/")
	}
	return path.Clean(pattern) == p
}

func matchAny(patterns []string, p string) bool { return indexOf(patterns, p) >= 0 }

// indexOf returns the index of the first pattern that p matches, or -1.
func indexOf(patterns []string, p string) int {
	return slices.IndexFunc(patterns, func(pattern string) bool { return match(pattern, p) })
}
