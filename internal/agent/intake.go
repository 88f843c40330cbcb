//go:build linux

package agent

import (
	"sync"
	"time"

	"github.com/tvilling/tvilling/internal/agent/aggregate"
	"github.com/tvilling/tvilling/internal/agent/identity"
	"github.com/tvilling/tvilling/internal/agent/settings"
	"github.com/tvilling/tvilling/internal/agent/spool"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/schema"
)

// intake takes what is observed, and puts it into the spool as encoded events.
// It is the collectors' sink. Nothing in it waits for the hub.
type intake struct {
	spool *spool.Spool
	// urgent is told that something should be sent at once, changed that
	// something waits.
	urgent  func(wait time.Duration)
	changed func()

	mu       sync.Mutex
	settings *settings.Settings
	groups   *aggregate.Aggregator
	// shedding says that the budget is used up: what is not urgent and not in
	// the queue of High is left out, and counted.
	shedding bool
	lost     map[loss]uint64
	buckets  [event.Kinds]bucket // of what is urgent
	buf      []byte
}

// loss is why events of a kind were lost before they came to a queue.
type loss struct {
	kind event.Kind
	why  string
}

// overBudget is why events are lost on purpose.
const overBudget = "over budget"

// maxLosses bounds the reasons that are counted apart.
const maxLosses = 64

// Observe takes one thing that happened.
func (in *intake) Observe(at time.Time, it event.Item) {
	k := it.Kind()
	in.mu.Lock()
	s := in.settings
	queue := s.Queue[k]
	if queue == settings.Off {
		in.mu.Unlock()
		return
	}
	at = at.Round(0)
	urgent := s.Immediate(k)
	var wait time.Duration
	switch {
	case urgent:
		// In the queue of High it does not wait behind what is not urgent.
		in.add(spool.High, in.event(at, k, event.Triggered, it))
		wait = in.wait(k)
	case in.shedding && queue != spool.High:
		in.lose(k, 1, overBudget)
	case s.Aggregate[k] > 0 && in.aggregate(at, it):
	default:
		in.add(queue, in.event(at, k, event.Triggered, it))
	}
	in.mu.Unlock()
	if urgent {
		in.urgent(wait)
	} else {
		in.changed()
	}
}

// Urgent events go at once as long as there are not too many of their kind:
// urgentBurst in a row, then so many that a part of the day's bytes suffices.
const (
	urgentBurst    = 60
	urgentBytes    = 2048 // what a message for them costs, about
	shortestUrgent = 500 * time.Millisecond
	longestUrgent  = 5 * time.Minute
)

// wait returns how long urgent events of a kind have to wait now.
func (in *intake) wait(k event.Kind) time.Duration {
	refill := shortestUrgent
	if day := in.settings.Extension.MaxBytesPerDay; day > 0 {
		refill = time.Duration(float64(24*time.Hour) / (float64(day) / 2 / urgentBytes))
	}
	return in.buckets[k].wait(time.Now(), urgentBurst, min(max(refill, shortestUrgent), longestUrgent))
}

// Lost counts events that happened and were not observed.
func (in *intake) Lost(k event.Kind, n uint64, why string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.lose(k, n, why)
}

func (in *intake) lose(k event.Kind, n uint64, why string) {
	l := loss{k, why}
	if _, ok := in.lost[l]; !ok && len(in.lost) >= maxLosses {
		l.why = "other"
	}
	in.lost[l] += n
}

// snapshot takes all there is of a kind.
func (in *intake) snapshot(at time.Time, k event.Kind, items []event.Item) {
	in.mu.Lock()
	queue, urgent := in.settings.Queue[k], in.settings.Immediate(k)
	var wait time.Duration
	switch {
	case queue == settings.Off:
		urgent = false
	case urgent:
		in.add(spool.High, in.event(at, k, event.Periodic, items...))
		wait = in.wait(k)
	default:
		in.add(queue, in.event(at, k, event.Periodic, items...))
	}
	in.mu.Unlock()
	if urgent {
		in.urgent(wait)
	} else {
		in.changed()
	}
}

// complain tells what is wrong with the configuration.
func (in *intake) complain(at time.Time, items []event.Item) {
	in.mu.Lock()
	if queue := in.settings.Queue[event.ConfigurationErrorKind]; queue != settings.Off {
		in.add(queue, in.event(at, event.ConfigurationErrorKind, event.Triggered, items...))
	}
	in.mu.Unlock()
	in.changed()
}

// use makes s what is followed.
func (in *intake) use(s *settings.Settings) {
	in.mu.Lock()
	in.settings = s
	for _, k := range []event.Kind{event.ProcessCreateKind, event.ProcessTerminateKind, event.ConnectionCreateKind} {
		in.groups.Set(k, s.Aggregate[k] > 0 && s.Collected(k), s.Aggregate[k])
	}
	in.give(in.groups.Due(time.Now())) // windows of what is not aggregated any more
	in.mu.Unlock()
	in.changed()
}

// shed says whether the budget is used up.
func (in *intake) shed(on bool) {
	in.mu.Lock()
	in.shedding = on
	in.mu.Unlock()
}

// losses returns what was lost since the last statistics, by kind and reason.
func (in *intake) losses() map[string]uint64 {
	in.mu.Lock()
	defer in.mu.Unlock()
	all := make(map[string]uint64, len(in.lost))
	for l, n := range in.lost {
		all[l.kind.String()+": "+l.why] = n
	}
	return all
}

// aggregate gives an item to the aggregator, and reports whether it took it. When
// it is full, it gives out its oldest window first.
func (in *intake) aggregate(at time.Time, it event.Item) bool {
	if in.groups.Add(at, it) {
		return true
	}
	in.give(in.groups.Due(at))
	return in.groups.Add(at, it)
}

// give puts aggregated events into their queues.
func (in *intake) give(groups []aggregate.Group) {
	for _, g := range groups {
		if queue := in.settings.Queue[g.Kind]; queue != settings.Off {
			in.add(queue, in.event(g.At, g.Kind, event.Aggregated, g.Items...))
		}
	}
}

// windows puts the aggregated events whose window has ended into their queues;
// all of them if everything is true.
func (in *intake) windows(now time.Time, everything bool) {
	in.mu.Lock()
	var groups []aggregate.Group
	if everything {
		groups = in.groups.Flush()
	} else {
		groups = in.groups.Due(now)
	}
	in.give(groups)
	in.mu.Unlock()
	if len(groups) > 0 {
		in.changed()
	}
}

// event makes an event of items.
func (in *intake) event(at time.Time, k event.Kind, c event.Category, items ...event.Item) *event.Event {
	return &event.Event{
		ID: identity.NewGUID(), Kind: k, Category: c, Items: items, Empty: len(items) == 0,
		Stated: at.Truncate(time.Millisecond), Local: at.Local().Format("2006-01-02T15:04:05.000Z07:00"),
	}
}

// add puts an event into a queue. The spool counts what it cannot keep.
func (in *intake) add(queue spool.Class, e *event.Event) {
	in.buf = schema.AppendEvent(in.buf[:0], e)
	// A failure is the spool's state, which is told where states are.
	_ = in.spool.Add(queue, in.buf)
	if cap(in.buf) > 64<<10 {
		in.buf = nil // one large snapshot need not be remembered
	}
}
