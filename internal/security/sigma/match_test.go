package sigma_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tvilling/tvilling/internal/rulefile"
	"github.com/tvilling/tvilling/internal/security/sigma"
)

// parseAll reads the rules of a text of any number of documents.
func parseAll(tb testing.TB, text string) []*sigma.Rule {
	tb.Helper()
	var rules []*sigma.Rule
	for one := range strings.SplitSeq(text, "---\n") {
		if strings.TrimSpace(one) == "" {
			continue
		}
		nodes, err := rulefile.Parse([]byte(one))
		if err != nil {
			tb.Fatal(err)
		}
		for _, n := range nodes {
			r, err := sigma.Parse(n)
			if err != nil {
				tb.Fatalf("%v\n%s", err, one)
			}
			rules = append(rules, r)
		}
	}
	return rules
}

// TestNoAllocation holds what does not match to no memory, once the scratch has grown.
func TestNoAllocation(t *testing.T) {
	set := ruleSet(t, 100)
	records := plain(ordinary(64))
	records = append(records, &values{}, &values{of: [9]string{"curl wget python3 -u zzz", "/usr/bin/curl", "BJÖRN"}})
	var sc sigma.Scratch
	yield := func(r *sigma.Rule, _ []sigma.Match) { t.Errorf("%s matches", r.Title) }
	all := func() {
		for _, r := range records {
			set.Match(r, &sc, yield)
		}
	}
	all()
	if n := testing.AllocsPerRun(10, all); n != 0 {
		t.Errorf("%v allocations for %d records without a match", n, len(records))
	}
}

func TestGates(t *testing.T) {
	for _, c := range []struct {
		detection string
		always    int
	}{
		{"{s: {a: x}, condition: s}", 0},
		{"{s: {a: x}, condition: not s}", 1},
		{"{s: {a: x}, condition: not not s}", 0},
		{"{s: {a: x}, t: {b: y}, condition: s or t}", 0},
		{"{s: {a: x}, t: {b: y}, condition: s or not t}", 1},
		{"{s: {a: x}, t: {b: y}, condition: s and not t}", 0},
		{"{s: {a: x}, t: {b: y}, condition: not (s and t)}", 1},
		{"{s: {a|neq: x}, condition: not s}", 0},
		{"{s: {a|lt: 3}, condition: s}", 1},
		{"{s: {a|lt: 3, b: x}, condition: s}", 0},
		{"{s: {a|re: 'ab+c'}, condition: s}", 0},
		{"{s: {a|re: '[0-9]+'}, condition: s}", 1},
		{"{s: {a|re: '(foo|b[aA]r)x*'}, condition: s}", 0},
		{"{s: {a|re: '(foo)?x*'}, condition: s}", 1},
		{"{s: {a: ['*', x]}, condition: s}", 1},
		{"{s: {a|expand: '%bad%'}, condition: s}", 1},
		{"{s: {a|expand: '%tools%'}, condition: s}", 0},
		{"{s_a: {a|exists: true}, s_b: {b: x}, condition: all of s_*}", 0},
		{"{s_a: {a|exists: true}, s_b: {b: x}, condition: 1 of s_*}", 1},
		{"{s: {a: ''}, condition: s}", 1},
	} {
		set, err := compile("title: t\nlogsource: {category: c}\ndetection: " + c.detection + "\n")
		if err != nil {
			t.Errorf("%s: %v", c.detection, err)
			continue
		}
		if got := set.Always(); got != c.always {
			t.Errorf("%s: looked at always = %d, want %d", c.detection, got, c.always)
		}
	}
}

// TestOneSet holds rules in one set to what each finds alone, in order.
func TestOneSet(t *testing.T) {
	var texts []string
	for i := range 70 {
		texts = append(texts, fmt.Sprintf("---\ntitle: R%d\nlogsource: {category: c}\ndetection: {s: {a|contains: x%d}, f: {b: y%d}, condition: s and not f}\n", i, i, i%3))
	}
	rules := parseAll(t, strings.Join(texts, ""))
	set, err := sigma.Compile(rules, options)
	if err != nil {
		t.Fatal(err)
	}
	var sc, alone sigma.Scratch
	for i := range 100 {
		r := record{"a": {fmt.Sprintf("x%dx%d", i%70, i*7)}, "b": {fmt.Sprintf("y%d", i%4)}}
		var got, want []string
		set.Match(r, &sc, func(r *sigma.Rule, _ []sigma.Match) { got = append(got, r.Title) })
		for _, rule := range rules {
			one, err := sigma.Compile([]*sigma.Rule{rule}, options)
			if err != nil {
				t.Fatal(err)
			}
			one.Match(r, &alone, func(r *sigma.Rule, _ []sigma.Match) { want = append(want, r.Title) })
		}
		if !slices.Equal(got, want) {
			t.Fatalf("record %v: rules %v, each alone %v", r, got, want)
		}
	}
}

func TestLongValues(t *testing.T) {
	set, err := compile("title: t\nlogsource: {category: c}\ndetection: {s: {a|re: evil}, k: {b|contains: evil}, condition: 1 of them}\n")
	if err != nil {
		t.Fatal(err)
	}
	pad := strings.Repeat(" ", sigma.MaxRegexInput)
	for _, c := range []struct {
		r    record
		want bool
	}{
		{record{"a": {pad[4:] + "evil"}}, true},
		{record{"a": {pad + "evil"}}, false}, // beyond what a regular expression sees
		{record{"b": {pad + "evil"}}, true},  // texts are searched in the whole value
	} {
		if _, ok := matches(set, c.r); ok != c.want {
			t.Errorf("value of %d bytes: match = %t, want %t", len(c.r["a"])+len(c.r["b"]), ok, c.want)
		}
	}
}

// model is a rule as the property test makes it, with its own evaluation: every
// value is a regular expression, nothing is searched together.
type model struct {
	text string
	eval func(r record) bool
}

// letters make values collide often: case, a rune of two bytes, one that folds
// to another length, and what is special in patterns.
var letters = []string{"a", "b", "A", "é", "É", "K", "k", "\u212a", "-", "/"}

func genText(t *rapid.T, name string, special []string, most int) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom(append(slices.Clone(letters), special...)), 0, most).Draw(t, name), "")
}

// naive is the regular expression for a pattern.
func naive(p string, mod string, cased bool) *regexp.Regexp {
	flags := "(?s)"
	if !cased {
		flags = "(?is)"
	}
	var b strings.Builder
	rs := []rune(p)
	for i := 0; i < len(rs); i++ {
		switch {
		case rs[i] == '\\' && i+1 < len(rs) && strings.ContainsRune(`*?\`, rs[i+1]):
			i++
			b.WriteString(regexp.QuoteMeta(string(rs[i])))
		case rs[i] == '*':
			b.WriteString(".*")
		case rs[i] == '?':
			b.WriteString(".")
		default:
			b.WriteString(regexp.QuoteMeta(string(rs[i])))
		}
	}
	before, after := "^", "$"
	if mod == "contains" || mod == "endswith" {
		before = ""
	}
	if mod == "contains" || mod == "startswith" {
		after = ""
	}
	return regexp.MustCompile(flags + before + "(?:" + b.String() + ")" + after)
}

func genItem(t *rapid.T) model {
	field := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "field")
	mod := rapid.SampledFrom([]string{"", "contains", "startswith", "endswith", "re"}).Draw(t, "modifier")
	cased, neq := rapid.Bool().Draw(t, "cased"), rapid.IntRange(0, 3).Draw(t, "neq") == 0
	n := rapid.IntRange(1, 3).Draw(t, "values")
	all := n > 1 && rapid.Bool().Draw(t, "all")
	var expressions []*regexp.Regexp
	var quoted []string
	for range n {
		if mod == "re" {
			v := genText(t, "expression", []string{".", "a+", "(a|b)", "[aA]", "k?"}, 4) + "b"
			flags := "(?i)"
			if cased {
				flags = ""
			}
			expressions = append(expressions, regexp.MustCompile(flags+v))
			quoted = append(quoted, "'"+v+"'")
			continue
		}
		v := genText(t, "pattern", []string{"*", "?", `\`, `\*`}, 5) + "a"
		expressions = append(expressions, naive(v, mod, cased))
		quoted = append(quoted, "'"+v+"'")
	}
	key := field
	switch {
	case mod == "re" && !cased:
		key += "|re|i"
	case mod != "":
		key += "|" + mod
	}
	if cased && mod != "re" {
		key += "|cased"
	}
	if all {
		key += "|all"
	}
	if neq {
		key += "|neq"
	}
	value := "[" + strings.Join(quoted, ", ") + "]"
	if n == 1 {
		value = quoted[0]
	}
	return model{"'" + key + "': " + value, func(r record) bool {
		holds := func(re *regexp.Regexp) bool { return slices.ContainsFunc(r[field], re.MatchString) }
		if all {
			return !slices.ContainsFunc(expressions, func(re *regexp.Regexp) bool { return !holds(re) }) != neq
		}
		return slices.ContainsFunc(expressions, holds) != neq
	}}
}

func genSelection(t *rapid.T) model {
	var text []string
	var evals []func(record) bool
	// Keys of a map differ: one item of a group in each map.
	for range rapid.IntRange(1, 2).Draw(t, "groups") {
		it := genItem(t)
		text = append(text, "{"+it.text+"}")
		evals = append(evals, it.eval)
	}
	return model{"[" + strings.Join(text, ", ") + "]", func(r record) bool {
		return slices.ContainsFunc(evals, func(e func(record) bool) bool { return e(r) })
	}}
}

func genCondition(t *rapid.T, s []model, depth int) model {
	kind := rapid.IntRange(0, 5).Draw(t, "clause")
	if depth == 0 {
		kind = 0
	}
	count := func(r record) int {
		n := 0
		for _, m := range s {
			if m.eval(r) {
				n++
			}
		}
		return n
	}
	switch kind {
	case 1, 2:
		l, r := genCondition(t, s, depth-1), genCondition(t, s, depth-1)
		if kind == 1 {
			return model{"(" + l.text + " and " + r.text + ")", func(x record) bool { return l.eval(x) && r.eval(x) }}
		}
		return model{"(" + l.text + " or " + r.text + ")", func(x record) bool { return l.eval(x) || r.eval(x) }}
	case 3:
		c := genCondition(t, s, depth-1)
		return model{"not " + c.text, func(x record) bool { return !c.eval(x) }}
	case 4:
		n := rapid.IntRange(1, len(s)).Draw(t, "count")
		return model{fmt.Sprintf("%d of s*", n), func(x record) bool { return count(x) >= n }}
	case 5:
		return model{"all of them", func(x record) bool { return count(x) == len(s) }}
	default:
		i := rapid.IntRange(0, len(s)-1).Draw(t, "selection")
		return model{fmt.Sprintf("s%d", i), s[i].eval}
	}
}

// TestProperty holds compiled sets to the naive evaluation.
func TestProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var texts strings.Builder
		var models []model
		for i := range rapid.IntRange(1, 4).Draw(t, "rules") {
			var s []model
			fmt.Fprintf(&texts, "---\ntitle: '%d'\nlogsource: {category: c}\ndetection:\n", i)
			for j := range rapid.IntRange(1, 3).Draw(t, "selections") {
				s = append(s, genSelection(t))
				fmt.Fprintf(&texts, "  s%d: %s\n", j, s[j].text)
			}
			c := genCondition(t, s, 3)
			fmt.Fprintf(&texts, "  condition: %s\n", c.text)
			models = append(models, c)
		}
		set, err := compile(texts.String())
		if err != nil {
			t.Fatalf("%v\n%s", err, texts.String())
		}
		var sc sigma.Scratch
		for range 8 {
			r := record{}
			for _, f := range []string{"a", "b"} {
				for range rapid.IntRange(0, 2).Draw(t, "values") {
					r[f] = append(r[f], genText(t, "value", []string{"*", `\`, "\xff"}, 7))
				}
			}
			var got, want []string
			set.Match(r, &sc, func(r *sigma.Rule, _ []sigma.Match) { got = append(got, r.Title) })
			for i, m := range models {
				if m.eval(r) {
					want = append(want, fmt.Sprint(i))
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("record %q: rules %v, want %v\n%s", r, got, want, texts.String())
			}
		}
	})
}

// TestManyTexts holds the search for many texts together, which end within and
// after each other, to a search for each.
func TestManyTexts(t *testing.T) {
	small := func(most int) *rapid.Generator[string] {
		return rapid.StringOfN(rapid.RuneFrom([]rune("abé")), 1, most, -1)
	}
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfNDistinct(small(6), 1, 60, rapid.ID[string]).Draw(t, "texts")
		var file strings.Builder
		for _, s := range texts {
			fmt.Fprintf(&file, "---\ntitle: %q\nlogsource: {category: c}\ndetection: {s: {a|contains: '%s'}, condition: s}\n", s, s)
		}
		set, err := compile(file.String())
		if err != nil {
			t.Fatal(err)
		}
		var sc sigma.Scratch
		for range 5 {
			value := small(40).Draw(t, "value")
			var got, want []string
			set.Match(record{"a": {value}}, &sc, func(r *sigma.Rule, _ []sigma.Match) { got = append(got, r.Title) })
			for _, s := range texts {
				if strings.Contains(value, s) {
					want = append(want, s)
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("in %q found %q, want %q", value, got, want)
			}
		}
	})
}
