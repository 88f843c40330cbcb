package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

func testFeed(t *testing.T, setup func(testing.TB) Factory) {
	s, ctx := open(t, setup), t.Context()
	const total = 700
	var all []ledger.Entry
	for n := uint64(1); n <= total; n++ {
		all = append(all, entryOf(n*2))
	}
	for n := 0; n < total; n += 100 {
		commit(t, s, &ledger.Batch{Feed: all[n : n+100]})
	}
	for _, after := range []uint64{0, 1, 2, 3, 999, 1398, 1399} {
		want(t, fmt.Sprint("Feed after ", after), collect(t, "Feed", s.Feed(ctx, after)), nil, all[after/2:])
	}
	for _, after := range []uint64{1400, 5000, 1 << 63, 1<<64 - 1} {
		want(t, fmt.Sprint("Feed after ", after), collect(t, "Feed", s.Feed(ctx, after)), nil, nil)
	}
	for range s.Feed(ctx, 0) { //nolint:errcheck // how it ends is what is tried
		break // which must be heeded
	}
	if got := s.FeedHead(); got != 2*total {
		t.Errorf("FeedHead = %d, want %d", got, 2*total)
	}
}

func testTrim(t *testing.T, setup func(testing.TB) Factory) {
	f := setup(t)
	s, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	b := &ledger.Batch{}
	kept := map[string]bool{}
	for n := range 900 {
		a := with(n, func(a *ledger.Alert) {
			a.Status = []ledger.Status{ledger.New, ledger.Resolved, ledger.Dismissed}[n%3]
			a.Updated = at(n)
		})
		b.Alerts = append(b.Alerts, a)
		b.Steps = append(b.Steps, stepOf(a.ID, uint64(n+1)))
		b.Feed = append(b.Feed, entryOf(uint64(n+1)))
		kept[a.ID] = a.Status == ledger.New || n >= 700
	}
	commit(t, s, b)
	dropped, err := s.Trim(ctx, 500, at(700))
	want(t, "Trim", dropped, err, 500+466) // of 700 a third is open, rounded up
	for _, a := range b.Alerts {
		got, err := s.Alert(ctx, a.ID)
		newest, _ := s.Newest(ctx, a.Key)
		h, _ := s.History(ctx, a.ID)
		if err != nil || (got != nil) != kept[a.ID] || (newest != nil) != kept[a.ID] || (len(h) == 1) != kept[a.ID] {
			t.Fatalf("alert %s after Trim: %v, %v, newest of its key %v, history %v; kept should be %v", a.ID, got, err, newest, h, kept[a.ID])
		}
	}
	want(t, "Feed", collect(t, "Feed", s.Feed(ctx, 0)), nil, b.Feed[500:])
	dropped, err = s.Trim(ctx, 10_000, at(0))
	want(t, "Trim of the whole feed", dropped, err, 400)
	dropped, err = s.Trim(ctx, 10_000, at(0))
	want(t, "Trim of nothing", dropped, err, 0)
	if f.Persistent {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err = f.Open(); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.FeedHead(); got != 900 {
		t.Errorf("FeedHead with nothing left of the feed = %d, want 900", got)
	}
	wantCode(t, "an entry with an old sequence", s.Commit(ctx, &ledger.Batch{Feed: []ledger.Entry{entryOf(900)}}), tvilling.Internal)
	commit(t, s, &ledger.Batch{Feed: []ledger.Entry{entryOf(901)}})
	want(t, "Feed", collect(t, "Feed", s.Feed(ctx, 0)), nil, []ledger.Entry{entryOf(901)})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// testRefusedKeepsNothing demands of batches that no ledger makes that they
// are refused whole, and harm nothing.
func testRefusedKeepsNothing(t *testing.T, setup func(testing.TB) Factory) {
	s, ctx := open(t, setup), t.Context()
	commit(t, s, &ledger.Batch{Feed: []ledger.Entry{entryOf(5)}})
	for name, b := range map[string]*ledger.Batch{
		"old sequence":     {Feed: []ledger.Entry{entryOf(5)}},
		"descending":       {Feed: []ledger.Entry{entryOf(7), entryOf(6)}},
		"no status":        {Alerts: []*ledger.Alert{with(1, func(a *ledger.Alert) { a.Status = "" })}},
		"unknown status":   {Alerts: []*ledger.Alert{with(1, func(a *ledger.Alert) { a.Status = "closed" })}},
		"unknown severity": {Alerts: []*ledger.Alert{with(1, func(a *ledger.Alert) { a.Severity = ledger.Severities })}},
		"unknown state":    {Recommendations: []*ledger.Recommendation{{Device: "d", State: "open"}}},
	} {
		b.Devices = []*ledger.Device{deviceOf(name, 1)}
		b.Cursors = map[string]uint64{name: 1}
		wantCode(t, name, s.Commit(ctx, b), tvilling.Internal)
		d, err := s.Device(ctx, tvilling.DeviceID(name))
		want(t, "Device of a refused batch: "+name, d, err, nil)
		n, err := s.Cursor(ctx, name)
		want(t, "Cursor of a refused batch: "+name, n, err, 0)
	}
	commit(t, s, &ledger.Batch{Feed: []ledger.Entry{entryOf(6)}})
}

func testContextEnds(t *testing.T, setup func(testing.TB) Factory) {
	s := open(t, setup)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range refusals(ctx, s) {
		wantCode(t, name, err, tvilling.Unavailable)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v does not tell of the context's end", name, err)
		}
	}
	d, err := s.Device(t.Context(), "d")
	want(t, "Device of a commit given up", d, err, nil)
}

func testClosed(t *testing.T, setup func(testing.TB) Factory) {
	s := open(t, setup)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
	for name, err := range refusals(t.Context(), s) {
		wantCode(t, name+" after Close", err, tvilling.Unavailable)
	}
}

// refusals calls every method and returns their errors.
func refusals(ctx context.Context, s ledger.Store) map[string]error {
	out := map[string]error{"Commit": s.Commit(ctx, &ledger.Batch{Devices: []*ledger.Device{{ID: "d"}}})}
	_, out["Cursor"] = s.Cursor(ctx, "x")
	_, out["Value"] = s.Value(ctx, "x")
	_, out["Alert"] = s.Alert(ctx, "x")
	_, out["Newest"] = s.Newest(ctx, ledger.Key{})
	for _, out["Alerts"] = range s.Alerts(ctx, ledger.AlertFilter{}, "") {
	}
	_, out["CountAlerts"] = s.CountAlerts(ctx, ledger.AlertFilter{}, 1)
	_, out["CountRecommendations"] = s.CountRecommendations(ctx, ledger.RecommendationFilter{}, 1)
	_, out["AlertGroups"] = s.AlertGroups(ctx, ledger.AlertFilter{}, nil)
	_, out["History"] = s.History(ctx, "x")
	_, out["Recommendation"] = s.Recommendation(ctx, "d", "x")
	for _, out["Recommendations"] = range s.Recommendations(ctx, ledger.RecommendationFilter{}, "", "") {
	}
	_, out["RecommendationGroups"] = s.RecommendationGroups(ctx, ledger.RecommendationFilter{}, nil)
	_, out["Device"] = s.Device(ctx, "d")
	_, out["Due"] = s.Due(ctx, at(0), 1)
	_, out["Postures"] = s.Postures(ctx, 1)
	_, out["Sharing"] = s.Sharing(ctx, ledger.Credential{Fingerprints: [][]byte{{1}}}, 1)
	_, out["Fingerprints"] = s.Fingerprints(ctx, tvilling.Device("d"))
	for _, out["Feed"] = range s.Feed(ctx, 0) {
	}
	_, out["Trim"] = s.Trim(ctx, 0, at(0))
	return out
}
