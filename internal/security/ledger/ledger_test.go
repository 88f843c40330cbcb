package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/store/securitymem"
)

func open(t *testing.T) *ledger.Ledger {
	t.Helper()
	l := ledger.NewLedger(securitymem.New())
	t.Cleanup(func() {
		if err := l.Store().Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func do(t *testing.T, l *ledger.Ledger, f func(tx *ledger.Tx) error) {
	t.Helper()
	if err := l.Do(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func newAlert(id, device, cause string, s ledger.Severity) *ledger.Alert {
	return &ledger.Alert{
		ID: id, Key: ledger.Key{Device: tvilling.DeviceID(device), Type: "IoT_Test", Cause: cause},
		Severity: s, Status: ledger.New, Count: 1, First: time.Unix(1, 0).UTC(), Last: time.Unix(1, 0).UTC(),
	}
}

func raised(tx *ledger.Tx, a *ledger.Alert) error {
	return tx.PutAlert(a, ledger.Step{Actor: "hub:detection", Action: "raised", To: ledger.New})
}

// record returns a device's record.
func record(t *testing.T, l *ledger.Ledger, d tvilling.DeviceID) *ledger.Device {
	t.Helper()
	rec, err := l.Store().Device(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	if rec == nil {
		return &ledger.Device{}
	}
	return rec
}

// feed returns the feed as "sequence subject action id".
func feed(t *testing.T, l *ledger.Ledger) (list []string) {
	t.Helper()
	want := uint64(1)
	for e, err := range l.Store().Feed(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Sequence != want {
			t.Errorf("sequence %d, want %d", e.Sequence, want)
		}
		want++
		list = append(list, e.Subject+" "+e.Action+" "+e.ID)
	}
	return list
}

func TestFailedTransactionLeavesNothing(t *testing.T) {
	l := open(t)
	changed := l.Changed()
	failure := errors.New("no")
	err := l.Do(t.Context(), func(tx *ledger.Tx) error {
		if err := raised(tx, newAlert("a", "d", "", ledger.High)); err != nil {
			return err
		}
		tx.SetCursor("c", 7)
		return failure
	})
	if !errors.Is(err, failure) {
		t.Fatalf("err = %v, want the function's own", err)
	}
	a, err := l.Store().Alert(t.Context(), "a")
	if a != nil || err != nil {
		t.Errorf("alert = %v, %v; want none", a, err)
	}
	if c, _ := l.Store().Cursor(t.Context(), "c"); c != 0 {
		t.Errorf("cursor = %d, want 0", c)
	}
	select {
	case <-changed:
		t.Error("a failed transaction was announced")
	default:
	}
}

func TestDeviceCountsFollowAlertsAndAdvice(t *testing.T) {
	l := open(t)
	do(t, l, func(tx *ledger.Tx) error {
		return errors.Join(
			raised(tx, newAlert("a", "d", "1", ledger.High)),
			raised(tx, newAlert("b", "d", "2", ledger.Low)),
			tx.PutRecommendation(&ledger.Recommendation{Device: "d", Type: "R", Severity: ledger.Medium, State: ledger.Active}, "active", "hub"))
	})
	rec := record(t, l, "d")
	if want := [ledger.Severities]int32{ledger.Low: 1, ledger.High: 1}; rec.Alerts != want {
		t.Errorf("alerts = %v, want %v", rec.Alerts, want)
	}
	if want := [ledger.Severities]int32{ledger.Medium: 1}; rec.Recommendations != want {
		t.Errorf("recommendations = %v, want %v", rec.Recommendations, want)
	}
	if !rec.Posture {
		t.Error("the posture is not marked as out of date")
	}
	do(t, l, func(tx *ledger.Tx) error {
		a, err := tx.Alert("a")
		if err != nil {
			return err
		}
		b, err := tx.Alert("b")
		if err != nil {
			return err
		}
		r, err := tx.Recommendation("d", "R")
		if err != nil {
			return err
		}
		a.Status, b.Severity, r.State = ledger.Resolved, ledger.High, ledger.Mended
		return errors.Join(
			tx.PutAlert(a, ledger.Step{Action: "resolved", From: ledger.New, To: ledger.Resolved}),
			tx.PutAlert(b, ledger.Step{Action: "folded"}),
			tx.PutRecommendation(r, "resolved", "hub"))
	})
	rec = record(t, l, "d")
	if want := [ledger.Severities]int32{ledger.High: 1}; rec.Alerts != want {
		t.Errorf("alerts = %v, want %v: one was resolved, the other grew", rec.Alerts, want)
	}
	if rec.Recommendations != [ledger.Severities]int32{} {
		t.Errorf("recommendations = %v, want none", rec.Recommendations)
	}
	want := []string{"alert raised a", "alert raised b", "recommendation active R|d", "alert resolved a", "alert folded b", "recommendation resolved R|d"}
	if got := feed(t, l); !slices.Equal(got, want) {
		t.Errorf("feed = %q, want %q", got, want)
	}
}

func TestStormIsOneRecordAndOneEntry(t *testing.T) {
	l := open(t)
	do(t, l, func(tx *ledger.Tx) error {
		if err := raised(tx, newAlert("a", "d", "", ledger.High)); err != nil {
			return err
		}
		for range 20_000 {
			a, err := tx.Newest(ledger.Key{Device: "d", Type: "IoT_Test"})
			if err != nil {
				return err
			}
			a.Count++
			if err := tx.PutAlert(a, ledger.Step{Action: "folded"}); err != nil {
				return err
			}
		}
		return nil
	})
	a, err := l.Store().Alert(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if a.Count != 20_001 || a.Version != 1 {
		t.Errorf("count %d, version %d; want 20001, 1", a.Count, a.Version)
	}
	entries := 0
	for e, err := range l.Store().Feed(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		entries++
		if !bytes.Contains(e.Body, []byte(`"count":20001`)) {
			t.Errorf("the entry does not show the alert as it became: %s", e.Body)
		}
	}
	if entries != 1 {
		t.Errorf("%d entries in the feed, want 1", entries)
	}
}

func TestForgetResolvesAndAForgottenDeviceStartsAnew(t *testing.T) {
	l := open(t)
	do(t, l, func(tx *ledger.Tx) error {
		tx.SetCredential(ledger.Credential{ID: tvilling.Device("d"), Fingerprints: [][]byte{[]byte("f")}})
		return errors.Join(raised(tx, newAlert("a", "d", "", ledger.High)),
			tx.PutRecommendation(&ledger.Recommendation{Device: "d", Type: "R", State: ledger.Active}, "active", "hub"))
	})
	do(t, l, func(tx *ledger.Tx) error {
		// One that is not in the store yet goes the same way.
		if err := raised(tx, newAlert("b", "d", "2", ledger.Low)); err != nil {
			return err
		}
		return tx.Forget("d")
	})
	for _, id := range []string{"a", "b"} {
		a, err := l.Store().Alert(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if a.Status != ledger.Resolved || a.Reason != "deviceDeleted" {
			t.Errorf("alert %s is %s (%s), want resolved because the device was deleted", id, a.Status, a.Reason)
		}
	}
	if rec := record(t, l, "d"); rec.ID != "" {
		t.Errorf("the device is still remembered: %+v", rec)
	}
	if r, err := l.Store().Recommendation(t.Context(), "d", "R"); r != nil || err != nil {
		t.Errorf("recommendation = %v, %v; want none", r, err)
	}
	do(t, l, func(tx *ledger.Tx) error { return raised(tx, newAlert("c", "d", "3", ledger.Low)) })
	if rec := record(t, l, "d"); rec.Alerts != [ledger.Severities]int32{ledger.Low: 1} {
		t.Errorf("alerts of the new life = %v, want one", rec.Alerts)
	}
}

func TestSharingSeesWhatIsStaged(t *testing.T) {
	l := open(t)
	cred := func(d string, fingerprints ...string) ledger.Credential {
		c := ledger.Credential{ID: tvilling.Device(tvilling.DeviceID(d))}
		for _, f := range fingerprints {
			c.Fingerprints = append(c.Fingerprints, []byte(f))
		}
		return c
	}
	names := func(ids []tvilling.Identity) string {
		var s []string
		for _, id := range ids {
			s = append(s, id.String())
		}
		return strings.Join(s, " ")
	}
	do(t, l, func(tx *ledger.Tx) error {
		tx.SetCredential(cred("a", "1", "2"))
		tx.SetCredential(cred("b", "2", "3"))
		tx.SetCredential(cred("c", "4"))
		return nil
	})
	do(t, l, func(tx *ledger.Tx) error {
		tx.SetCredential(cred("b", "5")) // b no longer shares
		tx.SetCredential(cred("e", "1"))
		got, err := tx.Sharing(cred("a", "1", "2"), 10)
		if err != nil {
			return err
		}
		if names(got) != "e" {
			t.Errorf("sharing with a: %q, want e", names(got))
		}
		return nil
	})
}

// damaged is a store whose records of devices, alerts and advice cannot be read.
type damaged struct{ ledger.Store }

var errDamaged = tvilling.Errorf(tvilling.Corrupt, "The stored value is damaged.")

func (damaged) Device(context.Context, tvilling.DeviceID) (*ledger.Device, error) {
	return nil, errDamaged
}

func (damaged) Newest(context.Context, ledger.Key) (*ledger.Alert, error) { return nil, errDamaged }

func (damaged) Recommendation(context.Context, tvilling.DeviceID, string) (*ledger.Recommendation, error) {
	return nil, errDamaged
}

func TestDamagedRecordIsReplaced(t *testing.T) {
	store := securitymem.New()
	l := ledger.NewLedger(damaged{store})
	do(t, l, func(tx *ledger.Tx) error {
		if a, err := tx.Newest(ledger.Key{Device: "d", Type: "IoT_Test"}); a != nil || err != nil {
			t.Errorf("newest = %v, %v; want none", a, err)
		}
		return errors.Join(raised(tx, newAlert("a", "d", "", ledger.High)),
			tx.PutRecommendation(&ledger.Recommendation{Device: "d", Type: "R", Severity: ledger.Low, State: ledger.Active}, "active", "hub"))
	})
	d, err := store.Device(t.Context(), "d")
	if err != nil || d.Alerts[ledger.High] != 1 || d.Recommendations[ledger.Low] != 1 {
		t.Errorf("device = %+v, %v; want a new record that counts", d, err)
	}
}
