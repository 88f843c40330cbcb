package commit

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
)

const (
	// queueLength bounds the changes that wait; a sender beyond it waits too,
	// which is the back-pressure on whoever produces them.
	queueLength = 4096
	// roundLength bounds the changes that share one fsync, and so the time
	// that the first of them waits for the last.
	roundLength = 1024
)

// Options are what a [Committer] needs.
type Options struct {
	Store state.Store
	// Fatal is called once, from the committer's goroutine, when the store can
	// no longer say what is durable. The process must then stop.
	Fatal func(error)
	// Observe, if set, is told of every round: how many changes it held and
	// how long the store took to make them durable.
	Observe func(changes int, took time.Duration)
	// Follow, if set, is told what each round left behind once that is durable
	// and before any answer to it is released, from the committer's goroutine:
	// whoever asks it after an answer finds what was answered. It must not
	// block. The records are immutable, the slice is its only until it returns.
	Follow func(round []Touched)
	// Recorded, if set, is told the changes of each round, in order, right after
	// Follow and by the same rules: what they changed can be read by then.
	Recorded func(changes []state.Change)
}

// Committer runs changes. Make one with [New], run it with [Committer.Run].
type Committer struct {
	opt   Options
	queue chan *change
	// stopped is closed when Run has returned: nothing is taken any more.
	stopped chan struct{}

	counters state.Counters
	last     int64 // Unix nanoseconds of the newest change
	sequence uint64

	waiting atomic.Int64

	// mu guards changed, which is closed and replaced by every durable round.
	mu      sync.Mutex
	changed chan struct{}
}

// change is one function in the queue.
type change struct {
	apply func(*Tx) error
	done  func(error)

	err     error
	effects []func()
}

// New returns a committer for a store, continuing where the store's journal ends.
func New(ctx context.Context, o Options) (*Committer, error) {
	counters, err := o.Store.Counters(ctx)
	if err != nil {
		return nil, err
	}
	c := &Committer{
		opt: o, counters: counters,
		queue: make(chan *change, queueLength), stopped: make(chan struct{}),
		changed: make(chan struct{}),
	}
	c.sequence, c.last = o.Store.Head()
	return c, nil
}

// Submit queues apply. It waits while the queue is full. done is called once,
// in order of submission, from the committer's goroutine: with nil after what
// apply did is durable, or with the error that refused it, in which case
// nothing of it remains. Once the committer has stopped any goroutine may call
// it, to refuse. done must not block and must not call Submit or Do.
func (c *Committer) Submit(apply func(*Tx) error, done func(error)) {
	ch := &change{apply: apply, done: done}
	c.waiting.Add(1)
	select {
	case <-c.stopped:
		c.refuse(ch)
		return
	default:
	}
	select {
	case c.queue <- ch:
		select {
		case <-c.stopped:
			// Run may have looked at the queue for the last time before.
			c.empty()
		default:
		}
	case <-c.stopped:
		c.refuse(ch)
	}
}

func (c *Committer) refuse(ch *change) {
	c.waiting.Add(-1)
	ch.done(tvilling.Errorf(tvilling.Unavailable, "The hub is stopping; try again in a moment."))
}

// Do runs apply and waits until it is durable. When ctx ends first Do returns
// its cause, though the change may still become durable.
func (c *Committer) Do(ctx context.Context, apply func(*Tx) error) error {
	done := make(chan error, 1)
	c.Submit(apply, func(err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Waiting returns how many changes are queued or under way.
func (c *Committer) Waiting() int64 { return c.waiting.Load() }

// Changed returns a channel that is closed when the next round is durable.
func (c *Committer) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// Run works the queue until ctx ends; what is still queued then is refused.
func (c *Committer) Run(ctx context.Context) {
	defer c.drain()
	round := make([]*change, 0, roundLength)
	for {
		select {
		case ch := <-c.queue:
			round = c.fill(append(round[:0], ch))
			if err := c.commit(round); err != nil {
				c.opt.Fatal(err)
				return
			}
			clear(round)
		case <-ctx.Done():
			return
		}
	}
}

// drain refuses later changes and answers those already queued.
func (c *Committer) drain() {
	close(c.stopped)
	c.empty()
}

// empty refuses what is queued.
func (c *Committer) empty() {
	for {
		select {
		case ch := <-c.queue:
			c.refuse(ch)
		default:
			return
		}
	}
}

// fill adds to a round what is waiting already.
func (c *Committer) fill(round []*change) []*change {
	for len(round) < roundLength {
		select {
		case ch := <-c.queue:
			round = append(round, ch)
		default:
			return round
		}
	}
	return round
}

// commit runs one round. It returns an error only when the store is lost.
func (c *Committer) commit(round []*change) error {
	r := &work{c: c, counters: c.counters, sequence: c.sequence, staged: make(map[tvilling.Identity]*staged, len(round))}
	if c.opt.Follow != nil {
		r.before = make(map[tvilling.Identity]*state.Twin, len(round))
	}
	// A clock set back must not make stamps go back.
	r.batch = state.Batch{Writes: make([]state.Write, 0, len(round)+1), Changes: make([]state.Change, 0, len(round))}
	r.now = max(time.Now().UnixNano(), c.last)
	for _, ch := range round {
		r.run(ch)
	}
	var err error
	if len(r.batch.Writes) > 0 || len(r.batch.Changes) > 0 {
		if r.counters != c.counters {
			r.batch.Writes = append(r.batch.Writes, state.Write{Counters: &r.counters})
		}
		start := time.Now()
		err = c.opt.Store.Commit(context.Background(), &r.batch)
		if c.opt.Observe != nil {
			c.opt.Observe(len(round), time.Since(start))
		}
	}
	if err == nil {
		c.counters, c.sequence, c.last = r.counters, r.sequence, r.now
		if c.opt.Follow != nil && len(r.staged) > 0 {
			c.opt.Follow(r.touched())
		}
		if c.opt.Recorded != nil && len(r.batch.Changes) > 0 {
			c.opt.Recorded(r.batch.Changes)
		}
	}
	for _, ch := range round {
		if ch.err == nil {
			ch.err = err
		}
		if ch.err == nil {
			for _, f := range ch.effects {
				f()
			}
		}
		c.waiting.Add(-1)
		ch.done(ch.err)
	}
	if err == nil {
		c.announce()
		return nil
	}
	if tvilling.CodeOf(err) == tvilling.Unavailable {
		return nil
	}
	return err
}

func (c *Committer) announce() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.changed)
	c.changed = make(chan struct{})
}
