package app

import (
	"context"
	"iter"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/hubapi"
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

// openSearch makes what runs queries, over the index and the store.
func (a *App) openSearch() {
	a.sessions.Moved = a.index.Moved
	a.search = search.New(search.Options{
		Store: a.store, Sessions: a.sessions, Index: a.index, Document: hubapi.Document, Observe: a.metrics.query,
		Owned: []string{posture.Member},
	})
}

// buildAgain is how long the hub waits before it begins to build the index anew.
const buildAgain = 10 * time.Second

// buildIndex fills the index from the store. Until that is done queries look at
// all twins.
func (a *App) buildIndex(ctx context.Context) {
	for {
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
