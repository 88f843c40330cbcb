package devices

import (
	"context"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/devicehead"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
)

// crumbs are the pages above those of a device.
func crumbs() []web.Link { return []web.Link{{Text: "Devices", Href: ui.URL("devices")}} }

type summaryPage struct {
	Head devicehead.Head
}

// summary is GET /devices/{device}.
func (p *pages) summary(c *web.Call) error {
	d, err := c.Device()
	if err != nil {
		return err
	}
	page, err := p.loadSummary(c.Context(), d)
	if err != nil {
		return err
	}
	return c.Page(web.View{
		Title: string(d), Nav: "devices", Crumbs: crumbs(), Live: ui.URL("live", "devices", d), Template: templates, Name: "device", Data: page,
	})
}

func (p *pages) loadSummary(ctx context.Context, d tvilling.DeviceID) (*summaryPage, error) {
	head, err := devicehead.Load(ctx, p.Head, d)
	if err != nil {
		return nil, err
	}
	return &summaryPage{Head: head.At("summary")}, nil
}

// liveSummary is GET /live/devices/{device}.
func (p *pages) liveSummary(c *web.Call) error {
	d, err := c.Device()
	if err != nil {
		return err
	}
	watch := p.Pages.Devices(d)
	defer watch.Close()
	return c.Stream(web.Stream{
		Changed: []func() <-chan struct{}{watch.C, p.Concluded}, Every: again,
		Fragments: func(ctx context.Context) ([]web.Fragment, error) {
			page, err := p.loadSummary(ctx, d)
			if err != nil {
				return nil, err
			}
			html, err := web.Render(templates, "devicehead", page.Head)
			return []web.Fragment{{ID: "devicehead", HTML: html}}, err
		},
	})
}
