// Package configurations is the pages of automatic configurations: their list,
// how far each has come, the form that makes and changes them with a preview of
// what it would do to whom, and the acts over a rollout.
package configurations

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
	"github.com/tvilling/tvilling/internal/hub/configuration"
	"github.com/tvilling/tvilling/internal/hub/state"
)

//go:embed *.html
var files embed.FS

var pages = ui.Parse(files)

// Options are what the pages work with.
type Options struct {
	Service Service
	// Changes reads the journal after a sequence, up to its head.
	Changes func(ctx context.Context, after uint64) iter.Seq2[state.Change, error]
	// Head is the sequence of the newest change.
	Head func() uint64
}

// Service keeps configurations; a [configuration.Service] does.
type Service interface {
	List(ctx context.Context) ([]configuration.Configuration, error)
	Get(ctx context.Context, id string) (configuration.Configuration, error)
	Put(ctx context.Context, c configuration.Configuration, match tvilling.Match, actor string) (configuration.Configuration, error)
	Delete(ctx context.Context, id string, match tvilling.Match, actor string) error
	Test(target string, queries map[string]string) (targetError string, queryErrors map[string]string)
	Count(ctx context.Context, k configuration.Kind, target string) (int64, error)
	Metrics(ctx context.Context, id string) (configuration.Metrics, error)
	Progress(ctx context.Context, id string) (configuration.Progress, error)
	Plan(ctx context.Context, c configuration.Configuration, after tvilling.Identity, limit int) (*configuration.DryRun, error)
	Notices(c configuration.Configuration) []configuration.Notice
	Pause(ctx context.Context, id, actor string) (configuration.Progress, error)
	Resume(ctx context.Context, id, actor string) (configuration.Progress, error)
	Advance(ctx context.Context, id, actor string) (configuration.Progress, error)
	Rollback(ctx context.Context, id, actor string) (configuration.Progress, error)
}

type area struct{ Options }

// liveEvery is how often the figures of an open page are looked at.
const liveEvery = 2 * time.Second

// Routes are the pages of this area.
func Routes(o Options) []web.Route {
	a := &area{o}
	get := func(path string, do func(*web.Call) error) web.Route {
		return web.Route{Method: http.MethodGet, Path: path, Role: account.Viewer, Do: do}
	}
	work := func(method, path string, do func(*web.Call) error) web.Route {
		return web.Route{Method: method, Path: path, Role: account.Operator, Do: do}
	}
	live := func(path string, do func(*web.Call) error) web.Route {
		return web.Route{Method: http.MethodGet, Path: path, Role: account.Viewer, Stream: true, Do: do}
	}
	return []web.Route{
		get("/configurations", a.list),
		live("/live/configurations", a.listLive),
		work(http.MethodGet, "/configurations/new", a.newForm),
		work(http.MethodPost, "/configurations/new", a.create),
		get("/configurations/{id}", a.page),
		live("/live/configurations/{id}", a.pageLive),
		get("/configurations/{id}/history", a.history),
		work(http.MethodGet, "/configurations/{id}/edit", a.editForm),
		work(http.MethodPost, "/configurations/{id}/edit", a.update),
		work(http.MethodGet, "/configurations/{id}/copy", a.copyForm),
		work(http.MethodGet, "/configurations/{id}/{act}", a.confirm),
		work(http.MethodPost, "/configurations/{id}/{act}", a.act),
	}
}

var crumb = web.Link{Text: "Configurations", Href: ui.URL("configurations")}

// view is a page of this area.
func view(title, name string, data any, above ...web.Link) web.View {
	v := web.View{Title: title, Nav: "configurations", Template: pages, Name: name, Data: data}
	if name != "list" {
		v.Crumbs = append([]web.Link{crumb}, above...)
	}
	return v
}

// self is the link to the page of a configuration.
func self(id string) web.Link { return web.Link{Text: id, Href: ui.URL("configurations", id)} }
