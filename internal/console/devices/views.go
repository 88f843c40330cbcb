package devices

import (
	"context"
	"net/url"

	"github.com/tvilling/tvilling/internal/console/ui"
)

// view is a condition that is asked for often.
type view struct {
	Name, Title, Href string
	Current           bool
	// Count is how many devices it finds, "" where counting would look at every
	// device.
	Count string
	text  string
}

// views are the conditions that have tabs.
var views = []view{
	{Name: "all", Title: "All"},
	{Name: "not-healthy", Title: "Not healthy", text: "modules.security.state IN ['unhealthy', 'atRisk']"},
	{Name: "silent", Title: "Agent not heard", text: "modules.security.parts.agent < 0"},
	{Name: "differs", Title: "Out of sync", text: "modules.security.configuration = 'differs'"},
	{Name: "no-agent", Title: "No agent", text: "NOT IS_DEFINED(modules.security.agent.version)"},
	{Name: "off", Title: "Disconnected", text: "connectionState = 'Disconnected' AND modules.connectionState = 'Disconnected'"},
	{Name: "original", Title: "Original agents", text: "IS_DEFINED(modules.security.agent.version) AND NOT IS_DEFINED(modules.properties.reported.tvillingAgent)"},
}

// views are the tabs of a page of the list.
func (p *pages) views(ctx context.Context, l listing) []view {
	list := make([]view, len(views))
	copy(list, views)
	for i := range list {
		v := &list[i]
		q := url.Values{}
		if v.text != "" {
			q.Set("q", v.text)
		}
		if l.sort.Name != "" {
			q.Set("sort", l.sort.Name)
		}
		v.Href = address(q)
		v.Current = v.text == l.condition.text && l.from == withModules
		n, ok, err := p.viewCount(ctx, v.text)
		switch {
		case err != nil:
			p.Logger.WarnContext(ctx, "devices of a view not counted", "view", v.Name, "error", err)
		case ok:
			v.Count = ui.Capped(n)
			if v.text == "" {
				v.Count = ui.Count(n)
			}
		}
	}
	return list
}

func (p *pages) viewCount(ctx context.Context, text string) (n int64, ok bool, err error) {
	stats, err := p.Registry.Statistics(ctx)
	if err != nil {
		return 0, false, err
	}
	if text == "" {
		return stats.Devices, true, nil
	}
	c, err := readCondition(text)
	if err != nil {
		return 0, false, err
	}
	return p.counts.of(ctx, c, withModules, stats.Devices, false)
}
