package start

import (
	"context"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// progress is how far a device has come.
type progress struct {
	Device     tvilling.DeviceID
	Registered bool
	Created    time.Time
	// Connected says that the device or its agent is connected, Since from when
	// on; without it, Since is when it last was.
	Connected bool
	Since     time.Time
	// Heard is when the newest security message came.
	Heard   time.Time
	Version string
	Alert   *ledger.Alert
}

// Place is the page of the device.
func (p progress) Place() string { return ui.URL("devices", p.Device) }

// AlertPlace is the page of the alert.
func (p progress) AlertPlace() string { return ui.URL("alerts", p.Alert.ID) }

// progress looks how far a device has come; without a device that is nowhere.
func (p *start) progress(ctx context.Context, id tvilling.DeviceID) (progress, error) {
	v := progress{Device: id}
	if id == "" {
		return v, nil
	}
	rec, err := p.opt.Registry.Get(ctx, tvilling.Device(id))
	if tvilling.CodeOf(err) == tvilling.DeviceNotFound {
		return v, nil
	}
	if err != nil {
		return v, err
	}
	v.Registered, v.Created, v.Connected, v.Since = true, rec.Created, rec.Connected, rec.StateUpdated
	if !v.Connected {
		module, err := p.opt.Registry.Get(ctx, tvilling.Identity{Device: id, Module: tvilling.SecurityModule})
		switch {
		case tvilling.CodeOf(err) == tvilling.ModuleNotFound, tvilling.CodeOf(err) == tvilling.DeviceNotFound:
		case err != nil:
			return v, err
		case module.Connected, module.StateUpdated.After(v.Since):
			v.Connected, v.Since = module.Connected, module.StateUpdated
		}
	}
	d, err := p.opt.Record(ctx, id)
	if err != nil {
		return v, err
	}
	if d != nil {
		v.Heard, v.Version = d.LastSeen, d.AgentVersion
	}
	v.Alert, err = p.opt.Alert(ctx, id)
	return v, err
}

// live keeps the progress of a device current.
func (p *start) live(c *web.Call) error {
	id := tvilling.DeviceID(c.Query("device"))
	if id != "" {
		if err := tvilling.Device(id).Check(); err != nil {
			return err
		}
	}
	changed := []func() <-chan struct{}{p.opt.Concluded}
	if id != "" {
		w := p.opt.Pages.Devices(id)
		defer w.Close()
		changed = append(changed, w.C)
	}
	return c.Stream(web.Stream{
		Changed: changed, Every: 5 * time.Second,
		Fragments: func(ctx context.Context) ([]web.Fragment, error) {
			v, err := p.progress(ctx, id)
			if err != nil {
				return nil, err
			}
			html, err := web.Render(pages, "progress", v)
			return []web.Fragment{{ID: "progress", HTML: html}}, err
		},
	})
}
