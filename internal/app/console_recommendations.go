package app

import (
	"github.com/tvilling/tvilling/internal/console/recommendations"
	"github.com/tvilling/tvilling/internal/security/mend"
	"github.com/tvilling/tvilling/internal/security/recommend"
)

// recommendationPages are what the pages of recommendations work with.
func (a *App) recommendationPages() recommendations.Options {
	return recommendations.Options{
		Ledger: a.plane.store, Mend: mend.New(a.plane.store, a.twins), Types: recommend.Catalogue(), Changed: a.plane.ledger.Changed,
	}
}
