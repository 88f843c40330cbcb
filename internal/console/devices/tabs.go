package devices

import (
	"errors"
	"time"

	"github.com/tvilling/tvilling/internal/console/devicehead"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/registry"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// maxListed is how many alerts the page of a device lists.
const maxListed = 100

func asDamage(err error) bool {
	_, ok := errors.AsType[registry.Damage](err)
	return ok
}

type alertsPage struct {
	Head         devicehead.Head
	Open, Closed []*ledger.Alert
	// More says that there are more than are listed.
	More bool
}

// alertsPage is GET /devices/{device}/alerts.
func (p *pages) alertsPage(c *web.Call) error {
	d, err := c.Device()
	if err != nil {
		return err
	}
	head, err := devicehead.Load(c.Context(), p.Head, d)
	if err != nil {
		return err
	}
	all, err := p.alerts(c.Context(), d, false, maxListed)
	if err != nil {
		return err
	}
	page := &alertsPage{Head: head.At("alerts"), More: len(all) == maxListed}
	if page.Open, err = p.alerts(c.Context(), d, true, maxListed); err != nil {
		return err
	}
	for _, a := range all {
		if !a.Status.Open() {
			page.Closed = append(page.Closed, a)
		}
	}
	return c.Page(web.View{Title: "Alerts", Nav: "devices", Crumbs: under(d), Template: templates, Name: "device-alerts-page", Data: page})
}

type advicePage struct {
	Head           devicehead.Head
	Active, Mended []advice
	// Heard is when the agent was last heard, which is the proof that there is
	// nothing to recommend.
	Heard time.Time
}

// advicePage is GET /devices/{device}/recommendations.
func (p *pages) advicePage(c *web.Call) error {
	d, err := c.Device()
	if err != nil {
		return err
	}
	head, err := devicehead.Load(c.Context(), p.Head, d)
	if err != nil {
		return err
	}
	page := &advicePage{Head: head.At("recommendations"), Heard: head.Record.LastSeen}
	if page.Active, err = p.advice(c.Context(), d, ledger.Active); err != nil {
		return err
	}
	if page.Mended, err = p.advice(c.Context(), d, ledger.Mended); err != nil {
		return err
	}
	return c.Page(web.View{Title: "Recommendations", Nav: "devices", Crumbs: under(d), Template: templates, Name: "device-advice-page", Data: page})
}
