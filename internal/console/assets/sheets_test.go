package assets_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// shared are the sheets that all pages are made with; every other one is of
// some pages.
var shared = []string{"app.css", "base.css", "chart.css", "components.css", "controls.css", "frame.css", "narrow.css", "table.css", "tokens.css"}

var (
	comment = regexp.MustCompile(`(?s)/\*.*?\*/`)
	// alone is a rule for whatever has one class, and nothing else.
	alone = regexp.MustCompile(`(?m)^\.([a-z0-9-]+) \{`)
	class = regexp.MustCompile(`\.([a-z][a-z0-9-]*)`)
)

// TestSheetsStayApart fails when the sheet of some pages has a rule for a class
// that another sheet has rules for, too: it would change other pages. Such a
// rule names what it stands in, or another name is found.
func TestSheetsStayApart(t *testing.T) {
	paths, err := filepath.Glob("src/css/*.css")
	if err != nil || len(paths) < 10 {
		t.Fatalf("%d sheets, %v", len(paths), err)
	}
	in, rules := make(map[string][]string), make(map[string][]string)
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name, text := filepath.Base(path), comment.ReplaceAllString(string(b), "")
		for _, m := range class.FindAllStringSubmatch(text, -1) {
			if !slices.Contains(in[m[1]], name) {
				in[m[1]] = append(in[m[1]], name)
			}
		}
		if slices.Contains(shared, name) {
			continue
		}
		for _, m := range alone.FindAllStringSubmatch(text, -1) {
			rules[name] = append(rules[name], m[1])
		}
	}
	for sheet, list := range rules {
		for _, c := range list {
			for _, other := range in[c] {
				if other != sheet {
					t.Errorf("%s has a rule for .%s, which %s has rules for, too", sheet, c, other)
				}
			}
		}
	}
}
