package query_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
)

// TestString shows how the parser groups: the canonical text has only the
// parentheses that the tree needs.
func TestString(t *testing.T) {
	const from = "SELECT * FROM devices WHERE "
	for _, tt := range []struct{ text, want string }{
		{"select  *\nfrom Devices", "SELECT * FROM Devices"},
		{"SELECT TOP 5 deviceId, tags.[[a b]] as [[x y]], properties.reported.temp AS t FROM devices.modules", "SELECT TOP 5 deviceId, tags.[[a b]] AS [[x y]], properties.reported.temp AS t FROM devices.modules"},
		{"SELECT [[deviceId]] AS top FROM [[devices]]", ""},
		{"SELECT [[deviceId]] AS top FROM devices", "SELECT deviceId AS [[top]] FROM devices"},
		{"SELECT tags.from, tags.[[2]] FROM devices", "SELECT tags.[[from]], tags.[[2]] FROM devices"},
		{"SELECT count() AS n, avg(tags.a) FROM devices GROUP BY tags.b,tags.c", "SELECT COUNT() AS n, AVG(tags.a) FROM devices GROUP BY tags.b, tags.c"},
		{from + "a=1 and b<>2 or c>=3", from + "a = 1 AND b != 2 OR c >= 3"},
		{from + "a=1 and (b=2 or c=3)", from + "a = 1 AND (b = 2 OR c = 3)"},
		{from + "a=1 and (b=2 and c=3)", from + "a = 1 AND (b = 2 AND c = 3)"},
		{from + "((a=1))", from + "a = 1"},
		{from + "not a=1 and b=2", from + "NOT a = 1 AND b = 2"},
		{from + "not (a=1 and b=2)", from + "NOT (a = 1 AND b = 2)"},
		{from + "not not a", from + "NOT NOT a"},
		{from + "(not a) = b", from + "(NOT a) = b"},
		{from + "(a = b) = c", from + "(a = b) = c"},
		{from + "a in ['x', 2,true ,null,undefined,-1]", from + "a IN ['x', 2, true, null, undefined, -1]"},
		{from + "a not in [] and b nin ['x']", from + "a NOT IN [] AND b NOT IN ['x']"},
		{from + "not a in ['x']", from + "NOT a IN ['x']"},
		{from + "a + b * c - d - (e - f) > -x", from + "a + b * c - d - (e - f) > -x"},
		{from + "(a + b) * c = - -1", from + "(a + b) * c = 1"},
		{from + "a % -(b) = -(5)", from + "a % -b = -5"},
		{from + "a = 0x10 or a = 1e21 or a = 0.5", from + "a = 16 OR a = 1e+21 OR a = 0.5"},
		{from + `a = "it's" or a = 'a\\b\u0007é'`, from + `a = 'it\'s' OR a = 'a\\b\u0007é'`},
		{from + "startswith ( a, 'x' ) or is_defined(b)", from + "STARTSWITH(a, 'x') OR IS_DEFINED(b)"},
		{from + "f(a and b, [1])", from + "F(a AND b, [1])"},
	} {
		s, err := query.Parse(tt.text)
		if tt.want == "" {
			if err == nil {
				t.Errorf("Parse(%q) = %q, want an error", tt.text, s)
			}
			continue
		}
		if err != nil {
			t.Errorf("Parse(%q): %v", tt.text, err)
			continue
		}
		if got := s.String(); got != tt.want {
			t.Errorf("Parse(%q) prints as\n%s, want\n%s", tt.text, got, tt.want)
		}
	}
}

func TestParseLimits(t *testing.T) {
	padded := func(n int) string { return "SELECT * FROM devices WHERE tags.a = '" + strings.Repeat("é", n) + "'" }
	frame := len(padded(0))
	nested := func(open, shut string, n int) string {
		return "SELECT * FROM devices WHERE " + strings.Repeat(open, n) + "a" + strings.Repeat(shut, n)
	}
	like := func(n int) string { return "SELECT * FROM devices WHERE tags.a LIKE '" + strings.Repeat("é", n) + "'" }
	sums := func(n int) string {
		columns := make([]string, 0, n)
		for i := range n {
			columns = append(columns, fmt.Sprintf("SUM(tags.a%d) AS s%d", i, i))
		}
		return "SELECT " + strings.Join(columns, ", ") + " FROM devices"
	}
	parse := func(text string) (any, error) {
		s, err := query.Parse(text)
		if err != nil || !strings.Contains(text, "tags.a") || strings.Contains(text, "tags.a = ") {
			return s, err
		}
		return query.Compile(text)
	}
	for _, tt := range []struct{ name, good, bad, want string }{
		{"length in characters", padded(query.MaxLength - frame), padded(query.MaxLength - frame + 1), "the limit is 8192"},
		{"parentheses", nested("(", ")", 99), nested("(", ")", 100), "deeper than 100"},
		{"NOT", nested("NOT ", "", 99), nested("NOT ", "", 100), "deeper than 100"},
		{"minus", nested("-", "", 99), nested("-", "", 100), "deeper than 100"},
		{"arguments", nested("f(", ")", 99), nested("f(", ")", 100), "deeper than 100"},
		{"arithmetic", nested("a+", "", 99), nested("a+", "", 100), "deeper than 100"},
		{"AND is not nested", nested("a AND ", "", 1000), nested("(", ")", 4000), "deeper than 100"},
		{"TOP", "SELECT TOP 2147483648 * FROM devices", "SELECT TOP 2147483649 * FROM devices", "whole number"},
		{"a pattern", like(256), like(257), "the limit is 256"},
		{"aggregates", sums(32), sums(33), "more than 32 aggregates"},
		{"encoding", "SELECT é FROM devices", "SELECT \xff FROM devices", "UTF-8"},
	} {
		if _, err := parse(tt.good); err != nil {
			t.Errorf("%s: at the limit: %v", tt.name, err)
		}
		_, err := parse(tt.bad)
		if tvilling.CodeOf(err) != tvilling.InvalidArgument || !strings.Contains(tvilling.MessageOf(err), tt.want) {
			t.Errorf("%s: beyond the limit: %v, want InvalidArgument with %q", tt.name, err, tt.want)
		}
	}
}

// seeds are queries that have every construct.
var seeds = []string{
	"SELECT * FROM devices",
	"SELECT TOP 3 deviceId AS [[a-b]], properties.reported.$metadata.a.$lastUpdated FROM devices.modules",
	"SELECT deviceId FROM devices.modules WHERE moduleId='azureiotsecurity' and IS_DEFINED(properties.desired.[[ms_iotn:urn_azureiot_Security_SecurityAgentConfiguration]])",
	"SELECT COUNT() AS n, AVG(a.b) FROM devices WHERE NOT (a = 1 OR b NIN ['x', -2, 0x1f, null]) AND c GROUP BY d, e.f",
	"SELECT * FROM devices WHERE -(a + -1) * b / c % d - (e - f) >= 1.5e-3 AND STARTSWITH(a.[[b c]], 'x\\'\\u00e9')",
	"SELECT * FROM devices WHERE (a = b) != (NOT c) AND (d AND e) AND NOT NOT f IN []",
	"SELECT * FROM devices WHERE tags.[[]]]",
	"SELECT * FROM devices WHERE a = '\\ud83d\\ude00' OR a = \"\x7f\"",
	"explain select top 5 tags.a, max(upper(tags.b)) as m from devices join devices.modules where modules.tags.a like '50\\\\%_' group by tags.a order by m desc, count() asc",
	"SELECT SUBSTRING(CONCAT(tags.third, deviceId), 1, 2) AS s FROM devices WHERE (tags.a NOT LIKE '%' AND tags.b) = true ORDER BY desc DESC, -tags.a",
	"SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'x'",
}

// FuzzPrint checks that no text makes the parser panic, that the printed tree
// parses into the same tree, and that an error is one for clients.
func FuzzPrint(f *testing.F) {
	for _, seed := range seeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := query.Parse(text)
		if err != nil {
			if code := tvilling.CodeOf(err); code != tvilling.InvalidArgument {
				t.Fatalf("Parse(%q): code %s", text, code)
			}
			return
		}
		printed := s.String()
		again, err := query.Parse(printed)
		if err != nil {
			// The canonical text of a query at the limit may be longer than the limit.
			if strings.Contains(err.Error(), "the limit is") {
				return
			}
			t.Fatalf("Parse(%q) prints as %q: %v", text, printed, err)
		}
		if diff := cmp.Diff(s, again, cmpopts.IgnoreTypes(query.Pos(0))); diff != "" {
			t.Fatalf("Parse(%q) prints as %q, another tree (-first +second):\n%s", text, printed, diff)
		}
	})
}

// FuzzCompile checks that no text makes the checker or the evaluation panic,
// that an error is one for clients, and that what is shown is JSON.
func FuzzCompile(f *testing.F) {
	for _, seed := range seeds {
		f.Add(seed)
	}
	rows := fleet(f, 2)
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := query.CompileCondition(text, query.Modules); err != nil && tvilling.CodeOf(err) != tvilling.InvalidArgument {
			t.Fatalf("CompileCondition(%q): %v", text, err)
		}
		q, err := query.Compile(text)
		if err != nil {
			if code := tvilling.CodeOf(err); code != tvilling.InvalidArgument {
				t.Fatalf("Compile(%q): code %s", text, code)
			}
			return
		}
		o := query.Options{Size: 1}
		for range 5 { // there are four rows
			p, err := q.Run(t.Context(), source(rows, q.Collection()), o)
			if err != nil || !json.Valid(p.Body) {
				t.Fatalf("%q shows %s, %v", text, p.Body, err)
			}
			if o.Continuation = p.Next; p.Next == "" {
				return
			}
		}
		t.Fatalf("%q has no last page", text)
	})
}
