package ledgertest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

func testNewest(t *testing.T, setup func(testing.TB) Factory) {
	s := open(t, setup)
	k := ledger.Key{Device: "d", Type: "t", Cause: "c"}
	put := func(n, created int) *ledger.Alert {
		a := with(n, func(a *ledger.Alert) { a.Key, a.Created = k, at(created) })
		commit(t, s, &ledger.Batch{Alerts: []*ledger.Alert{a}})
		return a
	}
	for _, step := range []struct{ n, created, newest int }{{5, 10, 5}, {6, 5, 5}, {7, 20, 7}, {4, 20, 4}} {
		put(step.n, step.created)
		got, err := s.Newest(t.Context(), k)
		if err != nil || got.ID != alertOf(step.newest).ID {
			t.Errorf("Newest = %v, %v; want number %d", got, err, step.newest)
		}
	}
	for _, other := range []ledger.Key{{Device: "d", Type: "t"}, {Device: "d", Type: "tc"}, {Device: "dt", Cause: "c"}} {
		got, err := s.Newest(t.Context(), other)
		want(t, fmt.Sprintf("Newest(%v)", other), got, err, nil)
	}
}

func testAlertOrder(t *testing.T, setup func(testing.TB) Factory) {
	s := open(t, setup)
	var ids []string
	// Times before 1970 and beyond what 64 bits hold are times, too.
	for n, created := range []time.Time{time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), at(9), at(9), at(8), time.Unix(-5, 0).UTC(), {}} {
		a := with(n, func(a *ledger.Alert) { a.Created = created })
		ids = append(ids, a.ID)
		defer func() {
			if got, err := s.Alert(t.Context(), a.ID); err != nil || !got.Created.Equal(created) {
				t.Errorf("Created = %v, %v; want %v", got, err, created)
			}
		}()
		commit(t, s, &ledger.Batch{Alerts: []*ledger.Alert{a}})
	}
	want(t, "Alerts", alertIDs(t, s, ledger.AlertFilter{}, ""), nil, ids)
}

func testAlertAfter(t *testing.T, setup func(testing.TB) Factory) {
	s := open(t, setup)
	b := &ledger.Batch{}
	var ids []string
	for n := range 9 {
		a := with(n, func(a *ledger.Alert) { a.Created = at(-n / 3) }) // three of each
		b.Alerts = append(b.Alerts, a)
		ids = append(ids, a.ID)
	}
	commit(t, s, b)
	for n, id := range ids {
		want(t, "Alerts after "+id, alertIDs(t, s, ledger.AlertFilter{}, id), nil, append([]string(nil), ids[n+1:]...))
		// The place need not be one that the filter selects.
		f := ledger.AlertFilter{Device: "device-1"}
		var rest []string
		for m := n + 1; m < 9; m++ {
			if m%3 == 1 {
				rest = append(rest, ids[m])
			}
		}
		want(t, "Alerts of a device after "+id, alertIDs(t, s, f, id), nil, rest)
	}
	for _, err := range s.Alerts(t.Context(), ledger.AlertFilter{}, "never was") {
		wantCode(t, "Alerts after one that is not there", err, tvilling.InvalidArgument)
	}
	n := 0
	for range s.Alerts(t.Context(), ledger.AlertFilter{}, "") { //nolint:errcheck // how it ends is what is tried
		if n++; n == 2 {
			break // which must be heeded
		}
	}
}

func testAlertFilters(t *testing.T, setup func(testing.TB) Factory) {
	s := open(t, setup)
	all := []ledger.Status{ledger.New, ledger.Acknowledged, ledger.InProgress, ledger.Resolved, ledger.Dismissed}
	var list []*ledger.Alert
	for n := range 60 {
		list = append(list, with(n, func(a *ledger.Alert) { a.Status, a.Created = all[n%5], at(-n) }))
	}
	commit(t, s, &ledger.Batch{Alerts: list})
	for _, test := range []struct {
		name string
		f    ledger.AlertFilter
		keep func(*ledger.Alert) bool
	}{
		{"device", ledger.AlertFilter{Device: "device-1"}, func(a *ledger.Alert) bool { return a.Device == "device-1" }},
		{"type", ledger.AlertFilter{Type: "IoT_Type1"}, func(a *ledger.Alert) bool { return a.Type == "IoT_Type1" }},
		{"owner", ledger.AlertFilter{Owner: "ann"}, func(a *ledger.Alert) bool { return a.Owner == "ann" }},
		{
			"severities",
			ledger.AlertFilter{Severity: []ledger.Severity{ledger.High, ledger.Low, ledger.High}},
			func(a *ledger.Alert) bool { return a.Severity == ledger.High || a.Severity == ledger.Low },
		},
		{"statuses", ledger.AlertFilter{Status: []ledger.Status{ledger.Resolved, ledger.New}}, func(a *ledger.Alert) bool { return a.Status == ledger.Resolved || a.Status == ledger.New }},
		{
			"type, status and severity",
			ledger.AlertFilter{Type: "IoT_Type0", Status: []ledger.Status{ledger.New}, Severity: []ledger.Severity{ledger.Medium}},
			func(a *ledger.Alert) bool {
				return a.Type == "IoT_Type0" && a.Status == ledger.New && a.Severity == ledger.Medium
			},
		},
		{"span", ledger.AlertFilter{From: at(20), To: at(40)}, func(a *ledger.Alert) bool { return !a.Last.Before(at(20)) && a.Last.Before(at(40)) }},
		{"from", ledger.AlertFilter{From: at(20), Status: []ledger.Status{ledger.New}}, func(a *ledger.Alert) bool { return !a.Last.Before(at(20)) && a.Status == ledger.New }},
		{"to", ledger.AlertFilter{To: at(20), Type: "IoT_Type1"}, func(a *ledger.Alert) bool { return a.Last.Before(at(20)) && a.Type == "IoT_Type1" }},
		{"raised in", ledger.AlertFilter{RaisedFrom: at(-20), RaisedTo: at(-10)}, func(a *ledger.Alert) bool { return !a.Created.Before(at(-20)) && a.Created.Before(at(-10)) }},
		{"raised from", ledger.AlertFilter{RaisedFrom: at(-20), Status: []ledger.Status{ledger.New}}, func(a *ledger.Alert) bool { return !a.Created.Before(at(-20)) && a.Status == ledger.New }},
		{"raised to", ledger.AlertFilter{RaisedTo: at(-20), Type: "IoT_Type1"}, func(a *ledger.Alert) bool { return a.Created.Before(at(-20)) && a.Type == "IoT_Type1" }},
		{
			"raised in, of a device",
			ledger.AlertFilter{Device: "device-1", RaisedFrom: at(-40), RaisedTo: at(-9), From: at(20)},
			func(a *ledger.Alert) bool {
				return a.Device == "device-1" && !a.Created.Before(at(-40)) && a.Created.Before(at(-9)) && !a.Last.Before(at(20))
			},
		},
		{"raised by an owner", ledger.AlertFilter{Owner: "ann", RaisedFrom: at(-30)}, func(a *ledger.Alert) bool { return a.Owner == "ann" && !a.Created.Before(at(-30)) }},
		{
			"everything", ledger.AlertFilter{
				Device: "device-2", Type: "IoT_Type0", Owner: "bob", From: at(0), To: at(100),
				Severity: []ledger.Severity{ledger.Informational, ledger.Medium}, Status: all[:3],
			}, func(a *ledger.Alert) bool {
				return a.Device == "device-2" && a.Type == "IoT_Type0" && a.Owner == "bob" && a.Severity%2 == 0 && a.Status.Open() && a.Last.Before(at(100))
			},
		},
	} {
		var ids []string
		for _, a := range list {
			if test.keep(a) {
				ids = append(ids, a.ID)
			}
		}
		if len(ids) == 0 {
			t.Fatalf("%s: the test selects nothing", test.name)
		}
		want(t, test.name, alertIDs(t, s, test.f, ""), nil, ids)
		want(t, test.name+", after the first", alertIDs(t, s, test.f, ids[0]), nil, append([]string(nil), ids[1:]...))
		total, err := s.AlertGroups(t.Context(), test.f, nil)
		if err != nil || total[0].Count != int64(len(ids)) {
			t.Errorf("%s: AlertGroups counts %v, %v; want %d", test.name, total, err, len(ids))
		}
		for _, most := range []int{len(ids) + 1, len(ids), len(ids) - 1} {
			n, err := s.CountAlerts(t.Context(), test.f, most)
			want(t, fmt.Sprintf("%s: CountAlerts up to %d", test.name, most), n, err, min(most, len(ids)))
		}
	}
}

// testAlertPages demands that lists longer than any page are whole and in
// order, ties across the ends of pages included.
func testAlertPages(t *testing.T, setup func(testing.TB) Factory) {
	s := open(t, setup)
	const total = 1500
	b := &ledger.Batch{}
	var ids, open []string
	for n := range total {
		a := with(n, func(a *ledger.Alert) {
			a.Created = at(-n / 400)
			a.Status = []ledger.Status{ledger.New, ledger.Resolved, ledger.InProgress}[n%3]
		})
		b.Alerts = append(b.Alerts, a)
		ids = append(ids, a.ID)
		if a.Status.Open() {
			open = append(open, a.ID)
		}
	}
	commit(t, s, b)
	want(t, "all", alertIDs(t, s, ledger.AlertFilter{}, ""), nil, ids)
	want(t, "open ones", alertIDs(t, s, ledger.AlertFilter{Status: []ledger.Status{ledger.InProgress, ledger.New}}, ""), nil, open)
	want(t, "in a span", alertIDs(t, s, ledger.AlertFilter{From: at(-10)}, ids[777]), nil, append([]string(nil), ids[778:]...))
}

func testAlertGroups(t *testing.T, setup func(testing.TB) Factory) {
	s, ctx := open(t, setup), t.Context()
	b := &ledger.Batch{}
	for n := range 12 {
		b.Alerts = append(b.Alerts, with(n, func(a *ledger.Alert) {
			a.Last = time.Date(2026, 2, 28, 22+n/4, 0, 0, 0, time.UTC)
			a.Created = time.Date(2026, 2, 28, 23, 0, 0, n%2*(3600e9-1), time.UTC)
			if n == 11 {
				a.Created = a.Created.AddDate(-60, 0, 0)
				a.Status, a.Last = ledger.Dismissed, time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC)
			}
		}))
	}
	commit(t, s, b)
	for _, test := range []struct {
		f    ledger.AlertFilter
		by   []string
		want []ledger.Group
	}{
		{ledger.AlertFilter{}, []string{"device"}, []ledger.Group{
			{Values: []string{"device-0"}, Count: 4, Devices: 1}, {Values: []string{"device-1"}, Count: 4, Devices: 1}, {Values: []string{"device-2"}, Count: 4, Devices: 1},
		}},
		{ledger.AlertFilter{}, []string{"status"}, []ledger.Group{{Values: []string{"new"}, Count: 11, Devices: 3}, {Values: []string{"dismissed"}, Count: 1, Devices: 1}}},
		{ledger.AlertFilter{Severity: []ledger.Severity{ledger.High, ledger.Low}}, []string{"severity", "type"}, []ledger.Group{
			{Values: []string{"high", "IoT_Type1"}, Count: 3, Devices: 3}, {Values: []string{"low", "IoT_Type1"}, Count: 3, Devices: 3},
		}},
		{ledger.AlertFilter{}, []string{"day"}, []ledger.Group{
			{Values: []string{"2026-02-28"}, Count: 8, Devices: 3}, {Values: []string{"2026-03-01"}, Count: 3, Devices: 3}, {Values: []string{"1969-12-31"}, Count: 1, Devices: 1},
		}},
		{ledger.AlertFilter{Status: []ledger.Status{ledger.New}}, []string{"type"}, []ledger.Group{
			{Values: []string{"IoT_Type0"}, Count: 6, Devices: 3}, {Values: []string{"IoT_Type1"}, Count: 5, Devices: 3},
		}},
		{ledger.AlertFilter{Type: "IoT_Type0"}, []string{"severity"}, []ledger.Group{
			{Values: []string{"informational"}, Count: 3, Devices: 3}, {Values: []string{"medium"}, Count: 3, Devices: 3},
		}},
		{ledger.AlertFilter{Device: "device-2", From: time.Date(2026, 2, 28, 23, 0, 0, 0, time.UTC)}, []string{"day", "status"}, []ledger.Group{
			{Values: []string{"2026-02-28", "new"}, Count: 1, Devices: 1}, {Values: []string{"2026-03-01", "new"}, Count: 1, Devices: 1},
		}},
		{ledger.AlertFilter{}, []string{"raisedHour"}, []ledger.Group{
			{Values: []string{"2026-02-28T23:00:00Z"}, Count: 11, Devices: 3}, {Values: []string{"1966-02-28T23:00:00Z"}, Count: 1, Devices: 1},
		}},
		{ledger.AlertFilter{RaisedFrom: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Severity: []ledger.Severity{ledger.Low}}, []string{"severity", "raisedHour"}, []ledger.Group{
			{Values: []string{"low", "2026-02-28T23:00:00Z"}, Count: 3, Devices: 3},
		}},
		{ledger.AlertFilter{Owner: "bob"}, nil, []ledger.Group{{Values: []string{}, Count: 4, Devices: 1}}},
	} {
		got, err := s.AlertGroups(ctx, test.f, test.by)
		want(t, fmt.Sprintf("AlertGroups(%+v, %v)", test.f, test.by), got, err, test.want)
	}
	for _, by := range [][]string{{"colour"}, {"state"}, {"day", "day"}, {"hour"}, {""}} {
		_, err := s.AlertGroups(ctx, ledger.AlertFilter{}, by)
		wantCode(t, fmt.Sprint("AlertGroups by ", by), err, tvilling.InvalidArgument)
	}
}

func testUnknownWords(t *testing.T, setup func(testing.TB) Factory) {
	s, ctx := open(t, setup), t.Context()
	for _, f := range []ledger.AlertFilter{{Status: []ledger.Status{"open"}}, {Status: []ledger.Status{""}}, {Severity: []ledger.Severity{ledger.Severities}}} {
		n := 0
		for _, err := range s.Alerts(ctx, f, "") {
			wantCode(t, fmt.Sprintf("Alerts(%+v)", f), err, tvilling.InvalidArgument)
			n++
		}
		if n != 1 {
			t.Errorf("Alerts(%+v) yields %d times, want once", f, n)
		}
		_, err := s.AlertGroups(ctx, f, nil)
		wantCode(t, fmt.Sprintf("AlertGroups(%+v)", f), err, tvilling.InvalidArgument)
	}
	for _, f := range []ledger.RecommendationFilter{{State: "open"}, {Severity: []ledger.Severity{ledger.Severities}}} {
		for _, err := range s.Recommendations(ctx, f, "", "") {
			wantCode(t, fmt.Sprintf("Recommendations(%+v)", f), err, tvilling.InvalidArgument)
		}
		_, err := s.RecommendationGroups(ctx, f, nil)
		wantCode(t, fmt.Sprintf("RecommendationGroups(%+v)", f), err, tvilling.InvalidArgument)
	}
}

func testRecommendations(t *testing.T, setup func(testing.TB) Factory) {
	s, ctx := open(t, setup), t.Context()
	var all []*ledger.Recommendation
	for n := range 600 {
		all = append(all, adviceOf(fmt.Sprintf("device-%03d", n/3), []string{"a", "b", "c"}[n%3], n/7))
	}
	all = append(all, adviceOf("device-b", "a", 0), adviceOf("x", "A", 0), adviceOf("x", "a", 1))
	shuffled := slices.Clone(all)
	slices.SortFunc(shuffled, func(x, y *ledger.Recommendation) int { return int(x.Version*7%5) - int(y.Version*7%5) })
	commit(t, s, &ledger.Batch{Recommendations: shuffled})
	for _, f := range []ledger.RecommendationFilter{
		{},
		{Device: "device-007"},
		{Type: "b"},
		{Device: "x", Type: "a"},
		{State: ledger.Active},
		{State: ledger.Mended, Severity: []ledger.Severity{ledger.High, ledger.Low}},
		{Severity: []ledger.Severity{ledger.Medium}},
		{Type: "a", State: ledger.Active},
		{Type: "a", Severity: []ledger.Severity{ledger.Low, ledger.Medium}},
		{Device: "none"},
	} {
		for _, after := range []struct{ device, typ string }{{}, {"device-007", "b"}, {"device-007", "a"}, {"device-007", ""}, {"device-100", "zzz"}, {"x", "a"}} {
			var list []*ledger.Recommendation
			for _, r := range all {
				if (f.Device == "" || f.Device == r.Device) && (f.Type == "" || f.Type == r.Type) && (f.State == "" || f.State == r.State) &&
					(f.Severity == nil || slices.Contains(f.Severity, r.Severity)) &&
					(string(r.Device) > after.device || string(r.Device) == after.device && r.Type > after.typ) {
					list = append(list, r)
				}
			}
			got := collect(t, "Recommendations", s.Recommendations(ctx, f, tvilling.DeviceID(after.device), after.typ))
			want(t, fmt.Sprintf("Recommendations(%+v) after %v", f, after), got, nil, list)
		}
	}
	countRecommendations(t, s)
	for range s.Recommendations(ctx, ledger.RecommendationFilter{}, "", "") { //nolint:errcheck // how it ends is what is tried
		break // which must be heeded
	}
}

func testRecommendationGroups(t *testing.T, setup func(testing.TB) Factory) {
	s, ctx := open(t, setup), t.Context()
	b := &ledger.Batch{}
	for n := range 8 {
		b.Recommendations = append(b.Recommendations, adviceOf(fmt.Sprint("d", n/2), []string{"a", "b"}[n%2], n/2))
	}
	commit(t, s, b)
	for _, test := range []struct {
		f    ledger.RecommendationFilter
		by   []string
		want []ledger.Group
	}{
		{ledger.RecommendationFilter{}, nil, []ledger.Group{{Values: []string{}, Count: 8, Devices: 4}}},
		{ledger.RecommendationFilter{State: ledger.Active}, []string{"type", "state"}, []ledger.Group{
			{Values: []string{"a", "active"}, Count: 2, Devices: 2}, {Values: []string{"b", "active"}, Count: 2, Devices: 2},
		}},
		{ledger.RecommendationFilter{Type: "a", Severity: []ledger.Severity{ledger.Low, ledger.High}}, []string{"severity"}, []ledger.Group{
			{Values: []string{"high"}, Count: 1, Devices: 1}, {Values: []string{"low"}, Count: 1, Devices: 1},
		}},
		{ledger.RecommendationFilter{Device: "d1"}, []string{"device"}, []ledger.Group{{Values: []string{"d1"}, Count: 2, Devices: 1}}},
		{ledger.RecommendationFilter{Device: "none"}, []string{"device"}, []ledger.Group{}},
	} {
		got, err := s.RecommendationGroups(ctx, test.f, test.by)
		want(t, fmt.Sprintf("RecommendationGroups(%+v, %v)", test.f, test.by), got, err, test.want)
	}
	_, err := s.RecommendationGroups(ctx, ledger.RecommendationFilter{}, []string{"status"})
	wantCode(t, "RecommendationGroups by status", err, tvilling.InvalidArgument)
}

// countRecommendations demands that counts are as long as lists, or as is asked.
func countRecommendations(t *testing.T, s ledger.Store) {
	t.Helper()
	for _, f := range []ledger.RecommendationFilter{
		{},
		{State: ledger.Active},
		{Type: "IoT_Type0"},
		{Type: "IoT_Type0", State: ledger.Mended},
		{Device: "device-1"},
		{Severity: []ledger.Severity{ledger.High, ledger.Low}},
		{Device: "device-1", State: ledger.Active, Severity: []ledger.Severity{ledger.Medium}},
	} {
		all := len(collect(t, "Recommendations", s.Recommendations(t.Context(), f, "", "")))
		for _, most := range []int{all + 1, all, 1} {
			n, err := s.CountRecommendations(t.Context(), f, most)
			want(t, fmt.Sprintf("CountRecommendations(%+v, %d)", f, most), n, err, min(most, all))
		}
	}
}
