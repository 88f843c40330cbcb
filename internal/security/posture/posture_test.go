package posture_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/posture"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// sev is counts from the severest on.
func sev(high, medium, low, informational int32) [ledger.Severities]int32 {
	return [ledger.Severities]int32{ledger.High: high, ledger.Medium: medium, ledger.Low: low, ledger.Informational: informational}
}

func TestOf(t *testing.T) {
	lately, longAgo := now.Add(-time.Hour), now.Add(-72*time.Hour)
	for _, c := range []struct {
		name  string
		d     ledger.Device
		state posture.State
		score int
		parts posture.Parts
	}{
		{"nothing wrong", ledger.Device{LastSeen: lately}, posture.Healthy, 100, posture.Parts{}},
		{"never heard", ledger.Device{}, posture.Unknown, 50, posture.Parts{Agent: -50}},
		{"silent", ledger.Device{LastSeen: longAgo}, posture.Unknown, 50, posture.Parts{Agent: -50}},
		{"nearly silent", ledger.Device{LastSeen: longAgo.Add(time.Second)}, posture.Healthy, 100, posture.Parts{}},
		{"a high alert", ledger.Device{LastSeen: lately, Alerts: sev(1, 0, 0, 0)}, posture.Unhealthy, 50, posture.Parts{Alerts: -50}},
		{"a high alert, and silent", ledger.Device{LastSeen: longAgo, Alerts: sev(1, 0, 0, 0)}, posture.Unhealthy, 25, posture.Parts{Alerts: -50, Agent: -25}},
		{"a medium alert", ledger.Device{LastSeen: lately, Alerts: sev(0, 1, 0, 0)}, posture.AtRisk, 80, posture.Parts{Alerts: -20}},
		{"a low alert", ledger.Device{LastSeen: lately, Alerts: sev(0, 0, 1, 0)}, posture.AtRisk, 95, posture.Parts{Alerts: -5}},
		{"an informational alert", ledger.Device{LastSeen: lately, Alerts: sev(0, 0, 0, 1)}, posture.Healthy, 99, posture.Parts{Alerts: -1}},
		{"five medium alerts", ledger.Device{LastSeen: lately, Alerts: sev(0, 5, 0, 0)}, posture.Unhealthy, 32, posture.Parts{Alerts: -68}},
		{"a high recommendation", ledger.Device{LastSeen: lately, Recommendations: sev(1, 0, 0, 0)}, posture.AtRisk, 80, posture.Parts{Recommendations: -20}},
		{"a medium recommendation", ledger.Device{LastSeen: lately, Recommendations: sev(0, 1, 0, 0)}, posture.AtRisk, 92, posture.Parts{Recommendations: -8}},
		{"a low recommendation", ledger.Device{LastSeen: lately, Recommendations: sev(0, 0, 1, 0)}, posture.Healthy, 98, posture.Parts{Recommendations: -2}},
		{"both", ledger.Device{LastSeen: lately, Alerts: sev(0, 1, 0, 0), Recommendations: sev(0, 1, 0, 0)}, posture.AtRisk, 73, posture.Parts{Alerts: -20, Recommendations: -7}},
		{"a silent one at risk", ledger.Device{LastSeen: longAgo, Alerts: sev(0, 0, 1, 0)}, posture.Unknown, 47, posture.Parts{Alerts: -5, Agent: -48}},
		{"very many", ledger.Device{LastSeen: lately, Alerts: sev(1<<30, 1<<30, 1<<30, 1<<30), Recommendations: sev(1<<30, 1<<30, 1<<30, 1<<30)}, posture.Unhealthy, 0, posture.Parts{Alerts: -100}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := posture.Of(&c.d, posture.Input{Now: now})
			if p.State != c.state || p.Score != c.score || p.Parts != c.parts {
				t.Errorf("got %s, %d, %+v; want %s, %d, %+v", p.State, p.Score, p.Parts, c.state, c.score, c.parts)
			}
			if len(p.Why()) == 0 {
				t.Error("it does not say why")
			}
		})
	}
}

// TestSilenceCountsWhileTheHubListens holds that a device is not called silent
// because the hub was not there to hear it.
func TestSilenceCountsWhileTheHubListens(t *testing.T) {
	d := &ledger.Device{LastSeen: now.AddDate(0, -1, 0)}
	in := posture.Input{Now: now, Started: now.Add(-time.Hour)}
	if p := posture.Of(d, in); p.State != posture.Healthy {
		t.Errorf("an hour after the start: %s, want healthy", p.State)
	}
	in.Silence = time.Hour
	if p := posture.Of(d, in); p.State != posture.Unknown {
		t.Errorf("after the interval: %s, want unknown", p.State)
	}
}

func TestJSON(t *testing.T) {
	d := &ledger.Device{LastSeen: now, AgentVersion: "0.0.6\x1b[31m", Sync: "differs", Alerts: sev(1, 2, 3, 4), Recommendations: sev(0, 1, 0, 0)}
	p := posture.Of(d, posture.Input{Now: now})
	want := `{"state":"unhealthy","score":24,"parts":{"alerts":-74,"recommendations":-2,"agent":0},` +
		`"alerts":{"high":1,"medium":2,"low":3,"informational":4},"recommendations":{"high":0,"medium":1,"low":0,"informational":0},` +
		`"agent":{"version":"0.0.6[31m"},"configuration":"differs"}`
	if diff := cmp.Diff(want, string(p.JSON())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// A heartbeat changes nothing.
	d.LastSeen = now.Add(time.Minute)
	again := posture.Of(d, posture.Input{Now: now.Add(time.Hour)})
	if got := string(again.JSON()); got != want {
		t.Errorf("after a heartbeat: %s", got)
	}
}

func TestWhy(t *testing.T) {
	for _, c := range []struct {
		d    ledger.Device
		want []string
	}{
		{ledger.Device{LastSeen: now}, []string{"No alert is open"}},
		{ledger.Device{}, []string{"never sent a security message"}},
		{ledger.Device{LastSeen: now.AddDate(0, 0, -5)}, []string{"no security message for 72 hours"}},
		{ledger.Device{LastSeen: now, Alerts: sev(1, 2, 0, 0), Sync: "differs"}, []string{"1 high alert is open", "2 medium alerts are open", "another configuration"}},
		{ledger.Device{LastSeen: now, Alerts: sev(0, 6, 0, 0)}, []string{"6 medium alerts are open", "less than 40 points"}},
		{ledger.Device{LastSeen: now, Recommendations: sev(1, 1, 2, 1), Sync: "notReported"}, []string{"1 high recommendation is active", "1 medium", "2 low recommendations are", "1 informational", "has not reported"}},
	} {
		p := posture.Of(&c.d, posture.Input{Now: now})
		got := p.Why()
		if len(got) != len(c.want) {
			t.Errorf("why = %q, want %d sentences", got, len(c.want))
			continue
		}
		for i := range got {
			if !strings.Contains(got[i], c.want[i]) || !strings.HasSuffix(got[i], ".") {
				t.Errorf("sentence %d = %q, want one with %q", i, got[i], c.want[i])
			}
		}
	}
}

var order = map[posture.State]int{posture.Healthy: 0, posture.AtRisk: 1, posture.Unknown: 1, posture.Unhealthy: 2}

// TestMonotone holds that more, or severer, alerts and recommendations never
// raise the score or better the state, and that the parts make the score.
func TestMonotone(t *testing.T) {
	some := rapid.Custom(func(t *rapid.T) [ledger.Severities]int32 {
		var n [ledger.Severities]int32
		for i := range n {
			n[i] = rapid.Int32Range(0, 12).Draw(t, "n")
		}
		return n
	})
	rapid.Check(t, func(t *rapid.T) {
		d := &ledger.Device{Alerts: some.Draw(t, "alerts"), Recommendations: some.Draw(t, "recommendations")}
		if rapid.Bool().Draw(t, "heard") {
			d.LastSeen = now
		}
		in := posture.Input{Now: now}
		before := posture.Of(d, in)
		if sum := 100 + before.Parts.Alerts + before.Parts.Recommendations + before.Parts.Agent; sum != before.Score {
			t.Fatalf("100 and the parts %+v are %d, not the score %d", before.Parts, sum, before.Score)
		}
		worse := *d
		list := &worse.Alerts
		if rapid.Bool().Draw(t, "recommendations get worse") {
			list = &worse.Recommendations
		}
		to := rapid.IntRange(0, int(ledger.Severities)-1).Draw(t, "to")
		if from := rapid.IntRange(-1, to).Draw(t, "from"); from >= 0 && list[from] > 0 {
			list[from]-- // one becomes severer
		}
		list[to]++
		after := posture.Of(&worse, in)
		if after.Score > before.Score || order[after.State] < order[before.State] {
			t.Fatalf("%s %d became %s %d", before.State, before.Score, after.State, after.Score)
		}
		if !json.Valid(after.JSON()) {
			t.Fatalf("not JSON: %s", after.JSON())
		}
	})
}
