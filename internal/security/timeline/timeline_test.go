package timeline_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/history"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/timeline"
)

var begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world has a change, an alert with a step, and a login for every minute.
type world struct{ minutes int }

func (w world) at(i int) time.Time { return begin.Add(time.Duration(i) * time.Minute) }

func (w world) Versions(_ context.Context, id tvilling.Identity, q history.Query) (*history.Page, error) {
	if id.IsModule() {
		return nil, tvilling.Errorf(tvilling.ModuleNotFound, "There is none.")
	}
	p := &history.Page{Kept: history.Mark{Sequence: 1, Time: begin}}
	for i := w.minutes; i > 0; i-- {
		n := uint64(i)
		if q.Before != 0 && n >= q.Before {
			continue
		}
		if len(p.Versions) == q.Limit {
			p.Next = n + 1
			break
		}
		op := state.UpdateTwin
		if i%2 == 0 {
			op = state.ReportTwin
		}
		p.Versions = append(p.Versions, history.Version{Change: state.Change{Sequence: n, Time: w.at(i), Op: op, ID: id, Actor: "user:anna", Version: int64(i)}})
	}
	return p, nil
}

func (w world) Alerts(_ context.Context, f ledger.AlertFilter, after string) iter.Seq2[*ledger.Alert, error] {
	return func(yield func(*ledger.Alert, error) bool) {
		for i := w.minutes; i > 0; i-- {
			a := &ledger.Alert{ID: fmt.Sprintf("%04d", i), Title: "Alert", Created: w.at(i).Add(time.Second), Severity: ledger.High, Key: ledger.Key{Device: f.Device}}
			if after != "" && a.ID >= after || !f.RaisedTo.IsZero() && !a.Created.Before(f.RaisedTo) {
				continue
			}
			if !yield(a, nil) {
				return
			}
		}
	}
}

func (w world) History(_ context.Context, id string) ([]ledger.Step, error) {
	n, err := strconv.Atoi(id)
	if err != nil {
		return nil, err
	}
	return []ledger.Step{
		{Sequence: uint64(2 * n), Alert: id, Time: w.at(n).Add(time.Second), Action: "raised"},
		{Sequence: uint64(2*n + 1), Alert: id, Time: w.at(n).Add(2 * time.Second), Action: "acknowledged", Actor: "user:anna"},
	}, nil
}

func (w world) Recommendations(context.Context, ledger.RecommendationFilter, tvilling.DeviceID, string) iter.Seq2[*ledger.Recommendation, error] {
	return func(yield func(*ledger.Recommendation, error) bool) {
		yield(&ledger.Recommendation{Type: "IoT_OpenPorts", State: ledger.Mended, Discovered: w.at(1), Resolved: w.at(2)}, nil)
	}
}

func (w world) events(_ context.Context, q event.Query) iter.Seq2[*event.Record, error] {
	return func(yield func(*event.Record, error) bool) {
		for i := w.minutes; i > 0; i-- {
			at := event.Position{Sequence: uint64(i)}
			if q.After.Sequence != 0 && at.Compare(q.After) >= 0 || !slices.Contains(q.Names, "Login") {
				continue
			}
			r := &event.Record{Position: at, Event: event.Event{Kind: event.LoginKind, Name: "Login", Time: w.at(i).Add(3 * time.Second)}}
			if !yield(r, nil) {
				return
			}
		}
	}
}

func service(w world) *timeline.Service {
	return timeline.New(timeline.Options{
		History: w, Ledger: w, Events: w.events,
		Items: func(*event.Record) ([]event.Item, error) {
			return []event.Item{&event.Login{UserName: "root", Result: "Success"}}, nil
		},
		Advice: func(typ string) string { return typ },
	})
}

// Pages have every entry once, newest first, whatever their size.
func TestPages(t *testing.T) {
	t.Parallel()
	w := world{40}
	for _, limit := range []int{1, 3, 7, 200} {
		var all []timeline.Entry
		for before := ""; ; {
			p, err := service(w).Page(t.Context(), "d", timeline.Query{Before: before, Limit: limit})
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Entries) > limit {
				t.Fatalf("a page of %d has %d", limit, len(p.Entries))
			}
			all = append(all, p.Entries...)
			if before = p.Next; before == "" {
				break
			}
		}
		// 20 changes of the twin, 40 alerts with their steps, 40 logins, 2 of the
		// recommendation.
		if len(all) != 20+80+40+2 {
			t.Errorf("pages of %d have %d entries, want 142", limit, len(all))
		}
		if !slices.IsSortedFunc(all, func(a, b timeline.Entry) int { return b.Time.Compare(a.Time) }) {
			t.Errorf("pages of %d are not newest first", limit)
		}
		seen := make(map[string]bool)
		for _, e := range all {
			key := fmt.Sprint(e.Time, e.Kind, e.Title, e.Detail)
			if seen[key] {
				t.Errorf("pages of %d tell twice of %s", limit, key)
			}
			seen[key] = true
		}
	}
}

// Many alerts are told to the last one.
func TestManyAlerts(t *testing.T) {
	t.Parallel()
	raised := make(map[string]bool)
	for before, pages := "", 0; ; pages++ {
		p, err := service(world{350}).Page(t.Context(), "d", timeline.Query{Before: before, Limit: 60, Kinds: []timeline.Kind{timeline.Alert}})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range p.Entries {
			if e.Detail == "alert raised" {
				if raised[e.Alert] {
					t.Errorf("alert %s is told twice", e.Alert)
				}
				raised[e.Alert] = true
			}
		}
		if before = p.Next; before == "" || pages > 100 {
			break
		}
	}
	if len(raised) != 350 {
		t.Errorf("%d alerts are told, want 350", len(raised))
	}
}

// A page over changes that nobody asked for ends in time and can be gone on with.
func TestMuchPassedOver(t *testing.T) {
	t.Parallel()
	s := service(world{5000})
	found, short := 0, 0
	for before, pages := "", 0; ; pages++ {
		p, err := s.Page(t.Context(), "d", timeline.Query{Before: before, Kinds: []timeline.Kind{timeline.Identity}})
		if err != nil {
			t.Fatal(err)
		}
		found += len(p.Entries)
		if before = p.Next; before == "" {
			break
		}
		if short++; pages > 20 {
			t.Fatal("it does not end")
		}
	}
	if found != 0 || short == 0 {
		t.Errorf("found %d, %d short pages; want none, and some", found, short)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	if _, err := service(world{3}).Page(t.Context(), "d", timeline.Query{Before: "?"}); tvilling.CodeOf(err) != tvilling.InvalidArgument {
		t.Errorf("got %v", err)
	}
}
