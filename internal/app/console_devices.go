package app

import (
	"context"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/devicehead"
	devicepages "github.com/tvilling/tvilling/internal/console/devices"
	"github.com/tvilling/tvilling/internal/hub/history"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
	"github.com/tvilling/tvilling/internal/security/investigate"
	"github.com/tvilling/tvilling/internal/security/recommend"
	"github.com/tvilling/tvilling/internal/security/timeline"
)

// deviceHead are the services of the head of a device's pages.
func (a *App) deviceHead() devicehead.Services {
	return devicehead.Services{
		Identity: a.registry.Get, Record: a.plane.store.Device, Input: a.plane.posture.Input, Connection: a.sessions.Connection,
	}
}

// past tells how twins were.
func (a *App) past() *history.Service {
	return history.New(a.store, a.twins, func(id tvilling.Identity) bool {
		connected, _, _ := a.sessions.Live(id)
		return connected
	})
}

// story tells what happened to a device.
func (a *App) story() *timeline.Service {
	return timeline.New(timeline.Options{
		History: a.past(), Ledger: a.plane.store, Events: a.plane.events.Events, Items: investigate.Items,
		Advice: func(typ string) string {
			info, _ := recommend.Lookup(typ)
			return info.Title
		},
	})
}

// devicePages are what the pages of devices work with.
func (a *App) devicePages() devicepages.Options {
	a.batches = devicepages.NewBatches(a.registry, a.twins)
	return devicepages.Options{
		Search: a.search, Registry: a.registry, Twins: a.twins, Ledger: a.plane.store, Timeline: a.story(), Head: a.deviceHead(),
		Batches: a.batches, Logger: a.log.With("component", "console"),
		Recommendation: recommend.Lookup, Host: a.hostName(), Pages: &a.pages, Concluded: a.plane.ledger.Changed,
		Differences: func(ctx context.Context, d tvilling.DeviceID) ([]agentconfig.Difference, error) {
			r, err := devices{a}.Report(ctx, d)
			if err != nil {
				return nil, err
			}
			return r.Configuration.Differences, nil
		},
	}
}
