package detection

import (
	"slices"

	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

type bruteForceSuccess struct{ info *detect.Info }

// BruteForceSuccess finds a login that succeeded after many from the same
// address, or of the same user, failed. A success that reaches the hub before
// its failures is found when they come.
func BruteForceSuccess() detect.Stateful {
	return &bruteForceSuccess{&detect.Info{
		ID: "brute-force-success", Type: "IoT_Bruteforce_Success", Title: "Successful brute-force attempt", Severity: ledger.High,
		Description: "Many logins failed within a short time, and then one succeeded from the same address or as the same user. Somebody tried out passwords and found one.",
		Version:     "1", Source: detect.Builtin,
		Remediation: []string{
			"Confirm with the user named that the login was theirs. If not, go on as follows.",
			"Take the device off the network, end the session, change the password of the user everywhere it is used.",
			"Look at what was run on the device since, and restore it from a known state.",
			"Allow logins by key only.",
		},
		Techniques: []string{"T1110", "T1078"}, Tactics: []string{"Credential Access", "Initial Access"},
		FalsePositives: []string{
			"A script of your own with an outdated password that was then set right.",
			"The user's own login from elsewhere while others try out passwords for it: set users to 0.",
		},
		Parameters: bruteForceParameters(),
	}}
}

func (d *bruteForceSuccess) Info() *detect.Info { return d.info }

func (d *bruteForceSuccess) Kinds() []event.Kind { return []event.Kind{event.LoginKind} }

func (d *bruteForceSuccess) Observe(s detect.Scope, e *event.Event, p detect.Values) {
	var t *tally
	var found findings
	attempts, window, second := p("attempts"), p("window"), e.Time.Unix()
	for i, it := range e.Items {
		l, ok := it.(*event.Login)
		if !ok || !attempt(l) || !failed(l) && !succeeded(l) {
			continue
		}
		if t == nil {
			t = recall(s.Memory(), s.Received())
		}
		told := false
		for _, src := range sources(l, p) {
			if succeeded(l) && !t.takes(src) {
				continue // a success alone displaces nothing
			}
			k := t.key(src.class, src.name)
			var hits int64
			if failed(l) {
				before := k.broken(attempts, window)
				k.fail(second, window, countOf(l))
				hits = int64(k.broken(attempts, window) - before)
			} else if k.succeed(second, window) && k.won(second, attempts, window) {
				hits = 1
			}
			if hits > 0 && !told { // by address or by user, not both
				found.add(e, i, src, hits, "success after "+number(attempts)+" or more failed logins within "+span(window))
				told = true
			}
		}
	}
	if t != nil {
		t.expire(second, window)
		s.Remember(t.memory(s.Received()))
	}
	found.report(s)
}

// takes reports whether the source is known, or may be without displacing another.
func (t *tally) takes(s source) bool {
	id, same := digest(s.name), 0
	for _, k := range t.keys {
		if k.class != s.class {
			continue
		}
		if k.name == id {
			return true
		}
		same++
	}
	return same < maxKeys
}

// succeed keeps a success; false if it is known.
func (k *key) succeed(second, window int64) bool {
	if slices.Contains(k.good, second) {
		return false
	}
	k.good = slices.DeleteFunc(k.good, func(g int64) bool { return far(g, second, window) })
	k.good = append(k.good, second)
	if len(k.good) > maxGood {
		k.good = slices.Delete(k.good, 0, 1)
	}
	return true
}

// won reports whether enough failures come before a success.
func (k *key) won(second, attempts, window int64) bool {
	n, _ := k.within(second-window, window)
	return n >= attempts
}

// broken returns how many of the kept successes have enough failures before them.
func (k *key) broken(attempts, window int64) int {
	var n int
	for _, g := range k.good {
		if k.won(g, attempts, window) {
			n++
		}
	}
	return n
}
