package configurations

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/account"
)

// detail is the page of one configuration.
type detail struct {
	*standing

	May bool
	// Tab is "progress" or "history".
	Tab  string
	Acts []act
}

// custom is a metric of the operator's own with its result.
type custom struct {
	Name, Query string
	Result      int64
	Known       bool
	Failed      string
}

func (a *area) page(c *web.Call) error {
	d, err := a.detail(c)
	if err != nil {
		return err
	}
	v := view(d.ID(), "page", d)
	v.Live = ui.URL("live", "configurations", d.ID())
	return c.Page(v)
}

func (a *area) detail(c *web.Call) (*detail, error) {
	conf, err := a.Service.Get(c.Context(), c.Path("id"))
	if err != nil {
		return nil, err
	}
	ctx, done := context.WithTimeout(c.Context(), figuresTime)
	defer done()
	s, err := a.standing(ctx, conf)
	if err != nil {
		return nil, err
	}
	s.Notices = a.Service.Notices(conf)
	d := &detail{standing: s, May: c.May(account.Operator), Tab: "progress"}
	if d.May {
		d.Acts = s.acts()
	}
	return d, nil
}

func (a *area) pageLive(c *web.Call) error {
	return c.Stream(web.Stream{Every: liveEvery, Fragments: func(context.Context) ([]web.Fragment, error) {
		d, err := a.detail(c)
		if tvilling.CodeOf(err) == tvilling.ConfigurationNotFound {
			err = tvilling.Errorf(tvilling.ConfigurationNotFound, "This configuration was deleted.")
		}
		if err != nil {
			return nil, err
		}
		var list []web.Fragment
		for id, name := range map[string]string{"head": "confighead", "standing": "standing", "metrics": "metrics", "sharing": "sharing"} {
			html, err := web.Render(pages, name, d)
			if err != nil {
				return nil, err
			}
			list = append(list, web.Fragment{ID: id, HTML: html})
		}
		slices.SortFunc(list, func(a, b web.Fragment) int { return cmpText(a.ID, b.ID) })
		return list, nil
	}})
}

func cmpText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	default:
		return 0
	}
}

// Custom are the metrics of the operator's own.
func (d *detail) Custom() (list []custom) {
	for _, name := range slices.Sorted(maps.Keys(d.Configuration.Metrics)) {
		m := custom{Name: name, Query: d.Configuration.Metrics[name], Failed: d.Metrics.Failed[name]}
		m.Result, m.Known = d.Metrics.Custom[name]
		list = append(list, m)
	}
	return list
}

// Labels are the labels in the order of their names.
func (d *detail) LabelList() (list []value) {
	for _, name := range slices.Sorted(maps.Keys(d.Labels)) {
		list = append(list, value{Path: name, JSON: d.Labels[name]})
	}
	return list
}

// Feeds are the notices that are about the configuration alone, Shared those
// that are about places that others want, too.
func (d *detail) Feeds() []string {
	var list []string
	for _, n := range d.Notices {
		if n.Configuration == "" {
			list = append(list, n.Message)
		}
	}
	return list
}

// shared is a place that another configuration wants, too.
type shared struct {
	Other, Href, Path string
	Yields            bool
}

// Shared are the places that others want, too.
func (d *detail) Shared() (list []shared) {
	for _, n := range d.Notices {
		if n.Configuration != "" {
			list = append(list, shared{Other: n.Configuration, Href: ui.URL("configurations", n.Configuration), Path: n.Path, Yields: n.Yields})
		}
	}
	return list
}

// WaitText is how long a step is watched.
func (d *detail) WaitText() string {
	if d.Configuration.Rollout == nil || d.Configuration.Rollout.Wait <= 0 {
		return "for nothing"
	}
	return ui.Lasts(time.Duration(d.Configuration.Rollout.Wait))
}

// Health says the rule by which a rollout stops, in a sentence; "" for none.
func (d *detail) Health() string {
	r := d.Configuration.Rollout
	if r == nil || r.Unhealthy == "" {
		return ""
	}
	limit := "any twin"
	if r.Limit.Percent > 0 || r.Limit.Count > 0 {
		limit = "more than " + r.Limit.String() + " of the twins"
	}
	does := "it halts and leaves what is done"
	if r.OnUnhealthy == "rollback" {
		does = "it takes everything back"
	}
	return fmt.Sprintf("If %s that have it meet the condition, %s.", limit, does)
}
