package docs_test

import (
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/query/querytest"
)

// TestQuery runs the examples of docs/query.md: the first block of JSON is the
// twins, each later one is the answer to the query before it. And it asks for
// every function and every limit.
func TestQuery(t *testing.T) {
	b, err := os.ReadFile("../../docs/query.md")
	if err != nil {
		t.Fatal(err)
	}
	var twins []*querytest.Row
	var q *query.Query
	asked := 0
	for kind, text := range fences(string(b)) {
		switch {
		case kind == "sql":
			if q != nil {
				t.Errorf("a query has no answer before %s", text)
			}
			if q, err = query.Compile(text); err != nil {
				t.Errorf("%s: %v", text, err)
			}
		case kind == "json" && twins == nil:
			for line := range strings.Lines(text) {
				twins = append(twins, querytest.MustTwin(t, line))
			}
			slices.SortFunc(twins, func(a, b *querytest.Row) int { return a.ID().Compare(b.ID()) })
		case kind == "json" && q == nil:
			t.Errorf("an answer has no query: %s", text)
		case kind == "json":
			asked++
			page, err := q.Run(t.Context(), rowsOf(twins, q.Collection()), query.Options{})
			if err != nil {
				t.Errorf("%s: %v", text, err)
				continue
			}
			var want, got []any
			mustDecode(t, "["+strings.Join(strings.Split(strings.TrimSpace(text), "\n"), ",")+"]", &want)
			mustDecode(t, string(page.Body), &got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("answer (-document +query):\n%s", diff)
			}
			q = nil
		}
	}
	if asked < 10 {
		t.Errorf("%d examples: this test looks at too little", asked)
	}
	for _, name := range query.Functions() {
		if !strings.Contains(string(b), "`"+name) {
			t.Errorf("docs/query.md does not tell of %s", name)
		}
	}
	for _, limit := range []int{query.MaxLength, query.MaxGroups} {
		if s := fmt.Sprintf("%d,%03d", limit/1000, limit%1000); !strings.Contains(string(b), s) {
			t.Errorf("docs/query.md does not tell of the limit %s", s)
		}
	}
}

// fences yields the blocks of code of a document with their language.
func fences(document string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for i, part := range strings.Split("\n"+document, "\n```") {
			kind, text, _ := strings.Cut(part, "\n")
			if i%2 == 1 && !yield(kind, text) {
				return
			}
		}
	}
}

func mustDecode(t *testing.T, text string, to any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), to); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// rowsOf yields the rows of a collection.
func rowsOf(twins []*querytest.Row, of query.Collection) query.Rows {
	devices := map[tvilling.DeviceID]query.Row{}
	for _, r := range twins {
		if !r.ID().IsModule() {
			devices[r.ID().Device] = r
		}
	}
	return func(tvilling.Identity) iter.Seq2[query.Row, error] {
		return func(yield func(query.Row, error) bool) {
			for _, twin := range twins {
				var row query.Row = twin
				if of == query.Joined {
					row = &query.Pair{Device: devices[twin.ID().Device], Module: twin}
				}
				if twin.ID().IsModule() != (of == query.Devices) && !yield(row, nil) {
					return
				}
			}
		}
	}
}
