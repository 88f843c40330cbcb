package security_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

// TestMessageBecomesAlertAndState is the reason of the whole: a message of an
// agent becomes an alert with its evidence and a state in the twin, and when
// the alert is closed the state returns.
func TestMessageBecomesAlertAndState(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	a := w.register("d1")
	before, err := w.owner.PatchTwin(w.ctx, securityOf("d1"), client.TwinPatch{Tags: json.RawMessage(`{"site":"north"}`)}, tvilling.Match{})
	if err != nil {
		t.Fatal(err)
	}
	a.sees(event(id(1), "ProcessCreate", time.Now(), process("/bin/ls", "ls")))
	if _, p := w.is("d1", "healthy"); p.Score != 100 || p.Agent.Version != "0.0.5" {
		t.Errorf("before the attack it is %+v", p)
	}

	a.sees(event(id(2), "ProcessCreate", time.Now(), process("/bin/sh", miner)))
	alert := w.raised("d1", "IoT_CryptoMiner")
	if alert.Severity != "medium" || alert.Status != "new" || alert.Count != 1 || alert.Cause != "/bin/sh" || alert.Rule != "crypto-miner" || alert.RuleVersion == "" {
		t.Errorf("the alert is %s", alert.Raw)
	}
	if len(alert.Evidence) != 1 || alert.Evidence[0].Event != id(2) || alert.Evidence[0].Name != "ProcessCreate" || len(alert.Evidence[0].Matched) == 0 {
		t.Fatalf("its evidence is %+v", alert.Evidence)
	}
	var item struct{ CommandLine string }
	if err := json.Unmarshal(alert.Evidence[0].Item, &item); err != nil || item.CommandLine != miner {
		t.Errorf("the item of the evidence is %s", alert.Evidence[0].Item)
	}
	explained, err := w.owner.ExplainAlert(w.ctx, alert.ID)
	if err != nil {
		t.Fatal(err)
	}
	if explained.Rule == nil || explained.Rule.ID != "crypto-miner" || len(explained.Sentences) == 0 || len(explained.Observations) != 1 ||
		len(explained.Remediation) == 0 || len(explained.Techniques) == 0 || !strings.Contains(string(explained.Raw), "cpuminer") {
		t.Errorf("the explanation is %s", explained.Raw)
	}

	twin, p := w.is("d1", "atRisk")
	if p.Alerts["medium"] != 1 || p.Score >= 100 || p.Score <= 0 {
		t.Errorf("at risk it is %+v", p)
	}
	unchanged(t, before, twin)
	for _, find := range []string{"security.state = 'atRisk'", "security.alerts.medium > 0 AND tags.site = 'north'", "security.score < 100 AND security.score > 0"} {
		if got := w.query(find); !slices.Equal(got, []string{"d1"}) {
			t.Errorf("%s finds %v", find, got)
		}
	}

	w.close(alert, "resolved", "mitigated")
	twin, p = w.is("d1", "healthy")
	if p.Alerts["medium"] != 0 || p.Score != 100 {
		t.Errorf("resolved it is %+v", p)
	}
	unchanged(t, before, twin)
	if got := w.query("security.state = 'atRisk'"); len(got) > 0 {
		t.Errorf("the query still finds %v", got)
	}

	a.sees(event(id(3), "ProcessCreate", time.Now(), process("/bin/bash", reverseShell)))
	shell := w.raised("d1", "IoT_ReverseShell")
	if shell.Severity != "high" {
		t.Errorf("a reverse shell is %s", shell.Severity)
	}
	twin, p = w.is("d1", "unhealthy")
	if p.Alerts["high"] != 1 {
		t.Errorf("unhealthy it is %+v", p)
	}
	unchanged(t, before, twin)
	// All of it is there after a restart.
	w.restart()
	if _, again := w.twin("d1"); again.State != "unhealthy" || again.Score != p.Score {
		t.Errorf("after a restart it is %+v, was %+v", again, p)
	}
	w.close(shell, "dismissed", "benign")
	w.is("d1", "healthy")
}

// unchanged fails unless all that a posture must not touch is as it was.
func unchanged(t *testing.T, before, after *client.Twin) {
	t.Helper()
	if after.Version != before.Version || after.ETag != before.ETag || string(after.Tags) != string(before.Tags) ||
		string(after.Properties.Desired) != string(before.Properties.Desired) || string(after.Properties.Reported) != string(before.Properties.Reported) {
		t.Errorf("a posture changed the twin:\n%s\nwas\n%s", after.Raw, before.Raw)
	}
}

// close ends an alert.
func (w *world) close(a *client.Alert, status, reason string) {
	w.Helper()
	if _, err := w.owner.UpdateAlert(w.ctx, a.ID, client.AlertChange{Status: &status, Reason: &reason}, tvilling.Match{}); err != nil {
		w.Fatalf("%s %s: %v", status, a.Type, err)
	}
}

// TestAlertsFoldAndReopen: the same cause is one alert with a count; new
// evidence reopens it when it was resolved, and does not when it was dismissed.
func TestAlertsFoldAndReopen(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	a := w.register("d1")
	n := 0
	mine := func(executable string) {
		n++
		a.sees(event(id(n), "ProcessCreate", time.Now(), process(executable, miner)))
	}
	mine("/bin/sh")
	mine("/bin/sh")
	mine("/tmp/other")
	w.settle()
	w.wantAlerts("d1", "IoT_CryptoMiner×2", "IoT_CryptoMiner×1")
	first := w.causedBy("d1", "/bin/sh")
	w.close(first, "resolved", "mitigated")
	mine("/bin/sh")
	w.settle()
	if again := w.causedBy("d1", "/bin/sh"); again.ID != first.ID || again.Status != "new" || again.Reopened != 1 || again.Count != 3 {
		t.Errorf("reopened it is %s", again.Raw)
	}
	w.close(first, "dismissed", "falsePositive")
	mine("/bin/sh")
	w.settle()
	if again := w.causedBy("d1", "/bin/sh"); again.ID != first.ID || again.Status != "dismissed" || again.Count != 4 {
		t.Errorf("dismissed it is %s", again.Raw)
	}
	steps, err := w.owner.AlertHistory(w.ctx, first.ID)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range steps {
		got = append(got, s.To)
	}
	if want := []string{"new", "resolved", "new", "dismissed"}; !slices.Equal(slices.DeleteFunc(got, func(s string) bool { return s == "" }), want) {
		t.Errorf("its history leads to %v, want %v", got, want)
	}
}

func (w *world) causedBy(d tvilling.DeviceID, cause string) *client.Alert {
	w.Helper()
	for _, a := range w.alertsOf(d) {
		if a.Cause == cause {
			return a
		}
	}
	w.Fatalf("%s has no alert caused by %s", d, cause)
	return nil
}
