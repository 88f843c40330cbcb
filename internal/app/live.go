package app

import (
	"github.com/tvilling/tvilling/internal/api/hubapi"
	"github.com/tvilling/tvilling/internal/hub/journal"
	"github.com/tvilling/tvilling/internal/hub/live"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// openLive makes the live queries, which begin when they are asked for.
func (a *App) openLive(changes *journal.Journal) {
	a.live = live.New(live.Options{
		Search: a.search, Journal: changes, Store: a.store, Sessions: a.sessions, Document: hubapi.Document,
		Logger: a.log.With("component", "live"),
	})
}

// recorded hands the changes of a durable round to whoever follows them in memory.
func (a *App) recorded(changes []state.Change) {
	a.live.Recorded(changes)
	a.pages.Recorded(changes)
}

// watchLive registers the figures of live queries.
func (m *metrics) watchLive(a *App) {
	value := func(f func(live.Stats) int64) func() float64 {
		return func() float64 { return float64(f(a.live.Stats())) }
	}
	m.gauge("tvilling_live_queries", "Live queries.", value(func(s live.Stats) int64 { return s.Open }))
	m.gauge("tvilling_live_rows", "Rows in the results of live queries.", value(func(s live.Stats) int64 { return s.Members }))
	for _, c := range []struct {
		name, help string
		f          func(live.Stats) int64
	}{
		{"events", "Rows that live queries told of.", func(s live.Stats) int64 { return s.Events }},
		{"resets", "Times that a live query had to be told anew.", func(s live.Stats) int64 { return s.Resets }},
		{"refused", "Live queries that were not begun, or ended, since there were too many or too many rows in all.", func(s live.Stats) int64 { return s.Refused }},
		{"too_large", "Live queries that found too much.", func(s live.Stats) int64 { return s.TooLarge }},
		{"slow", "Live queries that ended since their reader was too far behind.", func(s live.Stats) int64 { return s.Slow }},
	} {
		m.counter("tvilling_live_"+c.name+"_total", c.help, nil, value(c.f))
	}
}
