package alerts

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/security/alert"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

const (
	// pageRows is how many alerts a page of the list has.
	pageRows = 40
	// looked is how many alerts are looked at for a text before a page ends.
	looked = 1000
	// countTime is how long counting may take: a page does not wait for a
	// number.
	countTime = 100 * time.Millisecond
)

// row is an alert in a list.
type row struct {
	ID string
	alert.Headline
	Severity, Status string
	Device           tvilling.DeviceID
	Owner            string
	Raised           time.Time
	Count            int64
	// Until ends a dismissal.
	Until time.Time
	// Target names the alert and where it stood.
	Target       string
	Href         string
	Current, New bool
}

func rowOf(a *ledger.Alert, q url.Values) row {
	return row{
		ID: a.ID, Headline: alert.HeadlineOf(a), Severity: a.Severity.String(), Status: statusWord(a.Status), Device: a.Device, Owner: a.Owner,
		Raised: a.Created, Count: a.Count, Until: a.DismissedUntil, Target: a.ID + "." + alert.StateOf(a).Tag(),
		Href: ui.URL("alerts", a.ID, q), New: a.Status == ledger.New,
	}
}

// page is a part of the list.
type page struct {
	Rows []row
	// Next is the id to go on after, "" at the end.
	Next string
	// Looked is how many alerts were looked at for a text, 0 without one.
	Looked int
	// Damaged counts alerts that could not be read.
	Damaged int
}

// read reads a page of the list.
func (p *area) read(ctx context.Context, f filter, after string, rows int, q url.Values) (page, error) {
	var out page
	last := ""
	for a, err := range p.opt.Ledger.Alerts(ctx, f.ledger(), after) {
		switch {
		case tvilling.CodeOf(err) == tvilling.Corrupt:
			out.Damaged++
			continue
		case err != nil:
			return out, err
		}
		if len(out.Rows) == rows || f.Text != "" && out.Looked == looked {
			out.Next = last
			return out, nil
		}
		last = a.ID
		if f.Text != "" {
			out.Looked++
			if !alert.Says(a, f.Text) {
				continue
			}
		}
		out.Rows = append(out.Rows, rowOf(a, q))
	}
	return out, nil
}

// count is how many alerts a filter selects, up to one more than are counted;
// -1 if that would take too long, or cannot be told.
func (p *area) count(ctx context.Context, f filter) (int64, error) {
	if f.Text != "" {
		return -1, nil
	}
	short, cancel := context.WithTimeout(ctx, countTime)
	defer cancel()
	n, err := p.opt.Ledger.CountAlerts(short, f.ledger(), ui.Most+1)
	switch {
	case err == nil:
		return int64(n), nil
	case ctx.Err() == nil && (short.Err() != nil || errors.Is(err, context.DeadlineExceeded)):
		return -1, nil
	default:
		return 0, err
	}
}

// triage is the list with the alert beside it.
type triage struct {
	Filter filter
	Chips  []chip
	Views  []view
	page
	Count  int64
	Pager  web.Pager
	Detail *detail
	// Own says that the page is that of the alert, and not of the list.
	Own    bool
	May    bool
	Hidden []web.Link
	Types  []Detection
	// Problem is what is wrong with the filter, Field where.
	Problem error
	Field   string
	Known   known
	Note    *note
	Back    string
	All     string
	query   url.Values
}

// known are the words that a filter can have.
type known struct{ Statuses, Severities []string }

// Has reports whether the filter asks for a word.
func (f filter) Has(list, word string) bool {
	words := f.Severity
	if list == "status" {
		words = f.Status
	}
	if slices.Contains(words, word) {
		return true
	}
	return list == "status" && word == openOnes && len(f.Status) == 0
}

// query is the part of the address that all addresses of these pages keep: the
// filter and the place in the list.
func keep(c *web.Call, f filter) url.Values {
	q := f.query()
	for _, name := range []string{"after", "trail"} {
		if v := c.Query(name); v != "" {
			q.Set(name, v)
		}
	}
	return q
}

// list is GET alerts.
func (p *area) list(c *web.Call) error {
	if id := c.Query("id"); id != "" {
		q := c.Queries()
		q.Del("id")
		return c.Redirect(ui.URL("alerts", id, q), "")
	}
	// A form sends what was left empty, too: the address is to say what is asked.
	if f, err := parse(c.Queries()); err == nil && !canonical(c.Queries()) {
		return c.Redirect(ui.URL("alerts", f.query()), "")
	}
	return p.show(c, "")
}

// canonical reports whether an address has each parameter once, and with a value.
func canonical(q url.Values) bool {
	for _, list := range q {
		if len(list) != 1 || list[0] == "" {
			return false
		}
	}
	return true
}

// one is GET alerts/{id}.
func (p *area) one(c *web.Call) error { return p.show(c, c.Path("id")) }

func (p *area) show(c *web.Call, id string) error {
	t, err := p.triage(c, id)
	if err != nil {
		return err
	}
	v := web.View{Title: "Alerts", Nav: "alerts", Full: true, Template: pages, Name: "triage", Data: t, Live: p.liveAddress(t, keep(c, t.Filter))}
	if t.Own {
		v.Title, v.Crumbs = t.Detail.Headline.What+" on "+string(t.Detail.A.Device), []web.Link{{Text: "Alerts", Href: ui.URL("alerts", keep(c, t.Filter))}}
	}
	if t.Problem != nil {
		v.Status = 400
	}
	return c.Page(v)
}

// triage makes the list and the alert of that id, or the first one.
func (p *area) triage(c *web.Call, id string) (*triage, error) {
	f, problem := parse(c.Queries())
	t := &triage{Filter: f, Chips: f.chips(), Views: f.views(c.Who.User), Own: id != "", May: c.May(operator), Problem: problem, Known: known{statuses, severities}}
	if e, ok := errors.AsType[*tvilling.Error](problem); ok {
		t.Field = e.Path
	}
	t.Types = p.opt.Detections()
	t.Note = p.acts.last(c.Who.ID)
	q := keep(c, f)
	t.query = q
	t.Back, t.All = ui.URL("alerts", q), ui.URL("alerts", "many", allOf(f))
	for name := range q {
		t.Hidden = append(t.Hidden, web.Link{Text: name, Href: q.Get(name)})
	}
	if problem == nil {
		var err error
		if t.page, err = p.read(c.Context(), f, c.After(), pageRows, q); err != nil {
			return nil, err
		}
		if t.Count, err = p.count(c.Context(), f); err != nil {
			return nil, err
		}
	}
	t.Pager = p.pager(c, t)
	if id == "" && len(t.Rows) > 0 {
		id = t.Rows[0].ID
	}
	if id == "" {
		return t, nil
	}
	var err error
	t.Detail, err = p.detail(c, id, q)
	if err != nil {
		if !t.Own && tvilling.CodeOf(err) == tvilling.NotFound { // dropped by age in this moment
			return t, nil
		}
		return nil, err
	}
	t.place()
	return t, nil
}

// pager makes the ways to other pages, which are those of the list: an alert
// of another page is not on it.
func (p *area) pager(c *web.Call, t *triage) web.Pager {
	ways := c.Pager(t.Next)
	base := func(s string) string {
		if s == "" {
			return ""
		}
		u, err := url.Parse(s)
		if err != nil {
			return ""
		}
		return ui.URL("alerts", u.Query())
	}
	return web.Pager{Previous: base(ways.Previous), Next: base(ways.Next)}
}

// place finds the alert in the list, and those before and after it.
func (t *triage) place() {
	for i := range t.Rows {
		if t.Rows[i].ID != t.Detail.A.ID {
			continue
		}
		t.Rows[i].Current = true
		if i > 0 {
			t.Detail.Previous = t.Rows[i-1].Href
		}
		switch {
		case i+1 < len(t.Rows):
			t.Detail.Next, t.Detail.NextID = t.Rows[i+1].Href, t.Rows[i+1].ID
		case t.Pager.Next != "":
			t.Detail.Next = t.Pager.Next
		}
		return
	}
	if len(t.Rows) > 0 {
		t.Detail.Next, t.Detail.NextID = t.Rows[0].Href, t.Rows[0].ID
	}
}
