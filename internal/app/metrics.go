package app

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/tvilling/tvilling/internal/gateway/mqtt"
	"github.com/tvilling/tvilling/internal/hub/message"
	"github.com/tvilling/tvilling/internal/store/messagelog"
	"github.com/tvilling/tvilling/internal/store/sqlite"
)

// metrics are what the hub tells Prometheus. Names follow its conventions:
// base units, counters end in _total.
type metrics struct {
	registry *prometheus.Registry

	commitSeconds prometheus.Histogram
	commitChanges prometheus.Histogram
	logSeconds    *prometheus.HistogramVec
	logMessages   *prometheus.HistogramVec
	requests      *prometheus.HistogramVec

	queries       *prometheus.HistogramVec
	queryTwins    *prometheus.CounterVec
	indexFailures prometheus.Counter
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		commitSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tvilling_commit_seconds", Help: "Time to make one round of changes durable.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 16),
		}),
		commitChanges: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tvilling_commit_changes", Help: "Changes that shared one round.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 11),
		}),
		logSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tvilling_message_append_seconds", Help: "Time to make one round of messages durable.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 16),
		}, []string{"kind"}),
		logMessages: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tvilling_message_append_messages", Help: "Messages that shared one round.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 13),
		}, []string{"kind"}),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tvilling_http_request_seconds", Help: "Time to answer a request.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16),
		}, []string{"route", "status"}),
	}
	m.makeQueries()
	m.registry.MustRegister(m.commitSeconds, m.commitChanges, m.logSeconds, m.logMessages, m.requests,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) commit(changes int, took time.Duration) {
	m.commitChanges.Observe(float64(changes))
	m.commitSeconds.Observe(took.Seconds())
}

func (m *metrics) messages(kind message.Kind, n int, took time.Duration) {
	m.logMessages.WithLabelValues(kind.String()).Observe(float64(n))
	m.logSeconds.WithLabelValues(kind.String()).Observe(took.Seconds())
}

func (m *metrics) request(route string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Observe(took.Seconds())
}

// gauge registers a value that is read when it is asked for.
func (m *metrics) gauge(name, help string, f func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f))
}

// counter registers a count that is read when it is asked for.
func (m *metrics) counter(name, help string, labels prometheus.Labels, f func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels}, f))
}

// watch registers what the parts of a hub count by themselves.
func (m *metrics) watch(a *App) {
	m.gauge("tvilling_commit_queue", "Changes queued or under way.", func() float64 { return float64(a.committer.Waiting()) })
	m.gauge("tvilling_connected", "Identities connected.", func() float64 { return float64(a.sessions.Connected()) })
	m.counter("tvilling_session_takeovers_total", "Connections that a newer one of the identity replaced.", nil,
		func() float64 { return float64(a.sessions.Takeovers.Load()) })
	m.counter("tvilling_session_revoked_total", "Connections closed because their identity or key went.", nil,
		func() float64 { return float64(a.sessions.Revoked.Load()) })
	m.counter("tvilling_session_notes_lost_total", "Notes of connection states that could not be written.", nil,
		func() float64 { return float64(a.sessions.Unnoted.Load()) })
	for _, kind := range []message.Kind{message.Telemetry, message.Security} {
		labels := prometheus.Labels{"kind": kind.String()}
		m.counter("tvilling_messages_taken_total", "Messages made durable.", labels, func() float64 {
			taken, _ := a.messages.Counts(kind)
			return float64(taken)
		})
		m.counter("tvilling_messages_refused_total", "Messages turned away.", labels, func() float64 {
			_, refused := a.messages.Counts(kind)
			return float64(refused)
		})
	}
	m.watchStore(a)
	m.watchSearch(a)
	m.watchSecurity(a)
	m.watchConfigurations(a)
	m.watchLive(a)
	m.watchConsole(a)
	m.registry.MustRegister(gatewayCollector{a.gateway.Stats()})
	m.gauge("tvilling_certificate_end_seconds", "When the server certificate ends, in Unix time.",
		func() float64 { return float64(a.tls.Stats().NotAfter.Unix()) })
	m.counter("tvilling_certificate_refused_total", "Replaced certificates that were kept out.", nil,
		func() float64 { return float64(a.tls.Stats().Refusals) })
}

// watchStore registers the figures of the store and of the message logs.
func (m *metrics) watchStore(a *App) {
	value := func(f func(sqlite.Stats) float64) func() float64 {
		return func() float64 { return f(a.store.Stats()) }
	}
	m.gauge("tvilling_journal_bytes", "Size of the journal on disk.", value(func(s sqlite.Stats) float64 { return float64(s.JournalBytes) }))
	m.gauge("tvilling_store_dirty_bytes", "Memory for records not yet written back.", value(func(s sqlite.Stats) float64 { return float64(s.DirtyBytes) }))
	m.gauge("tvilling_store_cache_bytes", "Memory for records kept to be read again.", value(func(s sqlite.Stats) float64 { return float64(s.CacheBytes) }))
	m.counter("tvilling_store_cache_hits_total", "Reads that memory answered.", nil, value(func(s sqlite.Stats) float64 { return float64(s.CacheHits) }))
	m.counter("tvilling_store_cache_misses_total", "Reads that went to disk.", nil, value(func(s sqlite.Stats) float64 { return float64(s.CacheMisses) }))
	m.counter("tvilling_store_writeback_rows_total", "Records written back.", nil, value(func(s sqlite.Stats) float64 { return float64(s.WriteBackRows) }))
	m.counter("tvilling_store_writeback_seconds_total", "Time spent writing back.", nil, value(func(s sqlite.Stats) float64 { return s.WriteBackTime.Seconds() }))
	m.counter("tvilling_store_writeback_failures_total", "Rounds of writing back that failed.", nil, value(func(s sqlite.Stats) float64 { return float64(s.WriteBackFailures) }))
	m.counter("tvilling_store_stalls_total", "Commits that waited for writing back.", nil, value(func(s sqlite.Stats) float64 { return float64(s.Stalls) }))
	m.counter("tvilling_store_refused_total", "Commits refused for want of space.", nil, value(func(s sqlite.Stats) float64 { return float64(s.Refused) }))
	m.counter("tvilling_store_corrupt_total", "Reads refused because of damage.", nil, value(func(s sqlite.Stats) float64 { return float64(s.Corrupt) }))
	for kind, log := range map[message.Kind]*messagelog.Log{message.Telemetry: a.telemetry, message.Security: a.security} {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tvilling_message_log_bytes", Help: "Size of the log of messages on disk.",
			ConstLabels: prometheus.Labels{"kind": kind.String()},
		}, func() float64 { return float64(log.Bytes()) }))
	}
}

// gatewayCollector tells what the MQTT gateway counts.
type gatewayCollector struct{ stats *mqtt.Stats }

// Describe describes nothing: the gateway says what it counts when asked.
func (gatewayCollector) Describe(chan<- *prometheus.Desc) {}

// Collect hands over every count.
func (c gatewayCollector) Collect(into chan<- prometheus.Metric) {
	c.stats.Each(func(name, reason string, value int64) {
		kind, full := prometheus.CounterValue, "tvilling_mqtt_"+name+"_total"
		if name == "open" || name == "greeting" {
			kind, full = prometheus.GaugeValue, "tvilling_mqtt_"+name
		}
		var labels, values []string
		if reason != "" {
			labels, values = []string{"reason"}, []string{reason}
		}
		into <- prometheus.MustNewConstMetric(prometheus.NewDesc(full, "Count of the MQTT gateway.", labels, nil), kind, float64(value), values...)
	})
}
