package query_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/query/querytest"
)

// TestTally checks aggregates against sums of exact fractions, in whatever order
// and in whatever parts they come.
func TestTally(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.SliceOf(rapid.OneOf(
			rapid.Float64Range(-1e30, 1e30), rapid.Float64Range(-1, 1), rapid.SampledFrom([]float64{0.1, 1, 1e16, -1e16, 4503599627370495, 1.7e308, -1.7e308, 9e270, -9e270}),
		)).Draw(t, "numbers")
		exact := new(big.Rat)
		for _, x := range numbers {
			exact.Add(exact, new(big.Rat).SetFloat64(x))
		}
		// A part on its own, and one number often at once.
		q, err := query.Compile("SELECT COUNT() AS n, SUM(tags.a) AS sum, AVG(tags.a) AS avg, MIN(tags.a) AS min, MAX(tags.a) AS max FROM devices")
		if err != nil {
			t.Fatal(err)
		}
		whole := q.NewGroups()
		cut := rapid.IntRange(0, len(numbers)).Draw(t, "cut")
		for at, part := range [][]float64{numbers[cut:], numbers[:cut], {3, 3, 3}} {
			c := query.Cell{Rows: int64(len(part)), Tallies: make([]query.Tally, len(q.Aggregates()))}
			for i, a := range q.Aggregates() {
				if at == 2 {
					c.Tallies[i].Add(a.Func, query.NumberValue(3), 3)
					continue
				}
				for _, x := range part {
					c.Tallies[i].Add(a.Func, query.NumberValue(x), 1)
				}
			}
			if err := whole.AddCell(nil, c); err != nil {
				t.Fatal(err)
			}
		}
		numbers = append(numbers, 3, 3, 3)
		want, _ := exact.Add(exact, big.NewRat(9, 1)).Float64()
		page, err := whole.Page(0, "")
		if err != nil {
			t.Fatal(err)
		}
		if math.IsInf(want, 0) {
			if strings.Contains(string(page.Body), "sum") {
				t.Fatalf("of %v: %s, though the sum is no number", numbers, page.Body)
			}
			return
		}
		var got []struct{ N, Sum, Avg, Min, Max float64 }
		if err := json.Unmarshal(page.Body, &got); err != nil {
			t.Fatalf("%s: %v", page.Body, err)
		}
		n := float64(len(numbers))
		if g := got[0]; g.N != n || g.Sum != want || g.Avg != want/n || g.Min != slices.Min(numbers) || g.Max != slices.Max(numbers) {
			t.Fatalf("of %v: %s, want a sum of %v", numbers, page.Body, want)
		}
	})
}

// values are JSON values that often are the same.
var values = rapid.SampledFrom([]string{"", "1", "1.0", "-2", "0.5", `"a"`, `"b"`, `"a\u0000"`, `"a\u0000b"`, `"` + strings.Repeat("long", 100) + `"`, `"` + strings.Repeat("long", 100) + `er"`, "true", "false", "[1]", `{"x":1}`})

// TestGroupsOfParts checks that groups do not depend on who collected them, nor
// on the size of pages, and that they hold every row once.
func TestGroupsOfParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var rows []*querytest.Row
		for i := range rapid.IntRange(0, 20).Draw(t, "rows") {
			var tags strings.Builder
			fmt.Fprintf(&tags, `"i":%d`, i)
			for _, name := range []string{"a", "b"} {
				if v := values.Draw(t, name); v != "" && !strings.Contains(v, `\u0000`) { // which a twin does not take
					fmt.Fprintf(&tags, `,%q:%s`, name, v)
				}
			}
			rows = append(rows, querytest.MustTwin(testingOf(t), fmt.Sprintf(`{"deviceId":"d%02d","tags":{%s}}`, i, tags.String())))
		}
		order := rapid.SampledFrom([]string{"", " ORDER BY n DESC", " ORDER BY tags.b DESC, n", " ORDER BY m, tags.a DESC"}).Draw(t, "order")
		top := rapid.SampledFrom([]string{"", "TOP 3 ", "TOP 1000 "}).Draw(t, "top")
		q, err := query.Compile("SELECT " + top + "tags.a, tags.b AS b, COUNT() AS n, MAX(tags.b) AS m, SUM(tags.i) AS i FROM devices GROUP BY tags.a, tags.b" + order)
		if err != nil {
			t.Fatal(err)
		}
		whole, left, right := q.NewGroups(), q.NewGroups(), q.NewGroups()
		for i, r := range rows {
			part := left
			if rapid.Bool().Draw(t, "right") {
				part = right
			}
			if err := errors.Join(whole.Add(r), part.Add(rows[i])); err != nil {
				t.Fatal(err)
			}
		}
		if err := right.Merge(left); err != nil {
			t.Fatal(err)
		}
		want, err := whole.Page(0, "")
		if err != nil {
			t.Fatal(err)
		}
		var got []json.RawMessage
		for next, begin := "", true; begin || next != ""; begin = false {
			p, err := right.Page(rapid.IntRange(1, 5).Draw(t, "size"), next)
			if err != nil {
				t.Fatal(err)
			}
			var page []json.RawMessage
			if err := json.Unmarshal(p.Body, &page); err != nil {
				t.Fatal(err)
			}
			got, next = append(got, page...), p.Next
		}
		var whole100 []json.RawMessage
		if err := json.Unmarshal(want.Body, &whole100); err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(whole100, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("groups of parts in pages (-want +got):\n%s", diff)
		}
		if top == "TOP 3 " {
			return
		}
		counted := 0
		for _, g := range got {
			var group struct{ N int }
			if err := json.Unmarshal(g, &group); err != nil {
				t.Fatal(err)
			}
			counted += group.N
		}
		if counted != len(rows) {
			t.Fatalf("the groups hold %d rows of %d", counted, len(rows))
		}
	})
}

// fatal is the part of a [testing.TB] that making twins needs.
type fatal struct {
	testing.TB
	t *rapid.T
}

func (f fatal) Helper()                           {}
func (f fatal) Errorf(format string, args ...any) { f.t.Errorf(format, args...) }
func (f fatal) Fatalf(format string, args ...any) { f.t.Fatalf(format, args...) }

func testingOf(t *rapid.T) testing.TB { return fatal{t: t} }

// TestKeys checks that keys are ordered as values are, and that no key is the
// beginning of another.
func TestKeys(t *testing.T) {
	ordered := []query.Value{
		{},
		query.NullValue(), query.BoolValue(false), query.BoolValue(true),
		query.NumberValue(-1e300), query.NumberValue(-1), query.NumberValue(-0.5), query.NumberValue(0), query.NumberValue(0.5), query.NumberValue(2), query.NumberValue(1e300),
		query.StringValue(""), query.StringValue("\x00"), query.StringValue("\x00\x00"), query.StringValue("\x00\x01"), query.StringValue("\x01"), query.StringValue("a"), query.StringValue("a\x00"), query.StringValue("a\x00b"), query.StringValue("aa"), query.StringValue("b"), query.StringValue("é"),
		query.TimeValue(querytest.Written.AddDate(-3000, 0, 0)), query.TimeValue(querytest.Written), query.TimeValue(querytest.Written.Add(100)),
	}
	for i, a := range ordered {
		for j, b := range ordered {
			x, y := string(a.AppendKey(nil, 0)), string(b.AppendKey(nil, 0))
			if cmp.Compare(x, y) != cmp.Compare(i, j) {
				t.Errorf("%d and %d: keys %q and %q", i, j, x, y)
			}
			if i != j && strings.HasPrefix(x, y) {
				t.Errorf("%d and %d: the key %q begins with %q", i, j, x, y)
			}
		}
	}
	if a, b := query.NumberValue(0).AppendKey(nil, 0), query.NumberValue(-1).AppendKey(nil, 0); string(query.Value{}.AppendKey(a, 0)) < string(b) {
		t.Error("what follows a key changes the order")
	}
}

// wide is a row whose every member is one value.
type wide struct{ v query.Value }

func (w wide) Member(*query.Member) query.Value { return w.v }

func TestGroupLimits(t *testing.T) {
	q := mustCompile(t, "SELECT tags.a, MAX(tags.b) AS m FROM devices GROUP BY tags.a")
	g := q.NewGroups()
	for i := range query.MaxGroups {
		if err := g.Add(wide{query.NumberValue(float64(i))}); err != nil {
			t.Fatalf("group %d: %v", i+1, err)
		}
	}
	if err := g.Add(wide{query.NumberValue(7)}); err != nil {
		t.Errorf("a row of a group that there is: %v", err)
	}
	if err := g.Add(wide{query.NumberValue(-1)}); !errors.Is(err, query.ErrTooManyGroups) || tvilling.CodeOf(err) != tvilling.TooLarge {
		t.Errorf("a group too many: %v, want ErrTooManyGroups", err)
	}
	page, err := g.Page(3, "")
	if err != nil || string(page.Body) != `[{"a":0,"m":0},{"a":1,"m":1},{"a":2,"m":2}]` || page.Next == "" {
		t.Errorf("page %s, %q, %v", page.Body, page.Next, err)
	}
	// Long keys fill the room before there are so many.
	g = q.NewGroups()
	for i := range query.MaxGroups {
		if err = g.Add(wide{query.StringValue(fmt.Sprint(i, strings.Repeat("x", 4000)))}); err != nil {
			break
		}
	}
	if !errors.Is(err, query.ErrTooManyGroups) {
		t.Errorf("40 MB of keys: %v, want ErrTooManyGroups", err)
	}
	// So do many aggregates.
	var aggregates strings.Builder
	for i := range query.MaxAggregates {
		fmt.Fprintf(&aggregates, ", SUM(tags.a%d) AS s%d", i, i)
	}
	g = mustCompile(t, "SELECT tags.a"+aggregates.String()+" FROM devices GROUP BY tags.a").NewGroups()
	for i := range query.MaxGroups {
		if err = g.Add(wide{query.NumberValue(float64(i))}); err != nil {
			break
		}
	}
	if !errors.Is(err, query.ErrTooManyGroups) {
		t.Errorf("320,000 aggregates: %v, want ErrTooManyGroups", err)
	}
}

// TestLongPositions checks that a continuation stays short, whatever the rows
// hold, and that rows with the same long beginning are told apart.
func TestLongPositions(t *testing.T) {
	terms := make([]string, query.MaxKeys)
	for i := range terms {
		terms[i] = fmt.Sprintf("tags.t%d", i)
	}
	for name, letter := range map[string]string{"long": "\u00e9", "zero": `\u0000`} {
		t.Run(name, func(t *testing.T) { longPositions(t, terms, letter) })
	}
	list := strings.Join(terms, ", ")
	for _, clause := range []string{"GROUP BY", "ORDER BY"} {
		_, err := query.Compile("SELECT tags.t0 FROM devices " + clause + " " + list + ", tags.more")
		if tvilling.CodeOf(err) != tvilling.InvalidArgument || !strings.Contains(tvilling.MessageOf(err), "the limit is 32") {
			t.Errorf("%s of 33 terms: %v", clause, err)
		}
	}
}

func longPositions(t *testing.T, terms []string, letter string) {
	list := strings.Join(terms, ", ")
	var rows []query.Row
	for i := range 5 {
		tags := make([]string, 0, len(terms))
		for j := range terms {
			tags = append(tags, fmt.Sprintf(`"t%d":"%s%d"`, j, strings.Repeat(letter, 100), i))
		}
		rows = append(rows, mustTwin(t, fmt.Sprintf(`{"deviceId":"%s%d","tags":{%s}}`, strings.Repeat("d", 127), i, strings.Join(tags, ","))))
	}
	for _, text := range []string{
		"SELECT deviceId FROM devices ORDER BY " + list,
		"SELECT tags.t0 FROM devices GROUP BY " + list + " ORDER BY " + list,
	} {
		q := mustCompile(t, text)
		shown := map[string]int{}
		for o := (query.Options{Size: 1}); ; {
			p, err := q.Run(t.Context(), source(rows, query.Devices), o)
			if err != nil {
				t.Fatal(err)
			}
			shown[string(p.Body)]++
			if len(p.Next) > 4096 {
				t.Errorf("a continuation of %d characters", len(p.Next))
			}
			if o.Continuation = p.Next; p.Next == "" {
				break
			}
		}
		if len(shown) != len(rows) {
			t.Errorf("%s…: %d different rows of %d", text[:40], len(shown), len(rows))
		}
	}
}
