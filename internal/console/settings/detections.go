package settings

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/account"
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// watched is a detection in the list.
type watched struct {
	detect.View

	// Alerts were raised in the last 24 hours; Href lists them.
	Alerts int64
	Href   string
	// Rule says that it is a Sigma rule, Own that an operator put it here.
	Rule, Own bool
}

type detections struct {
	Nav          web.SettingsNav
	Rows         []watched
	On, Off, Bad int
	May          bool
}

func (a *area) detections(c *web.Call) error {
	p := &detections{Nav: c.SettingsNav("detections"), May: c.May(account.Admin)}
	raised, err := a.raised(c.Context(), time.Now().Add(-24*time.Hour))
	if err != nil {
		return err
	}
	for _, v := range a.Detections.List() {
		w := a.watched(v)
		w.Alerts = raised[v.Type]
		switch {
		case !v.Enabled:
			p.Off++
		case v.Error != "":
			p.Bad++
		default:
			p.On++
		}
		p.Rows = append(p.Rows, w)
	}
	slices.SortStableFunc(p.Rows, func(a, b watched) int {
		return cmp.Or(cmp.Compare(rank(&a), rank(&b)), -cmp.Compare(a.Severity, b.Severity), strings.Compare(a.Title, b.Title))
	})
	return c.Page(view("Detections", "detections", p))
}

// rank puts first what asks for somebody.
func rank(w *watched) int {
	switch {
	case w.Enabled && w.Error != "":
		return 0
	case w.Enabled:
		return 1
	default:
		return 2
	}
}

func (a *area) watched(v detect.View) watched {
	w := watched{View: v, Rule: v.Text != ""}
	w.Href = ui.URL("alerts", url.Values{"type": {v.Type}, "status": {"all"}})
	if v.Source == detect.Operator {
		_, err := a.Detections.Rule(v.ID)
		w.Own = err == nil
	}
	return w
}

// raised counts the alerts of each type that were raised since a time.
func (a *area) raised(ctx context.Context, since time.Time) (map[string]int64, error) {
	groups, err := a.Alerts.AlertGroups(ctx, ledger.AlertFilter{RaisedFrom: since}, []string{"type"})
	if err != nil {
		return nil, err
	}
	m := make(map[string]int64, len(groups))
	for _, g := range groups {
		m[g.Values[0]] = g.Count
	}
	return m, nil
}

// detection is the page of one.
type detection struct {
	watched

	Nav   web.SettingsNav
	May   bool
	Rows  []threshold
	Wrong error
	// Closed is how many closed alerts were looked at, False how many of them
	// were dismissed or resolved as false positives; Last is the newest alert.
	Closed, False int64
	Last          time.Time
}

// threshold is a parameter with what was typed for it.
type threshold struct {
	detect.Parameter

	Value string
	Wrong bool
	// Changed says that it is not the default.
	Changed bool
}

// mostClosed is how many closed alerts are looked at for the share of false
// positives.
const mostClosed = 500

func (a *area) detection(c *web.Call) error {
	d, err := a.detectionOf(c)
	if err != nil {
		return err
	}
	return c.Page(view(d.Title, "detection", d, detectionsCrumb))
}

var detectionsCrumb = web.Link{Text: "Detections", Href: ui.URL("settings", "detections")}

func (a *area) detectionOf(c *web.Call) (*detection, error) {
	v, err := a.Detections.Get(c.Path("id"))
	if err != nil {
		return nil, err
	}
	d := &detection{watched: a.watched(v), Nav: c.SettingsNav("detections"), May: c.May(account.Admin)}
	for _, p := range v.Parameters {
		d.Rows = append(d.Rows, threshold{Parameter: p, Value: strconv.FormatInt(v.Values[p.Name], 10), Changed: v.Values[p.Name] != p.Default})
	}
	raised, err := a.raised(c.Context(), time.Now().Add(-24*time.Hour))
	if err != nil {
		return nil, err
	}
	d.Alerts = raised[v.Type]
	for al, err := range a.Alerts.Alerts(c.Context(), ledger.AlertFilter{Type: v.Type}, "") {
		if err != nil {
			return nil, err
		}
		d.Last = al.Last
		break
	}
	closed := ledger.AlertFilter{Type: v.Type, Status: []ledger.Status{ledger.Dismissed, ledger.Resolved}}
	for al, err := range a.Alerts.Alerts(c.Context(), closed, "") {
		if err != nil {
			return nil, err
		}
		if d.Closed++; al.Reason == "falsePositive" {
			d.False++
		}
		if d.Closed == mostClosed {
			break
		}
	}
	return d, nil
}

// configure sets a detection on or off, and its thresholds.
func (a *area) configure(c *web.Call) error {
	d, err := a.detectionOf(c)
	if err != nil {
		return err
	}
	c.Subject(d.ID)
	var enabled *bool
	switch c.Form("act") {
	case "on":
		enabled = new(true)
	case "off":
		enabled = new(false)
	}
	values := make(map[string]int64)
	if enabled == nil {
		for i := range d.Rows {
			t := &d.Rows[i]
			if t.Value = c.Form("parameter." + t.Name); c.Form("act") == "default" {
				t.Value = strconv.FormatInt(t.Default, 10)
			}
			n, err := strconv.ParseInt(t.Value, 10, 64)
			if err != nil || n < t.Min || n > t.Max {
				t.Wrong = true
				d.Wrong = tvilling.Errorf(tvilling.InvalidArgument, "%s has to be a whole number from %d to %d.", t.Name, t.Min, t.Max)
				continue
			}
			values[t.Name] = n
		}
	}
	if d.Wrong == nil {
		_, d.Wrong = a.Detections.Configure(c.Context(), d.ID, enabled, values, c.Actor())
		if code := tvilling.CodeOf(d.Wrong); d.Wrong != nil && code != tvilling.InvalidArgument {
			return d.Wrong
		}
	}
	if d.Wrong != nil {
		v := view(d.Title, "detection", d, detectionsCrumb)
		v.Status = http.StatusBadRequest
		return c.Page(v)
	}
	note := "The thresholds of " + d.ID + " are set, for events from now on."
	if enabled != nil {
		note = d.ID + map[bool]string{true: " is on, for events from now on.", false: " is off. Alerts that there are stay."}[*enabled]
	}
	return c.Redirect(ui.URL("settings", "detections", d.ID), note)
}

// Problem is what was refused.
func (d *detection) Problem() any { return web.Problem(d.Wrong) }

// Share is how many of the closed alerts were false positives.
func (d *detection) Share() string { return ui.Percent(d.False, d.Closed) }
