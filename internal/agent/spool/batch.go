package spool

import (
	"iter"

	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/schema"
)

// Envelope is what a message has around its events, in bytes, at most: its own
// members with a version and an id of up to 64 bytes together, and the mark by
// which it is a security message, which is counted when messages are billed.
const Envelope = 256

// maxEvents bounds the events of a message (schema.MaxEvents, which is the hub's).
const maxEvents = 1500

// Batch is events for one message. The zero value has none.
type Batch struct {
	// joined has the events, a comma between them, and ends where each ends.
	joined []byte
	ends   []int32
	upTo   [Classes]uint64 // sequences; 0 for a class that has no event in it
	epoch  int
}

// Len returns how many events there are.
func (b Batch) Len() int { return len(b.ends) }

// Events returns the events one by one, in the order of the message. They are
// not to be changed.
func (b Batch) Events() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		from := int32(0)
		for _, end := range b.ends {
			if !yield(b.joined[from:end]) {
				return
			}
			from = end + 1
		}
	}
}

// AppendMessage appends the security message with these events, as
// schema.Append does.
func (b Batch) AppendMessage(dst []byte, version, agentID string) []byte {
	dst = schema.Append(dst, &event.Message{AgentVersion: version, AgentID: agentID})
	dst = append(dst[:len(dst)-len("]}")], b.joined...)
	return append(dst, "]}"...)
}

// size returns how large the message is, at most.
func (b *Batch) size() int { return Envelope + len(b.joined) }

// fits reports whether an event of n bytes can be added within limit.
func (b *Batch) fits(n, limit int) bool {
	return len(b.ends) == 0 || len(b.ends) < maxEvents && b.size()+1+n <= limit
}

func (b *Batch) add(ev []byte) {
	if len(b.ends) > 0 {
		b.joined = append(b.joined, ',')
	}
	b.joined = append(b.joined, ev...)
	b.ends = append(b.ends, int32(len(b.joined)))
}

// Take returns events for one message of at most budget bytes, each class's
// oldest first. The first of classes in which something waits leads: as many of
// its events as fit. Then those of the others fill the message up (asc §2.6):
// to the next multiple of pad, in which messages are billed, or to the budget
// if pad is 0. An event that is larger than the budget goes alone.
//
// The events stay in the spool until Done; until then Take returns them again.
// Events that cannot be read are dropped and counted. An error says that the
// disk cannot be read now; nothing is dropped then.
func (s *Spool) Take(budget, pad int, classes ...Class) (Batch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	budget = min(budget, maxBody)
	b := Batch{epoch: s.epoch}
	b.joined = make([]byte, 0, min(int64(max(budget, 0)), s.bytes()))
	limit := budget
	for _, c := range classes {
		if c >= Classes {
			continue
		}
		led := b.Len() > 0
		if err := s.fill(&b, c, limit); err != nil {
			return Batch{}, err
		}
		if !led && b.Len() > 0 && pad > 0 {
			limit = min(budget, (b.size()+pad-1)/pad*pad)
		}
	}
	return b, nil
}

// fill adds events of a class to b while they fit within limit.
func (s *Spool) fill(b *Batch, c Class, limit int) error {
	q := &s.queues[c]
	for i := 0; i < len(q.segs); {
		g := &q.segs[i]
		at := place{headerSize, g.first}
		if i == 0 {
			at = place{q.off, q.pos}
		}
		for at.seq < g.end {
			r, next, err := s.reader.header(s.disk, q, g, at)
			if err != nil {
				return err
			}
			if r.length > 0 && !b.fits(r.length, limit) {
				return nil
			}
			var ev []byte
			if r.length > 0 {
				if ev, err = s.reader.event(at, r); err != nil {
					return err
				}
			}
			if ev == nil {
				if i > 0 || at.seq > q.pos {
					return nil // it is dropped when all before it are done
				}
				s.drop(c, Damaged, next.seq-q.pos)
				q.dropTo(next)
			} else {
				b.add(ev)
				b.upTo[c] = next.seq
			}
			at = next
		}
		before := len(q.segs)
		if i == 0 && q.pos >= g.end {
			s.discard(q.trim())
		}
		if len(q.segs) == before {
			i++
		}
	}
	seq := q.tailFirst()
	for rest := q.tail[q.cut:]; len(rest) > 0; seq++ {
		r := plainRecord(rest)
		if !b.fits(r.length, limit) {
			return nil
		}
		b.add(rest[recordSize:r.size()])
		b.upTo[c] = seq + 1
		rest = rest[r.size():]
	}
	return nil
}

// Done forgets the events of a batch, which the hub has acknowledged; when it
// returns nil, durably. Otherwise, or if the agent ends before, they may come
// again after a restart.
func (s *Spool) Done(b Batch) error {
	if b.Len() == 0 {
		return nil
	}
	s.durable.Lock()
	defer s.durable.Unlock()
	s.mu.Lock()
	if b.epoch == s.epoch { // else they have other sequences now, and are sent again
		for c := range s.queues {
			s.forget(&s.queues[c], b.upTo[c])
		}
	}
	s.mu.Unlock()
	return s.saveState()
}

// forget drops the events of a queue below a sequence, as done.
func (s *Spool) forget(q *queue, upTo uint64) {
	for q.onDisk() && q.pos < upTo {
		g := &q.segs[0]
		next := place{g.size, g.end}
		if upTo < g.end {
			var err error
			if _, next, err = s.reader.header(s.disk, q, g, place{q.off, q.pos}); err != nil {
				return // they are sent again
			}
			if next.seq > upTo { // it has been damaged since
				s.drop(q.class, Damaged, next.seq-upTo)
			}
		}
		q.dropTo(next)
		s.discard(q.trim())
		s.stateDirty = true
	}
	for q.tailEvents > 0 && q.tailFirst() < upTo {
		q.dropTail()
		s.stateDirty = s.stateDirty || q.spilled
	}
	if q.pos < upTo && !q.onDisk() {
		q.pos = upTo
	}
}
