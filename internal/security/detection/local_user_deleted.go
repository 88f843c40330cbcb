package detection

import (
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

type localUserDeleted struct{ info *detect.Info }

// LocalUserDeleted finds local users that only the snapshot before has.
func LocalUserDeleted() detect.Stateful {
	return &localUserDeleted{&detect.Info{
		ID: "local-user-deleted", Type: "IoT_LocalUserDeleted", Title: "Local user deletion detected", Severity: ledger.Low,
		Description: "A user account of the device that was there in the snapshot before is there no longer. An intruder may lock people out that way, or remove an account that was of use. " +
			"An account that got another name or another number counts as deleted, and the alert says so. Accounts of services, as packages delete them, are left out: those with a number below the parameter that were no administrators. " +
			"A snapshot with less than half of the accounts, where there were four or more, was cut short and tells nothing.",
		Version: "1", Source: detect.Builtin,
		Remediation: []string{
			"Confirm the deletion with the device's administrator.",
			"If nobody did it on purpose, make the account anew and find out who deleted it, and what was done with it before.",
		},
		Techniques: []string{"T1531", "T1070.009"}, Tactics: []string{"Impact", "Defense Evasion"},
		FalsePositives: []string{
			"Planned maintenance; accounts that are renamed.",
			"Packages that are removed with an account that has a number of people's, or is in a group of administrators.",
		},
		Parameters: lowest(),
	}}
}

func (d *localUserDeleted) Info() *detect.Info { return d.info }

func (d *localUserDeleted) Kinds() []event.Kind { return []event.Kind{event.LocalUsersKind} }

func (d *localUserDeleted) Observe(s detect.Scope, e *event.Event, p detect.Values) {
	now := accounts(s, e)
	if len(now) == 0 {
		return
	}
	before, known := recallRoster(s.Memory())
	second := e.Time.Unix()
	if known && late(before.newest, second) {
		return
	}
	after := before.next(second, now, func(a *account) bool { return !a.ofPackage(p("lowest")) })
	s.Remember(after.memory(true))
	if !known || before.short(now) {
		return
	}
	var found []detect.Finding
	for i := range before.list {
		b := &before.list[i]
		if hasAccount(now, b.key) {
			continue
		}
		m, item := deletion(b, now)
		found = append(found, detect.Finding{Cause: detect.Cause(b.name), Hits: 1, Time: e.Time, Event: e, Item: item, Matched: m})
	}
	reportChanges(s, found)
}

// deletion says how an account is gone: deleted, or there with another name or
// number, at item then.
func deletion(b *account, now []account) (m []ledger.Match, item int) {
	m = []ledger.Match{{Field: "UserName", Value: b.name, Pattern: "was there in the snapshot before"}}
	for i := range now {
		switch a := &now[i]; {
		case a.number() == b.number():
			return append(m, ledger.Match{Field: "UserName", Value: a.name, Pattern: "has its number now"}), a.item
		case a.naming() == b.naming():
			return append(m, ledger.Match{Field: "UserId", Value: a.uid, Pattern: "is the number of the user of its name now"}), a.item
		}
	}
	return m, -1
}
