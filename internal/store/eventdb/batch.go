package eventdb

import (
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/event"
)

// batch is what is in memory and not yet on disk: blocks, the entries of their
// messages in the lists of devices, dead letters. Its slices only grow, so
// that a query may read what it has seen of them while more is added.
type batch struct {
	blocks   []*builder // the last one may grow
	postings map[tvilling.DeviceID][]posting
	letters  []event.DeadLetter
	counts   map[tvilling.DeviceID]*letterCount

	bytes                       int
	events                      int64
	letterBytes, shed           int64
	firstReceived, lastReceived time.Time
	since                       time.Time // when the first of it came
	from                        uint64    // sequence of the first message dealt with
}

// letterCount counts the dead letters of a device: those on disk when the batch
// began, those in the batch, those of the batch that were not kept.
type letterCount struct{ stored, kept, shed int64 }

func newBatch() *batch {
	return &batch{postings: make(map[tvilling.DeviceID][]posting), counts: make(map[tvilling.DeviceID]*letterCount)}
}

// builder returns the block that the next message goes to.
func (b *batch) builder(size int) *builder {
	if n := len(b.blocks); n > 0 && b.blocks[n-1].size() < size {
		return b.blocks[n-1]
	}
	next := &builder{contents: contents{messages: make([]byte, 0, size+size/4), guids: make([]byte, 0, size/8)}}
	if n := len(b.blocks); n > 0 {
		// What was the last block does not grow again.
		last := b.blocks[n-1]
		next.scratch, last.scratch, last.senders = last.scratch, nil, nil
	}
	b.blocks = append(b.blocks, next)
	return next
}

// letterOverhead is about what a dead letter takes besides its texts.
const letterOverhead = 100

func letterSize(l *event.DeadLetter) int {
	return letterOverhead + len(l.From.Device) + len(l.From.Module) + len(l.Path) + len(l.Reason) + len(l.Raw)
}
