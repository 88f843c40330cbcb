package app

import (
	"context"
	"iter"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/configuration"
	"github.com/tvilling/tvilling/internal/hub/journal"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

// openConfigurations loads the automatic configurations. Agents of the original
// makers take a patch of their configuration object for all of it, so of that
// object they are always told the whole.
func (a *App) openConfigurations(ctx context.Context, changes *journal.Journal, twins *twin.Service) (err error) {
	a.configurations, err = configuration.New(ctx, configuration.Options{
		Committer: a.committer, Store: a.store, Sessions: a.sessions, Twins: twins, Journal: changes, Search: scans{twins},
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

// scans runs the queries of configurations over every twin.
type scans struct{ twins *twin.Service }

// scanned is a twin as those queries see it, which never show it whole.
type scanned struct{ query.Twin }

// AppendJSON appends the ids of the twin.
func (r *scanned) AppendJSON(dst []byte) []byte { return append(dst, "{}"...) }

func (s scans) rows(ctx context.Context, q *query.Query, after tvilling.Identity) iter.Seq2[query.Row, error] {
	return func(yield func(query.Row, error) bool) {
		for v, err := range s.twins.All(ctx, q.Kind(), after) {
			var row query.Row
			if err == nil {
				row = &scanned{query.Twin{Identity: v.Identity, Twin: v.Twin, Connected: v.Connected, LastActivity: v.LastActivity}}
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

// Each yields the identities that q finds after one.
func (s scans) Each(ctx context.Context, q *query.Query, after tvilling.Identity) iter.Seq2[tvilling.Identity, error] {
	return func(yield func(tvilling.Identity, error) bool) {
		for row, err := range s.rows(ctx, q, after) {
			var id tvilling.Identity
			if err == nil {
				if !q.Match(row) {
					continue
				}
				id = row.ID()
			}
			if !yield(id, err) {
				return
			}
		}
	}
}

// Count returns how many twins q finds.
func (s scans) Count(ctx context.Context, q *query.Query) (n int64, err error) {
	for _, err := range s.Each(ctx, q, tvilling.Identity{}) {
		if err != nil && tvilling.CodeOf(err) != tvilling.Corrupt {
			return 0, err
		}
		if err == nil {
			n++
		}
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	return n, nil
}

// Run returns a page of the result of q.
func (s scans) Run(ctx context.Context, q *query.Query, o query.Options) (*query.Page, error) {
	o.Damaged = func(error) {} // a row that cannot be read is none
	return q.Run(ctx, func(after tvilling.Identity) iter.Seq2[query.Row, error] { return s.rows(ctx, q, after) }, o)
}
