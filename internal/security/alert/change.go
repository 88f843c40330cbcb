package alert

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// Change is what an operator changes of an alert; nil members stay as they are.
type Change struct {
	Status *ledger.Status
	// Reason is needed when an alert is resolved or dismissed, and is one of
	// [Reasons]; Note and Owner may be "".
	Reason, Note, Owner *string
	// DismissedUntil ends a dismissal; the zero time means it is for good.
	DismissedUntil *time.Time
}

// Limits of what operators write.
const (
	MaxNote  = 4096 // characters
	MaxOwner = 128  // characters
	// MaxDismissal is how far ahead a dismissal may end.
	MaxDismissal = 10 * 366 * 24 * time.Hour
)

// Reasons are those for which an alert is resolved or dismissed.
func Reasons() []string {
	return []string{"mitigated", "falsePositive", "benign", "acceptedRisk", "other"}
}

// Next returns the statuses that an operator may give an alert of a status.
func Next(from ledger.Status) []ledger.Status {
	switch from {
	case ledger.New:
		return []ledger.Status{ledger.Acknowledged, ledger.InProgress, ledger.Resolved, ledger.Dismissed}
	case ledger.Acknowledged:
		return []ledger.Status{ledger.New, ledger.InProgress, ledger.Resolved, ledger.Dismissed}
	case ledger.InProgress:
		return []ledger.Status{ledger.New, ledger.Acknowledged, ledger.Resolved, ledger.Dismissed}
	default:
		return []ledger.Status{ledger.New}
	}
}

// actions are the words for reaching a status.
var actions = map[ledger.Status]string{
	ledger.New: "reopened", ledger.Acknowledged: "acknowledged", ledger.InProgress: "started",
	ledger.Resolved: "resolved", ledger.Dismissed: "dismissed",
}

// refuse is the refusal of a member of a change.
func refuse(path, format string, args ...any) error {
	return &tvilling.Error{Code: tvilling.InvalidArgument, Op: "update alert", Path: path, Message: fmt.Sprintf(format, args...)}
}

// check refuses what is wrong with a change whatever the alert.
func (c *Change) check(now time.Time) error {
	if c.Status == nil && c.Reason == nil && c.Note == nil && c.Owner == nil && c.DismissedUntil == nil {
		return refuse("", "The change is empty; it has one or more of status, reason, note, owner and dismissedUntil.")
	}
	if c.Status != nil {
		if _, ok := actions[*c.Status]; !ok {
			return refuse("status", "There is no alert status %q; the statuses are new, acknowledged, inProgress, resolved and dismissed.", *c.Status)
		}
	}
	if c.Reason != nil && *c.Reason != "" && !slices.Contains(Reasons(), *c.Reason) {
		return refuse("reason", "There is no reason %q; the reasons are %s.", *c.Reason, strings.Join(Reasons(), ", "))
	}
	if c.Note != nil {
		if err := checkText("note", *c.Note, MaxNote, true); err != nil {
			return err
		}
	}
	if c.Owner != nil {
		if err := checkText("owner", *c.Owner, MaxOwner, false); err != nil {
			return err
		}
	}
	if u := c.DismissedUntil; u != nil && !u.IsZero() {
		switch {
		case !u.After(now):
			return refuse("dismissedUntil", "A dismissal ends in the future; %s has passed.", stamp(*u))
		case u.Sub(now) > MaxDismissal:
			return refuse("dismissedUntil", "A dismissal may end 10 years ahead at most; leave the time out to dismiss for good.")
		}
	}
	return nil
}

func checkText(path, s string, limit int, lines bool) error {
	if n := utf8.RuneCountInString(s); n > limit {
		return refuse(path, "The text may have at most %d characters; this one has %d.", limit, n)
	}
	if !utf8.ValidString(s) {
		return refuse(path, "The text is not valid UTF-8.")
	}
	for _, r := range s {
		if unicode.IsControl(r) && (!lines || r != '\n' && r != '\t') {
			return refuse(path, "The text contains the control character %q, which it may not.", r)
		}
	}
	return nil
}

// apply changes a and returns the steps that tell of it, none if the alert is
// already as the change would have it. A refused change leaves a as it was.
func (c *Change) apply(a *ledger.Alert, actor string) ([]ledger.Step, error) {
	next := *a
	if c.Status != nil && *c.Status != a.Status {
		if !slices.Contains(Next(a.Status), *c.Status) {
			return nil, refuse("status", "An alert that is %s cannot become %s; it can become %s.", a.Status, *c.Status, list(Next(a.Status)))
		}
		next.Status, next.Reason, next.DismissedUntil = *c.Status, "", time.Time{}
	}
	if err := c.applyReason(&next); err != nil {
		return nil, err
	}
	set(&next.Note, c.Note)
	set(&next.Owner, c.Owner)
	steps := stepsOf(a, &next, actor)
	a.Status, a.Reason, a.DismissedUntil, a.Note, a.Owner = next.Status, next.Reason, next.DismissedUntil, next.Note, next.Owner
	return steps, nil
}

// applyReason sets what goes with being resolved or dismissed.
func (c *Change) applyReason(next *ledger.Alert) error {
	set(&next.Reason, c.Reason)
	switch {
	case next.Status.Open() && c.Reason != nil && *c.Reason != "":
		return refuse("reason", "A reason says why an alert is resolved or dismissed; this one would be %s.", next.Status)
	case !next.Status.Open() && next.Reason == "":
		return refuse("reason", "An alert is %s for a reason; give one of %s.", next.Status, strings.Join(Reasons(), ", "))
	}
	if c.DismissedUntil == nil {
		return nil
	}
	if next.Status != ledger.Dismissed && !c.DismissedUntil.IsZero() {
		return refuse("dismissedUntil", "Only a dismissal ends at a time; this alert would be %s.", next.Status)
	}
	next.DismissedUntil = c.DismissedUntil.UTC()
	if c.DismissedUntil.IsZero() {
		next.DismissedUntil = time.Time{}
	}
	return nil
}

func set(to *string, v *string) {
	if v != nil {
		*to = *v
	}
}

// stepsOf returns the steps that lead from one state of an alert to the next:
// one for its status with what goes with it, one for its owner, and one for
// its note if there is no other that carries it.
func stepsOf(was, now *ledger.Alert, actor string) []ledger.Step {
	var steps []ledger.Step
	if was.Status != now.Status || was.Reason != now.Reason || !was.DismissedUntil.Equal(now.DismissedUntil) {
		steps = append(steps, ledger.Step{Actor: actor, Action: actions[now.Status], From: was.Status, To: now.Status, Reason: now.Reason})
	}
	if was.Owner != now.Owner {
		steps = append(steps, ledger.Step{Actor: actor, Action: "assigned", Owner: now.Owner})
	}
	if was.Note != now.Note {
		if len(steps) == 0 || now.Note == "" {
			steps = append(steps, ledger.Step{Actor: actor, Action: "noted"})
		}
		steps[0].Note = now.Note
	}
	return steps
}

func list[S ~string](words []S) string {
	names := make([]string, len(words))
	for i, w := range words {
		names[i] = string(w)
	}
	return strings.Join(names, ", ")
}
