//go:build linux

package agent

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/tvilling/tvilling/internal/agent/settings"
	"github.com/tvilling/tvilling/internal/agent/spool"
)

const (
	// urgentGap is the least time between two messages of urgent events.
	urgentGap = 50 * time.Millisecond
	// sendTimeout is how long the hub may take to acknowledge a message.
	sendTimeout = time.Minute
	// retryWait is how long a message that failed waits, while connected.
	retryWait = 10 * time.Second
	// blockBytes is what messages are counted in (asc §2.5).
	blockBytes = 4096
)

// sender sends what waits in the spool when it is time (asc §2.6).
type sender struct {
	spool *spool.Spool
	// send sends a message and returns when the hub has it.
	send func(ctx context.Context, body []byte) error
	// connected reports whether there is somebody to send to.
	connected func() bool
	// mayTry reports whether the day's bytes allow more.
	mayTry  func(high bool) bool
	message func(dst []byte, b spool.Batch) []byte
	log     *slog.Logger
	wake    chan struct{}

	mu       sync.Mutex
	settings *settings.Settings
	since    [spool.Classes]time.Time // since when something waits
	urgent   time.Time                // when what is urgent is to go; zero if nothing is
	flush    int                      // so many events are to go, whatever the intervals are
	last     time.Time                // when urgent events were sent
	stats    messageStatistics
	retry    time.Time

	remembers bool // of run: it was told that the spool cannot forget
}

// messageStatistics count messages since the last snapshot of them.
// urgent are those of the small ones that carried what is urgent.
type messageStatistics struct{ sent, small, urgent, failed int64 }

// noteUrgent says that something in the queue of High should not wait longer
// than that.
func (s *sender) noteUrgent(wait time.Duration) {
	at := time.Now().Add(wait)
	s.mu.Lock()
	if s.urgent.IsZero() || at.Before(s.urgent) {
		s.urgent = at
	}
	s.mu.Unlock()
	kick(s.wake)
}

// noteChange says that something waits, or that the connection or the settings
// changed.
func (s *sender) noteChange() { kick(s.wake) }

// flushAll sends what waits without regard to intervals. What comes later is
// not meant: on a busy device there is always something.
func (s *sender) flushAll() {
	s.mu.Lock()
	s.flush = 0
	for c := range spool.Classes {
		n, _ := s.spool.Waiting(c)
		s.flush += n
	}
	s.mu.Unlock()
	kick(s.wake)
}

// use makes settings those in force.
func (s *sender) use(now *settings.Settings) {
	s.mu.Lock()
	s.settings = now
	s.mu.Unlock()
	kick(s.wake)
}

// statistics returns what was counted, and begins anew.
func (s *sender) statistics() messageStatistics {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.stats
	s.stats = messageStatistics{}
	return was
}

// orders of the queues for a message: the first leads, the others fill it up.
var (
	orderHigh   = []spool.Class{spool.High, spool.Medium, spool.Low}
	orderMedium = []spool.Class{spool.Medium, spool.Low, spool.High}
	orderLow    = []spool.Class{spool.Low, spool.Medium, spool.High}
)

// recall finds out since when what an earlier run left waits.
func (s *sender) recall(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range spool.Classes {
		// A clock that was set back must not keep it from being sent.
		if at := s.spool.Oldest(c); !at.IsZero() {
			s.since[c] = now.Add(-max(now.Sub(at), 0))
		}
	}
}

// next decides what to send now: the order of the queues, nil for nothing, and
// the block that the message is filled up to, 0 for as much as it holds. wait
// is how long until there may be something, negative if only an event tells.
// Without low, only the queue of High counts, and is sent.
func (s *sender) next(now time.Time, low bool) (order []spool.Class, pad int, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wait = -1
	all := orderHigh
	if !low {
		all = orderHigh[:1]
		wait = time.Minute // another day may have begun by then
	}
	soonest := func(d time.Duration) {
		if wait < 0 || d < wait {
			wait = max(d, 0)
		}
	}
	var waiting [spool.Classes]int64
	total, sendable := int64(0), int64(0)
	for c := range spool.Classes {
		_, waiting[c] = s.spool.Waiting(c)
		total += waiting[c]
		switch {
		case waiting[c] == 0:
			s.since[c] = time.Time{}
		case s.since[c].IsZero():
			s.since[c] = now
		}
		if low || c == spool.High {
			sendable += waiting[c]
		}
	}
	if total == 0 {
		s.urgent, s.flush = time.Time{}, 0
		return nil, 0, -1
	}
	if sendable == 0 {
		return nil, 0, wait
	}
	if d := s.retry.Sub(now); d > 0 {
		return nil, 0, d
	}
	if !s.urgent.IsZero() && waiting[spool.High] > 0 {
		d := max(s.urgent.Sub(now), s.last.Add(urgentGap).Sub(now))
		if d <= 0 {
			return all, blockBytes, 0
		}
		soonest(d)
	}
	if s.flush > 0 || sendable >= s.settings.MaxMessage {
		return all, 0, 0
	}
	for c, order := range [...][]spool.Class{orderHigh, orderMedium, orderLow} {
		if waiting[c] == 0 || !low && spool.Class(c) != spool.High {
			continue
		}
		d := s.since[c].Add(s.settings.Interval[c]).Sub(now)
		if d <= 0 {
			if !low {
				order = all
			}
			return order, blockBytes, 0
		}
		soonest(d)
	}
	return nil, 0, wait
}

// run sends until ctx ends.
func (s *sender) run(ctx context.Context) {
	s.recall(time.Now())
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for ctx.Err() == nil {
		order, pad, wait := s.next(time.Now(), true)
		if order != nil && s.connected() && !s.mayTry(false) {
			if order, pad, wait = s.next(time.Now(), false); order != nil && !s.mayTry(true) {
				order, wait = nil, time.Minute
			}
		}
		if order != nil {
			if s.connected() {
				s.one(ctx, order, pad)
				continue
			}
			wait = -1 // noteChange tells when there is a connection
		}
		if wait < 0 {
			wait = time.Hour
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-timer.C:
		}
	}
}

// one sends one message.
func (s *sender) one(ctx context.Context, order []spool.Class, pad int) {
	s.mu.Lock()
	budget := int(s.settings.MaxMessage)
	now := time.Now()
	urgent := !s.urgent.IsZero() && !s.urgent.After(now) && order[0] == spool.High
	if urgent {
		s.urgent, s.last = time.Time{}, now
	}
	s.mu.Unlock()
	batch, err := s.spool.Take(budget, pad, order...)
	if err != nil {
		s.log.ErrorContext(ctx, "the spool cannot be read", "error", err)
		s.later(now)
		return
	}
	if batch.Len() == 0 {
		s.later(now) // what waited could not be read, and is counted
		return
	}
	body := s.message(nil, batch)
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	err = s.send(ctx, body)
	s.mu.Lock()
	if err != nil {
		s.stats.failed++
		if urgent {
			s.urgent = now
		}
	} else {
		s.stats.sent++
		s.flush = max(s.flush-batch.Len(), 0)
		if len(body) < blockBytes {
			s.stats.small++
			if urgent {
				s.stats.urgent++
			}
		}
		s.since[order[0]] = time.Time{} // what still waits waits from now
		if urgent {
			// There was more than one message holds: the urgent ones may be among it.
			if left, _ := s.spool.Waiting(spool.High); left > 0 && s.urgent.IsZero() {
				s.urgent = now
			}
		}
	}
	s.mu.Unlock()
	if err != nil {
		s.log.InfoContext(ctx, "a message was not sent; it stays in the spool", "events", batch.Len(), "error", err)
		s.later(now)
		return
	}
	err = s.spool.Done(batch)
	if err != nil && !s.remembers { // it is told once, not with each message
		s.log.ErrorContext(ctx, "the spool cannot forget what was sent; it is sent again after a restart", "error", err)
	}
	s.remembers = err != nil
}

// later puts off the next try.
func (s *sender) later(now time.Time) {
	s.mu.Lock()
	s.retry = now.Add(retryWait)
	s.mu.Unlock()
}
