package twins

import (
	"strings"
	"testing"

	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

func TestProblemIsPlaced(t *testing.T) {
	for _, c := range []struct {
		name, text string
		line       int
		at         string
	}{
		{"no JSON", "{\n  \"a\": tru\n}", 2, "tru"},
		{"a comma too many", "{\n  \"a\": 1,\n}", 3, ""},
		{"given twice", "{\n  \"a\": 1,\n  \"b\": {\"c\": [1, {\"a\": 2}]},\n  \"a\": 2\n}", 4, `"a"`},
		{"a number out of bounds", "{\n  \"a\": {\n    \"b\": 12345678901234567890\n  }\n}", 3, `"b"`},
		{"a key with a dollar", "{\n \"x\": 1,\n \"a$b\": 1}", 3, `"a$b"`},
		{"a text too long", "{\n \"x\": \"" + strings.Repeat("a", 4097) + "\"}", 2, `"x"`},
		{"nothing at all", "", 1, ""},
		{"no object", "[1]", 1, "[1"},
	} {
		_, err := sectionOf(c.text, doc.Desired)
		if err == nil {
			t.Errorf("%s: accepted", c.name)
			continue
		}
		p := problemOf(err, c.text)
		if p.Line != c.line || c.at != "" && p.At != c.at || p.Message == "" || p.Code != "InvalidArgument" {
			t.Errorf("%s: %+v, want line %d at %q", c.name, p, c.line, c.at)
		}
	}
}

func TestTooLargeIsSaid(t *testing.T) {
	var b strings.Builder
	for i := range 12 {
		b.WriteString(`,"k` + string(rune('a'+i)) + `":"` + strings.Repeat("x", 4000) + `"`)
	}
	_, err := sectionOf("{"+b.String()[1:]+"}", doc.Desired)
	if err == nil {
		t.Fatal("accepted")
	}
	if p := problemOf(err, ""); !strings.Contains(p.Message, "32") || p.Line != 0 {
		t.Errorf("%+v", p)
	}
}
