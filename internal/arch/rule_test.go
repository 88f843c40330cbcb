package arch_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling/internal/arch"
)

// TestRulesCatch proves that each kind of rule can fail: a table that allows
// everything by mistake would pass every other test.
func TestRulesCatch(t *testing.T) {
	rules := arch.Rules{
		Edges: []arch.Edge{
			{From: "core/...", To: []string{"."}, Why: "words"},
			{From: "adapter/...", To: []string{"core/...", "adapter/..."}, Why: "calls"},
			{From: "core/twin", To: []string{"memory"}, Why: "a real store", Test: true},
			{From: "core/coretest", To: []string{"memory"}, Why: "a real store", Test: true},
			{From: "core/...", To: []string{"core/coretest"}, Why: "a whole core", Test: true},
			{From: "core/session", To: []string{"core/coretest"}, Why: "by mistake"},
		},
		Foreign: []arch.Foreign{
			{Module: "example.com/db", In: []string{"adapter/sql"}, Why: "driver"},
			{Module: "example.com/cmp", In: []string{"..."}, Why: "diffs", Test: true},
		},
		Bans:     []arch.Ban{{In: []string{"core/..."}, Std: []string{"net/http", "database/..."}, Why: "the core knows no wire"}},
		StdOnly:  []string{"codec"},
		Support:  []string{"core/coretest"},
		Isolated: [][]string{{"adapter/sql/...", "adapter/rest/..."}},
	}
	tests := map[string]struct {
		pkg  arch.Package
		want []string
	}{
		"allowed edge":               {pkg("core/twin", own(".")), nil},
		"missing edge":               {pkg("core/twin", own("core/session")), []string{"core/twin imports core/session: no edge of the table allows it"}},
		"edge upwards":               {pkg("core/twin", own("adapter/sql")), []string{"core/twin imports adapter/sql: no edge of the table allows it"}},
		"isolated in spite of edge":  {pkg("adapter/rest", own("adapter/sql")), []string{"adapter/rest imports adapter/sql: adapter/rest/... and adapter/sql/... never import each other"}},
		"within one side":            {pkg("adapter/sql/x", own("adapter/sql")), nil},
		"banned std":                 {pkg("core/twin", "net/http"), []string{"core/twin imports net/http: the core knows no wire"}},
		"banned std below":           {pkg("core/twin", "database/sql/driver"), []string{"core/twin imports database/sql/driver: the core knows no wire"}},
		"prefix is not a parent":     {pkg("core/twin", "net/httptrace"), nil},
		"banned std elsewhere":       {pkg("adapter/rest", "net/http"), nil},
		"module through its package": {pkg("adapter/sql", "example.com/db/v2"), nil},
		"module elsewhere":           {pkg("core/twin", "example.com/db"), []string{"core/twin imports example.com/db: that module enters through adapter/sql"}},
		"module of nobody":           {pkg("core/twin", "example.com/new"), []string{"core/twin imports example.com/new: the module is not in the table"}},
		"test module in the product": {pkg("adapter/sql", "example.com/cmp"), []string{"adapter/sql imports example.com/cmp: that module enters through ..."}},
		"test module in a test":      {testPkg("adapter/sql", "example.com/cmp"), nil},
		"codec":                      {pkg("codec", "example.com/db"), []string{"codec imports example.com/db: it may import the standard library only"}},
		"test edge in the product":   {pkg("core/twin", own("memory")), []string{"core/twin imports memory: no edge of the table allows it"}},
		"test edge in a test":        {testPkg("core/twin", own("memory")), nil},
		"test of another":            {testPkg("core/session", own("memory")), []string{"the tests of core/session import memory: no edge of the table allows it"}},
		"test of itself":             {testPkg("core/session", own("core/session")), nil},
		"test edge in test support":  {pkg("core/coretest", own("memory"), "example.com/cmp"), nil},
		"missing edge, test support": {pkg("core/coretest", own("adapter/sql")), []string{"core/coretest imports adapter/sql: no edge of the table allows it"}},
		"test support in a test":     {testPkg("core/twin", own("core/coretest")), nil},
		"test support in a product":  {pkg("core/session", own("core/coretest")), []string{"core/session imports core/coretest: that is for tests only"}},
		"std in a test":              {testPkg("core/twin", "net/http"), nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, _ := rules.Check([]arch.Package{test.pkg})
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRulesTellIdleRows(t *testing.T) {
	rules := arch.Rules{
		Edges: []arch.Edge{
			{From: "a", To: []string{"b", "c"}, Why: "uses"},
			{From: "a", To: []string{"d"}, Why: "tests", Test: true},
		},
		Foreign: []arch.Foreign{
			{Module: "example.com/used", In: []string{"a"}, Why: "x"},
			{Module: "example.com/idle", In: []string{"a"}, Why: "y"},
		},
	}
	_, got := rules.Check([]arch.Package{{
		Path:        "a",
		Imports:     []string{arch.Module + "/b", "example.com/used"},
		TestImports: []string{arch.Module + "/c"},
	}})
	want := []string{
		"edge a -> c (uses)", // a test's import does not keep a row of the product alive
		"edge a -> d (tests)",
		"module example.com/idle (y)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("idle rows (-want +got):\n%s", diff)
	}
}

func own(path string) string {
	if path == "." {
		return arch.Module
	}
	return arch.Module + "/" + path
}

func pkg(path string, imports ...string) arch.Package {
	return arch.Package{Path: path, Imports: imports}
}

func testPkg(path string, imports ...string) arch.Package {
	return arch.Package{Path: path, TestImports: imports}
}
