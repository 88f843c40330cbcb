package alert_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/alert"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// TestTransitions tries every status from every other.
func TestTransitions(t *testing.T) {
	t.Parallel()
	reach := map[ledger.Status][]ledger.Status{
		ledger.New: nil, ledger.Acknowledged: {ledger.Acknowledged}, ledger.InProgress: {ledger.InProgress},
		ledger.Resolved: {ledger.Resolved}, ledger.Dismissed: {ledger.Dismissed},
	}
	allowed := map[string]string{
		"new acknowledged": "acknowledged", "new inProgress": "started", "new resolved": "resolved", "new dismissed": "dismissed",
		"acknowledged inProgress": "started", "acknowledged resolved": "resolved", "acknowledged dismissed": "dismissed",
		"inProgress acknowledged": "acknowledged", "inProgress resolved": "resolved", "inProgress dismissed": "dismissed",
		"resolved new": "reopened", "dismissed new": "reopened", "acknowledged new": "reopened", "inProgress new": "reopened",
	}
	change := func(to ledger.Status) alert.Change {
		c := alert.Change{Status: &to}
		if !to.Open() {
			c.Reason = new("mitigated")
		}
		return c
	}
	for from, path := range reach {
		for to := range reach {
			b := newBench(t)
			a := b.raise(b.observation())
			for _, s := range path {
				b.update(a.ID, change(s))
			}
			before := b.alert(a.ID)
			got, err := b.service.Update(t.Context(), a.ID, change(to), tvilling.Match{}, "policy:ann")
			action, ok := allowed[fmt.Sprint(from, " ", to)]
			history, feed := b.actions(a.ID)
			switch {
			case from == to:
				if err != nil || got.Version != before.Version {
					t.Errorf("%s to itself: %+v, %v; want no change", from, got, err)
				}
			case !ok:
				wantCode(t, fmt.Sprintf("%s to %s", from, to), err, tvilling.InvalidArgument)
				for _, s := range alert.Next(from) {
					if !strings.Contains(tvilling.MessageOf(err), string(s)) {
						t.Errorf("%s to %s: the refusal %q does not list %s", from, to, tvilling.MessageOf(err), s)
					}
				}
				if d := cmp.Diff(before, b.alert(a.ID)); d != "" {
					t.Errorf("%s to %s is refused and changes:\n%s", from, to, d)
				}
			default:
				if err != nil || got.Status != to || got.Version != before.Version+1 || (got.Reason != "") == to.Open() {
					t.Errorf("%s to %s: %+v, %v", from, to, got, err)
				}
				if d := cmp.Diff(got, b.alert(a.ID)); d != "" {
					t.Errorf("%s to %s: what is returned is not what is stored:\n%s", from, to, d)
				}
				if history[len(history)-1] != action || feed[len(feed)-1] != action {
					t.Errorf("%s to %s: history %v, feed %v; want %s at the end", from, to, history, feed, action)
				}
			}
		}
	}
}

func TestUpdateRefused(t *testing.T) {
	t.Parallel()
	past, future, far := new(time.Now().Add(-time.Second)), new(time.Now().Add(time.Hour)), new(time.Now().Add(alert.MaxDismissal+time.Hour))
	for _, test := range []struct {
		name string
		c    alert.Change
		path string
		says string
	}{
		{"empty", alert.Change{}, "", "status, reason, note, owner"},
		{"unknown status", alert.Change{Status: new(ledger.Status("closed"))}, "status", "inProgress"},
		{"resolve without a reason", alert.Change{Status: new(ledger.Resolved)}, "reason", "mitigated, falsePositive, benign, acceptedRisk, other"},
		{"dismiss with an empty reason", alert.Change{Status: new(ledger.Dismissed), Reason: new("")}, "reason", "mitigated, falsePositive"},
		{"unknown reason", alert.Change{Status: new(ledger.Resolved), Reason: new("deviceDeleted")}, "reason", "mitigated, falsePositive"},
		{"reason for an open one", alert.Change{Reason: new("benign")}, "reason", "new"},
		{"reason with acknowledging", alert.Change{Status: new(ledger.Acknowledged), Reason: new("benign")}, "reason", "acknowledged"},
		{"until for an open one", alert.Change{DismissedUntil: future}, "dismissedUntil", "Only a dismissal"},
		{"until with resolving", alert.Change{Status: new(ledger.Resolved), Reason: new("benign"), DismissedUntil: future}, "dismissedUntil", "Only a dismissal"},
		{"until the past", alert.Change{Status: new(ledger.Dismissed), Reason: new("benign"), DismissedUntil: past}, "dismissedUntil", "in the future"},
		{"until too far", alert.Change{Status: new(ledger.Dismissed), Reason: new("benign"), DismissedUntil: far}, "dismissedUntil", "10 years"},
		{"long note", alert.Change{Note: new(strings.Repeat("é", alert.MaxNote+1))}, "note", "4096"},
		{"control in note", alert.Change{Note: new("a\x1b[31m")}, "note", `\x1b`},
		{"long owner", alert.Change{Owner: new(strings.Repeat("x", alert.MaxOwner+1))}, "owner", "128"},
		{"two lines of owner", alert.Change{Owner: new("ann\nbob")}, "owner", `\n`},
		{"owner is not UTF-8", alert.Change{Owner: new("a\xff")}, "owner", "UTF-8"},
	} {
		b := newBench(t)
		a := b.raise(b.observation())
		_, err := b.service.Update(t.Context(), a.ID, test.c, tvilling.Match{}, "policy:ann")
		wantCode(t, test.name, err, tvilling.InvalidArgument)
		e, ok := errors.AsType[*tvilling.Error](err)
		if !ok || e.Path != test.path || !strings.Contains(e.Message, test.says) {
			t.Errorf("%s: %v; want path %q and %q", test.name, err, test.path, test.says)
		}
		if d := cmp.Diff(a, b.alert(a.ID)); d != "" {
			t.Errorf("%s: a refused change changes:\n%s", test.name, d)
		}
		if history, _ := b.actions(a.ID); len(history) != 1 {
			t.Errorf("%s: history %v", test.name, history)
		}
	}
}

func TestUpdateMembers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		a := b.raise(b.observation())
		until := time.Now().Add(time.Hour)
		for _, test := range []struct {
			name  string
			c     alert.Change
			check func(*ledger.Alert) bool
			steps []ledger.Step
		}{
			{"owner", alert.Change{Owner: new("ann")}, func(a *ledger.Alert) bool { return a.Owner == "ann" && a.Status == ledger.New }, []ledger.Step{{Action: "assigned", Owner: "ann"}}},
			{"note", alert.Change{Note: new("two\nlines")}, func(a *ledger.Alert) bool { return a.Note == "two\nlines" && a.Owner == "ann" }, []ledger.Step{{Action: "noted", Note: "two\nlines"}}},
			{
				"owner and note",
				alert.Change{Owner: new("bob"), Note: new("yours")},
				func(a *ledger.Alert) bool { return a.Note == "yours" && a.Owner == "bob" },
				[]ledger.Step{{Action: "assigned", Owner: "bob", Note: "yours"}},
			},
			{
				"all",
				alert.Change{Status: new(ledger.Dismissed), Reason: new("acceptedRisk"), DismissedUntil: &until, Owner: new(""), Note: new("known")},
				func(a *ledger.Alert) bool {
					return a.Status == ledger.Dismissed && a.Reason == "acceptedRisk" && a.DismissedUntil.Equal(until) && a.Owner == ""
				},
				[]ledger.Step{{Action: "dismissed", From: ledger.New, To: ledger.Dismissed, Reason: "acceptedRisk", Note: "known"}, {Action: "assigned"}},
			},
			{
				"another reason, for good",
				alert.Change{Reason: new("benign"), DismissedUntil: new(time.Time{})},
				func(a *ledger.Alert) bool { return a.Reason == "benign" && a.DismissedUntil.IsZero() },
				[]ledger.Step{{Action: "dismissed", From: ledger.Dismissed, To: ledger.Dismissed, Reason: "benign"}},
			},
			{"no note", alert.Change{Note: new("")}, func(a *ledger.Alert) bool { return a.Note == "" }, []ledger.Step{{Action: "noted"}}},
			{"what it is already", alert.Change{Note: new(""), Reason: new("benign")}, func(*ledger.Alert) bool { return true }, nil},
			{
				"reopened",
				alert.Change{Status: new(ledger.New)},
				func(a *ledger.Alert) bool { return a.Status == ledger.New && a.Reason == "" && a.Reopened == 0 },
				[]ledger.Step{{Action: "reopened", From: ledger.Dismissed, To: ledger.New}},
			},
		} {
			before, err := b.store.History(t.Context(), a.ID)
			if err != nil {
				t.Fatal(err)
			}
			if got := b.update(a.ID, test.c); !test.check(got) {
				t.Errorf("%s: the alert is %+v", test.name, got)
			}
			after, err := b.store.History(t.Context(), a.ID)
			if err != nil {
				t.Fatal(err)
			}
			got := after[len(before):]
			for i := range got {
				if got[i].Actor != "policy:ann" || !got[i].Time.Equal(time.Now()) || got[i].Alert != a.ID {
					t.Errorf("%s: step %+v", test.name, got[i])
				}
				got[i].Actor, got[i].Time, got[i].Alert, got[i].Sequence = "", time.Time{}, "", 0
			}
			if d := cmp.Diff(test.steps, append([]ledger.Step(nil), got...)); d != "" {
				t.Errorf("%s: steps: -want +got:\n%s", test.name, d)
			}
		}
	})
}

func TestUpdateMatch(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	a := b.raise(b.observation())
	stale := tvilling.Match{Given: true, Tag: alert.ETag(a)}
	b.raise(b.observation()) // changes the record
	_, err := b.service.Update(t.Context(), a.ID, alert.Change{Owner: new("ann")}, stale, "policy:ann")
	wantCode(t, "stale etag", err, tvilling.PreconditionFailed)
	current := tvilling.Match{Given: true, Tag: alert.ETag(b.alert(a.ID))}
	if _, err := b.service.Update(t.Context(), a.ID, alert.Change{Owner: new("ann")}, current, "policy:ann"); err != nil {
		t.Errorf("current etag: %v", err)
	}
	_, err = b.service.Update(t.Context(), "no such", alert.Change{Owner: new("ann")}, tvilling.Match{}, "policy:ann")
	wantCode(t, "unknown id", err, tvilling.NotFound)
}

func TestReopenOldOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		old := b.raise(b.observation())
		b.resolve(old.ID)
		time.Sleep(alert.DefaultRenewal + 1) //nolint:forbidigo // the bubble's clock
		newer := b.raise(b.observation())
		_, err := b.service.Update(t.Context(), old.ID, alert.Change{Status: new(ledger.New)}, tvilling.Match{}, "policy:ann")
		wantCode(t, "reopening what was replaced", err, tvilling.InvalidArgument)
		if !strings.Contains(tvilling.MessageOf(err), newer.ID) {
			t.Errorf("the refusal does not name the newer alert: %v", err)
		}
	})
}

func TestUpdateNotDurable(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	a := b.raise(b.observation())
	b.store.Refuse(tvilling.Errorf(tvilling.Unavailable, "There is no space left."))
	_, err := b.service.Update(t.Context(), a.ID, alert.Change{Owner: new("ann")}, tvilling.Match{}, "policy:ann")
	wantCode(t, "update on a full disk", err, tvilling.Unavailable)
	_, err = b.service.UpdateMany(t.Context(), []string{a.ID}, alert.Change{Owner: new("ann")}, "policy:ann")
	wantCode(t, "update of many on a full disk", err, tvilling.Unavailable)
	if d := cmp.Diff(a, b.alert(a.ID)); d != "" {
		t.Errorf("what was not stored shows:\n%s", d)
	}
}

func TestUpdateMany(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var ids []string
	for n := range 250 {
		r := b.observation()
		r.Cause = fmt.Sprint(n)
		ids = append(ids, b.raise(r).ID)
	}
	b.resolve(ids[7])
	ids = slices.Insert(ids, 120, "no such")
	before, _ := b.store.Commits()
	out, err := b.service.UpdateMany(t.Context(), ids, alert.Change{Status: new(ledger.Dismissed), Reason: new("benign")}, "policy:ann")
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range out {
		want := tvilling.Code("")
		switch i {
		case 7:
			want = tvilling.InvalidArgument
		case 120:
			want = tvilling.NotFound
		}
		if o.ID != ids[i] || tvilling.CodeOf(o.Err) != want || (o.Alert != nil) != (want == "") {
			t.Errorf("outcome %d is %+v, want code %q for %s", i, o, want, ids[i])
		}
		if want == "" && b.alert(o.ID).Status != ledger.Dismissed {
			t.Errorf("alert %s is not dismissed", o.ID)
		}
	}
	if after, _ := b.store.Commits(); len(out) != len(ids) || after-before != 3 {
		t.Errorf("%d outcomes in %d commits, want %d in 3", len(out), after-before, len(ids))
	}
	for name, ids := range map[string][]string{"none": nil, "twice": {"a", "b", "a"}, "too many": make([]string, alert.MaxMany+1)} {
		_, err := b.service.UpdateMany(context.Background(), ids, alert.Change{Owner: new("ann")}, "policy:ann")
		wantCode(t, name, err, tvilling.InvalidArgument)
	}
	_, err = b.service.UpdateMany(t.Context(), ids[:1], alert.Change{}, "policy:ann")
	wantCode(t, "empty change", err, tvilling.InvalidArgument)
}
