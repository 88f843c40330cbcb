package app

import (
	"github.com/prometheus/client_golang/prometheus"
)

// watchSecurity registers the figures of the security plane.
func (m *metrics) watchSecurity(a *App) {
	s := &a.plane
	for name, f := range map[string]struct {
		help string
		read func() float64
	}{
		"tvilling_security_lag":              {"Security messages that wait to be looked at.", func() float64 { return float64(securityLog{a.messages}.Head() - s.intake.Stats().Cursor) }},
		"tvilling_security_log_held":         {"Security messages kept beyond their limits because they wait to be looked at.", func() float64 { return float64(a.security.Held()) }},
		"tvilling_journal_lag":               {"Changes that wait to be looked at by the security plane.", func() float64 { p := s.follow.Progress(); return float64(p.Head - min(p.Head, p.Cursor)) }},
		"tvilling_events_bytes":              {"Size of the event store on disk.", func() float64 { return float64(s.events.Stats().Bytes) }},
		"tvilling_events_stored":             {"Events in the event store on disk.", func() float64 { return float64(s.events.Stats().Stored) }},
		"tvilling_events_open_bytes":         {"Memory for events that are not on disk yet.", func() float64 { return float64(s.events.Stats().OpenBytes) }},
		"tvilling_dead_letters_stored":       {"Dead letters in the event store.", func() float64 { return float64(s.events.Stats().Letters) }},
		"tvilling_refusals_gathered":         {"Combinations of identity and reason whose refusals are being gathered.", func() float64 { return float64(s.watch.Stats().Keys) }},
		"tvilling_posture_failing":           {"Devices whose posture could not be written and waits.", func() float64 { return float64(s.posture.Stats().Failing) }},
		"tvilling_security_feed_head":        {"Sequence of the newest entry of the feed.", func() float64 { return float64(s.store.FeedHead()) }},
		"tvilling_security_store_lost":       {"1 when the store of alerts takes no more commits.", func() float64 { return lost(s.store.Stats().Lost) }},
		"tvilling_events_flush_last_seconds": {"Time of the last write of events.", func() float64 { return s.events.Stats().LastFlush.Seconds() }},
	} {
		m.gauge(name, f.help, f.read)
	}
	for name, f := range map[string]struct {
		help string
		read func() float64
	}{
		"tvilling_security_messages_total":            {"Security messages looked at.", func() float64 { return float64(s.intake.Stats().Messages) }},
		"tvilling_events_total":                       {"Events read from security messages.", func() float64 { return float64(s.intake.Stats().Events) }},
		"tvilling_events_duplicate_total":             {"Events that a device had sent before.", func() float64 { return float64(s.intake.Stats().Duplicates) }},
		"tvilling_dead_letters_total":                 {"Messages and events that could not be read.", func() float64 { return float64(s.intake.Stats().Rejects) }},
		"tvilling_dead_letters_shed_total":            {"Dead letters that were counted and not kept.", func() float64 { return float64(s.events.Stats().DeadLettersShed) }},
		"tvilling_security_damaged_total":             {"Security messages left out because their log is damaged.", func() float64 { return float64(s.intake.Stats().Damaged) }},
		"tvilling_security_orphans_total":             {"Security messages of devices that were deleted.", func() float64 { return float64(s.intake.Stats().Orphans) }},
		"tvilling_detection_memory_shed_total":        {"Memories of detections that were too large and were dropped.", func() float64 { return float64(s.engine.Shed()) }},
		"tvilling_refusals_total":                     {"Refused callers that claimed a registered identity.", func() float64 { return float64(s.watch.Stats().Taken) }},
		"tvilling_refusals_shed_total":                {"Refusals that found no room and were only counted.", func() float64 { return float64(s.watch.Stats().Shed) }},
		"tvilling_posture_written_total":              {"Postures written to twins.", func() float64 { return float64(s.posture.Stats().Written) }},
		"tvilling_posture_failed_total":               {"Postures that could not be written.", func() float64 { return float64(s.posture.Stats().Failed) }},
		"tvilling_security_commits_total":             {"Commits of alerts and of what detections remember.", func() float64 { return float64(s.store.Stats().Commits) }},
		"tvilling_security_commit_seconds_total":      {"Time those commits took.", func() float64 { return s.store.Stats().CommitTime.Seconds() }},
		"tvilling_security_commits_refused_total":     {"Commits refused for want of space.", func() float64 { return float64(s.store.Stats().Refused) }},
		"tvilling_security_corrupt_total":             {"Reads of alerts and devices refused because of damage.", func() float64 { return float64(s.store.Stats().Corrupt) }},
		"tvilling_events_flush_errors_total":          {"Writes of events that failed.", func() float64 { return float64(s.events.Stats().FlushErrors) }},
		"tvilling_security_rescans_total":             {"Times that all identities were looked at anew.", func() float64 { return float64(s.follow.Progress().Rescans) }},
		"tvilling_events_partitions_dropped_total":    {"Days of events dropped by retention.", func() float64 { return float64(s.events.Stats().Dropped) }},
		"tvilling_security_checkpoint_failures_total": {"Failed checkpoints of the store of alerts.", func() float64 { return float64(s.store.Stats().CheckpointFailures) }},
	} {
		m.counter(name, f.help, nil, f.read)
	}
	m.registry.MustRegister(planeCollector{s})
}

func lost(err error) float64 {
	if err != nil {
		return 1
	}
	return 0
}

// planeCollector tells what has a label that is not known beforehand.
type planeCollector struct{ plane *security }

var (
	findingsDesc = prometheus.NewDesc("tvilling_findings_total", "What detections have found.", []string{"detection"}, nil)
	listDesc     = prometheus.NewDesc("tvilling_indicators", "Entries of indicator lists.", []string{"list"}, nil)
	sinkLagDesc  = prometheus.NewDesc("tvilling_sink_lag", "Entries of the feed that a sink has not taken yet.", []string{"sink", "kind"}, nil)
	sinkSentDesc = prometheus.NewDesc("tvilling_sink_sent_total", "Entries that a sink has taken.", []string{"sink", "kind"}, nil)
	sinkFailDesc = prometheus.NewDesc("tvilling_sink_failures_total", "Attempts to tell a sink that failed.", []string{"sink", "kind"}, nil)
	sinkMissDesc = prometheus.NewDesc("tvilling_sink_missed_total", "Entries that were dropped before a sink could take them.", []string{"sink", "kind"}, nil)
)

// Describe describes nothing: labels come when they are asked for.
func (planeCollector) Describe(chan<- *prometheus.Desc) {}

// Collect hands over every figure.
func (c planeCollector) Collect(into chan<- prometheus.Metric) {
	c.plane.engine.Hits(func(id string, n int64) {
		into <- prometheus.MustNewConstMetric(findingsDesc, prometheus.CounterValue, float64(n), id)
	})
	c.plane.lists.sizes(func(name string, entries int) {
		into <- prometheus.MustNewConstMetric(listDesc, prometheus.GaugeValue, float64(entries), name)
	})
	for _, r := range c.plane.sinks {
		st := r.Status()
		into <- prometheus.MustNewConstMetric(sinkLagDesc, prometheus.GaugeValue, float64(st.Lag), st.Name, st.Kind)
		into <- prometheus.MustNewConstMetric(sinkSentDesc, prometheus.CounterValue, float64(st.Sent), st.Name, st.Kind)
		into <- prometheus.MustNewConstMetric(sinkFailDesc, prometheus.CounterValue, float64(st.Failures), st.Name, st.Kind)
		into <- prometheus.MustNewConstMetric(sinkMissDesc, prometheus.CounterValue, float64(st.Missed), st.Name, st.Kind)
	}
}
