package detection

import (
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

type bruteForceFailed struct{ info *detect.Info }

// BruteForceFailed finds many failed logins within a short time: from one
// address, or on one user from several addresses or from none. Events may come
// in any order as long as none is later than the window is long. Once found,
// every further failure adds to the finding.
func BruteForceFailed() detect.Stateful {
	return &bruteForceFailed{&detect.Info{
		ID: "brute-force-failed", Type: "IoT_Bruteforce_Fail", Title: "Failed brute-force attempt", Severity: ledger.Low,
		Description: "Many logins failed within a short time, from one address or on one user. Somebody tries out passwords; none was accepted so far.",
		Version:     "1", Source: detect.Builtin,
		Remediation: []string{
			"Keep the address out with a firewall, or the login service off the network that it came from.",
			"Allow logins by key only, and check that no account has a default or weak password.",
		},
		Techniques: []string{"T1110"}, Tactics: []string{"Credential Access"},
		FalsePositives: []string{"A script of your own with an outdated password."},
		Parameters:     bruteForceParameters(),
	}}
}

func (d *bruteForceFailed) Info() *detect.Info { return d.info }

func (d *bruteForceFailed) Kinds() []event.Kind { return []event.Kind{event.LoginKind} }

func (d *bruteForceFailed) Observe(s detect.Scope, e *event.Event, p detect.Values) {
	var t *tally
	var found findings
	attempts, window, second := p("attempts"), p("window"), e.Time.Unix()
	for i, it := range e.Items {
		l, ok := it.(*event.Login)
		if !ok || !failed(l) || !attempt(l) {
			continue
		}
		if t == nil {
			t = recall(s.Memory(), s.Received())
		}
		c := countOf(l)
		for _, src := range sources(l, p) {
			k := t.key(src.class, src.name)
			// A user whose failures all come from one address is that address's matter.
			lone := src.class == byAddress
			before := k.best(second, window, lone)
			k.fail(second, window, c)
			after := k.best(second, window, lone)
			switch {
			case after < attempts || after <= before:
			case before < attempts:
				found.add(e, i, src, after, number(attempts)+" or more failed logins within "+span(window))
			default:
				found.add(e, i, src, after-before, number(attempts)+" or more failed logins within "+span(window))
			}
		}
	}
	if t != nil {
		t.expire(second, window)
		s.Remember(t.memory(s.Received()))
	}
	found.report(s)
}
