package timeline

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/history"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/posture"
)

func raised(a *ledger.Alert) Entry {
	e := Entry{Time: a.Created, Kind: Alert, Title: a.Title, Alert: a.ID, Severity: a.Severity.String(), Detail: "alert raised by " + a.Rule}
	if a.Rule == "" {
		e.Detail = "alert raised"
	}
	return e
}

// ofStep tells what was done about an alert; that it was raised is told of the
// alert itself.
func ofStep(a *ledger.Alert, s ledger.Step) (Entry, bool) {
	if s.Action == "raised" {
		return Entry{}, false
	}
	e := Entry{Time: s.Time, Kind: Alert, Title: "Alert " + s.Action + ": " + a.Title, Alert: a.ID, Severity: a.Severity.String(), Actor: s.Actor}
	var detail []string
	for _, part := range [][2]string{{"reason ", s.Reason}, {"note: ", s.Note}, {"owner ", s.Owner}} {
		if part[1] != "" {
			detail = append(detail, part[0]+part[1])
		}
	}
	e.Detail = strings.Join(detail, ", ")
	return e, true
}

func ofRecommendation(r *ledger.Recommendation, title string) (list []Entry) {
	if title == "" {
		title = r.Type
	}
	e := Entry{Kind: Recommendation, Severity: r.Severity.String(), Recommendation: r.Type, Actor: ""}
	if !r.Discovered.IsZero() {
		found := e
		found.Time, found.Title, found.Detail = r.Discovered, title, "recommended"
		list = append(list, found)
	}
	if r.State == ledger.Mended && !r.Resolved.IsZero() {
		mended := e
		mended.Time, mended.Title, mended.Detail = r.Resolved, title, "no longer recommended: mended"
		list = append(list, mended)
	}
	return list
}

// ofVersion tells of a change in the journal.
func ofVersion(v *history.Version) (Entry, bool) {
	e := Entry{Time: v.Time, Actor: v.Actor, Module: v.ID.Module, Version: v.Version, Sequence: v.Sequence}
	whose := ""
	if v.ID.IsModule() {
		whose = "Agent "
	}
	switch v.Op {
	case state.Connected:
		e.Kind, e.Title, e.Actor = Connection, strings.TrimSpace(whose+"connected"), ""
		e.Title = upper(e.Title) + connectedHow(v.Body)
	case state.Disconnected:
		e.Kind, e.Title, e.Actor = Connection, upper(strings.TrimSpace(whose+"disconnected")), ""
	case state.CreateDevice:
		e.Kind, e.Title = Identity, "Device registered"
	case state.CreateModule:
		e.Kind, e.Title = Identity, "Security module made"
	case state.UpdateDevice, state.UpdateModule:
		e.Kind, e.Title, e.Detail = Identity, "Identity changed", edits(v.Edits, history.Identity)
		if v.ID.IsModule() {
			e.Title = "Identity of the security module changed"
		}
		if e.Detail == "" {
			e.Detail = "its credential or etag"
		}
	case state.DeleteDevice:
		e.Kind, e.Title = Identity, "Device deleted"
	case state.DeleteModule:
		e.Kind, e.Title = Identity, "Security module deleted"
	case state.ReportTwin:
		e.Kind, e.Title, e.Detail, e.Version = Reported, upper(strings.TrimSpace(whose+"reported properties")), edits(v.Edits, history.Reported), 0
	case state.UpdateTwin, state.ReplaceTwin:
		e.Kind, e.Title, e.Detail = Twin, twinTitle(v), edits(v.Edits, history.Desired, history.Tags)
		if strings.HasPrefix(v.Actor, "configuration:") {
			e.Kind = Configuration
		}
	case state.UpdateOwned:
		return owned(e, v)
	default:
		return e, false
	}
	if v.Cause != "" {
		e.Detail = strings.TrimPrefix(e.Detail+"; "+v.Cause, "; ")
	}
	return e, true
}

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// connectedHow reads what the journal has of a connection.
func connectedHow(body []byte) string {
	var how struct{ Transport, Remote string }
	if err := json.Unmarshal(body, &how); err != nil {
		return ""
	}
	text := ""
	if how.Transport != "" {
		text += " over " + strings.ToUpper(how.Transport)
	}
	if how.Remote != "" {
		text += " from " + how.Remote
	}
	return text
}

func twinTitle(v *history.Version) string {
	tags, desired := false, false
	for _, e := range v.Edits {
		tags, desired = tags || e.Part == history.Tags, desired || e.Part == history.Desired
	}
	what := "Twin"
	switch {
	case tags && desired:
		what = "Tags and desired properties"
	case tags:
		what = "Tags"
	case desired:
		what = "Desired properties"
	}
	if v.ID.Module == tvilling.SecurityModule {
		what += " of the security twin"
	}
	text := what + " changed"
	if v.Version > 0 {
		text += ", version " + strconv.FormatInt(v.Version, 10)
	}
	return text
}

// owned tells of a member that the hub keeps: the posture, where state or score
// changed, or the marks of configurations.
func owned(e Entry, v *history.Version) (Entry, bool) {
	var score, was, configuration string
	e.Actor = "" // it is the hub, which follows what else is told
	for _, edit := range v.Edits {
		if edit.Part != history.Hub || len(edit.Path) == 0 {
			continue
		}
		switch {
		case edit.Path[0] == "configurations":
			configuration = edits(v.Edits, history.Hub)
		case edit.Path[0] != posture.Member:
		case len(edit.Path) == 1:
			// It came whole.
			var whole struct{ State string }
			if json.Unmarshal(edit.New, &whole) == nil {
				e.State = whole.State
			}
		case edit.Path[1] == "state":
			e.State, was = text(edit.New), text(edit.Old)
		case edit.Path[1] == "score":
			score = "score " + text(edit.Old) + " to " + text(edit.New)
		}
	}
	switch {
	case configuration != "":
		e.Kind, e.Title, e.Detail = Configuration, "Configurations of this twin changed", configuration
		return e, true
	case e.State != "":
		e.Kind, e.Title = Posture, "State became "+stateWord(e.State)
		if was != "" {
			e.Detail = "was " + stateWord(was)
		}
		if score != "" {
			e.Detail = strings.TrimPrefix(e.Detail+"; "+score, "; ")
		}
		return e, true
	case score != "":
		e.Kind, e.Title = Posture, upper(score)
		return e, true
	default:
		return e, false // counts and versions, which follow from what else is told
	}
}

func stateWord(s string) string {
	if s == string(posture.AtRisk) {
		return "at risk"
	}
	return s
}

// maxEdits is how many changed members a line names.
const maxEdits = 3

// edits says what changed in parts of a twin.
func edits(list []history.Edit, parts ...history.Part) string {
	var named []string
	more := 0
	for i := range list {
		e := &list[i]
		for _, p := range parts {
			if e.Part != p {
				continue
			}
			if len(named) == maxEdits {
				more++
				continue
			}
			named = append(named, change(e))
		}
	}
	line := strings.Join(named, "; ")
	if more > 0 {
		line += "; and " + strconv.Itoa(more) + " more"
	}
	return line
}

func change(e *history.Edit) string {
	name := strings.TrimPrefix(strings.TrimPrefix(e.Name(), "properties.desired."), "properties.reported.")
	switch {
	case e.Old == nil:
		return name + " set to " + text(e.New)
	case e.New == nil:
		return name + " removed"
	default:
		return name + " from " + text(e.Old) + " to " + text(e.New)
	}
}

// text is a JSON value as people read it, cut.
func text(v json.RawMessage) string {
	s := string(v)
	var plain string
	if json.Unmarshal(v, &plain) == nil {
		s = plain
	}
	const most = 60
	if utf8.RuneCountInString(s) > most {
		return string([]rune(s)[:most]) + "… (" + strconv.Itoa(len(s)) + " bytes)"
	}
	return s
}
