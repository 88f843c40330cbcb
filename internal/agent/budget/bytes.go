package budget

import (
	"math"
	"time"
)

// Day is how many bytes were sent on a day of UTC. The owner keeps it over
// restarts.
type Day struct {
	// Date is in the form 2006-01-02; empty is no day.
	Date  string `json:"date"`
	Bytes int64  `json:"bytes"`
}

// lowShare is the part of the day's bytes that what has low priority may use;
// the rest is for what has high priority.
const lowShare = 0.8

// unset is before the first year that a clock that was set can show. Devices
// without a battery start in 1970.
const unset = 2020

// spending counts the bytes of the day.
type spending struct {
	day     Day
	stopped bool // today something could not be sent
	stops   uint64
}

// turn begins another day. A clock that is not set yet begins none, since the
// day that was counted last may still go on.
func (s *spending) turn(now time.Time) {
	now = now.UTC()
	if now.Year() < unset && s.day.Date != "" {
		return
	}
	if date := now.Format(time.DateOnly); date != s.day.Date {
		s.day, s.stopped = Day{Date: date}, false
	}
}

// Charge counts n bytes as sent now.
func (b *Budget) Charge(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bytes.turn(time.Now())
	if n > 0 && b.bytes.day.Bytes <= math.MaxInt64-n {
		b.bytes.day.Bytes += n
	}
}

// Left is how many bytes may still be sent today, math.MaxInt64 without a limit.
func (b *Budget) Left() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bytes.turn(time.Now())
	if b.limits.BytesPerDay <= 0 {
		return math.MaxInt64
	}
	return max(0, b.limits.BytesPerDay-b.bytes.day.Bytes)
}

// MayTry reports whether something may be sent now: of high priority until the
// day's bytes are used, of low until four fifths are.
func (b *Budget) MayTry(high bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bytes.turn(time.Now())
	limit := b.limits.BytesPerDay
	if limit <= 0 {
		return true
	}
	if !high {
		limit = int64(lowShare * float64(limit))
	}
	if b.bytes.day.Bytes < limit {
		return true
	}
	if !b.bytes.stopped {
		b.bytes.stopped = true
		b.bytes.stops++
	}
	return false
}

// Today returns what was sent today, to be kept.
func (b *Budget) Today() Day {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bytes.turn(time.Now())
	return b.bytes.day
}
