package ledgertest

import (
	"fmt"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

func testFresh(t *testing.T, setup func(testing.TB) Factory) {
	s, ctx := open(t, setup), t.Context()
	n, err := s.Cursor(ctx, "intake")
	want(t, "Cursor", n, err, 0)
	v, err := s.Value(ctx, "x")
	want(t, "Value", v, err, nil)
	a, err := s.Alert(ctx, "x")
	want(t, "Alert", a, err, nil)
	a, err = s.Newest(ctx, ledger.Key{Device: "d"})
	want(t, "Newest", a, err, nil)
	h, err := s.History(ctx, "x")
	want(t, "History", h, err, nil)
	r, err := s.Recommendation(ctx, "d", "x")
	want(t, "Recommendation", r, err, nil)
	d, err := s.Device(ctx, "d")
	want(t, "Device", d, err, nil)
	ids, err := s.Due(ctx, at(0), 10)
	want(t, "Due", ids, err, nil)
	ids, err = s.Postures(ctx, 10)
	want(t, "Postures", ids, err, nil)
	who, err := s.Sharing(ctx, ledger.Credential{Fingerprints: [][]byte{{1}}}, 10)
	want(t, "Sharing", who, err, nil)
	f, err := s.Fingerprints(ctx, tvilling.Device("d"))
	want(t, "Fingerprints", f, err, nil)
	g, err := s.AlertGroups(ctx, ledger.AlertFilter{}, []string{"type"})
	want(t, "AlertGroups", g, err, []ledger.Group{})
	g, err = s.AlertGroups(ctx, ledger.AlertFilter{}, nil)
	want(t, "AlertGroups by nothing", g, err, []ledger.Group{{Values: []string{}}})
	if got := s.FeedHead(); got != 0 {
		t.Errorf("FeedHead = %d, want 0", got)
	}
	if got := len(collect(t, "Feed", s.Feed(ctx, 0))) + len(collect(t, "Alerts", s.Alerts(ctx, ledger.AlertFilter{}, ""))) +
		len(collect(t, "Recommendations", s.Recommendations(ctx, ledger.RecommendationFilter{}, "", ""))); got != 0 {
		t.Errorf("a fresh store yields %d records", got)
	}
	dropped, err := s.Trim(ctx, 10, at(0))
	want(t, "Trim", dropped, err, 0)
	commit(t, s, &ledger.Batch{})
}

func testRoundTrip(t *testing.T, setup func(testing.TB) Factory) {
	s, ctx := open(t, setup), t.Context()
	bare := &ledger.Alert{ID: "bare", Key: ledger.Key{Device: "d"}, Status: ledger.Dismissed}
	full := alertOf(3)
	r, bareAdvice := adviceOf("d", "open-ports", 1), &ledger.Recommendation{Device: "d", Type: "", State: ledger.Active}
	d, bareDevice := deviceOf("d", 7), &ledger.Device{ID: "e"}
	steps := []ledger.Step{{Sequence: 1, Alert: full.ID, Time: at(1), Actor: "hub:detection", Action: "raised", To: ledger.New}, stepOf(full.ID, 2)}
	feed := []ledger.Entry{entryOf(1), entryOf(2), {Sequence: 7, Time: at(7)}}
	commit(t, s, &ledger.Batch{
		Alerts: []*ledger.Alert{full, bare}, Recommendations: []*ledger.Recommendation{r, bareAdvice},
		Devices: []*ledger.Device{d, bareDevice}, Steps: steps, Feed: feed,
	})
	for _, a := range []*ledger.Alert{full, bare} {
		got, err := s.Alert(ctx, a.ID)
		want(t, "Alert", got, err, a)
		got, err = s.Newest(ctx, a.Key)
		want(t, "Newest", got, err, a)
	}
	want(t, "Alerts", collect(t, "Alerts", s.Alerts(ctx, ledger.AlertFilter{}, "")), nil, []*ledger.Alert{full, bare})
	for _, r := range []*ledger.Recommendation{r, bareAdvice} {
		got, err := s.Recommendation(ctx, r.Device, r.Type)
		want(t, "Recommendation", got, err, r)
	}
	for _, d := range []*ledger.Device{d, bareDevice} {
		got, err := s.Device(ctx, d.ID)
		want(t, "Device", got, err, d)
	}
	h, err := s.History(ctx, full.ID)
	want(t, "History", h, err, steps)
	want(t, "Feed", collect(t, "Feed", s.Feed(ctx, 0)), nil, feed)
	if got := s.FeedHead(); got != 7 {
		t.Errorf("FeedHead = %d, want 7", got)
	}
}

// testLastPutCounts demands that a record put again is as it was put last,
// and is found by what it is now, not by what it was.
func testLastPutCounts(t *testing.T, setup func(testing.TB) Factory) {
	s, ctx := open(t, setup), t.Context()
	for n := range 4 {
		a := with(1, func(a *ledger.Alert) {
			a.Status = []ledger.Status{ledger.New, ledger.InProgress, ledger.InProgress, ledger.Resolved}[n]
			a.Severity = []ledger.Severity{ledger.Low, ledger.Low, ledger.High, ledger.High}[n]
			a.Owner = []string{"", "ann", "ann", "bob"}[n]
			a.Count, a.Last = int64(n), at(1000*n)
		})
		r, d := adviceOf("d", "x", n), deviceOf("d", n)
		commit(t, s, &ledger.Batch{Alerts: []*ledger.Alert{a}, Recommendations: []*ledger.Recommendation{r}, Devices: []*ledger.Device{d}})
		got, err := s.Alert(ctx, a.ID)
		want(t, "Alert", got, err, a)
		for _, f := range []ledger.AlertFilter{
			{Status: []ledger.Status{a.Status}},
			{Severity: []ledger.Severity{a.Severity}},
			{From: a.Last},
			{Type: a.Type, Status: []ledger.Status{a.Status}},
			{Device: a.Device, Severity: []ledger.Severity{a.Severity}},
		} {
			want(t, fmt.Sprintf("Alerts(%+v)", f), alertIDs(t, s, f, ""), nil, []string{a.ID})
		}
		for _, f := range []ledger.AlertFilter{
			{Status: []ledger.Status{ledger.Dismissed, ledger.Acknowledged}}, {Severity: []ledger.Severity{ledger.Medium}}, {To: a.Last}, {Owner: "nobody"},
		} {
			want(t, fmt.Sprintf("Alerts(%+v)", f), alertIDs(t, s, f, ""), nil, nil)
		}
		gr, err := s.Recommendation(ctx, "d", "x")
		want(t, "Recommendation", gr, err, r)
		for state, ids := range map[ledger.State]int{ledger.Active: (n + 1) % 2, ledger.Mended: n % 2} {
			got := collect(t, "Recommendations", s.Recommendations(ctx, ledger.RecommendationFilter{State: state}, "", ""))
			if len(got) != ids {
				t.Errorf("put %d: %d recommendations are %s, want %d", n, len(got), state, ids)
			}
		}
		gd, err := s.Device(ctx, "d")
		want(t, "Device", gd, err, d)
	}
}

func testDevices(t *testing.T, setup func(testing.TB) Factory) {
	s, ctx := open(t, setup), t.Context()
	var all []*ledger.Device
	for n, id := range []string{"e", "d", "c", "b", "a"} {
		d := deviceOf(id, n)
		d.Due = at(10 * (n / 2)) // e and d, c and b have the same
		all = append(all, d)
	}
	all = append(all, &ledger.Device{ID: "never"})
	commit(t, s, &ledger.Batch{Devices: all})
	for _, test := range []struct {
		now, limit int
		want       []tvilling.DeviceID
	}{
		{-1, 10, nil},
		{0, 10, []tvilling.DeviceID{"d", "e"}},
		{0, 1, []tvilling.DeviceID{"d"}},
		{15, 10, []tvilling.DeviceID{"d", "e", "b", "c"}},
		{100, 10, []tvilling.DeviceID{"d", "e", "b", "c", "a"}},
		{100, 0, nil},
	} {
		got, err := s.Due(ctx, at(test.now), test.limit)
		want(t, fmt.Sprintf("Due(%d, %d)", test.now, test.limit), got, err, test.want)
	}
	got, err := s.Postures(ctx, 10)
	want(t, "Postures", got, err, []tvilling.DeviceID{"b", "d"})
	got, err = s.Postures(ctx, 1)
	want(t, "Postures(1)", got, err, []tvilling.DeviceID{"b"})
	states, err := s.States(ctx)
	counted := map[string]int64{}
	for _, d := range all {
		counted[d.State]++
	}
	want(t, "States", states, err, counted)
	d := deviceOf("d", 1)
	d.Posture, d.Due = false, at(5000)
	commit(t, s, &ledger.Batch{Devices: []*ledger.Device{d}})
	got, err = s.Postures(ctx, 10)
	want(t, "Postures when one is done", got, err, []tvilling.DeviceID{"b"})
	got, err = s.Due(ctx, at(0), 10)
	want(t, "Due when one is done", got, err, []tvilling.DeviceID{"e"})
}

// testForget demands that forgetting comes before what a batch puts, and takes
// neither alerts nor neighbours.
func testForget(t *testing.T, setup func(testing.TB) Factory) {
	s, ctx := open(t, setup), t.Context()
	a := with(1, func(a *ledger.Alert) { a.Device = "d" })
	commit(t, s, &ledger.Batch{
		Alerts: []*ledger.Alert{a}, Steps: []ledger.Step{stepOf(a.ID, 1)}, Devices: []*ledger.Device{deviceOf("d", 1), deviceOf("d2", 1)},
		Recommendations: []*ledger.Recommendation{adviceOf("d", "x", 0), adviceOf("d", "y", 0), adviceOf("d2", "x", 0)},
	})
	anew, advice := deviceOf("d", 8), adviceOf("d", "y", 2)
	commit(t, s, &ledger.Batch{Forget: []tvilling.DeviceID{"d", "unknown"}, Devices: []*ledger.Device{anew}, Recommendations: []*ledger.Recommendation{advice}})
	d, err := s.Device(ctx, "d")
	want(t, "Device made anew", d, err, anew)
	want(t, "Recommendations", collect(t, "Recommendations", s.Recommendations(ctx, ledger.RecommendationFilter{}, "", "")), nil,
		[]*ledger.Recommendation{advice, adviceOf("d2", "x", 0)})
	commit(t, s, &ledger.Batch{Forget: []tvilling.DeviceID{"d"}})
	d, err = s.Device(ctx, "d")
	want(t, "Device forgotten", d, err, nil)
	ids, err := s.Postures(ctx, 10)
	want(t, "Postures", ids, err, []tvilling.DeviceID{"d2"})
	got, err := s.Newest(ctx, a.Key)
	want(t, "Newest", got, err, a)
	h, err := s.History(ctx, a.ID)
	want(t, "History", h, err, []ledger.Step{stepOf(a.ID, 1)})
}

func testCursorsAndValues(t *testing.T, setup func(testing.TB) Factory) {
	s, ctx := open(t, setup), t.Context()
	commit(t, s, &ledger.Batch{
		Cursors: map[string]uint64{"intake": 1, "x": 1<<63 + 5},
		Values:  map[string][]byte{"a": []byte("one"), "x": []byte("two"), "empty": {}, "not there": nil},
	})
	commit(t, s, &ledger.Batch{Cursors: map[string]uint64{"intake": 9}, Values: map[string][]byte{"a": []byte("three"), "x": nil}})
	for name, n := range map[string]uint64{"intake": 9, "x": 1<<63 + 5, "a": 0} {
		got, err := s.Cursor(ctx, name)
		want(t, "Cursor "+name, got, err, n)
	}
	for name, v := range map[string][]byte{"a": []byte("three"), "x": nil, "empty": {}, "intake": nil, "not there": nil} {
		got, err := s.Value(ctx, name)
		want(t, "Value "+name, got, err, v)
	}
}

func testCredentials(t *testing.T, setup func(testing.TB) Factory) {
	s, ctx := open(t, setup), t.Context()
	id := func(device, module string) tvilling.Identity {
		return tvilling.Identity{Device: tvilling.DeviceID(device), Module: tvilling.ModuleID(module)}
	}
	k := func(names ...string) (list [][]byte) {
		for _, n := range names {
			list = append(list, []byte(n))
		}
		return list
	}
	commit(t, s, &ledger.Batch{Credentials: []ledger.Credential{
		{ID: id("c", ""), Fingerprints: k("two", "one", "two")},
		{ID: id("b", "m"), Fingerprints: k("one")},
		{ID: id("b", ""), Fingerprints: k("two")},
		{ID: id("a", ""), Fingerprints: k("three", "one\x00")},
	}})
	sharing := func(limit int, of tvilling.Identity, fingerprints ...string) []tvilling.Identity {
		t.Helper()
		got, err := s.Sharing(ctx, ledger.Credential{ID: of, Fingerprints: k(fingerprints...)}, limit)
		if err != nil {
			t.Fatalf("Sharing: %v", err)
		}
		return got
	}
	want(t, "Sharing", sharing(10, id("c", ""), "one", "two"), nil, []tvilling.Identity{id("b", ""), id("b", "m")})
	want(t, "Sharing, at most one", sharing(1, id("c", ""), "one", "two"), nil, []tvilling.Identity{id("b", "")})
	want(t, "Sharing of another", sharing(10, id("x", ""), "one", "two"), nil, []tvilling.Identity{id("b", ""), id("b", "m"), id("c", "")})
	want(t, "Sharing nothing", sharing(10, id("c", ""), "four"), nil, nil)
	got, err := s.Fingerprints(ctx, id("c", ""))
	want(t, "Fingerprints", got, err, k("one", "two"))
	commit(t, s, &ledger.Batch{Credentials: []ledger.Credential{{ID: id("b", "m")}, {ID: id("c", ""), Fingerprints: k("four")}}})
	want(t, "Sharing after changes", sharing(10, id("x", ""), "one", "two"), nil, []tvilling.Identity{id("b", "")})
	got, err = s.Fingerprints(ctx, id("b", "m"))
	want(t, "Fingerprints of a forgotten one", got, err, nil)
}
