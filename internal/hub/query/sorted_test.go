package query_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/query/querytest"
)

// TestSortedOfParts checks pages in an order that were collected in parts, of
// any sizes, against sorting all rows.
func TestSortedOfParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type placed struct {
			row  *querytest.Row
			a, b int
		}
		var rows []placed
		for i := range rapid.IntRange(0, 20).Draw(t, "rows") {
			p := placed{a: rapid.IntRange(0, 3).Draw(t, "a"), b: rapid.IntRange(0, 3).Draw(t, "b")}
			p.row = querytest.MustTwin(testingOf(t), fmt.Sprintf(`{"deviceId":"d%02d","tags":{"a":%d,"b":"%s"}}`, i, p.a, strings.Repeat("x", p.b)))
			rows = append(rows, p)
		}
		top := rapid.IntRange(0, 25).Draw(t, "top")
		text := "SELECT deviceId FROM devices ORDER BY tags.a DESC, tags.b"
		if top > 0 {
			text = strings.Replace(text, "SELECT", fmt.Sprint("SELECT TOP ", top), 1)
		}
		q, err := query.Compile(text)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for next, begin := "", true; begin || next != ""; begin = false {
			size := rapid.IntRange(1, 6).Draw(t, "size")
			left, err := q.NewSorted(size, next)
			if err != nil {
				t.Fatal(err)
			}
			right, err := q.NewSorted(size, next)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range rapid.Permutation(rows).Draw(t, "seen") {
				part := left
				if rapid.Bool().Draw(t, "right") {
					part = right
				}
				part.Add(p.row)
			}
			left.Merge(right)
			p := left.Page()
			if next = p.Next; next != "" && p.Count != size {
				t.Fatalf("a page of %d has %d rows, and another one follows", size, p.Count)
			}
			got = append(got, ids(testingOf(t), p)...)
		}
		slices.SortStableFunc(rows, func(x, y placed) int {
			if x.a != y.a {
				return y.a - x.a
			}
			return x.b - y.b
		})
		var want []string
		for i, p := range rows {
			if top == 0 || i < top {
				want = append(want, string(p.row.ID().Device))
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%s: %q, want %q", text, got, want)
		}
	})
}

// TestSortedBetweenWrites checks that the next page goes on behind the last row
// shown, whatever was written since.
func TestSortedBetweenWrites(t *testing.T) {
	twin := func(id string, n int) query.Row {
		return mustTwin(t, fmt.Sprintf(`{"deviceId":%q,"tags":{"n":%d}}`, id, n))
	}
	q := mustCompile(t, "SELECT deviceId FROM devices ORDER BY tags.n")
	before := []query.Row{twin("a", 1), twin("b", 2), twin("c", 3), twin("d", 4)}
	p, err := q.Run(t.Context(), source(before, query.Devices), query.Options{Size: 2})
	if err != nil || p.Next == "" {
		t.Fatalf("%+v, %v", p, err)
	}
	// b, the last one shown, is gone, c has moved before it, e is new behind it.
	after := []query.Row{twin("a", 1), twin("c", 1), twin("d", 4), twin("e", 2)}
	p, err = q.Run(t.Context(), source(after, query.Devices), query.Options{Size: 2, Continuation: p.Next})
	if err != nil || string(p.Body) != `[{"deviceId":"e"},{"deviceId":"d"}]` || p.Next != "" {
		t.Errorf("second page %s, %q, %v", p.Body, p.Next, err)
	}
	// A key alone is not one of a query without an order.
	plain := mustCompile(t, "SELECT deviceId FROM devices")
	if _, err := plain.Position(p.Next + "AA"); tvilling.CodeOf(err) != tvilling.InvalidArgument {
		t.Errorf("a malformed continuation: %v", err)
	}
}
