package app

import (
	"context"
	"iter"

	"github.com/tvilling/tvilling/internal/console/configurations"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// configurationPages are what the pages of configurations work with.
func (a *App) configurationPages() configurations.Options {
	return configurations.Options{
		Service: a.configurations,
		Changes: func(ctx context.Context, after uint64) iter.Seq2[state.Change, error] {
			return a.store.Changes(ctx, after)
		},
		Head: func() uint64 {
			head, _ := a.store.Head()
			return head
		},
	}
}
