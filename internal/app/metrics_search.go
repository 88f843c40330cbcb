package app

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tvilling/tvilling/internal/hub/index"
	"github.com/tvilling/tvilling/internal/hub/search"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// makeQueries makes the metrics of queries.
func (m *metrics) makeQueries() {
	m.queries = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "tvilling_query_seconds", Help: "Time to answer a page, a count or a part of a list, by the way it was answered.",
		Buckets: prometheus.ExponentialBuckets(0.0001, 2, 18),
	}, []string{"plan"})
	m.queryTwins = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tvilling_query_examined_total", Help: "Twins that queries looked at.",
	}, []string{"plan"})
	m.indexFailures = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tvilling_index_failures_total", Help: "Times that the index could not be built.",
	})
	m.registry.MustRegister(m.queries, m.queryTwins, m.indexFailures)
}

func (m *metrics) query(w search.Work) {
	m.queries.WithLabelValues(string(w.Plan)).Observe(w.Took.Seconds())
	m.queryTwins.WithLabelValues(string(w.Plan)).Add(float64(w.Examined))
}

// watchSearch registers what the search and the index count by themselves.
func (m *metrics) watchSearch(a *App) {
	value := func(f func(search.Stats) int64) func() float64 {
		return func() float64 { return float64(f(a.search.Stats())) }
	}
	m.gauge("tvilling_query_scans", "Queries that look at all twins at the moment.", value(func(s search.Stats) int64 { return s.Scans }))
	m.gauge("tvilling_query_scans_waiting", "Queries that wait to look at all twins.", value(func(s search.Stats) int64 { return s.Waiting }))
	m.counter("tvilling_query_refused_total", "Queries refused because others look at all twins.", nil, value(func(s search.Stats) int64 { return s.Refused }))
	figure := func(f func(index.Stats) int64) func() float64 {
		return func() float64 { return float64(f(a.index.Stats())) }
	}
	m.gauge("tvilling_index_bytes", "Memory of the index.", figure(func(s index.Stats) int64 { return s.Bytes }))
	m.gauge("tvilling_index_budget_bytes", "Memory that the index may take.", figure(func(s index.Stats) int64 { return s.Budget }))
	m.gauge("tvilling_index_columns", "Paths in the index.", figure(func(s index.Stats) int64 { return int64(len(s.Columns)) }))
	m.gauge("tvilling_index_columns_coarse", "Paths of which the budget leaves no more in the index than whether there is a value.", figure(func(s index.Stats) int64 {
		return countColumns(s, func(c index.ColumnStats) bool { return c.Coarse && !c.Dropped })
	}))
	m.gauge("tvilling_index_columns_dropped", "Paths of which the budget leaves nothing in the index.", figure(func(s index.Stats) int64 {
		return countColumns(s, func(c index.ColumnStats) bool { return c.Dropped })
	}))
	m.gauge("tvilling_index_objects_full", "Objects of twins that have more members than the index has columns for.", figure(func(s index.Stats) int64 { return s.Full }))
	m.gauge("tvilling_index_damaged", "Twins of which the index knows nothing, since they cannot be read.", figure(func(s index.Stats) int64 { return s.Damaged + s.Unreadable }))
	m.gauge("tvilling_index_build_seconds", "Time that it took to build the index; 0 before.", func() float64 { return a.index.Stats().Built.Seconds() })
	for kind, name := range map[state.Kind]string{state.Devices: "devices", state.Modules: "modules"} {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tvilling_index_ready", Help: "1 once the index has all twins of a kind.", ConstLabels: prometheus.Labels{"kind": name},
		}, func() float64 {
			if a.index.Ready(kind) {
				return 1
			}
			return 0
		}))
	}
}

func countColumns(s index.Stats, which func(index.ColumnStats) bool) (n int64) {
	for _, c := range s.Columns {
		if which(c) {
			n++
		}
	}
	return n
}
