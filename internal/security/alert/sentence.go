package alert

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// maxShown is how many characters of a value a sentence shows.
const maxShown = 200

// quote shows a value that a device sent: on one line, with everything that
// is not printable escaped, cut where it is long.
func quote(s string) string {
	if utf8.RuneCountInString(s) <= maxShown {
		return strconv.Quote(s)
	}
	n := 0
	for i := range s {
		if n == maxShown {
			return strconv.Quote(s[:i]) + "…"
		}
		n++
	}
	return strconv.Quote(s)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.FormatInt(n, 10) + " " + many
}

// word shows a name as it is if it is one, and else as a value.
func word(s string) string {
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '-' && r != '.' {
			return quote(s)
		}
	}
	return s
}

// printable replaces what a terminal or a page could take for more than text:
// titles and descriptions come from operators' rules.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// span shows a duration as people say it.
func span(d time.Duration) string {
	switch d = d.Abs(); {
	case d < 2*time.Minute:
		return plural(int64(d/time.Second), "second", "seconds")
	case d < 2*time.Hour:
		return plural(int64(d/time.Minute), "minute", "minutes")
	case d < 48*time.Hour:
		return plural(int64(d/time.Hour), "hour", "hours")
	default:
		return plural(int64(d/(24*time.Hour)), "day", "days")
	}
}

// techniqueLink returns where a technique ("T1059.004") is described.
func techniqueLink(id string) string {
	return "https://attack.mitre.org/techniques/" + strings.ReplaceAll(id, ".", "/") + "/"
}

// tell returns the sentences of an explanation.
func tell(e *Explanation) []string {
	a := e.Alert
	out := []string{fmt.Sprintf("%s: alert %s of severity %s on device %s.", sentencePart(a.Title, a.Type), a.Type, a.Severity, a.Device)}
	out = append(out, tellRule(e)...)
	out = append(out, tellFolding(a)...)
	for i := range e.Observations {
		out = append(out, e.Observations[i].Sentence)
	}
	for i := range e.History {
		if s := &e.History[i]; s.Action != "raised" {
			out = append(out, tellStep(s))
		}
	}
	out = append(out, tellStatus(a))
	for i, r := range e.Remediation {
		if i == 0 {
			out = append(out, "What to do:")
		}
		out = append(out, fmt.Sprintf("%d. %s", i+1, r))
	}
	if e.Rule != nil && len(e.Rule.FalsePositives) > 0 {
		var harmless []string
		for _, f := range e.Rule.FalsePositives {
			harmless = append(harmless, strings.TrimSuffix(f, "."))
		}
		out = append(out, "It may be harmless: "+strings.Join(harmless, "; ")+".")
	}
	if len(e.Techniques) > 0 {
		var ids []string
		for _, t := range e.Techniques {
			ids = append(ids, t.ID+" ("+t.Link+")")
		}
		out = append(out, "In MITRE ATT&CK this is "+strings.Join(ids, ", ")+".")
	}
	for i := range out {
		out[i] = printable(out[i])
	}
	return out
}

func sentencePart(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return strings.TrimSuffix(s, ".")
}

func tellRule(e *Explanation) []string {
	a := e.Alert
	if e.Rule == nil {
		return []string{fmt.Sprintf("Detection %s, version %s, raised it; there is no detection of that name any more.", a.Rule, a.RuleVersion)}
	}
	out := []string{fmt.Sprintf("Detection %s (%s), version %s, raised it.", a.Rule, e.Rule.Source, a.RuleVersion)}
	if d := strings.Join(strings.Fields(e.Rule.Description), " "); d != "" {
		out = append(out, "What it looks for: "+sentencePart(d, "")+".")
	}
	if e.Changed {
		out = append(out, fmt.Sprintf("The detection has changed since: its version is now %s.", e.Rule.Version))
	}
	return out
}

// tellFolding says what the alert stands for.
func tellFolding(a *ledger.Alert) []string {
	s := fmt.Sprintf("It stands for %s, from %s to %s", plural(a.Count, "observation", "observations"), stamp(a.First), stamp(a.Last))
	if a.Count == 1 {
		s = fmt.Sprintf("It stands for 1 observation, at %s", stamp(a.First))
	}
	switch {
	case a.Count > int64(len(a.Evidence)) && len(a.Evidence) == ledger.MaxEvidence:
		s += fmt.Sprintf("; the first %d and the newest %d pieces of evidence are kept.", ledger.MaxEvidence/2, ledger.MaxEvidence-ledger.MaxEvidence/2)
	case a.Count > int64(len(a.Evidence)):
		s += ", which devices reported together in " + plural(int64(len(a.Evidence)), "event", "events") + "."
	default:
		s += "."
	}
	out := []string{s}
	if a.Cause != "" {
		out = append(out, "What is observed of the same device for the same cause folds into it; the cause is "+quote(a.Cause)+".")
	} else {
		out = append(out, "What is observed of the same device folds into it.")
	}
	return out
}

// tellObservation says what was seen, when, and what matched.
func tellObservation(o *Observation) string {
	var b strings.Builder
	switch o.Event {
	case "":
		fmt.Fprintf(&b, "Found by the hub itself, at %s", stamp(o.Time))
	default:
		fmt.Fprintf(&b, "Event %s (%s) in security message %d, at %s", quote(o.Event), word(o.Name), o.Sequence, stamp(o.Time))
	}
	if o.Hits > 1 {
		fmt.Fprintf(&b, ", which stands for %d", o.Hits)
	}
	for i, m := range o.Matched {
		sep := ": "
		if i > 0 {
			sep = "; "
		}
		fmt.Fprintf(&b, "%s%s is %s", sep, m.Field, quote(m.Value))
		if m.Pattern != "" {
			fmt.Fprintf(&b, ", and %s is looked for", quote(m.Pattern))
		}
		if m.Selection != "" {
			fmt.Fprintf(&b, " (%s)", m.Selection)
		}
	}
	b.WriteString(".")
	switch o.Clock {
	case ClockAhead:
		fmt.Fprintf(&b, " The device's clock is doubtful: it was ahead of the hub's by %s; the hub received this at %s.", span(o.Delay), stamp(o.Received))
	case ClockLate:
		fmt.Fprintf(&b, " The hub received this %s later, at %s: the device was off-line, or its clock is slow.", span(o.Delay), stamp(o.Received))
	case ClockHub:
		if o.Event != "" && o.Name != event.HubAuthenticationKind.String() {
			b.WriteString(" The time is the hub's: the device gave none that could be right.")
		}
	case ClockPlausible:
	}
	return printable(b.String())
}

func tellStep(s *ledger.Step) string {
	out := fmt.Sprintf("At %s %s %s it", stamp(s.Time), s.Actor, s.Action)
	switch s.Action {
	case "assigned":
		if s.Owner == "" {
			out = fmt.Sprintf("At %s %s took its owner away", stamp(s.Time), s.Actor)
		} else {
			out += " to " + quote(s.Owner)
		}
	case "noted":
		out = fmt.Sprintf("At %s %s changed its note", stamp(s.Time), s.Actor)
	case "started":
		out = fmt.Sprintf("At %s %s began to work on it", stamp(s.Time), s.Actor)
	}
	if s.Reason != "" {
		out += " (" + s.Reason + ")"
	}
	if s.Note != "" {
		out += ": " + quote(s.Note)
	}
	return out + "."
}

// tellStatus says where the alert stands and what new evidence will do.
func tellStatus(a *ledger.Alert) string {
	s := fmt.Sprintf("It is %s.", a.Status)
	if a.Owner != "" {
		s = fmt.Sprintf("It is %s, owned by %s.", a.Status, quote(a.Owner))
	}
	if a.Reopened > 0 {
		s += " New evidence has reopened it " + plural(int64(a.Reopened), "time", "times") + "."
	}
	switch {
	case a.Status.Open():
		s += " New evidence folds into it."
	case a.Status == ledger.Dismissed && a.DismissedUntil.IsZero():
		s += " New evidence is counted in silence and never reopens it."
	case a.Status == ledger.Dismissed:
		s += fmt.Sprintf(" New evidence is counted in silence until %s, and reopens it from then on.", stamp(a.DismissedUntil))
	case a.Reason == deviceDeleted:
		s += " A device of the same name will have alerts of its own."
	default:
		s += fmt.Sprintf(" New evidence until %s reopens it; later evidence raises a new alert.", stamp(a.Updated.Add(DefaultRenewal)))
	}
	return s
}
