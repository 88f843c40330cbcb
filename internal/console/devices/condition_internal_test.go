package devices

import (
	"net/url"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
)

func TestChipsSayWhatTheConditionSays(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{"modules.security.state IN ['unhealthy', 'atRisk'] AND tags.site != 'lab'", []string{"State is unhealthy or at risk", "Tag site is set, but not lab"}},
		{"WHERE connectionState = 'Disconnected'", []string{"Connection is off"}},
		{"STARTSWITH(deviceId, 'pump') AND modules.security.score <= 40", []string{"Device begins with pump", "Posture at most 40"}},
		{"NOT IS_DEFINED(tags.owner)", []string{"Tag owner is not set"}},
		{"tags.line IN ['3', 3]", []string{"Tag line is 3"}},
		{"modules.properties.reported.os = 'linux'", []string{"Reported of the module os is linux"}},
		{"tags.a = 'x' OR tags.b = 'y'", []string{"tags.a = 'x' OR tags.b = 'y'"}},
		{"LENGTH(deviceId) > 3 AND tags.site = 'x'", []string{"LENGTH(deviceId) > 3", "Tag site is x"}},
	} {
		c, err := readCondition(tt.text)
		if err != nil {
			t.Fatalf("%q: %v", tt.text, err)
		}
		var got []string
		for _, ch := range c.chips() {
			got = append(got, ch.Words())
		}
		if strings.Join(got, "; ") != strings.Join(tt.want, "; ") {
			t.Errorf("%q: got %q, want %q", tt.text, got, tt.want)
		}
	}
}

// What chips leave when they are removed means the same as what was typed
// without that part.
func TestConditionIsWrittenBack(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"tags.a = 'x' AND (tags.b = 'y' OR tags.c = 3) AND NOT IS_DEFINED(tags.d)",
		`tags.[[odd name]].x = 'it\'s' AND deviceId LIKE 'p%'`,
		"a = 1 OR b = 2",
		"tags.n != null AND properties.reported.ok",
	} {
		c, err := readCondition(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		again, err := readCondition(written(c.terms))
		if err != nil {
			t.Fatalf("%q, written as %q: %v", text, written(c.terms), err)
		}
		if written(again.terms) != written(c.terms) || len(again.terms) != len(c.terms) {
			t.Errorf("%q: written as %q, then as %q", text, written(c.terms), written(again.terms))
		}
		for i := range c.terms {
			left, err := readCondition(c.without(i))
			if err != nil {
				t.Fatalf("%q without part %d is %q: %v", text, i, c.without(i), err)
			}
			if len(left.terms) != len(c.terms)-1 {
				t.Errorf("%q without part %d is %q: %d parts", text, i, c.without(i), len(left.terms))
			}
		}
		if _, err := c.compile(withModules, "modules.security.score"); err != nil {
			t.Errorf("%q does not run: %v", text, err)
		}
	}
}

func TestConditionRefusals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"tags.site = ", "at column"},
		{"tags.site = 'x') OR (moduleId = 'other'", "at column"},
		{"deviceId = 'a' ORDER BY deviceId", "condition alone"},
		{"NOSUCH(deviceId)", "at column 1"},
	} {
		c, err := readCondition(tt.text)
		if err == nil {
			_, err = c.compile(withModules, "")
		}
		if tvilling.CodeOf(err) != tvilling.InvalidArgument || !strings.Contains(tvilling.MessageOf(err), tt.want) {
			t.Errorf("%q: got %v, want a refusal with %q", tt.text, err, tt.want)
		}
	}
}

func TestFiltersAreWrittenIntoTheQuery(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, field, key, op, value, want string }{
		{"", "tag", "site", "is", "lab", "tags.site = 'lab'"},
		{"tags.site = 'lab'", "state", "", "is", "unhealthy", "tags.site = 'lab' AND modules.security.state = 'unhealthy'"},
		{"a = 1 OR b = 2", "posture", "", "below", "40", "(a = 1 OR b = 2) AND modules.security.score <= 40"},
		{"", "tag", "line", "is", "3", "tags.line IN ['3', 3]"},
		{"", "tag", "owner", "unset", "", "NOT IS_DEFINED(tags.owner)"},
		{"", "id", "", "begins", "it's'", `STARTSWITH(deviceId, 'it\'s\'')`},
	} {
		got, err := withFilter(tt.text, tt.field, tt.key, tt.op, tt.value)
		if err != nil || got != tt.want {
			t.Errorf("%q with %s %s %s %q: got %q, %v, want %q", tt.text, tt.field, tt.key, tt.op, tt.value, got, err, tt.want)
		}
		if _, err := readCondition(got); err != nil {
			t.Errorf("%q: %v", got, err)
		}
	}
	for _, tt := range []struct{ field, key, op, value, path string }{
		{"tag", "", "is", "x", "key"}, {"posture", "", "above", "many", "value"}, {"no", "", "is", "x", "field"}, {"id", "", "no", "x", "op"}, {"id", "", "is", "", "value"},
	} {
		_, err := withFilter("", tt.field, tt.key, tt.op, tt.value)
		e, ok := err.(*tvilling.Error) //nolint:errorlint // it is one itself
		if !ok || e.Path != tt.path {
			t.Errorf("%+v: got %v, want a refusal of %s", tt, err, tt.path)
		}
	}
}

// Every order runs, and every head and word leads to another order.
func TestSortings(t *testing.T) {
	t.Parallel()
	for _, s := range sortings {
		c := condition{}
		if _, err := c.compile(withModules, s.order()); err != nil {
			t.Errorf("%s: %v", s.Words, err)
		}
		list, heads := s.links(url.Values{"q": {"a = 1"}, "after": {"x"}})
		if len(list) != len(sortings) || len(heads) != 4 {
			t.Errorf("%s: %d orders, %d heads", s.Words, len(list), len(heads))
		}
		for name, h := range heads {
			if h.Href == "" || strings.Contains(h.Href, "after=") {
				t.Errorf("%s: head %s leads to %q", s.Words, name, h.Href)
			}
			if (h.Aria != "") != (name == s.head) {
				t.Errorf("%s: head %s says %q", s.Words, name, h.Aria)
			}
		}
	}
	for _, v := range views {
		c, err := readCondition(v.text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.compile(withModules, ""); err != nil {
			t.Errorf("%s: %v", v.Title, err)
		}
	}
}
