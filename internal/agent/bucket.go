//go:build linux

package agent

import "time"

// bucket lets things happen at once as long as they are few: so many in a row,
// and one more each time that refill has passed. What comes in between happens
// together with the next one. The zero bucket is full.
type bucket struct {
	spent float64
	last  time.Time // when spent was counted
	next  time.Time // when the next one is to happen, if that was promised
}

// wait takes one, and returns how long it has to wait. Of those that wait, only
// the first is taken.
func (b *bucket) wait(now time.Time, burst float64, refill time.Duration) time.Duration {
	if d := b.next.Sub(now); d > 0 {
		return d
	}
	b.spent = max(b.spent-float64(now.Sub(b.last))/float64(refill), 0)
	b.last = now
	over := b.spent - (burst - 1)
	b.spent++
	if over <= 0 {
		return 0
	}
	d := time.Duration(over * float64(refill))
	b.next = now.Add(d)
	return d
}
