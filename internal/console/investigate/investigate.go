// Package investigate is where people look for what happened: stored security
// events, processes, connections and logins, and queries over all twins.
//
// Every page looks for a bounded time at a bounded number of events, and says
// what it did not look at and how to go on.
package investigate

import (
	"context"
	"embed"
	"iter"
	"net/http"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/account"
	"github.com/tvilling/tvilling/internal/hub/live"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/search"
	"github.com/tvilling/tvilling/internal/security/investigate"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

//go:embed *.html
var files embed.FS

var pages = ui.Parse(files)

// Search answers queries over twins; a [search.Service] does.
type Search interface {
	Run(ctx context.Context, q *query.Query, o query.Options) (*query.Page, error)
	Explain(ctx context.Context, q *query.Query, o query.Options, run bool) (*search.Explanation, error)
}

// Path is a member of twins that queries can name.
type Path struct {
	Name string
	// Module says that modules have it, not devices.
	Module bool
	// Rows is how many have it, Values how many different ones there are.
	Rows   int64
	Values int
}

// Options are what the pages work with.
type Options struct {
	// Hub names the hub in exports.
	Hub string
	// Events yields stored events.
	Events investigate.Events
	// EventsChanged returns a channel that is closed after the next event is
	// stored.
	EventsChanged func() <-chan struct{}
	// Alerts yields alerts, for the marks at what they were raised for.
	Alerts func(ctx context.Context, f ledger.AlertFilter, after string) iter.Seq2[*ledger.Alert, error]
	// Indicators returns the lists of indicators that have a value.
	Indicators func(value string) []string

	Search Search
	// Live opens a live query.
	Live func(ctx context.Context, text, cursor string) (*live.Subscription, error)
	// Paths returns the members of twins that the index knows.
	Paths func() []Path
}

// How long a page looks, and how much at once.
const (
	// lookTime is how long a page looks through events.
	lookTime = 2 * time.Second
	// searches is how many pages look through events at once.
	searches = 4
)

type area struct {
	opt    Options
	reader *investigate.Reader
	// looking has a place for each page that may look through events at once.
	looking chan struct{}
}

// Routes are the pages of this area.
func Routes(o Options) []web.Route {
	a := &area{opt: o, reader: investigate.NewReader(o.Events), looking: make(chan struct{}, searches)}
	get := func(path string, do func(*web.Call) error) web.Route {
		return web.Route{Method: http.MethodGet, Path: path, Role: account.Viewer, Do: do}
	}
	stream := func(path string, do func(*web.Call) error) web.Route {
		return web.Route{Method: http.MethodGet, Path: path, Role: account.Viewer, Stream: true, Do: do}
	}
	return []web.Route{
		get("/investigate", a.events),
		stream("/live/investigate", a.liveEvents),
		stream("/investigate/export", a.exportEvents),
		get("/investigate/processes", a.processes),
		get("/investigate/connections", a.connections),
		get("/investigate/logins", a.logins),
		get("/investigate/ports", a.summary(portsTable)),
		get("/investigate/users", a.summary(usersTable)),
		get("/investigate/baseline", a.summary(baselineTable)),
		get("/query", a.query),
		get("/query/complete", a.complete),
		stream("/live/query", a.liveQuery),
		stream("/query/export", a.exportQuery),
	}
}

// look waits until the page may look through events; done gives its place back.
func (a *area) look(ctx context.Context) (done func(), err error) {
	wait := time.NewTimer(lookTime)
	defer wait.Stop()
	select {
	case a.looking <- struct{}{}:
		return func() { <-a.looking }, nil
	case <-wait.C:
	case <-ctx.Done():
	}
	return nil, tvilling.Errorf(tvilling.Throttled, "%d other pages look through events now. Try again in a few seconds.", searches)
}

// limit is the time that a page may look, and whether it ran out.
type limit struct {
	begin time.Time
	most  time.Duration
	over  bool
}

func within(most time.Duration) *limit { return &limit{begin: time.Now(), most: most} }

// enough reports whether the time is over.
func (l *limit) enough() bool {
	l.over = l.over || time.Since(l.begin) > l.most
	return l.over
}

// tab is one of the pages of this area.
type tab struct {
	Text, Href string
	Current    bool
}

// tabs are the ways between the pages, which keep device and time.
func tabs(current string, s scope) []tab {
	list := []tab{
		{Text: "Events", Href: "investigate"},
		{Text: "Processes", Href: "investigate/processes"},
		{Text: "Connections", Href: "investigate/connections"},
		{Text: "Logins", Href: "investigate/logins"},
		{Text: "Ports", Href: "investigate/ports"},
		{Text: "Accounts", Href: "investigate/users"},
		{Text: "Baseline", Href: "investigate/baseline"},
		{Text: "Query", Href: "query"},
	}
	for i := range list {
		t := &list[i]
		t.Current = t.Href == current
		if t.Href == "query" {
			t.Href = ui.URL("query")
			continue
		}
		t.Href = address(t.Href, s.values())
	}
	return list
}
