package securityapi

import (
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/investigate"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// trialJSON is what a rule would have found in stored events.
type trialJSON struct {
	Rule infoJSON `json:"rule"`
	// Event is the name of the events that it looks at.
	Event   string `json:"event"`
	Looked  int    `json:"looked"`
	Found   int    `json:"found"`
	Damaged int    `json:"damaged"`
	// Cut is "events" or "time" if not all was looked at; then what is older
	// than Since was not.
	Cut   detect.Cut `json:"cut"`
	Since time.Time  `json:"since,omitzero"`
	// Matches are the newest of what was found.
	Matches []findJSON `json:"matches"`
}

// findJSON is an item of an event that the rule finds.
type findJSON struct {
	Device   tvilling.DeviceID `json:"device"`
	Time     time.Time         `json:"time"`
	Position string            `json:"position"`
	// Item is its place among the items of the event.
	Item    int            `json:"item"`
	Matched []ledger.Match `json:"matched"`
}

// tryRule is POST detections/try: says what a rule would have found in the
// events that are stored, and changes nothing.
func (h *Handler) tryRule(c *rest.Call) error {
	text, err := rule(c)
	if err != nil {
		return err
	}
	var q event.Query
	if q.Device, err = device(c); err != nil {
		return err
	}
	if q.From, q.To, err = span(c, "from", "to"); err != nil {
		return err
	}
	t, err := h.opt.Detections.Trial(text)
	if err != nil {
		return err
	}
	done, err := h.search(c.Context())
	if err != nil {
		return err
	}
	defer done()
	found, err := t.Look(c.Context(), detect.Stored{Events: h.opt.Events.Events, Items: investigate.Items}, q)
	if err != nil {
		return err
	}
	said := toInfo(t.Info)
	said.Text = ""
	out := trialJSON{
		Rule: said, Event: t.Event, Looked: found.Looked, Found: found.Found, Damaged: found.Damaged,
		Cut: found.Cut, Since: found.Since.UTC(), Matches: []findJSON{},
	}
	for _, f := range found.Finds {
		out.Matches = append(out.Matches, findJSON{f.Record.From.Device, f.Record.Event.Time.UTC(), position(f.Record.Position), f.Item, some(f.Matched)})
	}
	return c.Answer(out, "")
}
