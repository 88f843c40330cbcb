package alerts

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/security/alert"
)

// allOf is the address part of an act on all alerts of a filter.
func allOf(f filter) url.Values {
	q := f.query()
	q.Set("all", "1")
	return q
}

// manyVerbs are the acts on many alerts.
var manyVerbs = []string{"acknowledge", "start", "resolve", "dismiss", "reopen", "mine", "assign"}

// askMany is GET alerts/many: the form of an act on the alerts that were
// ticked, or on all of a filter.
func (p *area) askMany(c *web.Call) error {
	f := form{Name: c.Query("act"), All: c.Query("all") != "", Targets: c.Queries()["t"], Owner: c.Who.User}
	return p.pageMany(c, f, 0)
}

// Verbs are the acts that can be chosen.
func (a asked) Verbs() []act {
	var list []act
	for _, name := range manyVerbs {
		if v, err := verbOf(name); err == nil {
			list = append(list, act{Name: v.name, Text: v.text})
		}
	}
	return list
}

// Others says how many alerts are not listed.
func (a asked) Others() string {
	n := a.Count - int64(len(a.Rows))
	switch {
	case a.Count < 0:
		return "and others"
	case a.Count > ui.Most:
		return "and more than " + ui.Count(ui.Most-int64(len(a.Rows))) + " others"
	case n <= 0:
		return ""
	default:
		return "and " + ui.Plural(n, "other")
	}
}

// pageMany shows what is to be done, with which alerts, and asks for the rest.
func (p *area) pageMany(c *web.Call, f form, status int) error {
	q, err := parse(c.Queries())
	if err != nil {
		return err
	}
	data := asked{Filter: q, Most: int64(alert.MaxMany), Queries: q.query()}
	f.To, f.Back = ui.URL("alerts", "many", keep(c, q)), ui.URL("alerts", keep(c, q))
	title := "Act on several alerts"
	if f.Name != "" {
		v, err := verbOf(f.Name)
		if err != nil || !slices.Contains(manyVerbs, f.Name) {
			return tvilling.Errorf(tvilling.NotFound, "There is nothing called %q that can be done with several alerts.", f.Name)
		}
		f.Verb = v.name
		f.ask(v)
		title = v.text
	}
	if f.All {
		if data.Count, err = p.count(c.Context(), q); err != nil {
			return err
		}
		page, err := p.read(c.Context(), q, "", 10, q.query())
		if err != nil {
			return err
		}
		data.Rows = page.Rows
	} else {
		if err := p.ticked(c, &f, &data, q.query()); err != nil {
			return err
		}
	}
	data.Form = f
	return c.Page(web.View{
		Title: title, Nav: "alerts", Crumbs: []web.Link{{Text: "Alerts", Href: f.Back}}, Status: status, Template: pages, Name: "many", Data: data,
	})
}

// ticked reads the alerts that were ticked.
func (p *area) ticked(c *web.Call, f *form, data *asked, q url.Values) error {
	if len(f.Targets) == 0 || len(f.Targets) > alert.MaxMany {
		return tvilling.Errorf(tvilling.InvalidArgument, "Tick 1 to %s alerts in the list; %s are.", ui.Count(alert.MaxMany), ui.Count(int64(len(f.Targets))))
	}
	data.Count = int64(len(f.Targets))
	for _, t := range f.Targets[:min(10, len(f.Targets))] {
		id, _, _ := strings.Cut(t, ".")
		a, err := p.opt.Ledger.Alert(c.Context(), id)
		if err != nil {
			return err
		}
		if a != nil {
			data.Rows = append(data.Rows, rowOf(a, q))
		}
	}
	return nil
}

// actMany is POST alerts/many.
func (p *area) actMany(c *web.Call) error {
	q, err := parse(c.Queries())
	if err != nil {
		return err
	}
	f := form{Name: c.Form("act"), All: c.Form("all") != "", Targets: c.FormList("t")}
	v, err := verbOf(f.Name)
	if err != nil || !slices.Contains(manyVerbs, f.Name) {
		return tvilling.Errorf(tvilling.InvalidArgument, "Say what to do with the alerts: %s.", strings.Join(manyVerbs, ", "))
	}
	f.ask(v)
	f.typed(c)
	change, err := f.change(v, c.Who.User)
	if err != nil {
		return p.refusedMany(c, f, err)
	}
	targets := make([]alert.Target, 0, len(f.Targets))
	for _, t := range f.Targets {
		id, tag, _ := strings.Cut(t, ".")
		targets = append(targets, alert.Target{ID: id, Tag: tag})
	}
	if f.All {
		if targets, err = p.matching(c, q); err != nil {
			return err
		}
	}
	if len(targets) == 0 {
		return tvilling.Errorf(tvilling.InvalidArgument, "No alert was ticked, and none matches; nothing was done.")
	}
	out, err := p.opt.Alerts.Act(c.Context(), targets, change, c.Actor())
	if err != nil {
		if tvilling.CodeOf(err) == tvilling.InvalidArgument {
			return p.refusedMany(c, f, err)
		}
		return err
	}
	// A change that is wrong in itself was refused for each that it reached.
	wrong := slices.IndexFunc(out, func(o alert.Outcome) bool { return fieldOf(o.Err) != "" && fieldOf(o.Err) != "status" })
	if wrong >= 0 && !slices.ContainsFunc(out, func(o alert.Outcome) bool { return o.Err == nil }) {
		return p.refusedMany(c, f, out[wrong].Err)
	}
	p.acts.did(c.Who.ID, v.done, "", out)
	return c.Redirect(ui.URL("alerts", keep(c, q)), "")
}

func (p *area) refusedMany(c *web.Call, f form, problem error) error {
	f.Problem, f.Field = problem, fieldOf(problem)
	return p.pageMany(c, f, http.StatusBadRequest)
}

// fieldOf is the member that a refusal is about.
func fieldOf(err error) string {
	if e, ok := errors.AsType[*tvilling.Error](err); ok {
		return e.Path
	}
	return ""
}

// matching returns the newest alerts of a filter, as many as are changed at
// once, as they stand now. Alerts that were raised after the page was made are
// left out: nobody has seen them.
func (p *area) matching(c *web.Call, f filter) ([]alert.Target, error) {
	seen, err := time.Parse(time.RFC3339Nano, c.Form("seen"))
	if err != nil {
		return nil, tvilling.Errorf(tvilling.InvalidArgument, "The form does not say when the alerts were looked at; open the page again.")
	}
	if limit := seen.Add(time.Nanosecond); f.To.IsZero() || f.To.After(limit) {
		f.To = limit
	}
	var list []alert.Target
	n := 0
	for a, err := range p.opt.Ledger.Alerts(c.Context(), f.ledger(), "") {
		if tvilling.CodeOf(err) == tvilling.Corrupt {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n++; len(list) == alert.MaxMany || f.Text != "" && n > looked {
			break
		}
		if alert.Says(a, f.Text) {
			list = append(list, alert.Target{ID: a.ID, Tag: alert.StateOf(a).Tag()})
		}
	}
	return list, nil
}

// Seen is the time of the page.
func (a asked) Seen() string { return time.Now().UTC().Format(time.RFC3339Nano) }
