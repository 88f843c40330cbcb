package sigma_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/rulefile"
	"github.com/tvilling/tvilling/internal/security/sigma"
)

// fields are what records of the tests have; their numbers are their places.
var fields = []string{"CommandLine", "Image", "User", "DestinationIp", "DestinationPort", "a", "b", "c", "d"}

// record is a record of the tests: values by field.
type record map[string][]string

func (r record) Values(id int, dst []string) []string { return append(dst, r[fields[id]]...) }

// words is a small list, ports a large one.
type words []string

func (w words) Contains(v string) bool   { return slices.Contains(w, v) }
func (w words) Values() ([]string, bool) { return w, true }

type large map[string]bool

func (l large) Contains(v string) bool { return l[v] }

var options = sigma.Options{
	Resolve: func(f string) (int, bool) { i := slices.Index(fields, f); return i, i >= 0 },
	List: func(name string) (sigma.List, bool) {
		switch name {
		case "tools":
			return words{"nc", "ncat", "so*at"}, true
		case "bad":
			return large{"203.0.113.9": true, "198.51.100.1": true}, true
		default:
			return nil, false
		}
	},
	Keywords: []int{0, 1},
	Fields:   fields,
}

// compile reads a whole rule file and makes it ready.
func compile(text string) (*sigma.Set, error) {
	nodes, err := rulefile.Parse([]byte(text))
	if err != nil {
		return nil, err
	}
	var rules []*sigma.Rule
	for _, n := range nodes {
		r, err := sigma.Parse(n)
		if err != nil {
			return nil, err
		}
		rules = append(rules, r)
	}
	return sigma.Compile(rules, options)
}

// matches returns the matches of the rules that r fulfils; ok if there is one.
func matches(s *sigma.Set, r sigma.Record) (found []string, ok bool) {
	var sc sigma.Scratch
	s.Match(r, &sc, func(_ *sigma.Rule, ms []sigma.Match) {
		ok = true
		for _, m := range ms {
			found = append(found, fmt.Sprintf("%s %s %s | %s", m.Selection, m.Field, m.Value, m.Pattern))
		}
	})
	return found, ok
}

// TestLanguage runs the cases of testdata/language. A case is a line "=== name",
// the members of detection, and lines of "+ record" (fulfils the rule), "- record"
// (does not), "= match" (what explains the record before it) or "! text" (the
// rule is refused with that text in its message).
func TestLanguage(t *testing.T) {
	files, err := filepath.Glob("testdata/language/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("found %d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range strings.Split("\n"+string(text), "\n=== ")[1:] {
			name, body, _ := strings.Cut(c, "\n")
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txt")+"/"+name, func(t *testing.T) { languageCase(t, body) })
		}
	}
}

func languageCase(t *testing.T, body string) {
	var rule strings.Builder
	rule.WriteString("title: a case\nlogsource: {category: test}\ndetection:\n")
	var checks []string
	for line := range strings.Lines(body) {
		if strings.IndexAny(line, "+-=!") == 0 && len(line) > 1 && line[1] == ' ' || line == "+\n" || line == "-\n" {
			checks = append(checks, strings.TrimSuffix(line, "\n"))
		} else if len(checks) == 0 {
			rule.WriteString("  " + line)
		}
	}
	if len(checks) == 0 {
		t.Fatal("the case checks nothing")
	}
	set, err := compile(rule.String())
	if want, refused := strings.CutPrefix(checks[0], "! "); refused {
		if err == nil {
			t.Fatal("the rule is taken")
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v\nwant it to say %s", err, want)
		}
		p, ok := errors.AsType[sigma.Problems](err)
		if !ok || p[0].Line < 1 || p[0].Message == "" || tvilling.CodeOf(err) == tvilling.Internal {
			t.Errorf("problems = %+v, code %s", p, tvilling.CodeOf(err))
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	var explained []string
	for _, c := range checks {
		if want, ok := strings.CutPrefix(c, "= "); ok {
			if !slices.Contains(explained, want) {
				t.Errorf("matches = %q, want %q among them", explained, want)
			}
			continue
		}
		found, ok := matches(set, parseRecord(t, c[1:]))
		if want := c[0] == '+'; ok != want {
			t.Errorf("record %s: match = %t, want %t", c[1:], ok, want)
		}
		explained = found
	}
}

// parseRecord reads name=value pairs; a value with spaces is a Go string.
func parseRecord(t *testing.T, s string) record {
	t.Helper()
	r := record{}
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		name, rest, ok := strings.Cut(s, "=")
		if !ok || !slices.Contains(fields, name) {
			t.Fatalf("%q is no record", s)
		}
		var value, after string
		if q, err := strconv.QuotedPrefix(rest); err == nil {
			if value, err = strconv.Unquote(q); err != nil {
				t.Fatal(err)
			}
			after = rest[len(q):]
		} else {
			value, after, _ = strings.Cut(rest, " ")
		}
		r[name] = append(r[name], value)
		s = after
	}
	return r
}
