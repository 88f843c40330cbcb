package alert_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/alert"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

var update = flag.Bool("update", false, "write what is explained to testdata")

// TestExplain compares whole explanations with files of testdata.
func TestExplain(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		make func(*bench) *ledger.Alert
	}{
		{"new", func(b *bench) *ledger.Alert { return b.raise(b.observation()) }},
		{"storm", func(b *bench) *ledger.Alert {
			for range 20 {
				r := b.observation()
				r.Hits = 3
				b.raise(r)
			}
			b.rules["crypto-miner"] = alert.Rule{Source: "builtin", Version: "v2", Description: "A program known to mine"}
			return b.raise(b.observation())
		}},
		{"life", func(b *bench) *ledger.Alert {
			a := b.raise(b.observation())
			b.update(a.ID, alert.Change{Status: new(ledger.InProgress), Owner: new("ann")})
			b.update(a.ID, alert.Change{Status: new(ledger.Resolved), Reason: new("mitigated"), Note: new("stopped \"it\"\nand told ops")})
			time.Sleep(time.Hour) //nolint:forbidigo // the bubble's clock
			b.raise(b.observation())
			b.update(a.ID, alert.Change{Owner: new("")})
			b.update(a.ID, alert.Change{Note: new("again")})
			b.update(a.ID, alert.Change{Status: new(ledger.Dismissed), Reason: new("acceptedRisk"), DismissedUntil: new(time.Now().Add(48 * time.Hour))})
			return a
		}},
		{"clocks", func(b *bench) *ledger.Alert {
			for _, d := range []time.Duration{0, 3 * time.Hour, -20 * time.Minute, 72 * time.Hour} {
				r := b.observation()
				r.Evidence.Received = r.Evidence.Time.Add(d)
				b.raise(r)
			}
			r := b.observation()
			r.Evidence.Name, r.Evidence.Received = "HubAuthentication", r.Evidence.Time
			b.raise(r)
			a := b.raise(alert.Raised{Key: key, Title: "Crypto miner"})
			b.resolve(a.ID)
			return a
		}},
		{"hostile", func(b *bench) *ledger.Alert {
			r := b.observation()
			r.Cause = "\x1b]0;pwned\x07\u202e<script>"
			r.Evidence.Event = "e\n\r1"
			r.Evidence.Matched = []ledger.Match{{Field: "CommandLine", Value: strings.Repeat("é\x00", 5000)}, {Field: "User", Value: "\"root\"", Pattern: "root"}}
			r.Title, r.Rule, r.RuleVersion = "Own\x1b[31m rule", "my-own", "2026-01-01+deadbeef"
			r.Evidence.Name = "Mine\x00"
			b.raise(r)
			a := b.raise(r)
			b.update(a.ID, alert.Change{Status: new(ledger.Dismissed), Reason: new("other")})
			return a
		}},
		{"deleted", func(b *bench) *ledger.Alert {
			a := b.raise(b.observation())
			if err := b.ledger.Do(b.Context(), func(tx *ledger.Tx) error { return tx.Forget("d") }); err != nil {
				b.Fatal(err)
			}
			return a
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				e, err := b.service.Explain(t.Context(), test.make(b).ID)
				if err != nil {
					t.Fatal(err)
				}
				got := strings.Join(e.Sentences, "\n") + "\n"
				for _, r := range got {
					if r != '\n' && (r < ' ' || r == 0x7f || r == '\u202e') {
						t.Errorf("the sentences contain %q", r)
					}
				}
				file := filepath.Join("testdata", "explain", test.name+".txt")
				if *update {
					if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(string(want), got); d != "" {
					t.Errorf("-want +got:\n%s", d)
				}
			})
		})
	}
}

func TestExplainStructure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		a := b.raise(b.observation())
		e, err := b.service.Explain(t.Context(), a.ID)
		if err != nil {
			t.Fatal(err)
		}
		if e.Rule == nil || e.Changed || len(e.Observations) != 1 || e.Observations[0].Delay != time.Second || e.Observations[0].Clock != alert.ClockPlausible || len(e.History) != 1 {
			t.Errorf("Explain = %+v", e)
		}
		want := []alert.Technique{{ID: "T1496", Link: "https://attack.mitre.org/techniques/T1496/"}, {ID: "T1059.004", Link: "https://attack.mitre.org/techniques/T1059/004/"}}
		if d := cmp.Diff(want, e.Techniques); d != "" {
			t.Errorf("Techniques: -want +got:\n%s", d)
		}
		if d := cmp.Diff([]string{"Stop it.", "Find out how it came."}, e.Remediation); d != "" {
			t.Errorf("Remediation: -want +got:\n%s", d)
		}
		_, err = b.service.Explain(t.Context(), "no such")
		wantCode(t, "Explain of an unknown id", err, tvilling.NotFound)
	})
}
