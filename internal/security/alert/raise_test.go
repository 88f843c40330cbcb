package alert_test

import (
	"context"
	"math"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/alert"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/store/securitymem"
)

func TestRaiseNew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		r := b.observation()
		got := b.raise(r)
		if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(got.ID) {
			t.Errorf("ID = %q, want a GUID of version 8", got.ID)
		}
		ev := r.Evidence
		ev.Hits, ev.RuleVersion = 1, "v1"
		now := time.Now().UTC()
		want := &ledger.Alert{
			ID: got.ID, Key: key, Title: "Crypto miner", Severity: ledger.Medium, Rule: "crypto-miner", RuleVersion: "v1", Status: ledger.New,
			Count: 1, First: now, Last: now, Created: now, Updated: now, Version: 1, Evidence: []ledger.Evidence{ev},
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}
		if again := newBench(t).raise(r); again.ID != got.ID {
			t.Errorf("raised in another hub the alert has id %s, here %s", again.ID, got.ID)
		}
		d, err := b.store.Device(t.Context(), "d")
		if err != nil || d.Alerts != [ledger.Severities]int32{ledger.Medium: 1} || !d.Posture {
			t.Errorf("Device = %+v, %v; want one open alert and its mark", d, err)
		}
	})
}

func TestRaiseFolds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		first := b.raise(b.observation())
		time.Sleep(time.Minute) //nolint:forbidigo // the bubble's clock
		r := b.observation()
		r.Severity, r.Hits, r.RuleVersion, r.Evidence.RuleVersion = ledger.High, 4, "v2", "v2"
		r.Time = first.First.Add(-time.Hour) // out of order
		got := b.raise(r)
		if got.ID != first.ID || got.Count != 5 || got.Severity != ledger.High || !got.First.Equal(r.Time) || !got.Last.Equal(first.Last) || got.RuleVersion != "v1" {
			t.Errorf("folded alert is %+v", got)
		}
		r = b.observation()
		r.Severity = ledger.Low
		if got = b.raise(r); got.Severity != ledger.High || got.Count != 6 {
			t.Errorf("severity %s, count %d after weaker evidence; want high, 6", got.Severity, got.Count)
		}
		for _, s := range []ledger.Status{ledger.Acknowledged, ledger.InProgress} {
			b.update(got.ID, alert.Change{Status: &s})
			if now := b.raise(b.observation()); now.ID != first.ID || now.Status != s {
				t.Errorf("evidence for an alert that is %s makes %s of status %s", s, now.ID, now.Status)
			}
		}
		other := b.observation()
		other.Cause = "/tmp/y"
		if now := b.raise(other); now.ID == first.ID {
			t.Error("another cause folds")
		}
		history, feed := b.actions(first.ID)
		if d := cmp.Diff([]string{"raised", "acknowledged", "started"}, history); d != "" {
			t.Errorf("history: -want +got:\n%s", d)
		}
		if d := cmp.Diff([]string{"raised", "folded", "folded", "acknowledged", "folded", "started", "folded"}, feed); d != "" {
			t.Errorf("feed: -want +got:\n%s", d)
		}
	})
}

// TestRaiseAfterEnd walks the table of what new evidence does to an alert that
// is no longer open.
func TestRaiseAfterEnd(t *testing.T) {
	t.Parallel()
	resolved := func(_ time.Time) alert.Change {
		return alert.Change{Status: new(ledger.Resolved), Reason: new("benign")}
	}
	dismissed := func(_ time.Time) alert.Change {
		return alert.Change{Status: new(ledger.Dismissed), Reason: new("acceptedRisk")}
	}
	until := func(now time.Time) alert.Change {
		c := dismissed(now)
		c.DismissedUntil = new(now.Add(24 * time.Hour))
		return c
	}
	for _, test := range []struct {
		name     string
		end      func(time.Time) alert.Change
		after    time.Duration
		renewal  time.Duration
		same     bool // the alert that there is, not a new one
		status   ledger.Status
		reopened int
		history  []string
		feed     []string
	}{
		{"resolved a moment ago", resolved, time.Second, 0, true, ledger.New, 1, []string{"raised", "resolved", "reopened"}, []string{"raised", "resolved", "reopened"}},
		{"resolved a renewal ago", resolved, alert.DefaultRenewal, 0, true, ledger.New, 1, []string{"raised", "resolved", "reopened"}, []string{"raised", "resolved", "reopened"}},
		{"resolved longer ago", resolved, alert.DefaultRenewal + 1, 0, false, ledger.New, 0, []string{"raised"}, []string{"raised"}},
		{"resolved, own span", resolved, 2 * time.Hour, time.Hour, false, ledger.New, 0, []string{"raised"}, []string{"raised"}},
		{"dismissed for good", dismissed, 1000 * time.Hour, 0, true, ledger.Dismissed, 0, []string{"raised", "dismissed"}, []string{"raised", "dismissed"}},
		{"dismissed until later", until, 24*time.Hour - 1, 0, true, ledger.Dismissed, 0, []string{"raised", "dismissed"}, []string{"raised", "dismissed"}},
		{"dismissed until now", until, 24 * time.Hour, 0, true, ledger.New, 1, []string{"raised", "dismissed", "reopened"}, []string{"raised", "dismissed", "reopened"}},
		{"dismissed until long ago", until, 1000 * time.Hour, 0, true, ledger.New, 1, []string{"raised", "dismissed", "reopened"}, []string{"raised", "dismissed", "reopened"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				first := b.raise(b.observation())
				c := test.end(time.Now())
				c.Owner, c.Note = new("ann"), new("seen")
				b.update(first.ID, c)
				time.Sleep(test.after) //nolint:forbidigo // the bubble's clock
				r := b.observation()
				r.Renewal = test.renewal
				got := b.raise(r)
				if same := got.ID == first.ID; same != test.same {
					t.Fatalf("the same alert: %v, want %v", same, test.same)
				}
				if got.Status != test.status || got.Reopened != test.reopened {
					t.Errorf("status %s, reopened %d; want %s, %d", got.Status, got.Reopened, test.status, test.reopened)
				}
				if test.same {
					if got.Count != 2 || len(got.Evidence) != 2 || got.Owner != "ann" || got.Note != "seen" || !got.Updated.Equal(time.Now()) {
						t.Errorf("the alert is %+v", got)
					}
				} else if old := b.alert(first.ID); old.Status.Open() || old.Count != 1 {
					t.Errorf("the old alert has become %+v", old)
				}
				if got.Status == ledger.New && (got.Reason != "" || !got.DismissedUntil.IsZero()) {
					t.Errorf("an open alert has reason %q and is dismissed until %v", got.Reason, got.DismissedUntil)
				}
				history, feed := b.actions(got.ID)
				if test.same { // the owner is a step of its own
					test.history = append(test.history[:2:2], append([]string{"assigned"}, test.history[2:]...)...)
					test.feed = append(test.feed[:2:2], append([]string{"assigned"}, test.feed[2:]...)...)
				}
				if d := cmp.Diff(test.history, history); d != "" {
					t.Errorf("history: -want +got:\n%s", d)
				}
				if d := cmp.Diff(test.feed, feed); d != "" {
					t.Errorf("feed: -want +got:\n%s", d)
				}
			})
		})
	}
}

func TestRaiseAfterDeviceDeleted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.raise(b.observation())
	if err := b.ledger.Do(t.Context(), func(tx *ledger.Tx) error { return tx.Forget("d") }); err != nil {
		t.Fatal(err)
	}
	if got := b.raise(b.observation()); got.ID == first.ID || b.alert(first.ID).Status != ledger.Resolved {
		t.Errorf("evidence of a new device of the same name goes to %+v", got)
	}
}

// TestRaiseStorm raises 20,000 observations of one key in one transaction: one
// record, one entry beside that of its creation, bounded evidence.
func TestRaiseStorm(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.raise(b.observation())
	batches, records := b.store.Commits()
	storm := make([]alert.Raised, 20_000)
	for i := range storm {
		storm[i] = b.observation()
	}
	got := b.raise(storm...)
	if got.ID != first.ID || got.Count != 20_001 || got.Version != 2 {
		t.Errorf("the alert is %s with count %d and version %d, want %s, 20001, 2", got.ID, got.Count, got.Version, first.ID)
	}
	var kept []uint64
	for _, ev := range got.Evidence {
		kept = append(kept, ev.Sequence)
	}
	if d := cmp.Diff([]uint64{1, 2, 3, 4, 5, 19_997, 19_998, 19_999, 20_000, 20_001}, kept); d != "" {
		t.Errorf("evidence: -want +got:\n%s", d)
	}
	if nb, nr := b.store.Commits(); nb != batches+1 || nr != records+1 {
		t.Errorf("%d batches with %d records were committed, want 1 with 1", nb-batches, nr-records)
	}
	if history, feed := b.actions(first.ID); len(history) != 1 || len(feed) != 2 {
		t.Errorf("history %v, feed %v", history, feed)
	}
}

func TestRaiseTimeAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		seen := map[string]bool{}
		for range 3 {
			// Nothing but the key and the time sets these apart.
			a := b.raise(alert.Raised{Key: key})
			if seen[a.ID] || !a.Last.Equal(time.Now()) || a.Evidence[0].Hits != 1 {
				t.Errorf("alert %+v, earlier ones %v", a, seen)
			}
			seen[a.ID] = true
			b.resolve(a.ID)
			time.Sleep(alert.DefaultRenewal + 1) //nolint:forbidigo // the bubble's clock
		}
		// The same evidence once more, of the same moment, for a new alert.
		r := b.observation()
		r.Cause = "again"
		first := b.raise(r)
		b.resolve(first.ID)
		time.Sleep(alert.DefaultRenewal + 1) //nolint:forbidigo // the bubble's clock
		if second := b.raise(r); second.ID == first.ID || b.alert(first.ID).Status != ledger.Resolved {
			t.Errorf("a new alert of old evidence has the id of the old one")
		}
	})
}

func TestRaiseBounds(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.observation()
	r.Hits = math.MaxInt64
	b.raise(r)
	if got := b.raise(b.observation()); got.Count != math.MaxInt64 {
		t.Errorf("Count = %d, want the largest number", got.Count)
	}
	r = b.observation()
	r.Hits, r.Cause = -5, "negative"
	if got := b.raise(r); got.Count != 1 {
		t.Errorf("Count = %d of an observation of %d hits, want 1", got.Count, r.Hits)
	}
	for name, r := range map[string]alert.Raised{
		"no device":   {Key: ledger.Key{Type: "t"}},
		"no type":     {Key: ledger.Key{Device: "d"}},
		"no severity": {Key: key, Severity: ledger.Severities},
	} {
		err := b.ledger.Do(t.Context(), func(tx *ledger.Tx) error {
			_, err := alert.Raise(tx, r)
			return err
		})
		wantCode(t, name, err, tvilling.InvalidArgument)
	}
}

// TestRaiseModel demands of any sequence of observations, changes and pauses:
// of one key at most one alert is open, the device's counts are those of its
// open alerts, and nothing observed is lost from the counts.
func TestRaiseModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		inBubble(t, func() {
			store := securitymem.New()
			l := ledger.NewLedger(store)
			service := alert.New(l, rules{})
			observed := int64(0)
			rt.Repeat(map[string]func(*rapid.T){
				"raise": func(rt *rapid.T) {
					if err := l.Do(context.Background(), func(tx *ledger.Tx) error {
						for range rapid.IntRange(1, 4).Draw(rt, "observations") {
							hits := rapid.Int64Range(1, 5).Draw(rt, "hits")
							observed += hits
							_, err := alert.Raise(tx, alert.Raised{
								Key:      ledger.Key{Device: "d", Type: "t", Cause: rapid.SampledFrom([]string{"", "x"}).Draw(rt, "cause")},
								Severity: rapid.SampledFrom([]ledger.Severity{ledger.Low, ledger.Medium, ledger.High}).Draw(rt, "severity"), Hits: hits,
							})
							if err != nil {
								return err
							}
						}
						return nil
					}); err != nil {
						rt.Fatal(err)
					}
				},
				"change": func(rt *rapid.T) {
					for a, err := range store.Alerts(context.Background(), ledger.AlertFilter{}, "") {
						if err != nil {
							rt.Fatal(err)
						}
						to := rapid.SampledFrom(alert.Next(a.Status)).Draw(rt, "status")
						c := alert.Change{Status: &to}
						if !to.Open() {
							c.Reason = new("other")
						}
						if to == ledger.Dismissed && rapid.Bool().Draw(rt, "for a while") {
							c.DismissedUntil = new(time.Now().Add(time.Hour))
						}
						newest, _ := store.Newest(context.Background(), a.Key)
						_, err := service.Update(context.Background(), a.ID, c, tvilling.Match{}, "policy:ann")
						if refused := to == ledger.New && newest.ID != a.ID; refused != (tvilling.CodeOf(err) == tvilling.InvalidArgument) || !refused && err != nil {
							rt.Fatalf("%s to %s with newest %s: %v", a.ID, to, newest.ID, err)
						}
					}
				},
				"pause": func(rt *rapid.T) {
					time.Sleep(time.Duration(rapid.SampledFrom([]int{1, 30, 100, 200}).Draw(rt, "hours")) * time.Hour) //nolint:forbidigo // the bubble's clock
				},
				"": func(rt *rapid.T) {
					var counts [ledger.Severities]int32
					total := int64(0)
					for a, err := range store.Alerts(context.Background(), ledger.AlertFilter{}, "") {
						if err != nil {
							rt.Fatal(err)
						}
						total += a.Count
						if a.Status.Open() {
							counts[a.Severity]++
						}
						if n := len(open(store, a.Key)); n > 1 {
							rt.Fatalf("%d alerts of %v are open", n, a.Key)
						}
						if len(a.Evidence) > ledger.MaxEvidence {
							rt.Fatalf("%d pieces of evidence", len(a.Evidence))
						}
					}
					if total != observed {
						rt.Fatalf("the alerts count %d, observed were %d", total, observed)
					}
					d, err := store.Device(context.Background(), "d")
					if err != nil || d != nil && d.Alerts != counts {
						rt.Fatalf("the device counts %v, %v; open are %v", d.Alerts, err, counts)
					}
				},
			})
		})
	})
}

// inBubble runs f with a clock of its own, in the eyes of rapid on this
// goroutine: a panic of f is one here.
func inBubble(t *testing.T, f func()) {
	t.Helper()
	var failed any
	synctest.Test(t, func(*testing.T) {
		defer func() { failed = recover() }()
		f()
	})
	if failed != nil {
		panic(failed)
	}
}

// open returns the ids of the open alerts of a key.
func open(s ledger.Store, k ledger.Key) (ids []string) {
	f := ledger.AlertFilter{Device: k.Device, Type: k.Type, Status: []ledger.Status{ledger.New, ledger.Acknowledged, ledger.InProgress}}
	for a := range s.Alerts(context.Background(), f, "") {
		if a != nil && a.Cause == k.Cause {
			ids = append(ids, strings.Clone(a.ID))
		}
	}
	return ids
}
