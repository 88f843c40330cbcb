package watch

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/auth"
)

const (
	// MaxKeys bounds the combinations of identity and reason that are kept in
	// memory, each for as long as it is refused and Gather beyond.
	MaxKeys = 10_000
	// Gather is how long refusals of one key are gathered after the last
	// message about it: a key makes no more than one message in that time.
	Gather = 10 * time.Second
	// Rate is how many messages the hub makes of refusals in a second, in all,
	// and how many at once after it was idle. What is beyond waits and goes on
	// being gathered, so that a stranger who tries every device of a fleet fills
	// neither the log nor the time of its readers.
	Rate = 100
)

// Messages takes messages; a message.Service is one.
type Messages interface {
	// Append makes msgs durable. It may wait. done is called once, possibly
	// before Append returns.
	Append(msgs []*tvilling.Message, done func(error))
}

// Watch gathers refusals and tells of them. Make one with [New], run it with
// [Watch.Run]; [Watch.Refused] may be called from the start.
type Watch struct {
	messages Messages
	log      *slog.Logger
	wake     chan struct{}

	// mu guards all below.
	mu      sync.Mutex
	entries map[key]*entry
	// waiting are the keys with something to tell whose time has come, in that
	// order; resting those that were told of, in the order in which they may be
	// told of again. A key is in one of the two.
	waiting, resting []key

	taken, told, shed, lost atomic.Int64
}

// key is what refusals are gathered by.
type key struct {
	id     tvilling.Identity
	reason auth.Reason
}

// entry is what is known of a key and was not told of yet.
type entry struct {
	hits   int64
	first  time.Time
	newest auth.Refused
	// until is when a resting key may be told of again.
	until time.Time
}

// New returns a watch that appends its messages to m.
func New(m Messages, log *slog.Logger) *Watch {
	return &Watch{
		messages: m, log: log.With("component", "watch"),
		wake: make(chan struct{}, 1), entries: make(map[key]*entry),
	}
}

// Stats counts since the start.
type Stats struct {
	// Taken are the refusals that were gathered, Told those that are in durable
	// messages.
	Taken, Told int64
	// Shed are the refusals that found no room because [MaxKeys] others are
	// being gathered; Lost those that were gathered and could not be stored
	// before the hub stopped.
	Shed, Lost int64
	// Keys is how many keys are in memory now.
	Keys int
}

// Stats returns the counts.
func (w *Watch) Stats() Stats {
	w.mu.Lock()
	keys := len(w.entries)
	w.mu.Unlock()
	return Stats{Taken: w.taken.Load(), Told: w.told.Load(), Shed: w.shed.Load(), Lost: w.lost.Load(), Keys: keys}
}

// Refused takes a refusal. It costs a look into a map and never waits for
// anything else: it is what auth.Options.Refused asks for.
func (w *Watch) Refused(r auth.Refused) {
	k := key{id: r.ID, reason: r.Reason}
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.entries[k]
	if e == nil {
		if len(w.entries) >= MaxKeys {
			w.shed.Add(1)
			return
		}
		// The ids may be parts of a longer text that would be kept with them.
		k.id.Device = tvilling.DeviceID(strings.Clone(string(k.id.Device)))
		k.id.Module = tvilling.ModuleID(strings.Clone(string(k.id.Module)))
		e = new(entry)
		w.entries[k] = e
		w.waiting = append(w.waiting, k)
		select {
		case w.wake <- struct{}{}:
		default: // it is awake already
		}
	}
	w.taken.Add(1)
	e.add(k, 1, r.Time, r)
}

// add counts hits, of which the first was at a time and the newest is r.
func (e *entry) add(k key, hits int64, first time.Time, r auth.Refused) {
	if e.hits == 0 || first.Before(e.first) {
		e.first = first
	}
	if e.hits == 0 || !r.Time.Before(e.newest.Time) {
		e.newest = r
		e.newest.ID = k.id
	}
	e.hits += hits
}

// Run tells of refusals until ctx ends, then of all that is still gathered.
func (w *Watch) Run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	budget := newBudget(time.Now())
	for {
		batch, next := w.take(time.Now(), budget)
		if len(batch) > 0 && !w.tell(batch) {
			w.rest(batch)
		}
		timer.Reset(next)
		select {
		case <-w.wake:
		case <-timer.C:
		case <-ctx.Done():
			w.drain()
			return
		}
	}
}

// idle is how long Run sleeps when nothing is to be done at any time.
const idle = time.Hour

// take returns what may be told of now, as far as the budget goes, and how long
// to wait until the next look unless something wakes it.
func (w *Watch) take(now time.Time, b *budget) (batch []report, next time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	// Whoever rested long enough waits again, if there is something to tell.
	n := 0
	for ; n < len(w.resting) && !now.Before(w.entries[w.resting[n]].until); n++ {
		k := w.resting[n]
		if w.entries[k].hits == 0 {
			delete(w.entries, k)
			continue
		}
		w.waiting = append(w.waiting, k)
	}
	w.resting = advance(w.resting, n)

	n = min(b.left(now), len(w.waiting))
	for _, k := range w.waiting[:n] {
		e := w.entries[k]
		batch = append(batch, report{key: k, hits: e.hits, first: e.first, newest: e.newest})
		*e = entry{until: now.Add(Gather)}
		w.resting = append(w.resting, k)
	}
	b.spend(n)
	w.waiting = advance(w.waiting, n)
	switch {
	case len(w.waiting) > 0:
		next = b.wait()
	case len(w.resting) > 0:
		next = w.entries[w.resting[0]].until.Sub(now)
	default:
		next = idle
	}
	return batch, next
}

// advance drops the first n of a queue. An emptied queue gives up its memory,
// which an attack may have made large.
func advance(queue []key, n int) []key {
	if n == len(queue) {
		return nil
	}
	return queue[n:]
}

// rest puts back what could not be stored: it is tried again with what comes
// in the meantime.
func (w *Watch) rest(batch []report) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range batch {
		// take left the entry, and only take removes entries.
		w.entries[r.key].add(r.key, r.hits, r.first, r.newest)
	}
}

// drain tells of everything at once; what cannot be stored is lost.
func (w *Watch) drain() {
	w.mu.Lock()
	var all []report
	for k, e := range w.entries {
		if e.hits > 0 {
			all = append(all, report{key: k, hits: e.hits, first: e.first, newest: e.newest})
		}
	}
	clear(w.entries)
	w.waiting, w.resting = nil, nil
	w.mu.Unlock()
	for len(all) > 0 {
		n := min(Rate, len(all))
		if !w.tell(all[:n]) {
			for _, r := range all[:n] {
				w.lost.Add(r.hits)
			}
		}
		all = all[n:]
	}
}

// tell stores a message for each report and waits until they are durable.
func (w *Watch) tell(batch []report) bool {
	msgs := make([]*tvilling.Message, len(batch))
	for i := range batch {
		msgs[i] = batch[i].message()
	}
	done := make(chan error, 1)
	w.messages.Append(msgs, func(err error) { done <- err })
	if err := <-done; err != nil {
		w.log.Warn("refused connections not recorded", "messages", len(msgs), "error", err)
		return false
	}
	for _, r := range batch {
		w.told.Add(r.hits)
	}
	return true
}
