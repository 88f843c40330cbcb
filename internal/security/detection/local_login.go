package detection

import (
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// localLogin finds logins at the device itself with one result. It folds by
// user and remembers nothing.
type localLogin struct {
	info   *detect.Info
	result func(*event.Login) bool
}

func (d *localLogin) Info() *detect.Info { return d.info }

func (d *localLogin) Kinds() []event.Kind { return []event.Kind{event.LoginKind} }

func (d *localLogin) Observe(s detect.Scope, e *event.Event, _ detect.Values) {
	for i, it := range e.Items {
		l, ok := it.(*event.Login)
		if !ok || !d.result(l) || !local(l) {
			continue
		}
		from := l.RemoteAddress
		if from == "" {
			from = "none"
		}
		s.Report(detect.Finding{
			Cause: detect.Cause(userOf(l)), Hits: event.Hits(l), Time: e.Time, Event: e, Item: i,
			Matched: []ledger.Match{
				{Field: "Result", Value: l.Result},
				{Field: "RemoteAddress", Value: from, Pattern: "none, unknown or the device's own"},
				{Field: "Executable", Value: l.Executable, Pattern: "not a server, not a change of user"},
			},
		})
	}
}
