package ledgertest

import (
	"context"
	"fmt"
	"iter"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/store/securitymem"
)

// testReopen demands that a persistent store is the same after Close, and
// after a crash if it can be made to have one: every batch that was committed
// is there, whole.
func testReopen(t *testing.T, setup func(testing.TB) Factory) {
	f := setup(t)
	if !f.Persistent {
		return // it promises nothing here
	}
	end := []func(ledger.Store) error{ledger.Store.Close}
	if f.Crash != nil {
		end = append(end, f.Crash)
	}
	ctx, n := t.Context(), 0
	for round := range 6 {
		s, err := f.Open()
		if err != nil {
			t.Fatalf("Open %d: %v", round, err)
		}
		if got := len(alertIDs(t, s, ledger.AlertFilter{}, "")); got != n {
			t.Fatalf("after reopening %d: %d alerts, want %d", round, got, n)
		}
		if got := s.FeedHead(); got != uint64(n) {
			t.Fatalf("after reopening %d: FeedHead = %d, want %d", round, got, n)
		}
		for i := range n {
			a, err := s.Alert(ctx, alertOf(i).ID)
			want(t, "Alert", a, err, alertOf(i))
			h, err := s.History(ctx, alertOf(i).ID)
			want(t, "History", h, err, []ledger.Step{stepOf(alertOf(i).ID, uint64(i+1))})
			d, err := s.Device(ctx, tvilling.DeviceID(fmt.Sprint("d", i)))
			want(t, "Device", d, err, deviceOf(fmt.Sprint("d", i), i))
			r, err := s.Recommendation(ctx, tvilling.DeviceID(fmt.Sprint("d", i)), "x")
			want(t, "Recommendation", r, err, adviceOf(fmt.Sprint("d", i), "x", i))
			c, err := s.Cursor(ctx, "c")
			want(t, "Cursor", c, err, uint64(n))
		}
		for range 30 {
			a := alertOf(n)
			id := fmt.Sprint("d", n)
			n++
			commit(t, s, &ledger.Batch{
				Alerts: []*ledger.Alert{a}, Steps: []ledger.Step{stepOf(a.ID, uint64(n))}, Feed: []ledger.Entry{entryOf(uint64(n))},
				Devices: []*ledger.Device{deviceOf(id, n-1)}, Recommendations: []*ledger.Recommendation{adviceOf(id, "x", n-1)},
				Cursors: map[string]uint64{"c": uint64(n)},
			})
		}
		if err := end[round%len(end)](s); err != nil {
			t.Fatalf("ending %d: %v", round, err)
		}
	}
}

// testModel compares the store with the one in memory under random batches,
// reads, trims and, if it is persistent, ends of its process.
func testModel(t *testing.T, setup func(testing.TB) Factory) {
	rapid.Check(t, func(rt *rapid.T) {
		f := setup(t)
		s, err := f.Open()
		if err != nil {
			rt.Fatalf("Open: %v", err)
		}
		m := &model{f: f, s: s, ref: securitymem.New()}
		defer func() {
			if err := m.s.Close(); err != nil {
				rt.Errorf("Close: %v", err)
			}
		}()
		actions := map[string]func(*rapid.T){
			"commit": m.commit,
			"again":  m.commit,
			"read":   m.read,
			"list":   m.list,
			"trim":   m.trim,
			"":       m.check,
		}
		if f.Persistent {
			actions["reopen"] = func(rt *rapid.T) { m.reopen(rt, ledger.Store.Close) }
		}
		if f.Crash != nil {
			actions["crash"] = func(rt *rapid.T) { m.reopen(rt, f.Crash) }
		}
		rt.Repeat(actions)
	})
}

type model struct {
	f        Factory
	s, ref   ledger.Store
	sequence uint64
}

var (
	modelDevices    = rapid.SampledFrom([]string{"a", "A", "b", "b.1", "é"})
	modelTypes      = rapid.SampledFrom([]string{"x", "y", ""})
	modelOwners     = rapid.SampledFrom([]string{"", "ann", "bob"})
	modelStatuses   = rapid.SampledFrom([]ledger.Status{ledger.New, ledger.Acknowledged, ledger.InProgress, ledger.Resolved, ledger.Dismissed})
	modelSeverities = rapid.SampledFrom([]ledger.Severity{ledger.Informational, ledger.Low, ledger.Medium, ledger.High})
	modelPrints     = rapid.SampledFrom([]string{"one", "two", "three"})
	modelTimes      = rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.IntRange(0, 9).Draw(t, "zero") == 0 {
			return time.Time{}
		}
		return at(rapid.IntRange(-100_000, 100_000).Draw(t, "time"))
	})
)

// drawAlert returns one of few alerts, whose key and creation follow from it.
func drawAlert(t *rapid.T) *ledger.Alert {
	n := rapid.IntRange(0, 30).Draw(t, "alert")
	return with(n, func(a *ledger.Alert) {
		a.Key = ledger.Key{Device: tvilling.DeviceID([]string{"a", "A", "b", "é"}[n%4]), Type: []string{"x", "y", ""}[n%3], Cause: []string{"", "c"}[n%2]}
		a.Created = at(n % 7)
		a.Status, a.Severity, a.Owner = modelStatuses.Draw(t, "status"), modelSeverities.Draw(t, "severity"), modelOwners.Draw(t, "owner")
		a.Last, a.Updated = at(rapid.IntRange(-100_000, 100_000).Draw(t, "last")), modelTimes.Draw(t, "updated")
		a.Count = rapid.Int64().Draw(t, "count")
		a.Note = rapid.String().Draw(t, "note")
		a.Evidence = a.Evidence[:rapid.IntRange(1, 2).Draw(t, "evidence")]
	})
}

func drawBatch(t *rapid.T, sequence *uint64) *ledger.Batch {
	b := &ledger.Batch{Cursors: map[string]uint64{}, Values: map[string][]byte{}}
	for range rapid.IntRange(0, 4).Draw(t, "alerts") {
		a := drawAlert(t)
		*sequence++
		b.Alerts = append(b.Alerts, a)
		b.Steps = append(b.Steps, stepOf(a.ID, *sequence))
		b.Feed = append(b.Feed, entryOf(*sequence))
	}
	for range rapid.IntRange(0, 3).Draw(t, "devices") {
		d := deviceOf(modelDevices.Draw(t, "device"), rapid.IntRange(0, 50).Draw(t, "n"))
		d.Due = modelTimes.Draw(t, "due")
		b.Devices = append(b.Devices, d)
	}
	for range rapid.IntRange(0, 3).Draw(t, "advice") {
		r := adviceOf(modelDevices.Draw(t, "device"), modelTypes.Draw(t, "type"), rapid.IntRange(0, 50).Draw(t, "n"))
		b.Recommendations = append(b.Recommendations, r)
	}
	switch rapid.IntRange(0, 5).Draw(t, "more") {
	case 0:
		b.Forget = []tvilling.DeviceID{tvilling.DeviceID(modelDevices.Draw(t, "device"))}
	case 1:
		b.Cursors[modelTypes.Draw(t, "name")] = rapid.Uint64().Draw(t, "cursor")
	case 2:
		b.Values[modelTypes.Draw(t, "name")] = rapid.SampledFrom([][]byte{nil, {}, []byte("v"), []byte("w")}).Draw(t, "value")
	case 3:
		c := ledger.Credential{ID: tvilling.Identity{Device: tvilling.DeviceID(modelDevices.Draw(t, "device")), Module: tvilling.ModuleID(modelTypes.Draw(t, "module"))}}
		for range rapid.IntRange(0, 3).Draw(t, "fingerprints") {
			c.Fingerprints = append(c.Fingerprints, []byte(modelPrints.Draw(t, "fingerprint")))
		}
		b.Credentials = append(b.Credentials, c)
	}
	return b
}

func (m *model) commit(t *rapid.T) {
	b := drawBatch(t, &m.sequence)
	for _, s := range []ledger.Store{m.ref, m.s} {
		if err := s.Commit(context.Background(), b); err != nil {
			t.Fatalf("Commit: %v", err)
		}
	}
}

// same compares what two stores return for a key.
func same[K, V any](t *rapid.T, name string, k K, got, want func(context.Context, K) (V, error)) {
	w, err := want(context.Background(), k)
	if err != nil {
		t.Fatal(err)
	}
	g, err := got(context.Background(), k)
	if err == nil && reflect.DeepEqual(w, g) {
		return // which is quicker than to look for a difference
	}
	if err != nil || cmp.Diff(w, g) != "" {
		t.Fatalf("%s(%v): %v; -want +got:\n%s", name, k, err, cmp.Diff(w, g))
	}
}

func (m *model) read(t *rapid.T) {
	device := tvilling.DeviceID(modelDevices.Draw(t, "device"))
	a := drawAlert(t)
	same(t, "Alert", a.ID, m.s.Alert, m.ref.Alert)
	same(t, "Newest", a.Key, m.s.Newest, m.ref.Newest)
	same(t, "History", a.ID, m.s.History, m.ref.History)
	same(t, "Device", device, m.s.Device, m.ref.Device)
	same(t, "Cursor", modelTypes.Draw(t, "name"), m.s.Cursor, m.ref.Cursor)
	same(t, "Value", modelTypes.Draw(t, "name"), m.s.Value, m.ref.Value)
	same(t, "Recommendation", modelTypes.Draw(t, "type"),
		func(ctx context.Context, typ string) (*ledger.Recommendation, error) {
			return m.s.Recommendation(ctx, device, typ)
		},
		func(ctx context.Context, typ string) (*ledger.Recommendation, error) {
			return m.ref.Recommendation(ctx, device, typ)
		})
	id := tvilling.Identity{Device: device, Module: tvilling.ModuleID(modelTypes.Draw(t, "module"))}
	same(t, "Fingerprints", id, m.s.Fingerprints, m.ref.Fingerprints)
	c := ledger.Credential{ID: id, Fingerprints: [][]byte{[]byte(modelPrints.Draw(t, "one")), []byte(modelPrints.Draw(t, "other"))}}
	limit := rapid.IntRange(1, 5).Draw(t, "limit")
	same(t, "Sharing", c,
		func(ctx context.Context, c ledger.Credential) ([]tvilling.Identity, error) {
			return m.s.Sharing(ctx, c, limit)
		},
		func(ctx context.Context, c ledger.Credential) ([]tvilling.Identity, error) {
			return m.ref.Sharing(ctx, c, limit)
		})
	same(t, "Due", modelTimes.Draw(t, "now"),
		func(ctx context.Context, now time.Time) ([]tvilling.DeviceID, error) { return m.s.Due(ctx, now, limit) },
		func(ctx context.Context, now time.Time) ([]tvilling.DeviceID, error) {
			return m.ref.Due(ctx, now, limit)
		})
	same(t, "Postures", limit, m.s.Postures, m.ref.Postures)
	same(t, "States", limit, func(ctx context.Context, _ int) (map[string]int64, error) { return m.s.States(ctx) },
		func(ctx context.Context, _ int) (map[string]int64, error) { return m.ref.States(ctx) })
}

// sameList compares what two iterations yield.
func sameList[T any](t *rapid.T, name string, got, want iter.Seq2[T, error]) {
	var lists [2][]T
	for i, seq := range []iter.Seq2[T, error]{want, got} {
		for v, err := range seq {
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			lists[i] = append(lists[i], v)
		}
	}
	if reflect.DeepEqual(lists[0], lists[1]) {
		return
	}
	if d := cmp.Diff(lists[0], lists[1]); d != "" {
		t.Fatalf("%s: -want +got:\n%s", name, d)
	}
}

func (m *model) list(t *rapid.T) {
	ctx := context.Background()
	f := ledger.AlertFilter{
		Severity: rapid.SliceOfN(modelSeverities, 0, 2).Draw(t, "severities"), Status: rapid.SliceOfN(modelStatuses, 0, 3).Draw(t, "statuses"),
		Type: modelTypes.Draw(t, "type"),
	}
	switch rapid.IntRange(0, 5).Draw(t, "filter") {
	case 0:
		f.Device = tvilling.DeviceID(modelDevices.Draw(t, "device"))
	case 1:
		f.Owner = modelOwners.Draw(t, "owner")
	case 2:
		f.From, f.To = modelTimes.Draw(t, "from"), modelTimes.Draw(t, "to")
	}
	after := ""
	if a, err := m.ref.Alert(ctx, drawAlert(t).ID); err == nil && a != nil && rapid.Bool().Draw(t, "after") {
		after = a.ID
	}
	sameList(t, fmt.Sprintf("Alerts(%+v, %s)", f, after), m.s.Alerts(ctx, f, after), m.ref.Alerts(ctx, f, after))
	most := rapid.IntRange(1, 20).Draw(t, "most")
	n, err := m.s.CountAlerts(ctx, f, most)
	if ref, refErr := m.ref.CountAlerts(ctx, f, most); n != ref || (err == nil) != (refErr == nil) {
		t.Fatalf("CountAlerts(%+v, %d) = %d, %v; want %d, %v", f, most, n, err, ref, refErr)
	}
	by := rapid.Permutation([]string{"device", "type", "severity", "status", "day"}).Draw(t, "by")[:rapid.IntRange(0, 5).Draw(t, "columns")]
	same(t, fmt.Sprintf("AlertGroups(%+v)", f), by,
		func(ctx context.Context, by []string) ([]ledger.Group, error) { return m.s.AlertGroups(ctx, f, by) },
		func(ctx context.Context, by []string) ([]ledger.Group, error) { return m.ref.AlertGroups(ctx, f, by) })
	rf := ledger.RecommendationFilter{Severity: f.Severity, Type: f.Type, Device: f.Device, State: rapid.SampledFrom([]ledger.State{"", ledger.Active, ledger.Mended}).Draw(t, "state")}
	device, typ := tvilling.DeviceID(modelDevices.Draw(t, "after device")), modelTypes.Draw(t, "after type")
	sameList(t, fmt.Sprintf("Recommendations(%+v, %s, %s)", rf, device, typ), m.s.Recommendations(ctx, rf, device, typ), m.ref.Recommendations(ctx, rf, device, typ))
	by = rapid.Permutation([]string{"device", "type", "severity", "state"}).Draw(t, "by")[:rapid.IntRange(0, 4).Draw(t, "columns")]
	same(t, fmt.Sprintf("RecommendationGroups(%+v)", rf), by,
		func(ctx context.Context, by []string) ([]ledger.Group, error) {
			return m.s.RecommendationGroups(ctx, rf, by)
		},
		func(ctx context.Context, by []string) ([]ledger.Group, error) {
			return m.ref.RecommendationGroups(ctx, rf, by)
		})
}

func (m *model) trim(t *rapid.T) {
	upTo, before := rapid.Uint64Range(0, m.sequence+2).Draw(t, "feed"), modelTimes.Draw(t, "before")
	want, err := m.ref.Trim(context.Background(), upTo, before)
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.s.Trim(context.Background(), upTo, before)
	if err != nil || got != want {
		t.Fatalf("Trim(%d, %v) = %d, %v; want %d", upTo, before, got, err, want)
	}
}

// check is what holds after every action.
func (m *model) check(t *rapid.T) {
	if got, want := m.s.FeedHead(), m.ref.FeedHead(); got != want {
		t.Fatalf("FeedHead = %d, want %d", got, want)
	}
	after := max(m.sequence, 4) - 4
	sameList(t, "Feed", m.s.Feed(context.Background(), after), m.ref.Feed(context.Background(), after))
}

func (m *model) reopen(t *rapid.T, end func(ledger.Store) error) {
	if err := end(m.s); err != nil {
		t.Fatalf("end: %v", err)
	}
	s, err := m.f.Open()
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	m.s = s
}
