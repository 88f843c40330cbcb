package audit

import (
	"context"
	"iter"

	"github.com/tvilling/tvilling/internal/hub/state"
)

// Journal yields the changes of the hub; a journal.Journal does.
type Journal interface {
	Read(ctx context.Context, after uint64, follow bool) iter.Seq2[state.Change, error]
}

// JournalSource picks acts out of the journal of the hub.
func JournalSource(j Journal, changed func() <-chan struct{}) Source {
	return Source{Name: "hub", Changed: changed, Read: func(ctx context.Context, after uint64) iter.Seq2[Step, error] {
		return func(yield func(Step, error) bool) {
			for c, err := range j.Read(ctx, after, false) {
				step := Step{Number: c.Sequence}
				if err == nil {
					if e, ok := OfChange(c); ok {
						step.Entry = &e
					}
				}
				if !yield(step, err) {
					return
				}
			}
		}
	}}
}
