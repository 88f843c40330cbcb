package alerts

import (
	"html/template"
	"slices"
	"time"

	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// RowViews are the rows, with whether they may be acted upon.
func (t *triage) RowViews() []rowView {
	list := make([]rowView, len(t.Rows))
	for i, r := range t.Rows {
		list[i] = rowView{r, t.May}
	}
	return list
}

// NoneNew is the place where new alerts will be counted.
func (t *triage) NoneNew() fresh { return fresh{} }

// Counted says how many alerts there are.
func (t *triage) Counted() string {
	switch {
	case t.Problem != nil:
		return ""
	case t.Filter.Text != "":
		return "searched by text"
	case t.Count < 0:
		return "more than can be counted quickly"
	case t.Count == 1:
		return "1 alert"
	default:
		return ui.Capped(t.Count) + " alerts"
	}
}

// ManyTo is where acts on several alerts are sent, UndoTo where undo is.
func (t *triage) ManyTo() string { return ui.URL("alerts", "many", t.query) }

// UndoTo is where an undo is sent.
func (t *triage) UndoTo() string { return ui.URL("alerts", "undo", t.query) }

// Plain reports whether nothing is asked for but what is open.
func (t *triage) Plain() bool { return len(t.Filter.query()) == 0 }

// ProblemHTML is what is wrong with the filter.
func (t *triage) ProblemHTML() template.HTML { return web.Problem(t.Problem) }

// Asked reports whether the filter asks for a status, also by another word.
func (t *triage) Asked(status string) bool {
	f := t.Filter.ledger()
	return len(f.Status) == 0 || slices.Contains(f.Status, ledger.Status(status))
}

// Word is a status in words.
func (t *triage) Word(status string) string { return statusWord(ledger.Status(status)) }

// Local is a time as a field for one takes it.
func (t *triage) Local(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.Format("2006-01-02T15:04:05")
}

// Strange reports whether the filter's type is none that detections have now.
func (t *triage) Strange() bool {
	return t.Filter.Type != "" && !slices.ContainsFunc(t.Types, func(d Detection) bool { return d.Type == t.Filter.Type })
}
