package audit

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling/internal/hub/state"
)

// Entry is one act.
type Entry struct {
	// Sequence orders the log; 0 until the entry is kept.
	Sequence uint64    `json:"sequence"`
	Time     time.Time `json:"time"`
	// Actor is "user:anna", "policy:service", or "nobody" for refused sign-ins.
	Actor string `json:"actor"`
	// Action is a word with its group before it: "device.create", "user.changed".
	Action string `json:"action"`
	// Subject is what was acted upon: a device, a user, an alert.
	Subject string `json:"subject"`
	// Detail is what the source tells besides, as JSON; nil for nothing. It
	// never holds a key or a password.
	Detail json.RawMessage `json:"detail,omitempty"`
	// Source is the journal that has it, under Number there.
	Source string `json:"source"`
	Number uint64 `json:"number"`
}

// Group is the part of an action before the point.
func (e *Entry) Group() string {
	group, _, _ := strings.Cut(e.Action, ".")
	return group
}

// Audited reports whether acts of an actor belong in the log.
func Audited(actor string) bool {
	return strings.HasPrefix(actor, "user:") || strings.HasPrefix(actor, "policy:")
}

// maxDetail bounds what is kept of a change, in bytes. The journal and the
// history of twins have the whole.
const maxDetail = 1024

var actions = map[state.Op]string{
	state.CreateDevice: "device.create", state.UpdateDevice: "device.update", state.DeleteDevice: "device.delete",
	state.CreateModule: "module.create", state.UpdateModule: "module.update", state.DeleteModule: "module.delete",
	state.UpdateTwin: "twin.update", state.ReplaceTwin: "twin.replace",
	state.ChangePolicy: "policy.change", state.ChangeSetting: "settings.change", state.ChangeUser: "user.change",
	state.SignedIn: "session.begin", state.SignedOut: "session.end", state.SignInRefused: "session.refused",
}

// OfChange returns the entry of a change of the hub's journal; false for one
// that does not belong in the log.
func OfChange(c state.Change) (Entry, bool) {
	switch {
	case c.Op == state.SignInRefused, Audited(c.Actor), c.Op == state.ChangeUser:
	default:
		return Entry{}, false
	}
	e := Entry{Time: c.Time, Actor: c.Actor, Action: actions[c.Op], Subject: c.ID.String(), Detail: c.Body, Number: c.Sequence}
	if e.Action == "" {
		e.Action = string(c.Op)
	}
	e.told(c)
	switch {
	case c.Cause != "":
		e.Detail = note("cause", c.Cause)
	case len(e.Detail) > maxDetail:
		e.Detail = note("large", "The journal has the whole of this change.")
	}
	return e, true
}

// told takes out of a body what it names.
func (e *Entry) told(c state.Change) {
	if c.ID.Device != "" || len(c.Body) == 0 {
		return
	}
	var body struct{ Policy, User, Configuration, Change, Action, Subject string }
	if json.Unmarshal(c.Body, &body) != nil {
		return // it stays in Detail as it is
	}
	switch {
	case c.Op == state.Acted:
		e.Action, e.Subject, e.Detail = body.Action, body.Subject, nil
	case body.Configuration != "":
		e.Action, e.Subject, e.Detail = "configuration."+word(body.Change), body.Configuration, nil
	case body.Policy != "":
		e.Action, e.Subject, e.Detail = "policy."+word(body.Change), body.Policy, nil
	case c.Op == state.ChangeUser && body.Change != "":
		e.Action, e.Subject = "user."+word(body.Change), body.User
	case body.User != "":
		e.Subject = body.User
	case c.Op == state.ChangeSetting:
		e.Subject = "hub"
	}
}

// word makes one word of what a change is called: "regenerate primary" is
// "regenerate-primary".
func word(s string) string {
	if s == "" {
		return "change"
	}
	return strings.ReplaceAll(s, " ", "-")
}

func note(name, text string) json.RawMessage {
	b, err := json.Marshal(map[string]string{name: text})
	if err != nil {
		return nil // a map of strings always can be
	}
	return b
}

// Columns are the names of an entry's cells.
func Columns() []string {
	return []string{"sequence", "time", "actor", "action", "subject", "detail", "source", "number"}
}

// Cells are an entry as a row.
func (e *Entry) Cells() []string {
	return []string{
		strconv.FormatUint(e.Sequence, 10), e.Time.UTC().Format(time.RFC3339Nano), e.Actor, e.Action, e.Subject,
		string(e.Detail), e.Source, strconv.FormatUint(e.Number, 10),
	}
}
