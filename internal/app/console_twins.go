package app

import (
	"github.com/tvilling/tvilling/internal/api/hubapi"
	twinpages "github.com/tvilling/tvilling/internal/console/twins"
)

// twinPages are what the pages of twins work with.
func (a *App) twinPages() twinpages.Options {
	return twinpages.Options{
		Head: a.deviceHead(), Twins: a.twins, Modules: a.registry.Modules, Why: a.configurations.Why, Document: hubapi.Document, Pages: &a.pages,
		History: a.past(),
	}
}
