package query_test

import (
	"context"
	"iter"
	"slices"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/query/querytest"
)

// TestScripts runs the scripts of the language over [query.Query.Run].
func TestScripts(t *testing.T) {
	querytest.Run(t, func(_ *testing.T, twins []*querytest.Row) querytest.Engine {
		var rows []query.Row
		for _, twin := range twins {
			rows = append(rows, twin)
		}
		return func(ctx context.Context, q *query.Query, o query.Options) (*query.Page, error) {
			return q.Run(ctx, source(rows, q.Collection()), o)
		}
	})
}

// source yields the rows of a collection as a hub does: in order, from after on.
func source(twins []query.Row, of query.Collection) query.Rows {
	devices := map[tvilling.DeviceID]query.Row{}
	for _, r := range twins {
		if !r.ID().IsModule() {
			devices[r.ID().Device] = r
		}
	}
	sorted := slices.SortedFunc(slices.Values(twins), func(a, b query.Row) int { return a.ID().Compare(b.ID()) })
	return func(after tvilling.Identity) iter.Seq2[query.Row, error] {
		return func(yield func(query.Row, error) bool) {
			for _, r := range sorted {
				if r.ID().IsModule() == (of == query.Devices) || r.ID().Compare(after) <= 0 {
					continue
				}
				if of == query.Joined {
					r = &query.Pair{Device: devices[r.ID().Device], Module: r}
				}
				if !yield(r, nil) {
					return
				}
			}
		}
	}
}

func mustTwin(t testing.TB, source string) *querytest.Row {
	t.Helper()
	return querytest.MustTwin(t, source)
}
