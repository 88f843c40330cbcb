package settings

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/account"
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/sigma"
)

// rule is the page of an operator's own rule.
type rule struct {
	Nav web.SettingsNav
	// Known says that there is one of that name.
	Known bool
	Name  string
	Text  string
	May   bool
	// Lines are the text with what is wrong in it.
	Problems []problem
	Lines    []line
	// Info is what the rule would be; nil before it was checked.
	Info  *detect.Info
	Event string
	Trial *trial
	Hours string
	Err   error
}

// problem is one thing that is wrong with a rule.
type problem struct {
	Line, Column  int
	Path, Message string
}

// line is one line of a rule that has something wrong.
type line struct {
	Number int
	Text   string
	// Mark is the line below, with a sign under the column.
	Mark     string
	Messages []string
}

// trial is what a rule found in stored events.
type trial struct {
	*detect.Findings
	// Short says why not all was looked at.
	Short string
	Hits  []trialHit
}

type trialHit struct {
	Device  tvilling.DeviceID
	Time    time.Time
	Href    string
	Matched []matched
}

type matched struct{ Field, Value string }

const example = `title: Download by a shell
id: 00000000-0000-4000-8000-000000000001
description: A shell has fetched something.
logsource: {product: linux, category: process_creation}
detection:
  selection:
    CommandLine|contains: 'curl '
  condition: selection
level: medium
`

func (a *area) newRule(c *web.Call) error {
	r := &rule{Nav: c.SettingsNav("detections"), May: true, Text: example, Hours: "24", Name: c.Query("name")}
	if from := c.Query("from"); from != "" {
		v, err := a.Detections.Get(from)
		if err != nil {
			return err
		}
		if v.Text != "" {
			r.Text = v.Text
		}
	}
	return c.Page(view("New rule", "rule", r, detectionsCrumb))
}

func (a *area) rule(c *web.Call) error {
	text, err := a.Detections.Rule(c.Path("name"))
	if err != nil {
		return err
	}
	r := &rule{Nav: c.SettingsNav("detections"), Known: true, Name: c.Path("name"), Text: text, May: c.May(account.Admin), Hours: "24"}
	return c.Page(view(r.Name, "rule", r, detectionsCrumb))
}

// typed is the rule as it was typed.
func (a *area) typed(c *web.Call) *rule {
	r := &rule{Nav: c.SettingsNav("detections"), May: true, Name: c.Path("name"), Text: strings.ReplaceAll(c.Raw("text"), "\r\n", "\n"), Hours: c.Form("hours")}
	if r.Known = r.Name != ""; !r.Known {
		r.Name = c.Form("name")
	}
	if r.Hours == "" {
		r.Hours = "24"
	}
	return r
}

// checkRule says what is wrong with a rule, or tries it.
func (a *area) checkRule(c *web.Call) error {
	r := a.typed(c)
	if !r.Known && c.Form("act") == "put" {
		return a.put(c, r)
	}
	t, err := a.Detections.Trial(r.Text)
	if err != nil {
		if err := r.refuse(err); err != nil {
			return err
		}
		return a.again(c, r, http.StatusBadRequest)
	}
	r.Info, r.Event = t.Info, t.Event
	if c.Form("act") != "try" {
		return a.again(c, r, 0)
	}
	hours, err := strconv.Atoi(r.Hours)
	if err != nil || hours < 1 || hours > 24*31 {
		r.Err = tvilling.Errorf(tvilling.InvalidArgument, "Hours to look back: a whole number from 1 to 744.")
		return a.again(c, r, http.StatusBadRequest)
	}
	if r.Trial, err = a.try(c.Context(), t, time.Now().Add(-time.Duration(hours)*time.Hour)); err != nil {
		return err
	}
	return a.again(c, r, 0)
}

func (a *area) again(c *web.Call, r *rule, status int) error {
	title := r.Name
	if !r.Known {
		title = "New rule"
	}
	v := view(title, "rule", r, detectionsCrumb)
	v.Status = status
	return c.Page(v)
}

// refuse puts what is wrong with the text into r; what is no fault of the text
// is returned.
func (r *rule) refuse(err error) error {
	if list, ok := errors.AsType[sigma.Problems](err); ok {
		for _, p := range list {
			r.Problems = append(r.Problems, problem{p.Line, p.Column, p.Path, p.Message})
		}
	} else {
		switch tvilling.CodeOf(err) {
		case tvilling.InvalidArgument, tvilling.TooLarge, tvilling.Unsupported:
		default:
			return err
		}
		e, _ := errors.AsType[*tvilling.Error](err)
		p := problem{Path: e.Path, Message: e.Message}
		// Some errors have their place in the path.
		if n, scanned := fmt.Sscanf(e.Path, "line %d, column %d", &p.Line, &p.Column); scanned == nil && n == 2 {
			p.Path = ""
		}
		r.Problems = append(r.Problems, p)
	}
	r.point()
	return nil
}

// point makes the lines that have something wrong.
func (r *rule) point() {
	lines := strings.Split(r.Text, "\n")
	at := make(map[int]int)
	for _, p := range r.Problems {
		if p.Line < 1 || p.Line > len(lines) {
			continue
		}
		i, ok := at[p.Line]
		if !ok {
			text := []rune(lines[p.Line-1])
			l := line{Number: p.Line, Text: string(text[:min(len(text), 200)])}
			if p.Column > 0 && p.Column <= 200 {
				l.Mark = strings.Repeat(" ", p.Column-1) + "^"
			}
			r.Lines = append(r.Lines, l)
			i = len(r.Lines) - 1
			at[p.Line] = i
		}
		r.Lines[i].Messages = append(r.Lines[i].Messages, p.Message)
	}
}

// try looks for what a rule would have found, the newest first.
func (a *area) try(ctx context.Context, t *detect.Trial, since time.Time) (*trial, error) {
	found, err := t.Look(ctx, detect.Stored{Events: a.Events, Items: a.Items}, event.Query{From: since})
	if err != nil {
		return nil, err
	}
	out := &trial{Findings: found}
	switch found.Cut {
	case detect.CutByEvents:
		out.Short = "as many as a trial looks at"
	case detect.CutByTime:
		out.Short = "as many as could be looked at in its time"
	case detect.NotCut:
	}
	for _, f := range found.Finds {
		hit := trialHit{Device: f.Record.From.Device, Time: f.Record.Event.Time, Href: ui.URL("investigate") + fmt.Sprintf("?open=%d.%d", f.Record.Position.Sequence, f.Record.Position.Index)}
		for _, m := range f.Matched {
			hit.Matched = append(hit.Matched, matched{m.Field, m.Value})
		}
		out.Hits = append(out.Hits, hit)
	}
	return out, nil
}

// putRule puts a rule in force in the place of the one of its name.
func (a *area) putRule(c *web.Call) error { return a.put(c, a.typed(c)) }

func (a *area) put(c *web.Call, r *rule) error {
	c.Subject(r.Name)
	c.Route.Audit = "rule.put" // also where the form that checks a rule puts it
	if !r.Known {
		if _, err := a.Detections.Rule(r.Name); err == nil {
			r.Err = tvilling.Errorf(tvilling.InvalidArgument, "There is a rule %s already; open it to change it, or choose another name.", r.Name)
			return a.again(c, r, http.StatusConflict)
		}
	}
	_, err := a.Detections.PutRule(c.Context(), r.Name, r.Text, c.Actor())
	if err != nil {
		if e, ok := errors.AsType[*tvilling.Error](err); ok && e.Path == "name" {
			r.Err = err
			return a.again(c, r, http.StatusBadRequest)
		}
		if err := r.refuse(err); err != nil {
			return err
		}
		return a.again(c, r, http.StatusBadRequest)
	}
	return c.Redirect(ui.URL("settings", "detections", r.Name), "The rule "+r.Name+" is in force, for events from now on.")
}

func (a *area) downloadRule(c *web.Call) error {
	text, err := a.Detections.Rule(c.Path("name"))
	if err != nil {
		return err
	}
	// A name has letters, digits and hyphens only.
	return c.Download("application/yaml; charset=utf-8", c.Path("name")+".yml", func(emit func([]byte) error) error { return emit([]byte(text)) })
}

func (a *area) confirmDelete(c *web.Call) error {
	v, err := a.Detections.Get(c.Path("name"))
	if err != nil {
		return err
	}
	if _, err := a.Detections.Rule(v.ID); err != nil {
		return err
	}
	return c.Page(view("Delete rule", "ruledelete", &detection{watched: a.watched(v), Nav: c.SettingsNav("detections")}, detectionsCrumb))
}

func (a *area) deleteRule(c *web.Call) error {
	c.Subject(c.Path("name"))
	if err := a.Detections.DeleteRule(c.Context(), c.Path("name"), c.Actor()); err != nil {
		return err
	}
	return c.Redirect(ui.URL("settings", "detections"), "The rule "+c.Path("name")+" is deleted. Alerts that there are stay.")
}

// Problem is what was refused besides the text.
func (r *rule) Problem() any { return web.Problem(r.Err) }

// Action is the address that the form is sent to.
func (r *rule) Action() string {
	if r.Known {
		return ui.URL("settings", "rules", r.Name)
	}
	return ui.URL("settings", "rules", "new")
}
