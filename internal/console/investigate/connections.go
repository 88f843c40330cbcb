package investigate

import (
	"fmt"
	"html/template"
	"net/url"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/investigate"
)

// connectionsPage is what the template of connections is given.
type connectionsPage struct {
	Tabs   []tab
	Scope  scope
	Answer *investigate.Summary
	Rows   []connection
	// Flagged is how many are with addresses on lists of indicators.
	Flagged int
	Events  string
	// From and To are the ends of the strips.
	From, To time.Time
	bounds
}

// connection is a line of the page.
type connection struct {
	*investigate.ConnectionGroup
	// Lists are those of indicators that have the address.
	Lists []string
	// Events is the page with the events that it was made of.
	Events string
}

// maxLines is how many lines of a summary a page shows.
const maxLines = 200

// bounds are what an answer left out.
type bounds struct {
	Complete bool
	// Through is how far the hub came if it is not complete, Later the page with
	// what comes after.
	Through       time.Time
	Later         string
	Shed, Damaged int64
	// Cut is how many lines are not shown.
	Cut int
}

func boundsOf(s *investigate.Summary, lines int, path string, sc scope) bounds {
	b := bounds{Complete: s.Complete, Through: s.Through, Shed: s.Shed, Damaged: s.Damaged, Cut: max(0, lines-maxLines)}
	if !s.Complete {
		later := sc
		later.Range, later.From = "exact", s.Through
		b.Later = address(path, later.values())
	}
	return b
}

func (a *area) connections(c *web.Call) error {
	now := time.Now()
	s, err := readScope(c, "24h", now)
	if err != nil {
		return err
	}
	done, err := a.look(c.Context())
	if err != nil {
		return err
	}
	defer done()
	p := connectionsPage{Tabs: tabs("investigate/connections", s), Scope: s, From: s.From, To: s.end(now)}
	t := within(lookTime)
	p.Answer, err = a.reader.Summary(c.Context(), investigate.Connections, investigate.Scope{Device: tvilling.DeviceID(s.Device), From: s.From, To: p.To}, t.enough)
	if err != nil {
		return err
	}
	groups, _ := p.Answer.Groups.([]*investigate.ConnectionGroup)
	p.bounds = boundsOf(p.Answer, len(groups), "investigate/connections", s)
	for _, g := range groups[:min(len(groups), maxLines)] {
		row := connection{ConnectionGroup: g, Lists: a.opt.Indicators(g.RemoteAddress), Events: a.eventsWith(s, g)}
		if len(row.Lists) > 0 {
			p.Flagged++
		}
		p.Rows = append(p.Rows, row)
	}
	v := s.values()
	v.Set("name", event.ConnectionCreateKind.String())
	p.Events = address("investigate", v)
	return c.Page(web.View{Title: "Connections", Nav: "investigate", Crumbs: crumbs, Template: pages, Name: "connections", Data: p})
}

func (a *area) eventsWith(s scope, g *investigate.ConnectionGroup) string {
	v := s.values()
	v.Set("name", event.ConnectionCreateKind.String())
	if w := condition(event.RemoteAddress.String(), "=", g.RemoteAddress); w != "" {
		v.Add("where", w)
	}
	port := event.RemotePort
	if strings.EqualFold(g.Direction, "in") {
		port = event.LocalPort
	}
	if w := condition(port.String(), "=", g.Port); w != "" {
		v.Add("where", w)
	}
	return address("investigate", v)
}

// Strip draws when the connections were: bars over the time of the page, the
// same scale for all lines.
func (c connection) Strip() template.HTML {
	if c.Activity == nil {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="strip" viewBox="0 0 %d 16" preserveAspectRatio="none" aria-hidden="true"><rect class="f-track" y="15" width="%d" height="1"/>`, 2*len(c.Activity), 2*len(c.Activity))
	for i, n := range c.Activity {
		if n > 0 {
			h := min(15, 4+int(n))
			fmt.Fprintf(&b, `<rect class="f-ink" x="%d" y="%d" width="1.6" height="%d"/>`, 2*i, 15-h, h)
		}
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()) //nolint:gosec // numbers only
}

// OfDevice is the page with what one device did of the same.
func (c connection) OfDevice(id string) string {
	return address("investigate/connections", url.Values{"device": {id}})
}
