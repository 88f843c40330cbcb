package baseline_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tvilling/tvilling/internal/agent/baseline"
)

const manual = "../../../docs/baseline.md"

// The least number of built-in checks for a system of each sort.
const (
	leastDebian  = 110
	leastBusyBox = 35
)

func builtin(t *testing.T) []baseline.Check {
	t.Helper()
	checks, err := baseline.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return checks
}

// TestBuiltinChecks holds the data to what people and the hub expect of it.
// Parsing has looked at the rest: known words, expressions, ids that are unique.
func TestBuiltinChecks(t *testing.T) {
	t.Parallel()
	id := regexp.MustCompile(`^TV-[A-Z]{2,8}-[0-9]{3}$`)
	titles := map[string]string{}
	for _, c := range builtin(t) {
		if !id.MatchString(c.ID) {
			t.Errorf("%s: the id must be like TV-SSH-004", c.ID)
		}
		if other := titles[c.Title]; other != "" {
			t.Errorf("%s has the title of %s", c.ID, other)
		}
		titles[c.Title] = c.ID
		for what, text := range map[string]string{"title": c.Title, "rationale": c.Rationale, "remedy": c.Remedy} {
			if text == "" || strings.TrimSpace(text) != text {
				t.Errorf("%s: the %s is missing, or has blanks around it", c.ID, what)
			}
		}
		if strings.HasSuffix(c.Title, ".") || strings.ContainsAny(c.Title, "\n\t") || len(c.Title) > 160 {
			t.Errorf("%s: the title must be one line of at most 160 bytes, without a full stop", c.ID)
		}
		if slices.Sort(c.Refs); len(slices.Compact(c.Refs)) != len(c.Refs) {
			t.Errorf("%s: a reference is there twice", c.ID)
		}
		systems := func(a *baseline.Applies) {
			if a == nil {
				return
			}
			for _, term := range a.OS {
				if name := baseline.OSTerm.FindStringSubmatch(term)[2]; !slices.Contains(baseline.OSNames, name) {
					t.Errorf("%s: the system %q is not known; correct it, or add it to osNames", c.ID, name)
				}
			}
		}
		systems(c.Applies)
		if c.Applies != nil && c.Applies.When != nil {
			c.Applies.When.Each(func(t *baseline.Test) { systems(t.Applies) })
		}
		c.Test.Each(func(t *baseline.Test) { systems(t.Applies) })
	}
}

// TestBuiltinFiles asks that the prefix of ids and the group are one per file.
func TestBuiltinFiles(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("checks/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	groups := map[string]string{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		checks, err := baseline.ParseTOML(f, text)
		if err != nil {
			t.Error(err)
		}
		for _, c := range checks {
			word, _, _ := strings.Cut(strings.TrimPrefix(c.ID, "TV-"), "-")
			if first, ok := groups[word]; ok && first != c.Group {
				t.Errorf("%s: %s is of group %s, other TV-%s of %s", f, c.ID, c.Group, word, first)
			}
			groups[word] = c.Group
		}
	}
}

// TestCounts counts the checks that make sense on a usual Debian, and on a
// small image with BusyBox made by Yocto.
func TestCounts(t *testing.T) {
	t.Parallel()
	debian, busybox := 0, 0
	for _, c := range builtin(t) {
		if c.MakesSense("debian", "12", "systemd") {
			debian++
		}
		if c.MakesSense("poky", "5.0", "busybox", "busybox", "yocto") {
			busybox++
		}
	}
	t.Logf("%d checks for Debian, %d for BusyBox", debian, busybox)
	if debian < leastDebian || busybox < leastBusyBox {
		t.Errorf("%d checks for Debian and %d for BusyBox, want at least %d and %d", debian, busybox, leastDebian, leastBusyBox)
	}
}

// TestManual looks for every kind of test, its keys, and every rule in the
// manual.
func TestManual(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for l := range strings.Lines(string(data)) {
		if name, rest, ok := strings.Cut(strings.TrimPrefix(l, "| `"), "`"); ok && strings.HasPrefix(l, "| `") {
			rows[name] += rest
		}
	}
	comparison := regexp.MustCompile("(?s)A comparison is .*?\n\n").FindString(string(data))
	kinds := reflect.TypeFor[baseline.Test]()
	for f := range fields(kinds) {
		name := f.Tag.Get("toml")
		row, ok := rows[name]
		if !ok && name != "all" && name != "any" && name != "not" {
			t.Errorf("kind %q has no row in the manual", name)
			continue
		}
		if f.Type.Kind() != reflect.Pointer || f.Type.Elem() == kinds || name == "applies" {
			continue
		}
		for k := range fields(f.Type.Elem()) {
			if k.Anonymous {
				if !strings.Contains(row, "a comparison") {
					t.Errorf("kind %q: the manual does not say that it compares", name)
				}
				continue
			}
			if key := k.Tag.Get("toml"); !strings.Contains(row, "`"+key+"`") {
				t.Errorf("kind %q: the manual does not have the key %q", name, key)
			}
		}
	}
	for k := range fields(reflect.TypeFor[baseline.Compare]()) {
		if key := k.Tag.Get("toml"); !strings.Contains(comparison, "`"+key+"`") {
			t.Errorf("the manual does not have the comparison %q", key)
		}
	}
	for k := range fields(reflect.TypeFor[baseline.Applies]()) {
		if _, ok := rows[k.Tag.Get("toml")]; !ok {
			t.Errorf("the manual does not have the condition %q", k.Tag.Get("toml"))
		}
	}
	for _, r := range baseline.AccountRules() {
		if !strings.Contains(string(data), "`"+string(r)+"`") {
			t.Errorf("the manual does not have the rule %q", r)
		}
	}
}

// fields are those that a file can set.
func fields(t reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for f := range t.Fields() {
			if f.IsExported() && !yield(f) {
				return
			}
		}
	}
}
