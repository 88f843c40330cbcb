package ledgertest

import (
	"encoding/json"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

func at(seconds int) time.Time { return time.Unix(1_780_000_000+int64(seconds), 123456789).UTC() }

// alertOf returns an alert with every member set; n sets it apart.
func alertOf(n int) *ledger.Alert {
	return &ledger.Alert{
		ID:    fmt.Sprintf("00000000-0000-8000-8000-%012d", n),
		Key:   ledger.Key{Device: tvilling.DeviceID(fmt.Sprint("device-", n%3)), Type: fmt.Sprint("IoT_Type", n%2), Cause: fmt.Sprint("cause ", n)},
		Title: "Crypto miner", Severity: ledger.Severity(n % 4), Rule: "crypto-miner", RuleVersion: "2026-01-02+0123abcd",
		Status: ledger.New, Reason: "r", Note: "look\nat it", Owner: []string{"", "ann", "bob"}[n%3], DismissedUntil: at(n + 1000),
		Count: int64(n) + 1, Reopened: n % 5, First: at(n), Last: at(n + 10), Created: at(n + 20), Updated: at(n + 30), Version: uint64(n) + 1,
		Evidence: []ledger.Evidence{
			{
				Sequence: uint64(n), Event: "e1", Name: "ProcessCreate", Time: at(n), Received: at(n + 1), RuleVersion: "v", Hits: 3,
				Matched: []ledger.Match{{Selection: "sel", Field: "CommandLine", Value: "cpuminer-multi", Pattern: "*miner*"}, {Field: "User", Value: "é"}},
				Item:    json.RawMessage(`{"CommandLine":"cpuminer-multi"}`),
			},
			{Sequence: uint64(n) + 1, Time: at(n + 2), Hits: 1},
		},
	}
}

func with(n int, change func(*ledger.Alert)) *ledger.Alert {
	a := alertOf(n)
	change(a)
	return a
}

func adviceOf(device, typ string, n int) *ledger.Recommendation {
	return &ledger.Recommendation{
		Device: tvilling.DeviceID(device), Type: typ, Severity: ledger.Severity(n % 4), State: []ledger.State{ledger.Active, ledger.Mended}[n%2],
		Details: json.RawMessage(`{"ports":[22]}`), Module: "azureiotsecurity", Patch: json.RawMessage(`{"properties":{"desired":{}}}`),
		Discovered: at(n), Resolved: at(n + 1), Updated: at(n + 2), Version: uint64(n),
	}
}

func deviceOf(id string, n int) *ledger.Device {
	return &ledger.Device{
		ID: tvilling.DeviceID(id), LastSeen: at(n), AgentID: "8d3a", AgentVersion: "3.1.0",
		Alerts: [ledger.Severities]int32{1, 2, 3, int32(n)}, Recommendations: [ledger.Severities]int32{4, 0, 1, 2},
		Sync: "differs", State: []string{"healthy", "unhealthy", ""}[n%3], Due: at(n + 60), Memory: map[string][]byte{"brute-force-failed": {1, 2, 3, byte(n)}, "wake:device-silent": {9}},
		Posture: n%2 == 1, Gone: n%3 == 1,
	}
}

func stepOf(alert string, sequence uint64) ledger.Step {
	return ledger.Step{
		Sequence: sequence, Alert: alert, Time: at(int(sequence)), Actor: "policy:iothubowner", Action: "resolved",
		From: ledger.New, To: ledger.Resolved, Reason: "mitigated", Note: "done", Owner: "ann",
	}
}

func entryOf(sequence uint64) ledger.Entry {
	return ledger.Entry{
		Sequence: sequence, Time: at(int(sequence)), Subject: "alert", ID: "a", Device: "d", Action: "raised", Actor: "hub:detection",
		Body: fmt.Appendf(nil, `{"n":%d}`, sequence),
	}
}

func commit(t testing.TB, s ledger.Store, b *ledger.Batch) {
	t.Helper()
	if err := s.Commit(t.Context(), b); err != nil {
		t.Fatalf("Commit: %v", err)
	}
}

// want compares what a read returned.
func want[T any](t testing.TB, what string, got T, err error, want T) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s: -want +got:\n%s", what, d)
	}
}

func wantCode(t testing.TB, what string, err error, want tvilling.Code) {
	t.Helper()
	if got := tvilling.CodeOf(err); got != want {
		t.Errorf("%s: code %q (%v), want %q", what, got, err, want)
	}
}

// collect reads an iteration to its end.
func collect[T any](t testing.TB, what string, seq iter.Seq2[T, error]) (list []T) {
	t.Helper()
	for v, err := range seq {
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		list = append(list, v)
	}
	return list
}

func alertIDs(t testing.TB, s ledger.Store, f ledger.AlertFilter, after string) (ids []string) {
	t.Helper()
	for _, a := range collect(t, "Alerts", s.Alerts(t.Context(), f, after)) {
		ids = append(ids, a.ID)
	}
	return ids
}
