package aggregate

import (
	"hash/maphash"
	"time"

	"github.com/tvilling/tvilling/internal/security/event"
)

// What an Aggregator holds is bounded: by that many aggregated items, and by
// that many bytes, roughly. The bytes are those of a hundred of the longest
// command lines that are told.
const (
	maxItems = 1024
	maxBytes = 512 << 10
)

// Aggregator holds a window of time for each kind of event that is aggregated.
// It is not safe for concurrent use.
type Aggregator struct {
	seed    maphash.Seed
	windows [event.Kinds]window
	// items and bytes are those of all windows.
	items, bytes int
}

// window collects the events of a kind from the first one on.
type window struct {
	interval time.Duration
	enabled  bool
	// due says that it has ended early: it was switched off, or there was no room.
	due   bool
	start time.Time
	hits  []hits
	// index has the place in hits by the hash of the identity.
	index map[uint64]int
}

// Group is what is to become one event of the category Aggregated.
type Group struct {
	Kind event.Kind
	// At is when the last of the events that are counted happened.
	At time.Time
	// Items are aggregated items. They are new ones, and the caller's.
	Items []event.Item
}

// New returns an Aggregator that aggregates nothing yet.
func New() *Aggregator { return &Aggregator{seed: maphash.MakeSeed()} }

// Set says whether events of a kind are aggregated, and how long a window is.
// Of a kind that is switched off, Due returns what there is at its next call.
// Only ProcessCreate, ProcessTerminate and ConnectionCreate can be aggregated;
// of other kinds nothing ever is.
func (a *Aggregator) Set(k event.Kind, enabled bool, interval time.Duration) {
	w := &a.windows[k]
	w.enabled, w.interval = enabled && interval > 0, interval
	if !w.enabled && len(w.hits) > 0 {
		w.due = true
	}
}

// Add counts an event that happened at a time. If it returns false the event
// was not taken, and is to be sent as it is: its kind is not aggregated, or
// there is no room. In that case the oldest window ends early, so that Due
// returns something, after which there is room again.
//
// The item is not changed, and not kept.
func (a *Aggregator) Add(at time.Time, it event.Item) bool {
	k := it.Kind()
	w := &a.windows[k]
	if !w.enabled {
		return false
	}
	id, ok := identityOf(it)
	if _, already := it.Details().Get(event.HitCount); !ok || already {
		return false
	}
	sum := maphash.Comparable(a.seed, id)
	if i, ok := w.index[sum]; ok {
		if is, _ := identityOf(w.hits[i].item); is != id {
			return false // two identities with one hash
		}
		w.hits[i].add(at.UnixMilli(), it)
		return true
	}
	size := sizeOf(it)
	if a.items+1 > maxItems || a.bytes+size > maxBytes {
		a.makeRoom()
		return false
	}
	if w.index == nil {
		w.index = make(map[uint64]int)
	}
	if len(w.hits) == 0 {
		w.start = at
	}
	w.index[sum] = len(w.hits)
	w.hits = append(w.hits, newHits(at.UnixMilli(), it, size))
	a.items++
	a.bytes += size
	return true
}

// makeRoom ends the oldest window, unless one has ended already.
func (a *Aggregator) makeRoom() {
	var oldest *window
	for k := range a.windows {
		w := &a.windows[k]
		switch {
		case w.due:
			return
		case len(w.hits) > 0 && (oldest == nil || w.start.Before(oldest.start)):
			oldest = w
		}
	}
	if oldest != nil {
		oldest.due = true
	}
}

// Due takes out what the windows hold that have ended at now. A window that
// begins far in the future has ended, too: the clock was set back.
func (a *Aggregator) Due(now time.Time) []Group {
	var groups []Group
	for k := range a.windows {
		w := &a.windows[k]
		open := now.Sub(w.start)
		if w.due || open >= w.interval || open <= -w.interval {
			groups = a.take(groups, event.Kind(k))
		}
	}
	return groups
}

// Flush takes out all that there is.
func (a *Aggregator) Flush() []Group {
	var groups []Group
	for k := range a.windows {
		groups = a.take(groups, event.Kind(k))
	}
	return groups
}

// take empties a window.
func (a *Aggregator) take(groups []Group, k event.Kind) []Group {
	w := &a.windows[k]
	if len(w.hits) == 0 {
		w.due = false
		return groups
	}
	for _, h := range w.hits {
		a.bytes -= h.size
	}
	a.items -= len(w.hits)
	groups = appendGroups(groups, k, w.hits)
	// The memory is given back: the next window may be a small one.
	w.hits, w.index, w.due = nil, nil, false
	return groups
}
