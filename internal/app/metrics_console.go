package app

import (
	"github.com/tvilling/tvilling/internal/console/web"
)

// watchConsole registers the figures of the console and of who uses it.
func (m *metrics) watchConsole(a *App) {
	value := func(f func(web.Stats) int64) func() float64 {
		return func() float64 { return float64(f(a.console.Stats())) }
	}
	m.gauge("tvilling_console_streams", "Open pages that are kept current, and downloads under way.", value(func(s web.Stats) int64 { return s.Streams }))
	for _, c := range []struct {
		name, help string
		f          func(web.Stats) int64
	}{
		{"pages", "Pages answered.", func(s web.Stats) int64 { return s.Pages }},
		{"failed", "Pages that failed by a fault of the hub.", func(s web.Stats) int64 { return s.Failed }},
		{"limited", "Requests for pages turned away since a session asked too often, or too many pages were kept current.", func(s web.Stats) int64 { return s.Limited }},
		{"cross_site", "Forms refused since another site sent them.", func(s web.Stats) int64 { return s.CrossSite }},
	} {
		m.counter("tvilling_console_"+c.name+"_total", c.help, nil, value(c.f))
	}
	m.gauge("tvilling_console_sessions", "Sessions of users that are open.", func() float64 { return float64(a.accounts.Stats().Sessions) })
	m.counter("tvilling_console_sign_ins_refused_total", "Sign-ins refused, or told to wait.", nil, func() float64 { return float64(a.accounts.Stats().Refused) })
}
