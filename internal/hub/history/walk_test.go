package history //nolint:testpackage // what is held in memory is the inside

import (
	"context"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// chatty is the journal of a twin that has reported again and again since its
// tags were set.
type chatty struct {
	Store

	reports uint64
}

func (c chatty) History(_ context.Context, id tvilling.Identity, until uint64) iter.Seq2[state.Past, error] {
	return func(yield func(state.Past, error) bool) {
		for n := c.reports + 2; n > 0; n-- {
			if until != 0 && n > until {
				continue
			}
			change := state.Change{Sequence: n, Time: time.Unix(int64(n), 0), ID: id, Op: state.ReportTwin, Body: fmt.Appendf(nil, `{"properties":{"reported":{"n":%d}}}`, n)}
			twin := state.NewTwin(id)
			past := state.Past{Sequence: n, Time: change.Time, Twin: twin}
			switch n {
			case 1:
				change.Op, change.Body, past.Identity = state.CreateDevice, nil, &state.Identity{ID: id}
			case 2:
				change.Op, change.Body = state.UpdateTwin, []byte(`{"tags":{"a":1}}`)
			}
			if !yield(past, nil) || !yield(state.Past{Sequence: n, Time: change.Time, Change: &change}, nil) {
				return
			}
		}
	}
}

// TestWalkKeepsLittle: to look far back takes no more memory than what is there.
func TestWalkKeepsLittle(t *testing.T) {
	t.Parallel()
	s := New(chatty{reports: 10_000}, nil, nil)
	b := back{point: Point{Sequence: 100}}
	w := window{query: &Query{Limit: 5, Parts: []Part{Tags}}}
	for name, look := range map[string]func(*group) look{"point": b.look, "part": w.look} {
		groups, _, err := s.walk(t.Context(), tvilling.Device("d"), 0, look)
		if err != nil || len(groups) == 0 || len(groups) > 3 {
			t.Errorf("%s: %d groups are held, %v", name, len(groups), err)
		}
	}
}
