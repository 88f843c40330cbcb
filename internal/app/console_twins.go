package app

import (
	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/hubapi"
	twinpages "github.com/tvilling/tvilling/internal/console/twins"
	"github.com/tvilling/tvilling/internal/hub/history"
)

// twinPages are what the pages of twins work with.
func (a *App) twinPages() twinpages.Options {
	return twinpages.Options{
		Head: a.deviceHead(), Twins: a.twins, Modules: a.registry.Modules, Why: a.configurations.Why, Document: hubapi.Document, Pages: &a.pages,
		History: history.New(a.store, a.twins, func(id tvilling.Identity) bool {
			connected, _, _ := a.sessions.Live(id)
			return connected
		}),
	}
}
