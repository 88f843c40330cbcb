// Package overview is the first page: the security state of the fleet at a
// glance, every number a link to the list that makes it up.
package overview

import (
	"context"
	"embed"
	"net/http"
	"time"

	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/account"
	"github.com/tvilling/tvilling/internal/security/fleet"
)

//go:embed *.html
var files embed.FS

var pages = ui.Parse(files)

// Options are what the pages work with.
type Options struct {
	// Figures returns the fleet as it is now or was seconds ago.
	Figures func(ctx context.Context) (*fleet.Figures, error)
	// Registered counts the devices now: whether the hub is empty must not be
	// seconds old, for whoever has just registered the first.
	Registered func(ctx context.Context) (int64, error)
	// Changed returns a channel that is closed when there are newer figures.
	Changed func() <-chan struct{}
	// AlertAge is for how long alerts that are over are kept.
	AlertAge time.Duration
}

type overview struct{ opt Options }

// Routes are the pages of this area.
func Routes(o Options) []web.Route {
	p := &overview{opt: o}
	return []web.Route{
		{Method: http.MethodGet, Path: "/overview", Role: account.Viewer, Do: p.page},
		{Method: http.MethodGet, Path: "/live/overview", Role: account.Viewer, Stream: true, Do: p.live},
	}
}

func (p *overview) page(c *web.Call) error {
	span, err := spanOf(c.Query("range"))
	if err != nil {
		return err
	}
	f, err := p.opt.Figures(c.Context())
	if err != nil {
		return err
	}
	if f.Registered != nil && *f.Registered == 0 {
		n, err := p.opt.Registered(c.Context())
		if err != nil {
			return err
		}
		if n == 0 {
			return c.Redirect(ui.URL("start"), "")
		}
	}
	return c.Page(web.View{
		Title: "Overview", Nav: "overview", Live: ui.URL("live", "overview", span.query()),
		Template: pages, Name: "overview", Data: p.view(f, span),
	})
}

// parts are the elements of the page that are kept current.
var parts = []string{"age", "fleet", "raised", "affected", "frequent-alerts", "frequent-recommendations", "agents", "traffic", "trouble"}

func (p *overview) live(c *web.Call) error {
	span, err := spanOf(c.Query("range"))
	if err != nil {
		return err
	}
	return c.Stream(web.Stream{
		Changed: []func() <-chan struct{}{p.opt.Changed}, Every: fleet.Fresh,
		Fragments: func(ctx context.Context) ([]web.Fragment, error) {
			f, err := p.opt.Figures(ctx)
			if err != nil {
				return nil, err
			}
			v := p.view(f, span)
			list := make([]web.Fragment, 0, len(parts))
			for _, name := range parts {
				html, err := web.Render(pages, name, v)
				if err != nil {
					return nil, err
				}
				list = append(list, web.Fragment{ID: name, HTML: html})
			}
			return list, nil
		},
	})
}
