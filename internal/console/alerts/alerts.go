// Package alerts is the pages of alerts: a list beside the alert that is open,
// made for going through many of them with the keyboard. An alert's page says
// what happened, why that is an alert, what else happened around it and what to
// do; and everything that an operator may do with it is done there, for one or
// for many.
package alerts

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
	"github.com/tvilling/tvilling/internal/security/alert"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/investigate"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

//go:embed *.html
var files embed.FS

var pages = ui.Parse(files)

// Ledger reads alerts; a [ledger.Store] does.
type Ledger interface {
	Alert(ctx context.Context, id string) (*ledger.Alert, error)
	Alerts(ctx context.Context, f ledger.AlertFilter, after string) iter.Seq2[*ledger.Alert, error]
	CountAlerts(ctx context.Context, f ledger.AlertFilter, most int) (int, error)
	History(ctx context.Context, alert string) ([]ledger.Step, error)
}

// Service changes and explains alerts; an [alert.Service] does.
type Service interface {
	Act(ctx context.Context, targets []alert.Target, c alert.Change, actor string) ([]alert.Outcome, error)
	Undo(ctx context.Context, moves []alert.Move, actor string) ([]alert.Outcome, error)
	Explain(ctx context.Context, id string) (*alert.Explanation, error)
}

// Reader reads stored events; an [investigate.Reader] does.
type Reader interface {
	Page(ctx context.Context, q event.Query, w investigate.Where, top int, enough func() bool) (investigate.Page, error)
	Tree(ctx context.Context, s investigate.Scope, enough func() bool) (*investigate.Tree, error)
}

// Detection is a kind of alert that there may be.
type Detection struct{ Type, Title string }

// Options are what the pages work with.
type Options struct {
	Ledger Ledger
	Alerts Service
	Events Reader
	// Detections lists the types of alerts that detections raise, each once.
	Detections func() []Detection
	// Registered reports whether a device is still there.
	Registered func(ctx context.Context, d tvilling.DeviceID) (bool, error)
	// Changed returns a channel that is closed when alerts have changed.
	Changed func() <-chan struct{}
}

type area struct {
	opt  Options
	acts board
}

// Routes are the pages of this area.
func Routes(o Options) []web.Route {
	p := &area{opt: o}
	return []web.Route{
		{Method: http.MethodGet, Path: "/alerts", Role: account.Viewer, Do: p.list},
		{Method: http.MethodGet, Path: "/alerts/{id}", Role: account.Viewer, Do: p.one},
		{Method: http.MethodGet, Path: "/live/alerts", Role: account.Viewer, Stream: true, Do: p.live},
		{Method: http.MethodGet, Path: "/alerts/{id}/{act}", Role: account.Operator, Do: p.ask},
		{Method: http.MethodPost, Path: "/alerts/{id}/{act}", Role: account.Operator, Do: p.act},
		{Method: http.MethodGet, Path: "/alerts/many", Role: account.Operator, Do: p.askMany},
		{Method: http.MethodPost, Path: "/alerts/many", Role: account.Operator, Do: p.actMany},
		{Method: http.MethodPost, Path: "/alerts/undo", Role: account.Operator, Do: p.undo},
	}
}

// within returns what tells a reader of events that it has read long enough.
func within(d time.Duration) func() bool {
	end := time.Now().Add(d)
	return func() bool { return time.Now().After(end) }
}
