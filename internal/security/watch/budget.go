package watch

import "time"

// budget is how many messages may be made: [Rate] a second, and as many at
// once after a second of rest.
type budget struct {
	tokens float64
	at     time.Time
}

func newBudget(now time.Time) *budget { return &budget{tokens: Rate, at: now} }

// left returns how many messages may be made now.
func (b *budget) left(now time.Time) int {
	b.tokens = min(Rate, b.tokens+now.Sub(b.at).Seconds()*Rate)
	b.at = now
	return int(b.tokens)
}

func (b *budget) spend(n int) { b.tokens -= float64(n) }

// wait returns how long to wait, when nothing is left, before it is worth
// looking again: until a tenth of a second's messages may be made together.
func (b *budget) wait() time.Duration { return time.Second / 10 }
