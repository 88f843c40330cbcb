//go:build linux

package agent

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tvilling/tvilling/internal/agent/collect"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/schema"
)

// A snapshot that is taken because something changed waits a moment, in case that
// more changes. When changes go on and on, it is taken changeBurst times in a
// row, then once every changeRefill.
const (
	changeWait   = 300 * time.Millisecond
	changeBurst  = 30
	changeRefill = 2 * time.Minute
)

// set is a set of kinds of event.
type set uint32

func (s set) has(k event.Kind) bool { return s&(1<<k) != 0 }

func setOf(kinds ...event.Kind) set {
	var s set
	for _, k := range kinds {
		s |= 1 << k
	}
	return s
}

// snapshots takes snapshots when they are asked for, one after the other.
type snapshots struct {
	sources []collect.Snapshot
	// give takes a snapshot that is taken.
	give func(at time.Time, k event.Kind, items []event.Item)
	// wait returns when the CPU budget has room.
	wait func(context.Context) error
	log  *slog.Logger

	// after is called when some were taken.
	after func()
	wake  chan struct{}

	mu    sync.Mutex
	asked set
	// then is called when those that are asked for were taken.
	then    func()
	changes [event.Kinds]change
	failed  [event.Kinds]string
}

// change is what is known of a kind's changes.
type change struct {
	due    time.Time // when the snapshot is to be taken; zero if it is not
	bucket bucket
	// sum is that of the items sent last; a change that changes nothing that is
	// shown is not sent.
	sum [sha256.Size]byte
}

func newSnapshots(sources []collect.Snapshot, give func(time.Time, event.Kind, []event.Item), wait func(context.Context) error, log *slog.Logger) *snapshots {
	return &snapshots{sources: sources, give: give, wait: wait, log: log, wake: make(chan struct{}, 1)}
}

// ask asks for snapshots of some kinds, as soon as possible.
func (s *snapshots) ask(kinds set) {
	s.mu.Lock()
	s.asked |= kinds
	s.mu.Unlock()
	kick(s.wake)
}

// askThen asks for snapshots, and to be called when they were taken. If more
// than one asks before that, the last is called.
func (s *snapshots) askThen(kinds set, then func()) {
	s.mu.Lock()
	s.asked |= kinds
	s.then = then
	s.mu.Unlock()
	kick(s.wake)
}

// changed says that what a kind shows has changed, maybe.
func (s *snapshots) changed(k event.Kind) {
	now := time.Now()
	s.mu.Lock()
	c := &s.changes[k]
	if c.due.IsZero() {
		c.due = now.Add(max(changeWait, c.bucket.wait(now, changeBurst, changeRefill)))
	}
	s.mu.Unlock()
	kick(s.wake)
}

// next returns what to do now, what to do then, if anything, and how long until
// there is something else.
func (s *snapshots) next(now time.Time) (asked, changed set, then func(), wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked, s.asked = s.asked, 0
	then, s.then = s.then, nil
	wait = -1
	for k := range s.changes {
		c := &s.changes[k]
		switch {
		case c.due.IsZero():
		case !c.due.After(now):
			c.due = time.Time{}
			changed |= 1 << k
		case wait < 0 || c.due.Sub(now) < wait:
			wait = c.due.Sub(now)
		}
	}
	return asked, changed, then, wait
}

// run takes snapshots until ctx ends.
func (s *snapshots) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		asked, changed, then, wait := s.next(time.Now())
		for _, source := range s.sources {
			k := source.Kind()
			if !(asked | changed).has(k) {
				continue
			}
			if s.wait(ctx) != nil {
				return
			}
			s.take(ctx, source, asked.has(k))
		}
		if then != nil {
			then()
		}
		if asked|changed != 0 {
			s.after()
			continue // there may be more by now
		}
		if wait < 0 {
			wait = time.Hour
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-timer.C:
		}
	}
}

// take takes one snapshot. always says that it is to be sent even if it shows
// what the last one did.
func (s *snapshots) take(ctx context.Context, source collect.Snapshot, always bool) {
	k := source.Kind()
	items, err := source.Take(ctx)
	if ctx.Err() != nil {
		return
	}
	failure := ""
	if err != nil {
		failure = err.Error()
	}
	sum := sumOf(items)
	s.mu.Lock()
	same := s.changes[k].sum == sum
	again := s.failed[k] == failure
	s.failed[k] = failure
	if err == nil {
		s.changes[k].sum = sum
	}
	s.mu.Unlock()
	if err != nil {
		if !again { // it is said once, not each time
			s.log.WarnContext(ctx, "a snapshot could not be taken", "event", k.String(), "error", err)
		}
		return
	}
	if always || !same {
		s.give(time.Now(), k, items)
	}
}

func sumOf(items []event.Item) [sha256.Size]byte {
	h := sha256.New()
	var b []byte
	for _, it := range items {
		b = schema.AppendItem(b[:0], it)
		_, _ = h.Write(b) // never fails
	}
	_, _ = fmt.Fprintf(h, "%d", len(items)) // an empty one differs from none
	return [sha256.Size]byte(h.Sum(nil))
}

// kick wakes who waits for c, which has room for one.
func kick(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
