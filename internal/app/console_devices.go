package app

import (
	"context"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/devicehead"
	devicepages "github.com/tvilling/tvilling/internal/console/devices"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
	"github.com/tvilling/tvilling/internal/security/recommend"
)

// deviceHead are the services of the head of a device's pages.
func (a *App) deviceHead() devicehead.Services {
	return devicehead.Services{
		Identity: a.registry.Get, Record: a.plane.store.Device, Input: a.plane.posture.Input, Connection: a.sessions.Connection,
	}
}

// devicePages are what the pages of devices work with.
func (a *App) devicePages(twins *twin.Service) devicepages.Options {
	return devicepages.Options{
		Search: a.search, Registry: a.registry, Twins: twins, Ledger: a.plane.store, Head: a.deviceHead(),
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
