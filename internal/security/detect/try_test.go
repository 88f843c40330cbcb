package detect_test

import (
	"context"
	"errors"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/event"
)

// TestTrial: a rule that is not in force finds what it would find, and changes
// nothing; one that is wrong is refused as ever.
func TestTrial(t *testing.T) {
	w := setup(t, nil)
	trial, err := w.Trial(rule("{category: process_creation, product: linux}", "Image: /bin/sh"))
	if err != nil {
		t.Fatal(err)
	}
	if trial.Event != "ProcessCreate" {
		t.Errorf("event = %q", trial.Event)
	}
	items := []event.Item{&event.ProcessCreate{Executable: "/bin/ls"}, &event.ProcessCreate{Executable: "/bin/sh"}}
	for range 2 { // it is tried on one event after the other
		hits := trial.Match(items)
		if len(hits) != 1 || hits[0].Item != 1 || len(hits[0].Matched) != 1 || hits[0].Matched[0].Value != "/bin/sh" {
			t.Fatalf("hits = %+v", hits)
		}
	}
	if n := len(w.List()); n != 2 {
		t.Errorf("%d detections after a trial, want the 2 of before", n)
	}
	if _, err := w.Trial(rule("{category: process_creation}", "ComandLine: x")); tvilling.CodeOf(err) != tvilling.InvalidArgument {
		t.Errorf("an unknown field: %v, want InvalidArgument", err)
	}
}

// stored yields events of one item each, an hour apart, the newest first; each
// takes some time to be read.
type stored struct {
	newest time.Time
	n      int
	slow   time.Duration
	asked  event.Query
	fail   map[int]error
}

func (s *stored) events(_ context.Context, q event.Query) iter.Seq2[*event.Record, error] {
	s.asked = q
	return func(yield func(*event.Record, error) bool) {
		for i := range s.n {
			<-time.After(s.slow) // of the bubble
			err := s.fail[i]
			r := &event.Record{Position: event.Position{Sequence: uint64(s.n - i)}, Event: event.Event{Time: s.newest.Add(-time.Duration(i) * time.Hour)}}
			if !yield(r, err) {
				return
			}
		}
	}
}

func items(r *event.Record) ([]event.Item, error) {
	if r.Position.Sequence == 3 {
		return nil, tvilling.Errorf(tvilling.Corrupt, "It cannot be read.")
	}
	path := "/bin/ls"
	if r.Position.Sequence%2 == 0 {
		path = "/bin/sh"
	}
	return []event.Item{&event.ProcessCreate{Executable: path}}, nil
}

// TestLook: a trial looks at the newest first, counts what it finds and what it
// cannot read, and says by which bound it ended and how far it came.
func TestLook(t *testing.T) {
	w := setup(t, nil)
	trial, err := w.Trial(rule("{category: process_creation, product: linux}", "Image: /bin/sh"))
	if err != nil {
		t.Fatal(err)
	}
	damage := tvilling.Errorf(tvilling.Corrupt, "It cannot be read.")
	broken := tvilling.Errorf(tvilling.Unavailable, "The disk is gone.")
	for _, tt := range []struct {
		name                          string
		in                            stored
		looked, found, damaged, finds int
		cut                           detect.Cut
		back                          int // hours from the newest event to Since; -1 is the start of the span
		err                           error
	}{
		{"all", stored{n: 10, fail: map[int]error{1: damage}}, 9, 5, 2, 5, detect.NotCut, -1, nil},
		{"nothing", stored{}, 0, 0, 0, 0, detect.NotCut, -1, nil},
		{"as many as there may be", stored{n: detect.TrialEvents}, detect.TrialEvents, detect.TrialEvents / 2, 1, detect.TrialHits, detect.NotCut, -1, nil},
		{"one too many", stored{n: detect.TrialEvents + 1}, detect.TrialEvents, detect.TrialEvents / 2, 1, detect.TrialHits, detect.CutByEvents, detect.TrialEvents - 1, nil},
		{"too slow", stored{n: 100, slow: detect.TrialTime / 4}, 4, 2, 0, 2, detect.CutByTime, 3, nil},
		{"fault", stored{n: 10, fail: map[int]error{4: broken}}, 0, 0, 0, 0, detect.NotCut, 0, broken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := &tt.in
				in.newest = time.Now()
				q := event.Query{Device: "d1", From: in.newest.AddDate(-100, 0, 0), To: in.newest}
				got, err := trial.Look(t.Context(), detect.Stored{Events: in.events, Items: items}, q)
				want := event.Query{Device: "d1", From: q.From, To: q.To, Names: []string{"ProcessCreate"}, Descending: true}
				if diff := cmp.Diff(want, in.asked); diff != "" {
					t.Errorf("asked (-want +got):\n%s", diff)
				}
				if tt.err != nil {
					if !errors.Is(err, tt.err) {
						t.Fatalf("error = %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				since := in.newest.Add(-time.Duration(tt.back) * time.Hour)
				if tt.back < 0 {
					since = q.From
				}
				if got.Looked != tt.looked || got.Found != tt.found || got.Damaged != tt.damaged || len(got.Finds) != tt.finds || got.Cut != tt.cut || !got.Since.Equal(since) {
					t.Errorf("looked %d, found %d (%d kept), damaged %d, cut %q, since %s; want %+v", got.Looked, got.Found, len(got.Finds), got.Damaged, got.Cut, got.Since, tt)
				}
				for i, f := range got.Finds {
					if f.Item != 0 || f.Matched[0].Value != "/bin/sh" || f.Record.Position.Sequence%2 != 0 || i > 0 && f.Record.Position.Sequence >= got.Finds[i-1].Record.Position.Sequence {
						t.Errorf("find %d = %+v of %v", i, f.Hit, f.Record.Position)
					}
				}
			})
		})
	}
}
