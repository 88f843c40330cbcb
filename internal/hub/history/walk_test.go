package history //nolint:testpackage // what is held in memory is the inside

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// chatty is the journal of a twin that has reported again and again since its
// tags were set.
type chatty struct {
	Store

	reports uint64
	// text is what each section of the twin has.
	text string
}

func (c chatty) History(_ context.Context, id tvilling.Identity, until uint64) iter.Seq2[state.Past, error] {
	patch, err := doc.Parse(fmt.Appendf(nil, `{"text":%q}`, c.text), doc.Tags)
	if err != nil {
		panic(err)
	}
	tags, err := doc.New(0).Replace(patch, doc.Tags, doc.Stamp{})
	if err != nil {
		panic(err)
	}
	return func(yield func(state.Past, error) bool) {
		for n := c.reports + 2; n > 0; n-- {
			if until != 0 && n > until {
				continue
			}
			change := state.Change{Sequence: n, Time: time.Unix(int64(n), 0), ID: id, Op: state.ReportTwin, Body: fmt.Appendf(nil, `{"properties":{"reported":{"n":%d}}}`, n)}
			twin := state.NewTwin(id)
			twin.Tags, twin.Desired, twin.Reported = tags, tags, tags
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

func (chatty) Changes(context.Context, uint64) iter.Seq2[state.Change, error] {
	return func(yield func(state.Change, error) bool) { yield(state.Change{Sequence: 1}, nil) }
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

// TestLargeTwins: a page of large twins has fewer versions, and the pages
// together have them all.
func TestLargeTwins(t *testing.T) {
	t.Parallel()
	s := New(chatty{reports: 5000, text: strings.Repeat("x", 4000)}, nil, nil)
	pages, want := 0, uint64(5002)
	for q := (Query{Limit: MaxLimit}); ; pages++ {
		page, err := s.Versions(t.Context(), tvilling.Device("d"), q)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Versions)*3*4000 > MaxBytes {
			t.Errorf("a page of %d versions", len(page.Versions))
		}
		for _, v := range page.Versions {
			if v.Sequence != want {
				t.Fatalf("version %d, want %d", v.Sequence, want)
			}
			want--
		}
		if q.Before = page.Next; q.Before == 0 {
			break
		}
	}
	if pages < 5 || want != 0 {
		t.Errorf("%d pages, and %d versions are missing", pages, want)
	}
}
