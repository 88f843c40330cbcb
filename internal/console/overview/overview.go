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
)

//go:embed *.html
var files embed.FS

var pages = ui.Parse(files)

// Options are what the pages work with.
type Options struct {
	// States counts devices by the state of their posture.
	States func(ctx context.Context) (map[string]int64, error)
	// Changed returns a channel that is closed when alerts or recommendations
	// have changed.
	Changed func() <-chan struct{}
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
	states, err := p.opt.States(c.Context())
	if err != nil {
		return err
	}
	return c.Page(web.View{
		Title: "Overview", Nav: "overview", Live: ui.URL("live", "overview"), Template: pages, Name: "overview", Data: states,
	})
}

func (p *overview) live(c *web.Call) error {
	return c.Stream(web.Stream{
		Changed: []func() <-chan struct{}{p.opt.Changed}, Every: 5 * time.Second,
		Fragments: func(ctx context.Context) ([]web.Fragment, error) {
			states, err := p.opt.States(ctx)
			if err != nil {
				return nil, err
			}
			html, err := web.Render(pages, "states", states)
			return []web.Fragment{{ID: "states", HTML: html}}, err
		},
	})
}
