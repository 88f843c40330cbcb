// Package devices are the pages of the devices of a hub: the list of them,
// found by a query, and for each device its summary, timeline, alerts,
// recommendations and identity.
package devices

import (
	"context"
	"embed"
	"iter"
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

// Options are what the pages work with.
type Options struct {
	Search   Search
	Registry Registry
	Twins    Twins
	Ledger   Ledger
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
	return []web.Route{
		get("/devices", func(c *web.Call) error { return p.list(c, c.Queries(), nil) }),
		stream("/live/devices", p.live),
		get("/devices/filter", p.addFilter),
		get("/devices/{device}", p.summary),
		stream("/live/devices/{device}", p.liveSummary),
	}
}
