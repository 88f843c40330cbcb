package alerts

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/account"
	"github.com/tvilling/tvilling/internal/security/alert"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

const operator = account.Operator

// detail is one alert with all that belongs to it.
type detail struct {
	A           *ledger.Alert
	Headline    alert.Headline
	Rule        *alert.Rule
	Changed     bool
	Conditions  []condition
	Evidence    []observation
	Folding     string
	Steps       []step
	Remediation []string
	Techniques  []technique

	// Tag and Step say what was seen: where the alert stood, and up to which
	// step of its history.
	Tag  string
	Step uint64
	Acts []act
	May  bool
	Mine bool
	// Registered says that the device is still there.
	Registered bool

	Around *around
	Fired  int64
	// FiredHref is the list of them.
	FiredHref string
	Others    []row
	OthersAll string

	Previous, Next, NextID string
	// Query is what addresses keep of the list.
	Query url.Values
	// Sub says that the alert's title is not the page's.
	Sub bool
	// Forms are those of the acts that ask for something.
	Forms []form
}

// Sentence says what the rule looks for.
func (d *detail) Sentence() string {
	if d.Rule == nil {
		return ""
	}
	s := strings.Join(strings.Fields(d.Rule.Description), " ")
	if s != "" && !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}

// Open reports whether somebody still has to do with the alert.
func (d *detail) Open() bool { return d.A.Status.Open() }

// Status is where the alert stands, in words.
func (d *detail) Status() string { return statusWord(d.A.Status) }

// Severity is the alert's.
func (d *detail) Severity() string { return d.A.Severity.String() }

// Reason is why the alert is closed, in words.
func (d *detail) Reason() string { return reasonWord(d.A.Reason) }

// Ends are the first and the newest evidence, Between the rest of it.
func (d *detail) Ends() []observation {
	if n := len(d.Evidence); n > 2 {
		return []observation{d.Evidence[0], d.Evidence[n-1]}
	}
	return d.Evidence
}

// Between is the evidence between the first and the newest.
func (d *detail) Between() []observation {
	if n := len(d.Evidence); n > 2 {
		return d.Evidence[1 : n-1]
	}
	return nil
}

// detail reads an alert with what belongs to it. All that is read beside the
// alert is bounded.
func (p *area) detail(c *web.Call, id string, q url.Values) (*detail, error) {
	ctx := c.Context()
	e, err := p.opt.Alerts.Explain(ctx, id)
	if err != nil {
		return nil, err
	}
	a := e.Alert
	d := partial(a, c, q)
	d.Rule, d.Changed, d.Remediation, d.Techniques = e.Rule, e.Changed, e.Remediation, techniquesOf(e.Techniques)
	d.history(e.History)
	d.Sub = c.Path("id") == ""
	for _, kind := range []string{"resolve", "dismiss", "assign", "note"} {
		d.Forms = append(d.Forms, formFor(kind, d, c))
	}
	for i := range e.Observations {
		d.Evidence = append(d.Evidence, evidence(a, e.Observations[i], i, len(e.Observations)))
	}
	if len(d.Evidence) > 0 {
		d.Conditions = d.Evidence[0].Conditions
	}
	if d.Registered, err = p.opt.Registered(ctx, a.Device); err != nil {
		return nil, err
	}
	if d.Around, err = p.around(ctx, a, q); err != nil {
		return nil, err
	}
	return d, p.alike(ctx, d)
}

// partial is what is known of an alert by itself.
func partial(a *ledger.Alert, c *web.Call, q url.Values) *detail {
	return &detail{
		A: a, Headline: alert.HeadlineOf(a), Folding: folding(a), Tag: alert.StateOf(a).Tag(), Acts: actsFor(a.Status, q, a.ID), May: c.May(operator),
		Mine: a.Owner != "" && a.Owner == c.Who.User, Query: q,
	}
}

// evidence is a piece of evidence for the page.
func evidence(a *ledger.Alert, o alert.Observation, i, n int) observation {
	out := observation{Observation: o, Conditions: conditionsOf(o.Matched), Raw: rawOf(o.Item, o.Matched), Place: i}
	switch {
	case n == 1:
		out.Label = "What was observed"
	case i == 0:
		out.Label = "First observation"
	case i == n-1:
		out.Label = "Newest observation"
	default:
		out.Label = fmt.Sprintf("Observation %d of those kept", i+1)
	}
	out.Around = investigateAt(a.Device, o.Time)
	return out
}

// investigateAt is the page of all that a device told at a time.
func investigateAt(d tvilling.DeviceID, t time.Time) string {
	return ui.URL("investigate", url.Values{
		"device": {string(d)}, "from": {t.Add(-beforehand).UTC().Format(time.RFC3339)}, "to": {t.Add(afterwards).UTC().Format(time.RFC3339)},
	})
}

// folding says what the alert stands for.
func folding(a *ledger.Alert) string {
	kept := int64(len(a.Evidence))
	switch {
	case a.Count == 1:
		return "1 observation"
	case a.Count > kept && kept == ledger.MaxEvidence:
		return fmt.Sprintf("%s observations; the first %d and the newest %d are kept", ui.Count(a.Count), ledger.MaxEvidence/2, ledger.MaxEvidence-ledger.MaxEvidence/2)
	case a.Count > kept:
		return fmt.Sprintf("%s observations, told of in %s", ui.Count(a.Count), ui.Plural(kept, "event"))
	default:
		return ui.Count(a.Count) + " observations"
	}
}

// Meaning says what new evidence of the same cause will do.
func (d *detail) Meaning() string {
	a := d.A
	switch {
	case a.Status.Open():
		return "New evidence of the same cause folds into this alert."
	case a.Status == ledger.Dismissed && a.DismissedUntil.IsZero():
		return "New evidence of the same cause is counted in silence, and does not bring it back. Reopen it to hear of it again."
	case a.Status == ledger.Dismissed:
		return "New evidence of the same cause is counted in silence until then, and brings the alert back afterwards."
	case a.Reason == "deviceDeleted":
		return "The device was deleted. A device of the same name has alerts of its own."
	default:
		return "New evidence of the same cause brings it back until " + a.Updated.Add(alert.DefaultRenewal).UTC().Format("2 Jan 15:04") + " UTC, and raises another alert after that."
	}
}

// alike reads which other devices have the same, and how often it happened.
func (p *area) alike(ctx context.Context, d *detail) error {
	const (
		days   = 30
		most   = 5
		looked = 100
	)
	since := time.Now().Add(-days * 24 * time.Hour).UTC().Truncate(time.Hour)
	fired := filter{Status: []string{all}, Type: d.A.Type, From: since}
	d.FiredHref = ui.URL("alerts", fired.query())
	short, cancel := context.WithTimeout(ctx, countTime)
	defer cancel()
	n, err := p.opt.Ledger.CountAlerts(short, fired.ledger(), ui.Most+1)
	switch {
	case err == nil:
		d.Fired = int64(n)
	case short.Err() != nil && ctx.Err() == nil:
		d.Fired = -1
	default:
		return err
	}
	same := filter{Type: d.A.Type}
	d.OthersAll = ui.URL("alerts", same.query())
	seen := []tvilling.DeviceID{d.A.Device}
	i := 0
	for a, err := range p.opt.Ledger.Alerts(ctx, same.ledger(), "") {
		if tvilling.CodeOf(err) == tvilling.Corrupt {
			continue
		}
		if err != nil {
			return err
		}
		if i++; i > looked || len(d.Others) == most {
			break
		}
		if !slices.Contains(seen, a.Device) {
			seen = append(seen, a.Device)
			d.Others = append(d.Others, rowOf(a, same.query()))
		}
	}
	return nil
}
