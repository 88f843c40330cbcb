package app

import (
	"context"

	"github.com/tvilling/tvilling/internal/console"
	"github.com/tvilling/tvilling/internal/console/overview"
	"github.com/tvilling/tvilling/internal/console/web"
)

// openConsole makes the pages for people.
func (a *App) openConsole() {
	a.console = console.New(console.Options{
		Accounts: a.accounts, Status: a.status, Logger: a.log.With("component", "console"),
		Devices:         a.devicePages(),
		Investigate:     a.investigatePages(),
		Twins:           a.twinPages(),
		Alerts:          a.alertPages(),
		Recommendations: a.recommendationPages(),
		Configurations:  a.configurationPages(),
		Settings:        a.settingsPages(),
		Access:          a.access(),
		Jump:            a.jumps(),
		Start:           a.startPages(),
		Overview:        overview.Options{Figures: a.fleet.Figures, Registered: a.devicesNow, Changed: a.fleet.Changed, AlertAge: a.opt.AlertAge},
	})
}

// devicesNow counts the devices.
func (a *App) devicesNow(ctx context.Context) (int64, error) {
	s, err := a.registry.Statistics(ctx)
	return s.Devices, err
}

// status is what the frame of every page shows.
func (a *App) status() web.Status {
	s := web.Status{Hub: a.hostName(), Version: a.opt.Version, Health: a.healthText(), Configurations: a.configurations.Stats().Configurations}
	if f := a.fleet.Latest(); f != nil {
		if f.Registered != nil {
			s.Devices = *f.Registered
		}
		s.High = f.Alerts["high"]
		for _, n := range f.Recommendations {
			s.Recommendations += n
		}
	}
	return s
}
