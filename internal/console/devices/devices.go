// Package devices are the pages of the devices of a hub: the list of them,
// found by a query, and for each device its summary, timeline, alerts,
// recommendations and identity.
package devices

import (
	"context"
	"embed"
	"iter"
	"log/slog"
	"net/http"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/devicehead"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/wake"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/account"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/registry"
	"github.com/tvilling/tvilling/internal/hub/search"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/recommend"
	"github.com/tvilling/tvilling/internal/security/timeline"
)

//go:embed *.html
var files embed.FS

var templates = ui.Parse(files)

// Search answers queries; a [search.Service] does.
type Search interface {
	Run(ctx context.Context, q *query.Query, o query.Options) (*query.Page, error)
	Explain(ctx context.Context, q *query.Query, o query.Options, run bool) (*search.Explanation, error)
	Count(ctx context.Context, q *query.Query) (int64, error)
	Each(ctx context.Context, q *query.Query, after tvilling.Identity) iter.Seq2[tvilling.Identity, error]
	Row(ctx context.Context, id tvilling.Identity) (query.Row, error)
}

// Registry keeps identities; a [registry.Service] does.
type Registry interface {
	Get(ctx context.Context, id tvilling.Identity) (registry.View, error)
	Put(ctx context.Context, spec registry.Spec, match tvilling.Match, actor string) (registry.View, error)
	Delete(ctx context.Context, id tvilling.Identity, match tvilling.Match, actor string) error
	Modules(ctx context.Context, d tvilling.DeviceID) ([]registry.View, error)
	Keys(rec *state.Identity) (primary, secondary string, err error)
	Regenerate(ctx context.Context, id tvilling.Identity, which, actor string) (registry.View, error)
	Restore(ctx context.Context, d tvilling.DeviceID, actor string) (registry.View, error)
	Statistics(ctx context.Context) (registry.Statistics, error)
}

// Twins reads and changes twins; a [twin.Service] does.
type Twins interface {
	Get(ctx context.Context, id tvilling.Identity) (twin.View, error)
	Patch(ctx context.Context, id tvilling.Identity, u twin.Update, match tvilling.Match, actor string) (twin.View, error)
}

// Ledger has alerts and recommendations; a [ledger.Store] does.
type Ledger interface {
	Alerts(ctx context.Context, f ledger.AlertFilter, after string) iter.Seq2[*ledger.Alert, error]
	Recommendations(ctx context.Context, f ledger.RecommendationFilter, afterDevice tvilling.DeviceID, afterType string) iter.Seq2[*ledger.Recommendation, error]
}

// Timeline tells what happened to a device; a [timeline.Service] does.
type Timeline interface {
	Page(ctx context.Context, d tvilling.DeviceID, q timeline.Query) (*timeline.Page, error)
}

// Options are what the pages work with.
type Options struct {
	Search   Search
	Registry Registry
	Twins    Twins
	Ledger   Ledger
	Timeline Timeline
	Head     devicehead.Services
	// Recommendation tells of a type of recommendations.
	Recommendation func(typ string) (recommend.Info, bool)
	// Differences tells in what desired and reported agent configuration differ.
	Differences func(ctx context.Context, d tvilling.DeviceID) ([]agentconfig.Difference, error)
	// Host is the hub's name in connection strings.
	Host string
	// Pages wakes those that show a device.
	Pages *wake.Hub
	// Concluded returns a channel that is closed when alerts or recommendations
	// have changed.
	Concluded func() <-chan struct{}
	Logger    *slog.Logger
	// Batches does what is asked of many devices.
	Batches *Batches
}

type pages struct {
	Options

	counts counts
}

// Routes are the pages of this area.
func Routes(o Options) []web.Route {
	p := &pages{Options: o, counts: counts{search: o.Search}}
	get := func(path string, do func(*web.Call) error) web.Route {
		return web.Route{Method: http.MethodGet, Path: path, Role: account.Viewer, Do: do}
	}
	stream := func(path string, do func(*web.Call) error) web.Route {
		return web.Route{Method: http.MethodGet, Path: path, Role: account.Viewer, Stream: true, Do: do}
	}
	post := func(path string, role account.Role, do func(*web.Call) error) web.Route {
		return web.Route{Method: http.MethodPost, Path: path, Role: role, Do: do}
	}
	show := post("/devices/{device}/identity/keys", account.Admin, p.showKeys)
	show.Audit = "device.keys.show"
	return []web.Route{
		get("/devices", func(c *web.Call) error { return p.list(c, c.Queries(), nil) }),
		stream("/live/devices", p.live),
		get("/devices/filter", p.addFilter),
		stream("/devices/export", p.export),
		{Method: http.MethodGet, Path: "/devices/new", Role: account.Operator, Do: p.newDevice},
		post("/devices/new", account.Operator, p.register),
		post("/devices/new/many", account.Operator, p.registerMany),
		post("/bulk", account.Operator, p.bulk),
		post("/bulk/run", account.Operator, p.runBulk),
		get("/bulk/{batch}", p.outcome),
		stream("/live/bulk/{batch}", p.liveOutcome),

		get("/devices/{device}", p.summary),
		stream("/live/devices/{device}", p.liveSummary),
		get("/devices/{device}/timeline", p.timelinePage),
		get("/devices/{device}/alerts", p.alertsPage),
		get("/devices/{device}/recommendations", p.advicePage),
		{Method: http.MethodGet, Path: "/devices/{device}/tags", Role: account.Operator, Do: p.tagsPage},
		post("/devices/{device}/tags", account.Operator, p.saveTags),
		get("/devices/{device}/identity", p.identityPage),
		show,
		post("/devices/{device}/identity/regenerate", account.Admin, p.regenerate),
		post("/devices/{device}/identity/status", account.Operator, p.setStatus),
		post("/devices/{device}/identity/delete", account.Operator, p.remove),
		post("/devices/{device}/identity/modules", account.Operator, p.addModule),
		post("/devices/{device}/identity/restore", account.Operator, p.restoreModule),
		post("/devices/{device}/modules/{module}/delete", account.Operator, p.removeModule),
	}
}
