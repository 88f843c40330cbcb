package budget

import (
	"context"
	"time"
)

const (
	// burst is how much of its share the agent may save up while it does little.
	burst = 20 * time.Second
	// debt is how much of its share it may owe at most: what it cannot put off,
	// such as events that come in, must not stop everything else for hours.
	debt = time.Minute
	// longestWait bounds one wait, so that whoever keeps the agent busy can slow
	// its other work down, but not end it.
	longestWait = 10 * time.Second
	// minute is the span of lastMinute, and sampleGap the time between samples.
	minute    = time.Minute
	sampleGap = 10 * time.Second
)

// cpu is a bucket of CPU time, which fills with the share.
type cpu struct {
	used  func() (time.Duration, error)
	share float64 // of one core; 0 is no limit

	room  time.Duration // CPU time that may be used at once; negative is a debt
	total time.Duration // CPU time used, when it was last looked at
	at    time.Time     // when that was
	waits uint64

	samples [8]sample // a ring
	next    int
}

type sample struct {
	at    time.Time
	total time.Duration
}

// setShare begins anew with a full bucket.
func (c *cpu) setShare(percent float64) {
	c.share = max(0, percent) / 100
	c.room = c.part(burst)
	c.total, c.at = 0, time.Time{}
}

// part is the share of a time.
func (c *cpu) part(d time.Duration) time.Duration { return time.Duration(c.share * float64(d)) }

// charge takes what was used since the last look out of the bucket, and puts in
// what the time since then is worth. Without a measure nothing is taken.
func (c *cpu) charge(now time.Time) {
	total, err := c.used()
	if err != nil {
		total = c.total
	}
	if !c.at.IsZero() {
		c.room += c.part(now.Sub(c.at)) - (total - c.total)
		c.room = max(min(c.room, c.part(burst)), -c.part(debt))
	}
	c.total, c.at = total, now
	if last := c.samples[(c.next+len(c.samples)-1)%len(c.samples)]; last.at.IsZero() || now.Sub(last.at) >= sampleGap {
		c.samples[c.next] = sample{now, total}
		c.next = (c.next + 1) % len(c.samples)
	}
}

// lastMinute is the use in percent of one core, since the youngest sample that
// is a minute old or since the oldest there is.
func (c *cpu) lastMinute(now time.Time) float64 {
	var from sample
	for i := range c.samples {
		s := c.samples[(c.next+i)%len(c.samples)] // the oldest first
		if !s.at.IsZero() && (from.at.IsZero() || now.Sub(s.at) >= minute) {
			from = s
		}
	}
	passed := now.Sub(from.at)
	if from.at.IsZero() || passed <= 0 {
		return 0
	}
	return 100 * float64(c.total-from.total) / float64(passed)
}

// Wait returns at once while the agent is within its share of the CPU, and
// waits otherwise until it is again, ten seconds at most. Collectors call it
// between units of work. Its error is that of ctx.
func (b *Budget) Wait(ctx context.Context) error {
	d := b.over()
	if d <= 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	b.mu.Lock()
	b.cpu.waits++
	b.mu.Unlock()
	timer := time.NewTimer(min(d, longestWait))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Busy reports whether the agent is over its share of the CPU.
func (b *Budget) Busy() bool { return b.over() > 0 }

// over is how long the agent must do nothing to be within its share again.
func (b *Budget) over() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.embedded || b.cpu.share <= 0 {
		return 0
	}
	b.cpu.charge(time.Now())
	if b.cpu.room >= 0 {
		return 0
	}
	return time.Duration(float64(-b.cpu.room) / b.cpu.share)
}
