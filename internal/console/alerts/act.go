package alerts

import (
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/security/alert"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// act is something that an operator may do with an alert now.
type act struct {
	Name, Text, Key string
	Href            string
	// Asks says that it has a form, Primary that it is what comes next.
	Asks, Primary bool
}

// verb is what an act is in addresses, with what it makes of an alert.
type verb struct {
	name, text, key string
	status          ledger.Status
	asks            bool
	// done tells that it was done.
	done string
}

var verbs = []verb{
	{"acknowledge", "Acknowledge", "a", ledger.Acknowledged, false, "Acknowledged"},
	{"start", "Start work", "s", ledger.InProgress, false, "Started work on"},
	{"resolve", "Resolve…", "r", ledger.Resolved, true, "Resolved"},
	{"dismiss", "Dismiss…", "d", ledger.Dismissed, true, "Dismissed"},
	{"reopen", "Reopen", "", ledger.New, false, "Reopened"},
	{"assign", "Assign", "", "", true, "Assigned"},
	{"mine", "Assign to me", "m", "", false, "Assigned"},
	{"note", "Write note", "", "", true, "Wrote the note of"},
}

func verbOf(name string) (verb, error) {
	for _, v := range verbs {
		if v.name == name {
			return v, nil
		}
	}
	return verb{}, tvilling.Errorf(tvilling.NotFound, "There is nothing called %q that can be done with alerts.", name)
}

// actsFor are the acts on the status of an alert.
func actsFor(s ledger.Status, q url.Values, id string) []act {
	var list []act
	for _, v := range verbs {
		if v.status == "" || !slices.Contains(alert.Next(s), v.status) || v.status == ledger.New && s.Open() {
			continue
		}
		list = append(list, act{Name: v.name, Text: v.text, Key: v.key, Href: ui.URL("alerts", id, v.name, q), Asks: v.asks, Primary: len(list) == 0 && !v.asks})
	}
	return list
}

// form asks for what an act needs.
type form struct {
	Name, Title, Text string
	// To is where it is sent, Back where not doing it leads.
	To, Back string
	Tag      string
	Step     uint64
	Next     string
	Closes   bool
	Until    bool
	Reasons  []reason
	// What was typed.
	Reason, Note, Owner, For, At string
	Problem                      error
	Field                        string
	// Dialog says that it is in a dialog of another page.
	Dialog bool
	// Targets are many alerts, All says that they are all of a filter.
	Targets []string
	All     bool
	Verb    string
}

// Prefix begins the ids of the form's fields.
func (f form) Prefix() string {
	if f.Dialog {
		return "in-" + f.Name
	}
	return f.Name
}

// Said is what is wrong with the form.
func (f form) Said() template.HTML { return web.Problem(f.Problem) }

type reason struct{ Name, Text, Meaning string }

// reasons are why alerts are closed, in words.
func reasons() []reason {
	told := map[string]reason{
		"mitigated":     {"mitigated", "Mitigated", "what caused it is over"},
		"falsePositive": {"falsePositive", "False positive", "it did not happen; the rule is wrong"},
		"benign":        {"benign", "Benign", "it happened, and is allowed"},
		"acceptedRisk":  {"acceptedRisk", "Accepted risk", "it is known, and will stay"},
		"other":         {"other", "Other", "the note says why"},
	}
	var list []reason
	for _, name := range alert.Reasons() {
		r, ok := told[name]
		if !ok {
			r = reason{Name: name, Text: name}
		}
		list = append(list, r)
	}
	return list
}

// formFor is the form of an act on an alert, with what was typed if it is sent
// back.
func formFor(name string, d *detail, c *web.Call) form {
	v, err := verbOf(name)
	if err != nil {
		return form{}
	}
	f := form{
		Name: name, Verb: name, Text: v.text, To: ui.URL("alerts", d.A.ID, name, d.Query), Back: ui.URL("alerts", d.A.ID, d.Query), Tag: d.Tag, Step: d.Step, Next: d.NextID,
		Owner: d.A.Owner, Note: d.A.Note, Dialog: true,
	}
	f.ask(v)
	if name == "assign" && f.Owner == "" {
		f.Owner = c.Who.User
	}
	return f
}

func (f *form) ask(v verb) {
	f.Closes, f.Until = v.status == ledger.Resolved || v.status == ledger.Dismissed, v.status == ledger.Dismissed
	if f.Closes {
		f.Reasons = reasons()
	}
	switch v.name {
	case "resolve":
		f.Title, f.Text = "Resolve: it is dealt with", "Resolve"
	case "dismiss":
		f.Title, f.Text = "Dismiss: it is no news", "Dismiss"
	case "assign":
		f.Title = "Assign"
	case "note":
		f.Title = "Note"
	default:
		f.Title = v.text
	}
}

// typed reads what was typed into a form.
func (f *form) typed(c *web.Call) {
	f.Tag, f.Next = c.Form("tag"), c.Form("next")
	f.Step, _ = strconv.ParseUint(c.Form("step"), 10, 64) // a form without one shows all steps
	f.Reason, f.Owner, f.For, f.At = c.Form("reason"), c.Form("owner"), c.Form("for"), c.Form("until")
	f.Note = strings.ReplaceAll(c.Form("note"), "\r\n", "\n")
}

// change is what a form asks for.
func (f *form) change(v verb, user string) (alert.Change, error) {
	var out alert.Change
	if v.status != "" {
		out.Status = &v.status
	}
	switch v.name {
	case "mine":
		out.Owner = &user
	case "assign":
		out.Owner = &f.Owner
	case "note":
		out.Note = &f.Note
	}
	if f.Closes {
		out.Reason = &f.Reason
		if f.Note != "" {
			out.Note = &f.Note
		}
	}
	if !f.Until {
		return out, nil
	}
	until, err := f.end(time.Now())
	out.DismissedUntil = &until
	return out, err
}

// spans are how long a dismissal may be chosen to hold.
var spans = []struct {
	Value, Text string
	d           time.Duration
}{
	{"", "for good", 0},
	{"1d", "for 1 day", 24 * time.Hour},
	{"7d", "for 7 days", 7 * 24 * time.Hour},
	{"30d", "for 30 days", 30 * 24 * time.Hour},
	{"90d", "for 90 days", 90 * 24 * time.Hour},
	{"at", "until the time beside", 0},
}

// Spans are the choices of how long a dismissal holds.
func (f form) Spans() any { return spans }

// end is when a dismissal ends; the zero time for never.
func (f *form) end(now time.Time) (time.Time, error) {
	for _, s := range spans {
		switch {
		case s.Value != f.For:
		case s.d > 0:
			return now.Add(s.d).UTC().Truncate(time.Second), nil
		case f.For == "at":
			t, err := time.Parse("2006-01-02T15:04", f.At)
			if err != nil {
				e := tvilling.Errorf(tvilling.InvalidArgument, "Say until when, as 2026-01-31T12:00 (UTC).")
				e.Path = "dismissedUntil"
				return time.Time{}, e
			}
			return t.UTC(), nil
		default:
			return time.Time{}, nil
		}
	}
	e := tvilling.Errorf(tvilling.InvalidArgument, "There is no span %q to dismiss for.", f.For)
	e.Path = "dismissedUntil"
	return time.Time{}, e
}

// ask is GET alerts/{id}/{act}: the form of an act as a page of its own.
func (p *area) ask(c *web.Call) error {
	v, err := verbOf(c.Path("act"))
	if err != nil {
		return err
	}
	f, d, err := p.form(c, v)
	if err != nil {
		return err
	}
	return p.page(c, f, d, 0)
}

// form reads the alert of an address and makes the form of an act on it.
func (p *area) form(c *web.Call, v verb) (form, *detail, error) {
	q, err := parse(c.Queries())
	if err != nil {
		return form{}, nil, err
	}
	d, err := p.detail(c, c.Path("id"), keep(c, q))
	if err != nil {
		return form{}, nil, err
	}
	f := formFor(v.name, d, c)
	f.Dialog = false
	return f, d, nil
}

type asked struct {
	Form   form
	Detail *detail
	// Since is what others did meanwhile, if that is why it is asked again.
	Since    []step
	Conflict bool
	Wanted   string
	Rows     []row
	Count    int64
	Most     int64
	Filter   filter
	Queries  url.Values
}

func (p *area) page(c *web.Call, f form, d *detail, status int) error {
	crumbs := []web.Link{{Text: "Alerts", Href: ui.URL("alerts", d.Query)}, {Text: d.Headline.What, Href: f.Back}}
	return c.Page(web.View{Title: f.Title, Nav: "alerts", Crumbs: crumbs, Status: status, Template: pages, Name: "ask", Data: asked{Form: f, Detail: d}})
}

// act is POST alerts/{id}/{act}.
func (p *area) act(c *web.Call) error {
	v, err := verbOf(c.Path("act"))
	if err != nil {
		return err
	}
	q, err := parse(c.Queries())
	if err != nil {
		return err
	}
	var f form
	f.Name = v.name
	f.ask(v)
	f.typed(c)
	change, err := f.change(v, c.Who.User)
	if err != nil {
		return p.refused(c, v, f, err)
	}
	id := c.Path("id")
	out, err := p.opt.Alerts.Act(c.Context(), []alert.Target{{ID: id, Tag: f.Tag}}, change, c.Actor())
	if err == nil {
		err = out[0].Err
	}
	switch tvilling.CodeOf(err) {
	case "":
	case tvilling.PreconditionFailed:
		return p.conflict(c, v, f)
	case tvilling.InvalidArgument:
		return p.refused(c, v, f, err)
	default:
		return err
	}
	p.acts.did(c.Who.ID, v.done, alert.HeadlineOf(out[0].Alert).What+" on "+string(out[0].Alert.Device), out)
	// The cursor goes to the next alert, unless only owner or note changed.
	if v.status != "" && f.Next != "" {
		id = f.Next
	}
	return c.Redirect(ui.URL("alerts", id, keep(c, q)), "")
}

// refused shows the form again, with what was typed and what is wrong with it.
func (p *area) refused(c *web.Call, v verb, typed form, problem error) error {
	f, d, err := p.form(c, v)
	if err != nil {
		return err
	}
	f.Reason, f.Note, f.Owner, f.For, f.At = typed.Reason, typed.Note, typed.Owner, typed.For, typed.At
	f.Tag, f.Step, f.Next = typed.Tag, typed.Step, typed.Next
	f.Problem, f.Field = problem, fieldOf(problem)
	return p.page(c, f, d, http.StatusBadRequest)
}

// conflict shows what somebody else did meanwhile. Nothing was changed.
func (p *area) conflict(c *web.Call, v verb, typed form) error {
	f, d, err := p.form(c, v)
	if err != nil {
		return err
	}
	f.Reason, f.Note, f.Owner, f.For, f.At = typed.Reason, typed.Note, typed.Owner, typed.For, typed.At
	f.Next = typed.Next
	data := asked{Form: f, Detail: d, Conflict: true, Wanted: v.text}
	for _, s := range d.Steps {
		if s.Sequence > typed.Step {
			data.Since = append(data.Since, s)
		}
	}
	crumbs := []web.Link{{Text: "Alerts", Href: ui.URL("alerts", d.Query)}, {Text: d.Headline.What, Href: f.Back}}
	return c.Page(web.View{
		Title: "Somebody else changed this alert", Nav: "alerts", Crumbs: crumbs, Status: http.StatusConflict, Template: pages, Name: "ask", Data: data,
	})
}

// Possible reports whether the act can be done with the alert as it is now.
func (a asked) Possible() bool {
	v, err := verbOf(a.Form.Name)
	if err != nil || a.Detail == nil {
		return err == nil
	}
	return v.status == "" || v.status == a.Detail.A.Status || slices.Contains(alert.Next(a.Detail.A.Status), v.status)
}
