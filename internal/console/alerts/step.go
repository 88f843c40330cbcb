package alerts

import (
	"strings"

	"github.com/tvilling/tvilling/internal/security/ledger"
)

// step is a line of an alert's history in words.
type step struct{ ledger.Step }

// history takes over the history of the alert, and how far it goes.
func (d *detail) history(list []ledger.Step) {
	d.Steps = make([]step, len(list))
	for i, s := range list {
		d.Steps[i], d.Step = step{s}, s.Sequence
	}
}

// Word is what was done.
func (s step) Word() string {
	switch {
	case s.Action == "started":
		return "Work started"
	case s.Action == "assigned" && s.Step.Owner == "":
		return "Owner taken away"
	case s.Action == "noted" && s.Step.Note == "":
		return "Note taken away"
	case s.Action == "noted":
		return "Note written"
	case s.Action == "reopened" && s.From.Open() && s.From != "":
		return "Put back to new"
	case s.Action == "":
		return "Changed"
	default:
		return strings.ToUpper(s.Action[:1]) + s.Action[1:]
	}
}

// Why is the reason in words.
func (s step) Why() string { return reasonWord(s.Reason) }

// Icon is the glyph beside it.
func (s step) Icon() string {
	switch s.Action {
	case "raised", "reopened":
		return "s-alerts"
	case "resolved", "dismissed":
		return "healthy"
	case "assigned":
		return "s-person"
	default:
		return "s-dot"
	}
}

// reasonWord is a reason as people say it.
func reasonWord(name string) string {
	switch name {
	case "":
		return ""
	case "deviceDeleted":
		return "the device was deleted"
	}
	for _, r := range reasons() {
		if r.Name == name {
			return strings.ToLower(r.Text)
		}
	}
	return name
}
