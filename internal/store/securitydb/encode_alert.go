package securitydb

import (
	"encoding/binary"
	"slices"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// statuses are the numbers of an alert's statuses, which are in the database's
// files; index alert_over is about those that are not open.
var statuses = []ledger.Status{ledger.New, ledger.Acknowledged, ledger.InProgress, ledger.Resolved, ledger.Dismissed}

// statusNumber returns the number of a status; an alert without one, as in the
// first step of a history, has that beyond the last.
func statusNumber(s ledger.Status) int64 {
	if s == "" {
		return int64(len(statuses))
	}
	return int64(slices.Index(statuses, s))
}

func (r *reader) status() ledger.Status {
	n := r.byte()
	switch {
	case int(n) < len(statuses):
		return statuses[n]
	case int(n) > len(statuses):
		r.fail()
	}
	return ""
}

func (r *reader) severity() ledger.Severity {
	s := ledger.Severity(r.byte())
	if s >= ledger.Severities {
		r.fail()
		return 0
	}
	return s
}

func alertKey(id string) key { return key{kind: kindAlert, a: id} }

// appendAlert appends the stored value of an alert.
func appendAlert(dst []byte, a *ledger.Alert) []byte {
	start := len(dst)
	b := dst
	b = append(b, formatFirst)
	b = appendString(b, a.Device)
	b = appendString(b, a.Type)
	b = appendString(b, a.Cause)
	b = appendString(b, a.Title)
	b = append(b, byte(a.Severity))
	b = appendString(b, a.Rule)
	b = appendString(b, a.RuleVersion)
	b = append(b, byte(statusNumber(a.Status)))
	b = appendString(b, a.Reason)
	b = appendString(b, a.Note)
	b = appendString(b, a.Owner)
	b = appendTime(b, a.DismissedUntil)
	b = binary.AppendVarint(b, a.Count)
	b = binary.AppendVarint(b, int64(a.Reopened))
	b = appendTime(b, a.First)
	b = appendTime(b, a.Last)
	b = appendTime(b, a.Created)
	b = appendTime(b, a.Updated)
	b = binary.AppendUvarint(b, a.Version)
	b = binary.AppendUvarint(b, uint64(len(a.Evidence)))
	for i := range a.Evidence {
		b = appendEvidence(b, &a.Evidence[i])
	}
	return alertKey(a.ID).seal(b, start)
}

func decodeAlert(id string, value []byte) (*ledger.Alert, error) {
	return decode(alertKey(id), value, func(r *reader) *ledger.Alert {
		a := &ledger.Alert{ID: id}
		a.Device = tvilling.DeviceID(r.string())
		a.Type = r.string()
		a.Cause = r.string()
		a.Title = r.string()
		a.Severity = r.severity()
		a.Rule = r.string()
		a.RuleVersion = r.string()
		a.Status = r.status()
		a.Reason = r.string()
		a.Note = r.string()
		a.Owner = r.string()
		a.DismissedUntil = r.time()
		a.Count = r.varint()
		a.Reopened = int(r.varint())
		a.First = r.time()
		a.Last = r.time()
		a.Created = r.time()
		a.Updated = r.time()
		a.Version = r.uvarint()
		if n := r.count(); n > 0 {
			a.Evidence = make([]ledger.Evidence, 0, min(n, ledger.MaxEvidence))
			for range n {
				a.Evidence = append(a.Evidence, r.evidence())
			}
		}
		return a
	})
}

func appendEvidence(b []byte, e *ledger.Evidence) []byte {
	b = binary.AppendUvarint(b, e.Sequence)
	b = appendString(b, e.Event)
	b = appendString(b, e.Name)
	b = appendTime(b, e.Time)
	b = appendTime(b, e.Received)
	b = appendString(b, e.RuleVersion)
	b = binary.AppendVarint(b, e.Hits)
	b = binary.AppendUvarint(b, uint64(len(e.Matched)))
	for i := range e.Matched {
		m := &e.Matched[i]
		b = appendString(b, m.Selection)
		b = appendString(b, m.Field)
		b = appendString(b, m.Value)
		b = appendString(b, m.Pattern)
	}
	return appendString(b, e.Item)
}

func (r *reader) evidence() ledger.Evidence {
	var e ledger.Evidence
	e.Sequence = r.uvarint()
	e.Event = r.string()
	e.Name = r.string()
	e.Time = r.time()
	e.Received = r.time()
	e.RuleVersion = r.string()
	e.Hits = r.varint()
	for range r.count() {
		e.Matched = append(e.Matched, ledger.Match{Selection: r.string(), Field: r.string(), Value: r.string(), Pattern: r.string()})
	}
	e.Item = r.bytes()
	return e
}

func stepKey(alert string, sequence uint64) key {
	return key{kind: kindStep, a: alert, number: sequence}
}

// appendStep appends the stored value of a line of an alert's history.
func appendStep(dst []byte, s *ledger.Step) []byte {
	start := len(dst)
	b := dst
	b = append(b, formatFirst)
	b = appendTime(b, s.Time)
	b = appendString(b, s.Actor)
	b = appendString(b, s.Action)
	b = append(b, byte(statusNumber(s.From)), byte(statusNumber(s.To)))
	b = appendString(b, s.Reason)
	b = appendString(b, s.Note)
	b = appendString(b, s.Owner)
	return stepKey(s.Alert, s.Sequence).seal(b, start)
}

func decodeStep(alert string, sequence uint64, value []byte) (ledger.Step, error) {
	return decode(stepKey(alert, sequence), value, func(r *reader) ledger.Step {
		return ledger.Step{
			Sequence: sequence, Alert: alert, Time: r.time(), Actor: r.string(), Action: r.string(),
			From: r.status(), To: r.status(), Reason: r.string(), Note: r.string(), Owner: r.string(),
		}
	})
}
