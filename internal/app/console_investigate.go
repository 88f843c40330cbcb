package app

import (
	"strings"

	"github.com/tvilling/tvilling/internal/console/investigate"
)

// investigatePages are the pages where people look for what happened.
func (a *App) investigatePages() investigate.Options {
	return investigate.Options{
		Hub: a.hostName(), Events: a.plane.events.Events, EventsChanged: a.plane.events.Changed, Alerts: a.plane.store.Alerts,
		Indicators: a.plane.lists.having, Search: a.search, Live: a.live.Open, Paths: a.indexPaths,
	}
}

// indexPaths are the members of twins that the memory index knows.
func (a *App) indexPaths() []investigate.Path {
	columns := a.index.Stats().Columns
	list := make([]investigate.Path, 0, len(columns))
	for _, c := range columns {
		// Texts of metadata are in the index, too, and nobody's to look for.
		if c.Rows > 0 && !strings.Contains(c.Path, "$") {
			list = append(list, investigate.Path{Name: c.Path, Module: c.Modules, Rows: c.Rows, Values: c.Distinct})
		}
	}
	return list
}
