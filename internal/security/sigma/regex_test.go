package sigma_test

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tvilling/tvilling/internal/security/sigma"
)

// TestRequiredTexts holds expressions, which are tried only on values that have
// the texts they require, to what they match where every value is tried.
func TestRequiredTexts(t *testing.T) {
	for _, expr := range []string{
		`curl .*(miner|stratum|(?i)Xmrig)`,
		`(?i)^(\S*/)?curl( -\w+)* (one|two|three)?(four|five)`,
		`(abc|def).*(ghi|jkl)+.*(mno){2}`,
		`(abc|d)(efg|h)?ij`,
		`abc(def)*ghi{0,2}jk`,
		`(a.*bcd|efg.*h|ijkl).*xyz`,
		`K(elvin|ilo) and ſharp`,
		`(abc|).*def`,
	} {
		set, err := compile("title: t\nlogsource: {category: c}\ndetection: {s: {a|re: '" + expr + "'}, condition: s}\n")
		if err != nil {
			t.Fatal(err)
		}
		whole := regexp.MustCompile(expr)
		var sc sigma.Scratch
		parts := []string{
			"curl", " ", "miner", "stratum", "XMRIG", "one", "two", "four", "five", "/", "-x", "abc", "def", "ghi", "jkl", "mno", "mnomno",
			"efg", "h", "d", "ij", "gh", "jk", "hjk", "ghjk", "ghijk", "a", "bcd", "ijkl", "xyz", "Kilo", "kilo", "and", "ſharp", "sharp", "CURL", "FOUR",
		}
		rapid.Check(t, func(t *rapid.T) {
			v := strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 1, 8).Draw(t, "value"), "")
			got := false
			set.Match(record{"a": {v}}, &sc, func(*sigma.Rule, []sigma.Match) { got = true })
			if want := whole.MatchString(v); got != want {
				t.Fatalf("%q on %q: %t, want %t", expr, v, got, want)
			}
		})
	}
	// One of each: a text of one list alone is not enough, all of them are.
	for v, want := range map[string]bool{
		"/usr/bin/curl -s http://pool/xmrig": true, "/usr/bin/curl -s http://pool/x": false, "wget http://pool/xmrig": false,
	} {
		set, err := compile("title: t\nlogsource: {category: c}\ndetection: {s: {a|re: '(?i)^(\\S*/)?curl .*/(xmrig|minerd)$'}, condition: s}\n")
		if err != nil {
			t.Fatal(err)
		}
		got := false
		set.Match(record{"a": {v}}, new(sigma.Scratch), func(*sigma.Rule, []sigma.Match) { got = true })
		if got != want {
			t.Errorf("%q matches: %t, want %t", v, got, want)
		}
	}
}
