package live

import (
	"sync"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// touch is what a subscription needs to know of a change.
type touch struct {
	sequence uint64
	id       tvilling.Identity
	op       state.Op
}

func touchOf(c *state.Change) touch { return touch{c.Sequence, c.ID, c.Op} }

// feed keeps the newest touches for all subscriptions. It is empty while there
// are none, and then costs a round of the committer one lock.
type feed struct {
	// mu guards all below.
	mu      sync.Mutex
	readers int
	// ring has the touch of sequence n at n modulo its length, for those from
	// first to last; both are 0 while it is empty.
	ring        []touch
	first, last uint64
	// told is the sequence of the newest change of all, with readers or without.
	told uint64
	// more is closed and replaced when there are further touches.
	more chan struct{}
}

// newFeed returns a feed for what comes after a sequence.
func newFeed(length int, after uint64) *feed {
	return &feed{ring: make([]touch, length), told: after, more: make(chan struct{})}
}

// join makes the feed keep touches. What becomes durable after it returned is
// in the feed.
func (f *feed) join() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.readers++
}

// leave ends a join.
func (f *feed) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.readers--; f.readers == 0 {
		clear(f.ring)
		f.first, f.last = 0, 0
	}
}

// head returns the sequence of the newest change that was told. Whatever the
// search finds by has it, as well as all before it; of a newer one that is
// durable already that is not known.
func (f *feed) head() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.told
}

// add takes the changes of a durable round, of which there is at least one.
func (f *feed) add(changes []state.Change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = changes[len(changes)-1].Sequence
	if f.readers == 0 {
		return
	}
	n := uint64(len(f.ring))
	for i := range changes {
		t := touchOf(&changes[i])
		if f.first == 0 || t.sequence != f.last+1 {
			f.first = t.sequence
		}
		f.ring[t.sequence%n] = t
		f.last = t.sequence
		if f.last-f.first >= n {
			f.first = f.last - n + 1
		}
	}
	close(f.more)
	f.more = make(chan struct{})
}

// after appends to dst the touches after a sequence, as many as fit without
// growing it. It reports false when the feed no longer has the first of them.
// Without any, more is closed when there is one.
func (f *feed) after(sequence uint64, dst []touch) (_ []touch, more <-chan struct{}, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.first == 0 || f.last <= sequence {
		return dst, f.more, true
	}
	if sequence+1 < f.first {
		return dst, f.more, false
	}
	n := uint64(len(f.ring))
	for next := sequence + 1; next <= f.last && len(dst) < cap(dst); next++ {
		dst = append(dst, f.ring[next%n])
	}
	return dst, f.more, true
}
