package detection

import (
	"strings"

	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

type localUserAdded struct{ info *detect.Info }

// LocalUserAdded finds local users that the snapshot before does not have.
func LocalUserAdded() detect.Stateful {
	return &localUserAdded{&detect.Info{
		ID: "local-user-added", Type: "IoT_LocalUserAdded", Title: "Local user added", Severity: ledger.Low,
		Description: "The device has a user account that it did not have in the snapshot before. The alert is of severity medium if the account has the number 0 or belongs to a group of administrators, such as sudo, wheel or docker. " +
			"An account that got another name or another number is a new one, and the alert says so. Accounts of services, as packages make them, are left out: those with a number below the parameter that are no administrators.",
		Version: "1", Source: detect.Builtin,
		Remediation: []string{
			"Confirm the new account with the device's administrator.",
			"If nobody made it on purpose, lock and delete it, and find out who made it and what was done with it.",
		},
		Techniques: []string{"T1136.001"}, Tactics: []string{"Persistence"},
		FalsePositives: []string{
			"Planned maintenance; accounts that are renamed.",
			"Packages whose account has a number of people's, or is in a group of administrators.",
		},
		Parameters: lowest(),
	}}
}

func (d *localUserAdded) Info() *detect.Info { return d.info }

func (d *localUserAdded) Kinds() []event.Kind { return []event.Kind{event.LocalUsersKind} }

func (d *localUserAdded) Observe(s detect.Scope, e *event.Event, p detect.Values) {
	now := accounts(s, e)
	if len(now) == 0 {
		return
	}
	before, known := recallRoster(s.Memory())
	second := e.Time.Unix()
	if known && late(before.newest, second) {
		return
	}
	// Accounts of services are kept, too: who becomes an administrator or gets
	// into view by another parameter is no new one.
	after := before.next(second, now, func(*account) bool { return true })
	s.Remember(after.memory(false))
	if !known {
		return
	}
	var found []detect.Finding
	for i := range now {
		a := &now[i]
		if a.key > before.horizon || hasAccount(before.list, a.key) || a.ofPackage(p("lowest")) {
			continue
		}
		f := detect.Finding{
			Cause: detect.Cause(a.name), Hits: 1, Time: e.Time, Event: e, Item: a.item,
			Matched: []ledger.Match{{Field: "UserName", Value: a.name, Pattern: before.newness(a, now)}},
		}
		if a.uid == "0" {
			f.Least = ledger.Medium
			f.Matched = append(f.Matched, ledger.Match{Field: "UserId", Value: a.uid, Pattern: "the number of root"})
		}
		if len(a.powers) > 0 {
			f.Least = ledger.Medium
			f.Matched = append(f.Matched, ledger.Match{Field: "GroupNames", Value: strings.Join(a.powers, ", "), Pattern: "makes it an administrator"})
		}
		found = append(found, f)
	}
	reportChanges(s, found)
}

// newness says how an account is new: made, or one that was there and is not
// any more with another name or number.
func (r *roster) newness(a *account, now []account) string {
	for i := range r.list {
		b := &r.list[i]
		switch {
		case hasAccount(now, b.key):
		case b.number() == a.number():
			return "the user of this number had another name in the snapshot before"
		case b.naming() == a.naming():
			return "the user of this name had another number in the snapshot before"
		}
	}
	return "is not in the snapshot before"
}
