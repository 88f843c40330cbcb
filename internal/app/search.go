package app

import (
	"context"
	"iter"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/hubapi"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/index"
	"github.com/tvilling/tvilling/internal/hub/search"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/security/posture"
)

// newIndex makes the memory index, which is told of all that is committed.
func (a *App) newIndex() *index.Index {
	return index.New(index.Options{Budget: a.opt.IndexBytes, Live: func(id tvilling.Identity) (connected bool, since, activity time.Time) {
		return a.sessions.Live(id)
	}})
}

// indexed takes what is committed to the index.
func (a *App) indexed() func([]commit.Touched) {
	if a.opt.NoIndex {
		return nil
	}
	return a.index.Committed
}

// openSearch makes what runs queries, over the index and the store.
func (a *App) openSearch() {
	o := search.Options{
		Store: a.store, Sessions: a.sessions, Document: hubapi.Document, Observe: a.metrics.query,
		Owned: []string{posture.Member},
	}
	if !a.opt.NoIndex {
		a.sessions.Moved, o.Index = a.index.Moved, a.index
	}
	a.search = search.New(o)
}

// buildAgain is how long the hub waits before it begins to build the index anew.
const buildAgain = 10 * time.Second

// buildIndex fills the index from the store. Until that is done queries look at
// all twins.
func (a *App) buildIndex(ctx context.Context) {
	for !a.opt.NoIndex {
		begin := time.Now()
		err := a.index.Build(ctx, func(ctx context.Context, kind state.Kind) iter.Seq2[state.Entry, error] {
			return a.store.Scan(ctx, state.Range{Kind: kind})
		}, a.store.Session)
		switch {
		case err == nil:
			a.log.InfoContext(ctx, "index built", "took", time.Since(begin).Round(time.Millisecond))
			return
		case ctx.Err() != nil:
			return
		}
		a.metrics.indexFailures.Inc()
		a.log.ErrorContext(ctx, "index not built; queries look at all twins until it is", "again_in", buildAgain, "error", err)
		select {
		case <-time.After(buildAgain):
		case <-ctx.Done():
			return
		}
	}
}
