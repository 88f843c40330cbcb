package app

import (
	"context"

	"github.com/tvilling/tvilling/internal/hub/configuration"
	"github.com/tvilling/tvilling/internal/hub/journal"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

// openConfigurations loads the automatic configurations. Agents of the original
// makers take a patch of their configuration object for all of it, so of that
// object they are always told the whole.
func (a *App) openConfigurations(ctx context.Context, changes *journal.Journal, twins *twin.Service) (err error) {
	a.configurations, err = configuration.New(ctx, configuration.Options{
		Committer: a.committer, Store: a.store, Sessions: a.sessions, Twins: twins, Journal: changes, Search: a.search,
		Whole: []string{agentconfig.Object, agentconfig.OldObject}, Logger: a.log.With("component", "configuration"),
	})
	return err
}

// watchConfigurations registers the figures of automatic configurations.
func (m *metrics) watchConfigurations(a *App) {
	value := func(f func(configuration.Stats) int64) func() float64 {
		return func() float64 { return float64(f(a.configurations.Stats())) }
	}
	for _, c := range []struct {
		name, help string
		f          func(configuration.Stats) int64
	}{
		{"looked", "Twins that configurations were compared with.", func(s configuration.Stats) int64 { return s.Looked }},
		{"written", "Twins that configurations were written to.", func(s configuration.Stats) int64 { return s.Written }},
		{"damaged", "Twins that could not be compared, since they are damaged.", func(s configuration.Stats) int64 { return s.Damaged }},
		{"undone", "Times that what a configuration had written was undone.", func(s configuration.Stats) int64 { return s.Undone }},
		{"stopped", "Rollouts that were stopped by themselves.", func(s configuration.Stats) int64 { return s.Stopped }},
		{"forgotten", "Windows in which more was undone than is counted.", func(s configuration.Stats) int64 { return s.Forgotten }},
	} {
		m.counter("tvilling_configuration_"+c.name+"_total", c.help, nil, value(c.f))
	}
	m.gauge("tvilling_configurations", "Automatic configurations.", value(func(s configuration.Stats) int64 { return s.Configurations }))
	m.gauge("tvilling_configuration_damped", "Pairs of a configuration and a twin that are kept apart for a while.", value(func(s configuration.Stats) int64 { return s.Damped }))
	m.gauge("tvilling_configuration_lag", "Changes of the journal that configurations have not followed yet.", value(func(s configuration.Stats) int64 { return s.Lag }))
}
