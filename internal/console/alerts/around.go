package alerts

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/security/alert"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/investigate"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/wording"
)

// How far around an alert is looked for what belongs to it.
const (
	beforehand, afterwards = 10 * time.Minute, 5 * time.Minute
	// nearAlerts is how far other alerts of the device may be.
	nearAlerts = time.Hour
	// readTime is how long the reading of events may take for a page.
	readTime = 15 * time.Millisecond
	// maxMoments is how many lines the related activity has.
	maxMoments = 12
)

// moment is something that happened near the alert.
type moment struct {
	Time time.Time
	// Here is the alert itself. Severity is that of another alert, Words those
	// of an event.
	Here     bool
	Severity string
	Headline alert.Headline
	Words    wording.Sentence
	Href     string
	// Times is how many events of the same words it stands for, of which it is
	// the first.
	Times int64
}

// around is what else happened on the device around the time of the evidence.
type around struct {
	Moments []moment
	// More is where all of it is.
	More string
	// Cut says that there was more than is shown.
	Cut      bool
	Tree     []line
	Left     int
	TreeHref string
}

func (p *area) around(ctx context.Context, a *ledger.Alert, q url.Values) (*around, error) {
	at := a.First
	out := &around{More: investigateAt(a.Device, at)}
	if err := p.nearEvents(ctx, a, at, out); err != nil {
		return nil, err
	}
	if err := p.nearAlerts(ctx, a, q, out); err != nil {
		return nil, err
	}
	out.Moments = append(out.Moments, moment{Time: at, Here: true, Severity: a.Severity.String(), Headline: alert.HeadlineOf(a)})
	slices.SortStableFunc(out.Moments, func(x, y moment) int { return x.Time.Compare(y.Time) })
	out.Moments = fold(out.Moments)
	out.trim()
	return out, p.tree(ctx, a, out)
}

// fold has events of the same words stand once, where the first of them was:
// what repeats would drive out what happened once.
func fold(list []moment) []moment {
	first := make(map[string]int)
	var kept []moment
	for _, m := range list {
		if m.Here || m.Severity != "" {
			kept = append(kept, m)
			continue
		}
		words := m.Words.String()
		if at, ok := first[words]; ok {
			kept[at].Times++
			continue
		}
		m.Times = 1
		first[words] = len(kept)
		kept = append(kept, m)
	}
	return kept
}

// trim keeps what is nearest to the alert.
func (o *around) trim() {
	here := slices.IndexFunc(o.Moments, func(m moment) bool { return m.Here })
	for len(o.Moments) > maxMoments {
		o.Cut = true
		if here > len(o.Moments)-1-here {
			o.Moments, here = o.Moments[1:], here-1
		} else {
			o.Moments = o.Moments[:len(o.Moments)-1]
		}
	}
}

// nearEvents reads logins and connections.
func (p *area) nearEvents(ctx context.Context, a *ledger.Alert, at time.Time, out *around) error {
	own := make(map[string]bool)
	for i := range a.Evidence {
		own[a.Evidence[i].Event] = true
	}
	enough := within(readTime)
	// Those before and those after are read for themselves: of many, the nearest
	// count.
	for _, q := range []event.Query{
		{From: at.Add(-beforehand), To: at, Descending: true}, {From: at, To: at.Add(afterwards)},
	} {
		q.Device, q.Names = a.Device, []string{event.LoginKind.String(), event.ConnectionCreateKind.String(), event.ListeningPortsKind.String()}
		page, err := p.opt.Events.Page(ctx, q, nil, maxMoments, enough)
		if err != nil {
			return err
		}
		out.Cut = out.Cut || page.Next != nil
		for i := range page.Events {
			rec := page.Events[i].Record
			if own[rec.Event.ID] {
				continue
			}
			items, err := investigate.Items(rec)
			if err != nil {
				if tvilling.CodeOf(err) != tvilling.Corrupt {
					return err
				}
				continue
			}
			out.Moments = append(out.Moments, moment{Time: rec.Event.Time, Words: wording.Event(&rec.Event, items), Href: investigateAt(a.Device, rec.Event.Time)})
		}
	}
	return nil
}

// nearAlerts reads other alerts of the device.
func (p *area) nearAlerts(ctx context.Context, a *ledger.Alert, q url.Values, out *around) error {
	const looked = 50
	n := 0
	f := ledger.AlertFilter{Device: a.Device, RaisedFrom: a.Created.Add(-nearAlerts), RaisedTo: a.Created.Add(nearAlerts)}
	for o, err := range p.opt.Ledger.Alerts(ctx, f, "") {
		if tvilling.CodeOf(err) == tvilling.Corrupt {
			continue
		}
		if err != nil {
			return err
		}
		if n++; n > looked {
			out.Cut = true
			break
		}
		if o.ID != a.ID {
			out.Moments = append(out.Moments, moment{Time: o.First, Severity: o.Severity.String(), Headline: alert.HeadlineOf(o), Href: ui.URL("alerts", o.ID, q)})
		}
	}
	return nil
}

// tree reads the processes around the one that the evidence is about.
func (p *area) tree(ctx context.Context, a *ledger.Alert, out *around) error {
	if len(a.Evidence) == 0 {
		return nil
	}
	ev := &a.Evidence[0]
	pid := processOf(ev)
	if pid == 0 {
		return nil
	}
	scope := investigate.Scope{Device: a.Device, From: ev.Time.Add(-beforehand), To: ev.Time.Add(afterwards)}
	tree, err := p.opt.Events.Tree(ctx, scope, within(readTime))
	if err != nil {
		return err
	}
	out.Tree, out.Left = draw(tree.Forest, ev.Event, pid, ev.Time)
	out.TreeHref = ui.URL("investigate", "processes", url.Values{
		"device": {string(a.Device)}, "from": {scope.From.UTC().Format(time.RFC3339)}, "to": {scope.To.UTC().Format(time.RFC3339)},
	})
	return nil
}

// processOf is the process that evidence is about; 0 for none, as evidence of
// other kinds has.
func processOf(ev *ledger.Evidence) int64 {
	var item struct{ ProcessID int64 }
	if json.Unmarshal(ev.Item, &item) != nil {
		return 0
	}
	return item.ProcessID
}
