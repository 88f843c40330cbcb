package alert_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/alert"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/store/securitymem"
)

// bench is a ledger in memory with a service over it.
type bench struct {
	*testing.T
	store    *securitymem.Store
	ledger   *ledger.Ledger
	service  *alert.Service
	rules    rules
	sequence uint64
}

type rules map[string]alert.Rule

func (r rules) Rule(id string) (alert.Rule, bool) {
	rule, ok := r[id]
	return rule, ok
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{T: t, store: securitymem.New(), rules: rules{"crypto-miner": {
		ID: "crypto-miner", Title: "Crypto miner", Version: "v1", Source: "builtin", Description: "A program known to mine.",
		Remediation: []string{"Stop it.", "Find out how it came."}, FalsePositives: []string{"You mine on purpose"}, Techniques: []string{"T1496", "T1059.004"},
	}}}
	b.ledger = ledger.NewLedger(b.store)
	b.service = alert.New(b.ledger, b.rules)
	return b
}

var key = ledger.Key{Device: "d", Type: "IoT_CryptoMiner", Cause: "/tmp/x"}

// observation is what a detection would raise now.
func (b *bench) observation() alert.Raised {
	b.sequence++
	return alert.Raised{
		Key: key, Title: "Crypto miner", Severity: ledger.Medium, Rule: "crypto-miner", RuleVersion: "v1", Hits: 1, Time: time.Now().UTC(),
		Evidence: ledger.Evidence{
			Sequence: b.sequence, Event: fmt.Sprint("event-", b.sequence), Name: "ProcessCreate", Time: time.Now().UTC(), Received: time.Now().UTC().Add(time.Second),
			Matched: []ledger.Match{{Selection: "miner", Field: "CommandLine", Value: "cpuminer-multi", Pattern: "*cpuminer*"}},
		},
	}
}

// raise raises observations in one transaction and returns the last's alert as
// it is stored.
func (b *bench) raise(list ...alert.Raised) *ledger.Alert {
	b.Helper()
	id := ""
	err := b.ledger.Do(context.Background(), func(tx *ledger.Tx) error {
		for _, r := range list {
			a, err := alert.Raise(tx, r)
			if err != nil {
				return err
			}
			id = a.ID
		}
		return nil
	})
	if err != nil {
		b.Fatalf("Raise: %v", err)
	}
	return b.alert(id)
}

func (b *bench) alert(id string) *ledger.Alert {
	b.Helper()
	a, err := b.store.Alert(context.Background(), id)
	if err != nil || a == nil {
		b.Fatalf("Alert(%s) = %v, %v", id, a, err)
	}
	return a
}

func (b *bench) update(id string, c alert.Change) *ledger.Alert {
	b.Helper()
	a, err := b.service.Update(context.Background(), id, c, tvilling.Match{}, "policy:ann")
	if err != nil {
		b.Fatalf("Update(%+v): %v", c, err)
	}
	return a
}

func (b *bench) resolve(id string) {
	b.Helper()
	b.update(id, alert.Change{Status: new(ledger.Resolved), Reason: new("mitigated")})
}

// actions returns what the history of an alert tells, and what the feed does.
func (b *bench) actions(id string) (history, feed []string) {
	b.Helper()
	steps, err := b.store.History(context.Background(), id)
	if err != nil {
		b.Fatal(err)
	}
	for _, s := range steps {
		history = append(history, s.Action)
	}
	for e, err := range b.store.Feed(context.Background(), 0) {
		if err != nil {
			b.Fatal(err)
		}
		if e.ID == id {
			feed = append(feed, e.Action)
		}
	}
	return history, feed
}

func wantCode(t *testing.T, what string, err error, want tvilling.Code) {
	t.Helper()
	if got := tvilling.CodeOf(err); got != want {
		t.Errorf("%s: code %q (%v), want %q", what, got, err, want)
	}
}
