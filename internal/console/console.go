package console

import (
	"log/slog"
	"net/http"
	"slices"

	"github.com/tvilling/tvilling/internal/console/access"
	"github.com/tvilling/tvilling/internal/console/alerts"
	"github.com/tvilling/tvilling/internal/console/configurations"
	"github.com/tvilling/tvilling/internal/console/devices"
	"github.com/tvilling/tvilling/internal/console/investigate"
	"github.com/tvilling/tvilling/internal/console/jump"
	"github.com/tvilling/tvilling/internal/console/keys"
	"github.com/tvilling/tvilling/internal/console/overview"
	"github.com/tvilling/tvilling/internal/console/recommendations"
	"github.com/tvilling/tvilling/internal/console/settings"
	"github.com/tvilling/tvilling/internal/console/start"
	"github.com/tvilling/tvilling/internal/console/twins"
	"github.com/tvilling/tvilling/internal/console/web"
)

// Options are what the pages work with, by area.
type Options struct {
	Accounts web.Accounts
	// Status is asked for every page; it does not wait.
	Status func() web.Status
	Logger *slog.Logger

	Access          access.Options
	Overview        overview.Options
	Start           start.Options
	Jump            jump.Options
	Recommendations recommendations.Options
	Devices         devices.Options
	// Investigate is for events, processes, connections, logins and queries.
	Investigate    investigate.Options
	Alerts         alerts.Options
	Twins          twins.Options
	Configurations configurations.Options
	Settings       settings.Options
}

// Console answers requests for pages, below [web.Root].
type Console struct{ site *web.Site }

// New returns a console.
func New(o Options) *Console {
	return &Console{site: web.New(web.Options{
		Accounts: o.Accounts, Status: o.Status, Logger: o.Logger, SignIn: access.SignIn(o.Access),
		Routes: slices.Concat(
			access.Routes(o.Access),
			overview.Routes(o.Overview),
			start.Routes(o.Start),
			jump.Routes(o.Jump),
			keys.Routes(),
			devices.Routes(o.Devices),
			investigate.Routes(o.Investigate),
			alerts.Routes(o.Alerts),
			recommendations.Routes(o.Recommendations),
			twins.Routes(o.Twins),
			configurations.Routes(o.Configurations),
			settings.Routes(o.Settings),
		),
	})}
}

// ServeHTTP answers a request.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.site.ServeHTTP(w, r) }

// Routes are what the console answers.
func (c *Console) Routes() []web.Route { return c.site.Routes() }

// Stop ends what streams.
func (c *Console) Stop() { c.site.Stop() }
