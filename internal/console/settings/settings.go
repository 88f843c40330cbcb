// Package settings is the pages of the hub itself: whether it is well, what it
// keeps and for how long, its certificates, what is detected, who is told of
// alerts, and what could not be read.
package settings

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
	"github.com/tvilling/tvilling/internal/hub/health"
	"github.com/tvilling/tvilling/internal/security/deliver"
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/onboard"
)

//go:embed *.html
var files embed.FS

var pages = ui.Parse(files)

// Options are what the pages work with.
type Options struct {
	// Health returns the latest figures of the hub, with what is wrong.
	Health func() (health.Facts, []health.Fault)
	// Certificate says what the server certificate is, Authority what signs it;
	// nil if devices need not be told. AuthorityPEM is the latter as a file.
	Certificate  func() Certificate
	Authority    func() *Certificate
	AuthorityPEM func() []byte
	// Reload loads certificates, rules and indicator lists again.
	Reload     func(ctx context.Context) error
	Detections Detections
	Alerts     Alerts
	Events     func(ctx context.Context, q event.Query) iter.Seq2[*event.Record, error]
	// Items reads the payload of a stored event.
	Items   func(rec *event.Record) ([]event.Item, error)
	Letters func(ctx context.Context, device tvilling.DeviceID, before event.Position) iter.Seq2[*event.DeadLetter, error]
	Sinks   []Sink
	// Reached is where a sink sends to, for people, without what is secret.
	Reached map[string]string
	Hub     Hub
}

// Certificate is what people want to know of one.
type Certificate struct {
	Names                                []string
	Subject, Issuer, Serial, SHA256, Key string
	From, Until                          time.Time
	// Own says that the hub made it; File is where it comes from otherwise.
	Own  bool
	File string
}

// Detections lists and sets detections; a [detect.Engine] does.
type Detections interface {
	List() []detect.View
	Get(id string) (detect.View, error)
	Configure(ctx context.Context, id string, enabled *bool, parameters map[string]int64, actor string) (detect.View, error)
	Check(text string) (*detect.Info, error)
	Trial(text string) (*detect.Trial, error)
	Rule(name string) (string, error)
	PutRule(ctx context.Context, name, text, actor string) (detect.View, error)
	DeleteRule(ctx context.Context, name, actor string) error
}

// Alerts reads alerts; a [ledger.Store] does.
type Alerts interface {
	AlertGroups(ctx context.Context, f ledger.AlertFilter, by []string) ([]ledger.Group, error)
	Alerts(ctx context.Context, f ledger.AlertFilter, after string) iter.Seq2[*ledger.Alert, error]
}

// Sink is a receiver of alerts; a [deliver.Runner] is one.
type Sink interface {
	Status() deliver.Status
	Test(ctx context.Context, actor string) (deliver.Outcome, error)
	Replay(ctx context.Context, after uint64) error
}

// Hub keeps what can be switched while it runs; an [onboard.Service] does.
type Hub interface {
	Current() onboard.Settings
	Change(ctx context.Context, next onboard.Settings, actor string) error
	Progress() onboard.Progress
}

type area struct{ Options }

// liveEvery is how often the figures of an open page are looked at.
const liveEvery = 5 * time.Second

// Routes are the pages of this area.
func Routes(o Options) []web.Route {
	a := &area{o}
	get := func(path string, do func(*web.Call) error) web.Route {
		return web.Route{Method: http.MethodGet, Path: "/settings" + path, Role: account.Viewer, Do: do}
	}
	admin := func(method, path, audit string, do func(*web.Call) error) web.Route {
		return web.Route{Method: method, Path: "/settings" + path, Role: account.Admin, Audit: audit, Do: do}
	}
	live := func(path string, do func(*web.Call) error) web.Route {
		return web.Route{Method: http.MethodGet, Path: "/live/settings" + path, Role: account.Viewer, Stream: true, Do: do}
	}
	return []web.Route{
		get("", a.health), live("", a.healthLive), admin(http.MethodPost, "", "", a.change),
		get("/storage", a.storage), live("/storage", a.storageLive),
		get("/certificates", a.certificates), get("/certificates/ca.pem", a.authorityFile),
		admin(http.MethodPost, "/certificates/reload", "hub.reload", a.reload),
		get("/detections", a.detections), get("/detections/{id}", a.detection), admin(http.MethodPost, "/detections/{id}", "detection.configure", a.configure),
		admin(http.MethodGet, "/rules/new", "", a.newRule), admin(http.MethodPost, "/rules/new", "", a.checkRule),
		get("/rules/{name}", a.rule), admin(http.MethodPost, "/rules/{name}", "", a.checkRule),
		admin(http.MethodPost, "/rules/{name}/put", "rule.put", a.putRule),
		get("/rules/{name}/download", a.downloadRule),
		admin(http.MethodGet, "/rules/{name}/delete", "", a.confirmDelete), admin(http.MethodPost, "/rules/{name}/delete", "rule.delete", a.deleteRule),
		get("/sinks", a.sinks), live("/sinks", a.sinksLive),
		admin(http.MethodPost, "/sinks/{name}/test", "sink.test", a.testSink), admin(http.MethodPost, "/sinks/{name}/replay", "sink.replay", a.replaySink),
		get("/deadletters", a.letters), get("/deadletters/export", a.exportLetters),
	}
}

// crumb is the way up.
var crumb = web.Link{Text: "Settings", Href: ui.URL("settings")}

// view is a page of this area.
func view(title, name string, data any, above ...web.Link) web.View {
	v := web.View{Title: title, Nav: "settings", Template: pages, Name: name, Data: data}
	if name != "health" {
		v.Crumbs = append([]web.Link{crumb}, above...)
	}
	return v
}

// stream keeps one fragment current.
func (a *area) stream(c *web.Call, id, name string, data func(ctx context.Context) (any, error)) error {
	return c.Stream(web.Stream{Every: liveEvery, Fragments: func(ctx context.Context) ([]web.Fragment, error) {
		d, err := data(ctx)
		if err != nil {
			return nil, err
		}
		html, err := web.Render(pages, name, d)
		return []web.Fragment{{ID: id, HTML: html}}, err
	}})
}
