package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/tvilling/tvilling/internal/hub/health"
	"github.com/tvilling/tvilling/internal/hub/index"
	"github.com/tvilling/tvilling/internal/hub/message"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/store/sqlite"
)

// How often the figures of the hub are taken, and how far back a rate looks.
const (
	healthEvery = 5 * time.Second
	commitSpan  = time.Minute
	growthSpan  = 24 * time.Hour
	growthEvery = 10 * time.Minute
)

// pulse takes the figures of the hub again and again, so that a page never
// waits for them.
type pulse struct {
	mu     sync.Mutex
	latest health.Facts
	// appends are the histograms of the last minute, oldest first, sizes what
	// was on disk in the last day.
	appends []sqlite.Histogram
	sizes   []sizes
}

// sizes is what was on disk at one time.
type sizes struct {
	at    time.Time
	free  int64
	bytes map[string]int64
}

// Health returns the latest figures of the hub, with what is wrong.
func (a *App) Health() (health.Facts, []health.Fault) {
	a.pulse.mu.Lock()
	defer a.pulse.mu.Unlock()
	f := a.pulse.latest
	return f, f.Faults()
}

// watchHealth takes the figures until ctx ends.
func (a *App) watchHealth(ctx context.Context) {
	tick := time.NewTicker(healthEvery)
	defer tick.Stop()
	for {
		a.takeHealth(time.Now())
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (a *App) takeHealth(now time.Time) {
	f := a.facts(now)
	p := &a.pulse
	p.mu.Lock()
	defer p.mu.Unlock()
	appends := a.store.Stats().Append
	p.appends = append(p.appends, appends)
	if most := int(commitSpan/healthEvery) + 1; len(p.appends) > most {
		p.appends = p.appends[len(p.appends)-most:]
	}
	f.Commit.Writes, f.Commit.P50, f.Commit.P99 = quantiles(p.appends[0], appends)
	p.grow(&f)
	p.latest = f
}

// grow says how fast what is on disk grows. The caller holds mu.
func (p *pulse) grow(f *health.Facts) {
	now := sizes{at: f.Time, free: f.Disk.Free, bytes: make(map[string]int64)}
	for _, s := range f.Stores {
		now.bytes[s.Name] = s.Bytes
	}
	if n := len(p.sizes); n == 0 || f.Time.Sub(p.sizes[n-1].at) >= growthEvery {
		p.sizes = append(p.sizes, now)
	}
	for len(p.sizes) > 1 && f.Time.Sub(p.sizes[0].at) > growthSpan {
		p.sizes = p.sizes[1:]
	}
	then := p.sizes[0]
	span := f.Time.Sub(then.at)
	if span < growthEvery {
		return
	}
	scale := func(n int64) int64 { return int64(float64(n) * float64(24*time.Hour) / float64(span)) }
	for i := range f.Stores {
		s := &f.Stores[i]
		if old, ok := then.bytes[s.Name]; ok {
			s.Growth, s.Known = scale(s.Bytes-old), true
		}
	}
	f.Disk.Growth, f.Disk.Known = scale(then.free-f.Disk.Free), true
}

// quantiles are the upper bounds, in milliseconds, of what half and all but one
// of a hundred of the writes between two histograms took; 0 if there were none.
func quantiles(before, after sqlite.Histogram) (all int64, p50, p99 float64) {
	var counts [len(after.Counts)]int64
	for i := range counts {
		counts[i] = after.Counts[i] - before.Counts[i]
		all += counts[i]
	}
	at := func(q float64) float64 {
		sum := int64(0)
		for i, n := range counts {
			if sum += n; float64(sum) >= q*float64(all) {
				bound := sqlite.HistogramBounds[min(i, len(sqlite.HistogramBounds)-1)]
				if i >= len(sqlite.HistogramBounds) {
					bound *= 2 // it took longer than the largest bound
				}
				return float64(bound) / float64(time.Millisecond)
			}
		}
		return 0
	}
	if all == 0 {
		return 0, 0, 0
	}
	return all, at(0.5), at(0.99)
}

// facts takes the figures that are there at once.
func (a *App) facts(now time.Time) health.Facts {
	s := &a.plane
	st, ev, lg := a.store.Stats(), s.events.Stats(), s.store.Stats()
	f := health.Facts{
		Time: now.UTC(), Started: a.started.UTC(), Version: a.opt.Version,
		Commit:          health.Commit{Queue: a.committer.Waiting(), Stalls: st.Stalls, Refused: st.Refused + lg.Refused, WriteBack: text(st.WriteBackError), Ledger: text(lg.Lost)},
		Stores:          a.storesOf(st.JournalBytes, ev.Bytes, ev.First),
		Disk:            disk(a.opt.Data),
		Sessions:        health.Sessions{Connected: a.sessions.Connected(), Refused: make(map[string]int64)},
		CertificateEnds: a.tls.Stats().NotAfter, CertificateRefused: int64(a.tls.Stats().Refusals),
		DeadLetters: ev.DeadLetters, DeadLettersShed: ev.DeadLettersShed,
		Corrupt: st.Corrupt + lg.Corrupt + ev.Corrupt, QueriesRefused: a.search.Stats().Refused, RefusalsShed: s.watch.Stats().Shed,
		PosturesFailing: s.posture.Stats().Failing, EventFlushErrors: ev.FlushErrors, StoppedRollouts: a.configurations.Stats().Stopped,
		AdoptionFailed: a.onboard.Progress().Failed, AdoptionRemaining: a.onboard.Progress().Remaining,
	}
	for _, kind := range []message.Kind{message.Telemetry, message.Security} {
		_, refused := a.messages.Counts(kind)
		f.MessagesRefused += refused
	}
	a.gateway.Stats().Each(func(name, reason string, n int64) {
		if name == "refused" && n > 0 {
			f.Sessions.Refused[reason] = n
		}
	})
	for _, v := range s.engine.List() {
		if v.Enabled && v.Error != "" {
			f.BrokenDetections++
		}
	}
	follow := s.follow.Progress()
	f.Readers = []health.Reader{
		{Name: "intake of security messages", Behind: less(securityLog{a.messages}.Head(), s.intake.Stats().Cursor)},
		{Name: "security plane on the journal", Behind: less(follow.Head, follow.Cursor)},
		{Name: "configurations on the journal", Behind: uint64(max(0, a.configurations.Stats().Lag))},
	}
	for _, r := range s.sinks {
		v := r.Status()
		f.Sinks = append(f.Sinks, health.Sink{Name: v.Name, Behind: v.Lag, Error: v.LastError, Missed: v.Missed})
	}
	if ix := a.index; !a.opt.NoIndex {
		is := ix.Stats()
		f.Index = health.Index{
			On: true, Ready: ix.Ready(state.Devices) && ix.Ready(state.Modules), Bytes: is.Bytes, Budget: is.Budget,
			Left: countColumns(is, func(c index.ColumnStats) bool { return c.Coarse || c.Dropped }),
		}
	}
	return f
}

func less(head, cursor uint64) uint64 { return head - min(head, cursor) }

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// storesOf says what is kept on disk, by what is configured.
func (a *App) storesOf(journal, events int64, firstEvent time.Time) []health.Store {
	o := a.opt
	kept := func(name, option string, bytes int64, r Retention, held uint64) health.Store {
		return health.Store{Name: name, Option: option, Bytes: bytes, MaxBytes: r.MaxBytes, MaxAge: r.MaxAge, MaxSeconds: int64(r.MaxAge / time.Second), Held: held}
	}
	list := []health.Store{
		kept("journal", "history", journal, o.History, 0),
		kept("telemetry", "telemetry", a.telemetry.Bytes(), o.Telemetry, a.telemetry.Held()),
		kept("security messages", "security", a.security.Bytes(), o.Security, a.security.Held()),
		kept("security events", "events", events, o.Events, 0),
		{Name: "alerts, closed", Option: "alerts", MaxAge: o.AlertAge, MaxSeconds: int64(o.AlertAge / time.Second), Bytes: fileBytes(o.Data, "security.db", "security.db-wal")},
		{Name: "twins and identities", Bytes: fileBytes(o.Data, "hub.db", "hub.db-wal")},
	}
	list[3].Oldest = firstEvent
	return list
}

// fileBytes is the size of files of a folder; one that is not there has none.
func fileBytes(dir string, names ...string) (n int64) {
	for _, name := range names {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil {
			n += info.Size()
		}
	}
	return n
}

// healthText is what is wrong in a few words, "" for nothing.
func (a *App) healthText() string {
	_, faults := a.Health()
	switch len(faults) {
	case 0:
		return ""
	case 1:
		return capital(faults[0].Short)
	default:
		return fmt.Sprintf("%s, %d more", capital(faults[0].Short), len(faults)-1)
	}
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
