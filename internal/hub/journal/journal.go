// Package journal reads the ordered record of every change of a hub, from any
// point on, and follows it. Writing is the committer's: a change is in the
// journal exactly when it is durable.
package journal

import (
	"context"
	"iter"

	"github.com/tvilling/tvilling/internal/hub/state"
)

// Store holds the changes; a [state.Store] is one.
type Store interface {
	Changes(ctx context.Context, after uint64) iter.Seq2[state.Change, error]
	Head() (sequence uint64, unixNano int64)
}

// Signal tells of new changes; a commit.Committer is one.
type Signal interface {
	// Changed returns a channel that is closed when the next changes are durable.
	Changed() <-chan struct{}
}

// Journal reads changes.
type Journal struct {
	store  Store
	signal Signal
}

// New returns a journal over a store.
func New(store Store, signal Signal) *Journal { return &Journal{store: store, signal: signal} }

// Head returns the sequence of the newest change.
func (j *Journal) Head() uint64 {
	sequence, _ := j.store.Head()
	return sequence
}

// Read yields the changes after a sequence, oldest first; with follow it then
// waits for new ones until ctx ends. A damaged change is yielded as an error
// of code Corrupt, after which reading goes on.
func (j *Journal) Read(ctx context.Context, after uint64, follow bool) iter.Seq2[state.Change, error] {
	return func(yield func(state.Change, error) bool) {
		for {
			changed := j.signal.Changed()
			head := j.Head()
			if head > after {
				for c, err := range j.store.Changes(ctx, after) {
					if !yield(c, err) {
						return
					}
					if err == nil {
						after = c.Sequence
					}
				}
				after = max(after, head)
			}
			if !follow {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}
}
