package spool

// queue has the events of one class: first those in files, then those that are
// in memory only.
type queue struct {
	class Class
	salt  uint32
	seed  uint32

	segs []segment
	// pos is the sequence below which all is done, and off the place of that
	// event in the first file if it is there.
	pos uint64
	off int64

	// tail has the records of the newest events, tail[:cut] excepted. Those are
	// tailEvents, whose sequences end before next.
	tail       []byte
	cut        int
	tailEvents int
	next       uint64
	// written is the sequence after the last event that was written to a file.
	written uint64
	// spilled says that a write failed, so that events that are in memory may be
	// on the disk, too, where a restart would find them.
	spilled bool

	// events and bytes are what waits, in files and in memory; bytes with the
	// headers of records.
	events int
	bytes  int64
}

// segment is a file of a queue.
type segment struct {
	first, end uint64 // sequences
	size       int64  // where its last event ends
	salt       uint32
	// open says that events may be added to it, torn that there is something
	// behind size that must be cut off before, dirty that it has to be synced.
	open, torn, dirty bool
}

// keptTail is how large a buffer is kept for the events to come.
const keptTail = 32 << 10

func (q *queue) name(g *segment) string { return fileName(q.class, g.first, g.salt) }

// tailBytes returns the size of what is in memory only.
func (q *queue) tailBytes() int64 { return int64(len(q.tail) - q.cut) }

// tailFirst returns the sequence of the oldest event in memory.
func (q *queue) tailFirst() uint64 { return q.next - uint64(q.tailEvents) }

// onDisk reports whether the oldest event is in a file.
func (q *queue) onDisk() bool { return len(q.segs) > 0 && q.pos < q.segs[0].end }

// push adds an event.
func (q *queue) push(seconds uint32, ev []byte) {
	need := recordSize + len(ev)
	if len(q.tail)+need > cap(q.tail) && q.cut > 0 && q.cut >= len(q.tail)/4 {
		q.tail = q.tail[:copy(q.tail, q.tail[q.cut:])]
		q.cut = 0
	}
	q.tail = appendRecord(q.tail, q.seed, q.next, seconds, ev)
	q.next++
	q.tailEvents++
	q.events++
	q.bytes += int64(need)
}

// cutTail takes the oldest n events, which have size bytes, from memory. They
// still wait, as far as events and bytes say.
func (q *queue) cutTail(n int, size int64) {
	q.tailEvents -= n
	q.cut += int(size)
	if q.cut < len(q.tail) {
		return
	}
	q.tail, q.cut = q.tail[:0], 0
	if cap(q.tail) > keptTail {
		q.tail = nil
	}
}

// dropTail forgets the oldest event in memory.
func (q *queue) dropTail() {
	size := plainRecord(q.tail[q.cut:]).size()
	q.cutTail(1, size)
	q.events--
	q.bytes -= size
	if len(q.segs) == 0 {
		q.pos = q.tailFirst()
	}
}

// dropTo forgets the events of the first file below a place of it.
func (q *queue) dropTo(p place) {
	q.events -= int(p.seq - q.pos)
	q.bytes -= p.off - q.off
	q.pos, q.off = p.seq, p.off
}

// place is a place in a file: that of the event with this sequence, or where
// it would be.
type place struct {
	off int64
	seq uint64
}

// trim takes files that are done from the queue, and returns their names. The
// one that events are added to stays.
func (q *queue) trim() (names []string) {
	for len(q.segs) > 0 {
		g := &q.segs[0]
		if q.pos < g.end || len(q.segs) == 1 && g.open {
			break
		}
		q.bytes -= g.size - q.off
		names = append(names, q.name(g))
		q.segs = q.segs[1:]
		q.off = headerSize
		if len(q.segs) > 0 {
			q.pos = max(q.pos, q.segs[0].first)
		}
	}
	return names
}
