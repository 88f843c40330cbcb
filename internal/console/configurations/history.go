package configurations

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
)

// How far a history looks back, and how much of it is shown.
const (
	lookBack    = 20_000
	maxHistory  = 200
	actorPrefix = "configuration:"
)

// entry is something that happened about a configuration.
type entry struct {
	Time  time.Time
	Actor string
	// Change is what was done with the configuration itself, "" for a twin's.
	Change string
	// Twin and Href are of the twin that was written, Cause says why.
	Twin, Href, Cause string
}

// past is the page of what a configuration did.
type past struct {
	*detail

	Entries []entry
	// Looked is how many changes of the hub were looked at, More says that there
	// were more entries than are shown, Since is the time of the oldest looked at.
	Looked uint64
	More   bool
	Since  time.Time
}

// history shows what was done with a configuration and what it did, among the
// newest changes of the hub.
func (a *area) history(c *web.Call) error {
	d, err := a.detail(c)
	if err != nil {
		return err
	}
	d.Tab = "history"
	p := &past{detail: d}
	head := a.Head()
	from := head - min(head, lookBack)
	p.Looked = head - from
	for ch, err := range a.Changes(c.Context(), from) {
		if err != nil {
			return err
		}
		if p.Since.IsZero() {
			p.Since = ch.Time
		}
		e := entry{Time: ch.Time, Actor: ch.Actor, Cause: ch.Cause}
		if name, ok := strings.CutPrefix(ch.Actor, actorPrefix); ok {
			if name, _, _ = strings.Cut(name, "@"); name != d.ID() {
				continue
			}
			e.Actor = "configuration " + name
			e.Twin, e.Href = ch.ID.String(), ui.URL("devices", ch.ID.Device, "twin", "history")
			if ch.ID.IsModule() {
				e.Href = ui.URL("devices", ch.ID.Device, "modules", ch.ID.Module, "twin", "history")
			}
		} else if e.Change = changeOf(ch.Body, d.ID()); e.Change == "" {
			continue
		}
		p.Entries = append(p.Entries, e)
	}
	slices.Reverse(p.Entries)
	if len(p.Entries) > maxHistory {
		p.Entries, p.More = p.Entries[:maxHistory], true
	}
	return c.Page(view("History", "history", p, self(d.ID())))
}

// changeOf is what a change of a setting did with the configuration, "" for
// another one.
func changeOf(body []byte, id string) string {
	var b struct{ Configuration, Change string }
	if len(body) == 0 || json.Unmarshal(body, &b) != nil || b.Configuration != id {
		return ""
	}
	return b.Change
}
