package configuration

import (
	"sync"
	"time"

	"github.com/tvilling/tvilling"
)

const (
	// dampAfter is how often a configuration may have its work on a twin undone
	// within dampWindow before it is kept from that twin for a while.
	dampAfter  = 5
	dampWindow = time.Minute
	// dampFirst is the first while; each further one is twice as long, up to dampMost.
	dampFirst = 2 * time.Second
	dampMost  = 10 * time.Minute
	// maxFlips bounds the pairs that are counted, maxDamped those that are kept
	// apart; a configuration that would need more is stopped as a whole.
	maxFlips  = 50_000
	maxDamped = 1000
)

// pair is a configuration and a twin.
type pair struct {
	configuration string
	id            tvilling.Identity
}

// apart is a pair that is kept apart.
type apart struct {
	until time.Time
	level int
	// over says that the while is over and the pair may be tried again.
	over bool
}

// damper finds configurations whose work on a twin is undone again and again:
// by their own condition, by one another, or by a service that sets the same
// values. What it knows is of the last minutes, and does not outlive the hub.
type damper struct {
	mu sync.Mutex
	// young and old count how often work was undone, in this window and the
	// one before; forgotten counts the windows that were cut short.
	young, old map[pair]int
	since      time.Time
	apart      map[pair]*apart
	damped     map[string]int
	forgotten  int64
}

func newDamper() *damper {
	return &damper{young: make(map[pair]int), old: make(map[pair]int), apart: make(map[pair]*apart), damped: make(map[string]int)}
}

// undone counts that the work of a configuration on a twin was undone. It
// reports whether they are to be kept apart from now on, and whether there are
// now too many twins that the configuration is kept from.
func (d *damper) undone(p pair, now time.Time) (kept, tooMany bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.young) >= maxFlips {
		d.forgotten++
		d.turn(now)
	} else if now.Sub(d.since) >= dampWindow {
		d.turn(now)
	}
	d.young[p]++
	a := d.apart[p]
	if d.young[p]+d.old[p] < dampAfter && (a == nil || !a.over) {
		return false, false
	}
	delete(d.young, p)
	delete(d.old, p)
	if a == nil {
		if d.damped[p.configuration] >= maxDamped {
			return false, true
		}
		a = new(apart)
		d.apart[p] = a
		d.damped[p.configuration]++
	}
	a.until, a.over = now.Add(min(dampFirst<<min(a.level, 20), dampMost)), false
	a.level++
	return true, false
}

// turn begins a window.
func (d *damper) turn(now time.Time) {
	d.old, d.young = d.young, make(map[pair]int)
	if now.Sub(d.since) >= 2*dampWindow {
		clear(d.old)
	}
	d.since = now
}

// until returns until when a pair is kept apart; the zero time if it is not.
func (d *damper) until(p pair) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	if a := d.apart[p]; a != nil && !a.over {
		return a.until
	}
	return time.Time{}
}

// due returns the twins that may be tried again, and forgets the pairs that
// have been quiet for a window after that.
func (d *damper) due(now time.Time) []tvilling.Identity {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []tvilling.Identity
	for p, a := range d.apart {
		switch {
		case now.Before(a.until):
		case !a.over:
			a.over = true
			list = append(list, p.id)
		case now.Sub(a.until) >= dampWindow:
			delete(d.apart, p)
			if d.damped[p.configuration]--; d.damped[p.configuration] <= 0 {
				delete(d.damped, p.configuration)
			}
		}
	}
	return list
}

// later has twins that were due be due once more at a time.
func (d *damper) later(ids []tvilling.Identity, at time.Time) {
	if len(ids) == 0 {
		return
	}
	again := make(map[tvilling.Identity]bool, len(ids))
	for _, id := range ids {
		again[id] = true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for p, a := range d.apart {
		if a.over && again[p.id] {
			a.until, a.over = at, false
		}
	}
}

// forget has a configuration begin without a past.
func (d *damper) forget(configuration string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for p := range d.apart {
		if p.configuration == configuration {
			delete(d.apart, p)
		}
	}
	delete(d.damped, configuration)
}

// kept returns from how many twins a configuration, or with "" all of them
// together, are kept.
func (d *damper) kept(configuration string) (n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if configuration != "" {
		return int64(d.damped[configuration])
	}
	return int64(len(d.apart))
}

// lost returns how many windows were cut short.
func (d *damper) lost() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.forgotten
}
