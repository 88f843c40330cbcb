// Package recommendations is the pages of what is weak: by type, with how to
// mend it and which devices it is about; by device; and the ready patches, with
// what each would change, for one device or for many.
package recommendations

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
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/mend"
	"github.com/tvilling/tvilling/internal/security/recommend"
)

//go:embed *.html
var files embed.FS

var pages = ui.Parse(files)

const operator = account.Operator

// Ledger reads recommendations; a [ledger.Store] does.
type Ledger interface {
	Recommendation(ctx context.Context, d tvilling.DeviceID, typ string) (*ledger.Recommendation, error)
	Recommendations(ctx context.Context, f ledger.RecommendationFilter, afterDevice tvilling.DeviceID, afterType string) iter.Seq2[*ledger.Recommendation, error]
	CountRecommendations(ctx context.Context, f ledger.RecommendationFilter, most int) (int, error)
}

// Mender previews and writes ready patches; a [mend.Service] does.
type Mender interface {
	Preview(ctx context.Context, d tvilling.DeviceID, typ string) (*mend.Preview, error)
	Apply(ctx context.Context, d tvilling.DeviceID, typ string, match tvilling.Match, actor string) (twin.View, error)
}

// Options are what the pages work with.
type Options struct {
	Ledger Ledger
	Mend   Mender
	// Types are all kinds of recommendations.
	Types []recommend.Info
	// Changed returns a channel that is closed when recommendations have changed.
	Changed func() <-chan struct{}
}

type area struct{ opt Options }

// Routes are the pages of this area.
func Routes(o Options) []web.Route {
	p := &area{opt: o}
	return []web.Route{
		{Method: http.MethodGet, Path: "/recommendations", Role: account.Viewer, Do: p.list},
		{Method: http.MethodGet, Path: "/live/recommendations", Role: account.Viewer, Stream: true, Do: p.live},
		{Method: http.MethodGet, Path: "/recommendations/{type}", Role: account.Viewer, Do: p.kind},
		{Method: http.MethodGet, Path: "/recommendations/{type}/patch", Role: account.Operator, Do: p.preview},
		{Method: http.MethodPost, Path: "/recommendations/{type}/patch", Role: account.Operator, Do: p.apply},
		{Method: http.MethodGet, Path: "/recommendations/{type}/{device}", Role: account.Viewer, Do: p.one},
	}
}

const (
	pageRows = 50
	// countTime is how long counting may take for a page.
	countTime = 100 * time.Millisecond
)

// info returns what a type is; of one that is not known, its name.
func (p *area) info(typ string) recommend.Info {
	for _, t := range p.opt.Types {
		if t.Type == typ {
			return t
		}
	}
	return recommend.Info{Type: typ, Title: typ}
}

// count is how many recommendations a filter selects, up to one more than are
// counted; -1 if that would take too long.
func (p *area) count(ctx context.Context, f ledger.RecommendationFilter) (int64, error) {
	short, cancel := context.WithTimeout(ctx, countTime)
	defer cancel()
	n, err := p.opt.Ledger.CountRecommendations(short, f, ui.Most+1)
	if err != nil && short.Err() != nil && ctx.Err() == nil {
		return -1, nil
	}
	return int64(n), err
}
