package sqlite

import (
	"errors"

	"github.com/tvilling/tvilling/internal/store/segment"
)

// historyBuilder collects the places of one segment of the journal, record by
// record and in order.
type historyBuilder struct {
	segment segment.Segment
	// done is the last record that was added, or that damage stands for.
	done uint64
	// low is the sequence of the newest change before the segment, 0 while no
	// directory has told; lost counts the places of lostHash.
	low, lost uint64
	// unread says that the file system did not give all of the segment.
	unread bool
	// places are in the order of their records. A reader may hold a part of
	// them: they are appended to and otherwise left alone.
	places []place

	// start is the record of the directory of the batch under way, offset its
	// place and directory its bytes; offset is 0 if it was lost.
	start     uint64
	offset    int64
	directory []byte
}

func newHistoryBuilder(s segment.Segment) *historyBuilder {
	return &historyBuilder{segment: s, done: s.First - 1}
}

// header is what a history file says of the segment when it has ended.
func (b *historyBuilder) header() historyHeader {
	return historyHeader{first: b.segment.First, last: b.segment.Last, size: b.segment.Bytes, low: b.low, lost: b.lost}
}

// add takes what reading the segment yields.
func (b *historyBuilder) add(rec segment.Record, err error) {
	b.done = rec.Sequence
	if err != nil {
		b.damaged(rec.Sequence, err)
		return
	}
	r := &reader{b: rec.Payload}
	switch r.byte() {
	case tagDirectory:
		b.begin(rec, r)
	case tagPut, tagDelete:
		index := r.uvarint()
		kind := kind(r.byte())
		device, module := r.bytes(), r.bytes()
		if r.err != nil {
			b.lose(rec.Offset, b.batch(rec.Sequence, index))
		} else if kind <= kindSession {
			b.post(identityHash(device, module), rec.Offset, b.batch(rec.Sequence, index))
		}
	case tagChange, tagCaused:
		index := r.uvarint()
		r.uvarint() // sequence
		r.time()
		r.bytes() // op
		device, module := r.bytes(), r.bytes()
		if r.err != nil {
			b.lose(rec.Offset, b.batch(rec.Sequence, index))
			return
		}
		b.post(identityHash(device, module), rec.Offset, b.batch(rec.Sequence, index))
	default: // of a newer version
		b.lose(rec.Offset, 0)
	}
}

// begin takes the directory of a batch.
func (b *historyBuilder) begin(rec segment.Record, r *reader) {
	b.start, b.offset, b.directory = rec.Sequence, rec.Offset, append(b.directory[:0], rec.Payload...)
	r.byte()   // format
	r.varint() // time
	head := r.uvarint()
	if b.low == 0 && r.err == nil {
		b.low = head
	}
}

// batch returns the offset of the directory of a record that has an index.
func (b *historyBuilder) batch(sequence, index uint64) int64 {
	if sequence-index != b.start {
		return 0
	}
	return b.offset
}

// damaged posts the records up to last, which cannot be read, for the ones
// whose they were as far as the directory tells.
func (b *historyBuilder) damaged(last uint64, err error) {
	d, ok := errors.AsType[*segment.Damage](err)
	if !ok {
		return
	}
	b.unread = b.unread || d.Err != nil
	var dir *directory
	if it, err := decodeItem(b.directory); err == nil && b.offset > 0 {
		dir = it.directory
	}
	unknown := false
	for seq := d.First; seq <= last; seq++ {
		if dir == nil || seq <= b.start || seq > b.start+uint64(len(dir.keys)) {
			unknown = true
			continue
		}
		if k := dir.keys[seq-b.start-1]; k.kind <= kindSession {
			b.post(identityHash(k.id.Device, k.id.Module), d.Offset, b.offset)
		}
	}
	switch {
	case !unknown:
	case dir != nil && last <= dir.end(b.start):
		b.lose(d.Offset, b.offset)
	default:
		b.lose(d.Offset, 0)
	}
}

// lose posts a damaged record of which it is not known whose it was.
func (b *historyBuilder) lose(record, directory int64) {
	b.lost++
	b.post(lostHash, record, directory)
}

// post adds a place. No segment is so large that its offsets do not fit.
func (b *historyBuilder) post(hash uint32, record, directory int64) {
	b.places = append(b.places, place{hash, uint32(record / placeUnit), uint32(directory / placeUnit)})
}
