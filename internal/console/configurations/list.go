package configurations

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/account"
)

// listing is the page of all configurations; a hub has at most 100.
type listing struct {
	Rows []*standing
	// Sort is the column that they are in order of.
	Sort string
	May  bool
}

// sorts are the orders of the list; each ends with the id.
var sorts = map[string]func(a, b *standing) int{
	"state": func(a, b *standing) int {
		return cmp.Or(cmp.Compare(a.Rank(), b.Rank()), -cmp.Compare(a.Priority, b.Priority))
	},
	"id":       func(*standing, *standing) int { return 0 },
	"priority": func(a, b *standing) int { return -cmp.Compare(a.Priority, b.Priority) },
	"changed":  func(a, b *standing) int { return b.Changed().Compare(a.Changed()) },
	"targeted": func(a, b *standing) int { return -cmp.Compare(a.Metrics.Targeted, b.Metrics.Targeted) },
}

func (a *area) list(c *web.Call) error {
	l, err := a.listing(c)
	if err != nil {
		return err
	}
	v := view("Configurations", "list", l)
	v.Live = ui.URL("live", "configurations", queryOf(l.Sort))
	return c.Page(v)
}

func queryOf(sort string) url.Values {
	if sort == "state" {
		return nil
	}
	return url.Values{"sort": {sort}}
}

func (a *area) listLive(c *web.Call) error {
	return c.Stream(web.Stream{Every: liveEvery, Fragments: func(context.Context) ([]web.Fragment, error) {
		l, err := a.listing(c)
		if err != nil {
			return nil, err
		}
		html, err := web.Render(pages, "rows", l)
		return []web.Fragment{{ID: "configurations", HTML: html}}, err
	}})
}

func (a *area) listing(c *web.Call) (*listing, error) {
	l := &listing{Sort: c.Query("sort"), May: c.May(account.Operator)}
	order, ok := sorts[l.Sort]
	if !ok {
		l.Sort, order = "state", sorts["state"]
	}
	all, err := a.Service.List(c.Context())
	if err != nil {
		return nil, err
	}
	ctx, done := context.WithTimeout(c.Context(), figuresTime)
	defer done()
	for _, conf := range all {
		s, err := a.standing(ctx, conf)
		if err != nil {
			return nil, err
		}
		l.Rows = append(l.Rows, s)
	}
	slices.SortStableFunc(l.Rows, func(a, b *standing) int { return cmp.Or(order(a, b), strings.Compare(a.ID(), b.ID())) })
	return l, nil
}

// SortHref is the address of the list in another order.
func (l *listing) SortHref(name string) string { return ui.URL("configurations", queryOf(name)) }

// SortText says in words what the list is in order of.
func (l *listing) SortText() string {
	return map[string]string{
		"state": "by what needs somebody", "id": "by name", "priority": "by priority, highest first", "changed": "by their last change, newest first",
		"targeted": "by their target, largest first",
	}[l.Sort]
}
