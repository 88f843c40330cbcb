package devices

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/devicehead"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/registry"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/timeline"
)

// How much a summary has of each.
const (
	someAlerts          = 6
	someRecommendations = 6
	someEntries         = 14
	// readEntries is of how many entries these are made: those alike are told
	// once.
	readEntries = 60
)

// crumbs are the pages above those of a device.
func crumbs(more ...web.Link) []web.Link {
	return append([]web.Link{{Text: "Devices", Href: ui.URL("devices")}}, more...)
}

// under are the pages above a page of a device.
func under(d tvilling.DeviceID) []web.Link {
	return crumbs(web.Link{Text: string(d), Href: ui.URL("devices", d)})
}

// part is one side of a posture, with what to do about it.
type part struct {
	Name, Reason, Href, Act string
	Points                  int
}

// Share is how much of the whole it takes, for a bar.
func (p part) Share() int { return min(100, -p.Points) }

type summaryPage struct {
	Head        devicehead.Head
	Parts       []part
	Why         []string
	Alerts      []*ledger.Alert
	Advice      []advice
	Differences []agentconfig.Difference
	Modules     []registry.View
	Tags        []tag
	Moments     []moment
	May         bool
}

// OpenAlerts is how many alerts are open.
func (s *summaryPage) OpenAlerts() int64 { return sum(s.Head.Record.Alerts) }

// Advised is how many recommendations are active.
func (s *summaryPage) Advised() int64 { return sum(s.Head.Record.Recommendations) }

func sum(n [ledger.Severities]int32) (all int64) {
	for _, k := range n {
		all += int64(k)
	}
	return all
}

// advice is a recommendation in words.
type advice struct {
	*ledger.Recommendation

	Title string
}

// Patch reports whether there is a change of the twin that would mend it.
func (a advice) Mends() bool { return len(a.Patch) > 0 }

// summary is GET /devices/{device}.
func (p *pages) summary(c *web.Call) error {
	d, err := c.Device()
	if err != nil {
		return err
	}
	page, err := p.loadSummary(c.Context(), d, mayOperate(c))
	if err != nil {
		return err
	}
	return c.Page(web.View{
		Title: string(d), Nav: "devices", Crumbs: crumbs(), Live: ui.URL("live", "devices", d), Template: templates, Name: "device", Data: page,
	})
}

func (p *pages) loadSummary(ctx context.Context, d tvilling.DeviceID, may bool) (*summaryPage, error) {
	head, err := devicehead.Load(ctx, p.Head, d)
	if err != nil {
		return nil, err
	}
	s := &summaryPage{Head: head.At("summary"), Why: head.Posture.Why(), May: may}
	s.Parts = parts(head)
	if s.Alerts, err = p.alerts(ctx, d, true, 100); err != nil {
		return nil, err
	}
	slices.SortStableFunc(s.Alerts, func(a, b *ledger.Alert) int { return cmp.Compare(b.Severity, a.Severity) })
	s.Alerts = s.Alerts[:min(len(s.Alerts), someAlerts)]
	if s.Advice, err = p.advice(ctx, d, ledger.Active); err != nil {
		return nil, err
	}
	s.Advice = s.Advice[:min(len(s.Advice), someRecommendations)]
	if s.Differences, err = p.Differences(ctx, d); err != nil {
		return nil, err
	}
	if s.Modules, err = p.modules(ctx, d); err != nil {
		return nil, err
	}
	v, err := p.Twins.Get(ctx, tvilling.Device(d))
	if err != nil {
		return nil, err
	}
	if s.Tags, err = sectionTags(v.Tags); err != nil {
		return nil, err
	}
	t, err := p.Timeline.Page(ctx, d, timeline.Query{Limit: readEntries})
	if err != nil {
		return nil, err
	}
	s.Moments = moments(t.Entries, time.Time{})
	s.Moments = s.Moments[:min(len(s.Moments), someEntries)]
	return s, nil
}

// modules are those of a device; the damaged ones are left out, and the log
// names them.
func (p *pages) modules(ctx context.Context, d tvilling.DeviceID) ([]registry.View, error) {
	list, err := p.Registry.Modules(ctx, d)
	if tvilling.CodeOf(err) == tvilling.Corrupt || asDamage(err) {
		return list, nil
	}
	return list, err
}

// parts says what takes points from the score, and what to do.
func parts(h devicehead.Head) []part {
	p := h.Posture.Parts
	alerts := part{Name: "Open alerts", Points: p.Alerts, Reason: "none", Href: ui.URL("devices", h.Device, "alerts")}
	if n := bySeverity(h.Record.Alerts); n != "" {
		alerts.Reason, alerts.Act = n, "Work on them"
	}
	advised := part{Name: "Recommendations", Points: p.Recommendations, Reason: "none", Href: ui.URL("devices", h.Device, "recommendations")}
	if n := bySeverity(h.Record.Recommendations); n != "" {
		advised.Reason, advised.Act = n, "Mend them"
	}
	agent := part{Name: "Agent", Points: p.Agent, Reason: "is heard", Href: ui.URL("devices", h.Device, "agent")}
	switch {
	case h.Record.LastSeen.IsZero():
		agent.Reason, agent.Act = "has never been heard", "Connect an agent"
		agent.Href = ui.URL("start")
	case p.Agent < 0:
		agent.Reason, agent.Act = "not heard for "+ui.Lasts(time.Since(h.Record.LastSeen)), "See its connection"
		agent.Href = ui.URL("devices", h.Device, "timeline") + "?kind=connection"
	}
	return []part{alerts, advised, agent}
}

func bySeverity(n [ledger.Severities]int32) string {
	text := ""
	for s := ledger.Severities; s > 0; s-- {
		if k := n[s-1]; k > 0 {
			if text != "" {
				text += ", "
			}
			text += ui.Count(int64(k)) + " " + (s - 1).String()
		}
	}
	return text
}

// alerts are the newest alerts of a device, at most so many.
func (p *pages) alerts(ctx context.Context, d tvilling.DeviceID, open bool, most int) (list []*ledger.Alert, err error) {
	f := ledger.AlertFilter{Device: d}
	if open {
		f.Status = []ledger.Status{ledger.New, ledger.Acknowledged, ledger.InProgress}
	}
	for a, err := range p.Ledger.Alerts(ctx, f, "") {
		if err != nil {
			return nil, err
		}
		if list = append(list, a); len(list) == most {
			break
		}
	}
	return list, nil
}

// advice are the recommendations of a device in a state, the severest first.
func (p *pages) advice(ctx context.Context, d tvilling.DeviceID, state ledger.State) (list []advice, err error) {
	for r, err := range p.Ledger.Recommendations(ctx, ledger.RecommendationFilter{Device: d, State: state}, "", "") {
		if err != nil {
			return nil, err
		}
		a := advice{r, r.Type}
		if info, ok := p.Recommendation(r.Type); ok {
			a.Title = info.Title
		}
		list = append(list, a)
	}
	slices.SortStableFunc(list, func(a, b advice) int { return cmp.Compare(b.Severity, a.Severity) })
	return list, nil
}

// liveSummary is GET /live/devices/{device}.
func (p *pages) liveSummary(c *web.Call) error {
	d, err := c.Device()
	if err != nil {
		return err
	}
	watch := p.Pages.Devices(d)
	defer watch.Close()
	may := mayOperate(c)
	return c.Stream(web.Stream{
		Changed: []func() <-chan struct{}{watch.C, p.Concluded}, Every: again,
		Fragments: func(ctx context.Context) (list []web.Fragment, err error) {
			page, err := p.loadSummary(ctx, d, may)
			if err != nil {
				return nil, err
			}
			for _, id := range []string{"device-why", "device-alerts", "device-advice", "device-agent", "device-tags", "device-timeline"} {
				html, err := web.Render(templates, id, page)
				if err != nil {
					return nil, err
				}
				list = append(list, web.Fragment{ID: id, HTML: html})
			}
			html, err := web.Render(templates, "devicehead", page.Head)
			return append(list, web.Fragment{ID: "devicehead", HTML: html}), err
		},
	})
}
