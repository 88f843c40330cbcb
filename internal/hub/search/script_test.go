package search_test

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/index"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/query/querytest"
	"github.com/tvilling/tvilling/internal/hub/search"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/store/memory"
)

// live has the connections of a script's twins.
type live map[tvilling.Identity]time.Time

func (l live) Live(id tvilling.Identity) (connected bool, since, activity time.Time) {
	at, ok := l[id]
	return ok, at, at
}

// document writes whole twins as the scripts do.
func document(dst []byte, v twin.View) []byte {
	return querytest.AppendTwin(dst, &query.Twin{Twin: v.Twin, Identity: v.Identity, Connected: v.Connected, LastActivity: v.LastActivity})
}

// fill puts twins into a store and returns who is connected.
func fill(t *testing.T, store state.Store, twins []*querytest.Row) live {
	t.Helper()
	l := live{}
	batch := &state.Batch{}
	// Devices come before their modules.
	twins = slices.SortedFunc(slices.Values(twins), func(a, b *querytest.Row) int { return cmp.Compare(len(a.ID().Module), len(b.ID().Module)) })
	for _, r := range twins {
		batch.Writes = append(batch.Writes, state.Write{ID: r.ID(), Identity: r.Identity}, state.Write{ID: r.ID(), Twin: r.Twin.Twin})
		switch {
		case r.Connected:
			l[r.ID()] = r.LastActivity
		case !r.LastActivity.IsZero():
			batch.Writes = append(batch.Writes, state.Write{ID: r.ID(), Session: &state.Session{ID: r.ID(), LastActivity: r.LastActivity}})
		}
	}
	if err := store.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	return l
}

// built returns an index of all that a store has.
func built(t *testing.T, store state.Store, l live) *index.Index {
	t.Helper()
	x := index.New(index.Options{Live: l.Live})
	err := x.Build(t.Context(), func(ctx context.Context, kind state.Kind) iter.Seq2[state.Entry, error] {
		return store.Scan(ctx, state.Range{Kind: kind})
	}, store.Session)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// everywhere parts what is scanned at every twin.
func everywhere(store state.Store) func(n int) []tvilling.Identity {
	return func(int) (ids []tvilling.Identity) {
		for e, err := range store.Scan(context.Background(), state.Range{}) {
			if err == nil {
				ids = append(ids, e.Identity.ID)
			}
		}
		return ids
	}
}

func TestScriptsByScan(t *testing.T) {
	querytest.Run(t, func(t *testing.T, twins []*querytest.Row) querytest.Engine {
		store := memory.New()
		l := fill(t, store, twins)
		return search.New(search.Options{Store: store, Sessions: l, Document: document}).Run
	})
}

func TestScriptsByPartedScan(t *testing.T) {
	querytest.Run(t, func(t *testing.T, twins []*querytest.Row) querytest.Engine {
		store := memory.New()
		s := search.New(search.Options{Store: store, Sessions: fill(t, store, twins), Document: document})
		s.Split(everywhere(store))
		return s.Run
	})
}

func TestScriptsByIndex(t *testing.T) {
	querytest.Run(t, func(t *testing.T, twins []*querytest.Row) querytest.Engine {
		store := memory.New()
		l := fill(t, store, twins)
		return search.New(search.Options{Store: store, Sessions: l, Document: document, Index: built(t, store, l)}).Run
	})
}
