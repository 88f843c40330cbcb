package devices

import (
	"net/url"
	"slices"
	"time"

	"github.com/tvilling/tvilling/internal/console/devicehead"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/security/timeline"
)

// gap is from how long on it is said that nothing happened.
const gap = 6 * time.Hour

// moment is an entry of a timeline as it stands on a page.
type moment struct {
	timeline.Entry

	// Day is set on the first of a day, Gap where nothing happened for long
	// between it and what stands above, which is newer.
	Day string
	Gap string
	// Times is how many entries alike follow each other, down to First; they
	// are told once.
	Times int
	First time.Time
}

// Again is how often it happened besides the newest time.
func (m moment) Again() int { return m.Times - 1 }

// moments are entries, newest first, with days and gaps. What stands above the
// first one, if anything does, was at newer.
func moments(list []timeline.Entry, newer time.Time) []moment {
	out := make([]moment, 0, len(list))
	day := ""
	if !newer.IsZero() {
		day = newer.UTC().Format(time.DateOnly)
	}
	for _, e := range list {
		if n := len(out); n > 0 && alike(out[n-1].Entry, e) && e.Time.UTC().Format(time.DateOnly) == day && newer.Sub(e.Time) < gap {
			out[n-1].Times++
			out[n-1].First, newer = e.Time, e.Time
			continue
		}
		m := moment{Entry: e, Times: 1}
		if d := e.Time.UTC().Format(time.DateOnly); d != day {
			day, m.Day = d, dayWords(e.Time)
		}
		if !newer.IsZero() && newer.Sub(e.Time) >= gap {
			m.Gap = "nothing for " + ui.Lasts(newer.Sub(e.Time).Truncate(time.Minute))
		}
		newer = e.Time
		out = append(out, m)
	}
	return out
}

// alike reports whether two entries say the same of the same.
func alike(a, b timeline.Entry) bool {
	return a.Kind == b.Kind && a.Title == b.Title && a.Detail == b.Detail && a.Actor == b.Actor &&
		a.Alert == b.Alert && a.Recommendation == b.Recommendation && a.Version == b.Version
}

func dayWords(t time.Time) string {
	now := time.Now().UTC()
	switch d := t.UTC(); {
	case d.Format(time.DateOnly) == now.Format(time.DateOnly):
		return "Today, UTC"
	case d.Format(time.DateOnly) == now.AddDate(0, 0, -1).Format(time.DateOnly):
		return "Yesterday, UTC"
	default:
		return d.Format("Monday 2 January 2006, UTC")
	}
}

// Icon is the glyph of the entry.
func (m moment) Icon() string {
	switch m.Kind {
	case timeline.Alert:
		return m.Severity
	case timeline.Recommendation:
		return "s-recs"
	case timeline.Posture:
		if m.State == "atRisk" {
			return "atrisk"
		}
		if m.State != "" {
			return m.State
		}
		return "s-overview"
	case timeline.Connection:
		return "s-dot"
	case timeline.Twin:
		return "s-person"
	case timeline.Configuration:
		return "s-config"
	case timeline.Identity, timeline.Reported:
		return "s-devices"
	case timeline.Login:
		return "s-person"
	case timeline.Refusal:
		return "atrisk"
	case timeline.Agent:
		return "differs"
	}
	return "s-dot"
}

// Tone is the class of the glyph.
func (m moment) Tone() string {
	switch {
	case m.Kind == timeline.Alert && m.Severity == "high", m.State == "unhealthy":
		return "is-high"
	case m.Kind == timeline.Alert && m.Severity == "medium", m.State == "atRisk", m.Kind == timeline.Refusal:
		return "is-medium"
	case m.Kind == timeline.Alert && m.Severity == "low":
		return "is-low"
	case m.State == "healthy":
		return "is-ok"
	}
	return "is-plain"
}

// Href is where more of it stands, "" for nowhere.
func (m moment) Href(device any) string {
	switch {
	case m.Alert != "":
		return ui.URL("alerts", m.Alert)
	case m.Recommendation != "":
		return ui.URL("recommendations", m.Recommendation, device)
	case m.Event != "":
		return ui.URL("investigate", url.Values{"open": {m.Event}})
	case m.Version > 0 && m.Module != "":
		return ui.URL("devices", device, "modules", m.Module, "twin", "history", m.Version)
	case m.Version > 0:
		return ui.URL("devices", device, "twin", "history", m.Version)
	}
	return ""
}

// kindWords are the kinds of entries as filters.
var kindWords = []struct {
	Kind timeline.Kind
	Text string
}{
	{timeline.Alert, "Alerts"},
	{timeline.Posture, "Posture"},
	{timeline.Recommendation, "Recommendations"},
	{timeline.Connection, "Connections"},
	{timeline.Login, "Logins"},
	{timeline.Refusal, "Refusals"},
	{timeline.Twin, "Twin changes"},
	{timeline.Configuration, "Configurations"},
	{timeline.Agent, "Agent"},
	{timeline.Identity, "Identity"},
	{timeline.Reported, "Reported"},
}

type kindLink struct {
	Text, Value string
	On          bool
}

type timelinePage struct {
	Head    devicehead.Head
	Moments []moment
	Kinds   []kindLink
	Pager   web.Pager
	// Kept is since when changes are kept, shown at the end.
	Kept  time.Time
	Last  bool
	Short bool
	Some  bool
}

// timelinePage is GET /devices/{device}/timeline?kind=&after=.
func (p *pages) timelinePage(c *web.Call) error {
	d, err := c.Device()
	if err != nil {
		return err
	}
	head, err := devicehead.Load(c.Context(), p.Head, d)
	if err != nil {
		return err
	}
	page := &timelinePage{Head: head.At("timeline")}
	q := timeline.Query{Before: c.After()}
	asked := c.Queries()["kind"]
	for _, k := range kindWords {
		on := slices.Contains(asked, string(k.Kind)) || len(asked) == 0 && slices.Contains(timeline.Usual(), k.Kind)
		if on {
			q.Kinds = append(q.Kinds, k.Kind)
		}
		page.Kinds = append(page.Kinds, kindLink{k.Text, string(k.Kind), on})
	}
	page.Some = len(asked) > 0
	t, err := p.Timeline.Page(c.Context(), d, q)
	if err != nil {
		return err
	}
	page.Moments, page.Kept, page.Last = moments(t.Entries, time.Time{}), t.Kept, t.Next == ""
	page.Short = len(t.Entries) < timeline.DefaultLimit && t.Next != ""
	page.Pager = c.Pager(t.Next)
	return c.Page(web.View{Title: "Timeline", Nav: "devices", Crumbs: under(d), Template: templates, Name: "timeline", Data: page})
}
