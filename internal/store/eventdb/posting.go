package eventdb

import (
	"encoding/binary"
	"math"
	"time"
)

// posting is the entry of a message in its device's list.
type posting struct {
	sequence uint64
	block    uint64 // sequence of the first message of its block
	mask     mask
	// oldest and newest are the times of its events, Unix nanoseconds; in a
	// list they are rounded outwards to seconds.
	oldest, newest int64
	hashes         []byte // of the ids of its events, hashBytes each
}

const hashBytes = 4

// A row of a list of postings:
//
//	list    = checksum:u32 posting*
//	posting = sequence:difference block:u mask:u oldest:difference span:u count:u hashes[4*count]
//
// block is how far the first message of the block is before this one. Times
// are in seconds. The checksum is of the sequence of the first message of the
// row and of the postings.
const listHead = 4

// listState is what the next posting of a row is told by difference to.
type listState struct {
	sequence uint64
	newest   int64
}

func appendPosting(list []byte, s *listState, p *posting) []byte {
	oldest, newest := floorSecond(p.oldest), floorSecond(p.newest)
	list = binary.AppendUvarint(list, p.sequence-s.sequence)
	list = binary.AppendUvarint(list, p.sequence-p.block)
	list = binary.AppendUvarint(list, uint64(p.mask))
	list = binary.AppendVarint(list, oldest-s.newest)
	list = binary.AppendUvarint(list, uint64(newest-oldest))
	list = binary.AppendUvarint(list, uint64(len(p.hashes)/hashBytes))
	list = append(list, p.hashes...)
	s.sequence, s.newest = p.sequence, newest
	return list
}

func floorSecond(ns int64) int64 {
	s := ns / int64(time.Second)
	if ns%int64(time.Second) < 0 {
		s--
	}
	return s
}

// The seconds that are nanoseconds in 64 bits, with the one before and after.
const (
	minSecond = math.MinInt64/int64(time.Second) - 1
	maxSecond = math.MaxInt64 / int64(time.Second)
)

func nanos(second int64) int64 {
	switch {
	case second <= minSecond:
		return math.MinInt64
	case second > maxSecond:
		return math.MaxInt64
	default:
		return second * int64(time.Second)
	}
}

// seal writes the checksum of a row.
func seal(first uint64, list []byte) []byte {
	binary.LittleEndian.PutUint32(list, checksum(first, list[listHead:]))
	return list
}

// listReader takes the postings off a row.
type listReader struct {
	r     reader
	state listState
}

// openList begins to read the row whose first posting is that of a sequence;
// nil if the row is damaged.
func openList(first uint64, list []byte) *listReader {
	if len(list) < listHead || binary.LittleEndian.Uint32(list) != checksum(first, list[listHead:]) {
		return nil
	}
	return &listReader{r: reader{b: list[listHead:]}, state: listState{sequence: first}}
}

// next reads the next posting; false at the end. Its hashes are part of the row.
func (l *listReader) next(p *posting) bool {
	if len(l.r.b) == 0 {
		return false
	}
	p.sequence = l.state.sequence + l.r.uvarint()
	p.block = p.sequence - l.r.uvarint()
	p.mask = mask(l.r.uvarint())
	oldest := l.state.newest + l.r.varint()
	newest := oldest + int64(l.r.uvarint())
	n := l.r.uvarint()
	if n > math.MaxInt32 {
		l.r.fail()
	}
	p.hashes = l.r.take(n * hashBytes)
	l.state = listState{p.sequence, newest}
	p.oldest = nanos(oldest)
	p.newest = max(nanos(newest+1)-1, nanos(newest))
	return !l.r.bad
}
