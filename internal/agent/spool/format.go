package spool

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"strconv"
	"strings"
)

// The layout of a segment: a file with events of one class in the order in
// which they came. All integers are little-endian.
//
//	file   = header record* [seal]
//	header = magic[8] version:u32 class:u32 salt:u32 first:u64 follows:u64 crc:u32
//	record = length:u32 sequence:u64 seconds:u32 sum:u32 crc:u32 event[length]
//	seal   = a record of length 0: its sequence is that after the last event
//
// The events of a class are numbered from 1 without a gap within a file; first
// is the number of a file's first event, follows the one after the last event
// of the file before. Seconds is when the event came, since 1970. The crc of
// the file's header covers the bytes before it. The crc of a record covers its
// header, the sum its event; both start from a seed, which is the CRC of the
// class and the salt. So neither the bytes of an event nor those of a file of
// another queue pass for a record, even where a reader looks for the next one
// after damage. First and salt are in the file's name as well, so that damage
// of the header costs nothing. A seal says how many events there are, so that
// the file need not be read when the spool is opened.
const (
	magic         = "tvspool\n"
	formatVersion = 1
	headerSize    = 40
	recordSize    = 24
	nameSuffix    = ".events"

	// minSegment and maxSegment bound the size at which a file is full, which
	// is a 32nd of the spool's.
	minSegment = 64 << 10
	maxSegment = 256 << 10
	// maxFile is more than a segment can have; of a larger file no more is read.
	maxFile = maxSegment + 2*maxBody
)

// castagnoli is the table of CRC-32C, which current processors compute in hardware.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// record is the header of a record.
type record struct {
	length  int
	seq     uint64
	seconds uint32
	sum     uint32
}

// size returns how many bytes the record has, its event included.
func (r record) size() int64 { return recordSize + int64(r.length) }

// seedOf returns the value that checksums of a queue start from.
func seedOf(c Class, salt uint32) uint32 {
	var b [5]byte
	b[0] = byte(c)
	binary.LittleEndian.PutUint32(b[1:], salt)
	return crc32.Checksum(b[:], castagnoli)
}

// appendRecord appends a record with its event; without one it is a seal.
func appendRecord(dst []byte, seed uint32, seq uint64, seconds uint32, ev []byte) []byte {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(ev)))
	dst = binary.LittleEndian.AppendUint64(dst, seq)
	dst = binary.LittleEndian.AppendUint32(dst, seconds)
	dst = binary.LittleEndian.AppendUint32(dst, crc32.Update(seed, castagnoli, ev))
	dst = binary.LittleEndian.AppendUint32(dst, crc32.Update(seed, castagnoli, dst[start:]))
	return append(dst, ev...)
}

// plainRecord decodes the header of a record that needs no check. b has at
// least recordSize bytes.
func plainRecord(b []byte) record {
	return record{
		length:  int(min(binary.LittleEndian.Uint32(b), math.MaxInt32)),
		seq:     binary.LittleEndian.Uint64(b[4:]),
		seconds: binary.LittleEndian.Uint32(b[12:]),
		sum:     binary.LittleEndian.Uint32(b[16:]),
	}
}

// parseRecord decodes the header of a record, and reports whether it is one of
// a sequence in [from, to).
func parseRecord(b []byte, seed uint32, from, to uint64) (record, bool) {
	if len(b) < recordSize {
		return record{}, false
	}
	r := plainRecord(b)
	if r.length > MaxEvent || r.seq < from || r.seq >= to {
		return record{}, false
	}
	return r, binary.LittleEndian.Uint32(b[20:]) == crc32.Update(seed, castagnoli, b[:20])
}

// header is the header of a file.
type header struct {
	version        uint32
	class, salt    uint32
	first, follows uint64
}

func appendHeader(dst []byte, h header) []byte {
	start := len(dst)
	dst = append(dst, magic...)
	dst = binary.LittleEndian.AppendUint32(dst, h.version)
	dst = binary.LittleEndian.AppendUint32(dst, h.class)
	dst = binary.LittleEndian.AppendUint32(dst, h.salt)
	dst = binary.LittleEndian.AppendUint64(dst, h.first)
	dst = binary.LittleEndian.AppendUint64(dst, h.follows)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// parseHeader decodes the header of a file, and reports whether it is one.
func parseHeader(b []byte) (header, bool) {
	if len(b) < headerSize || string(b[:len(magic)]) != magic {
		return header{}, false
	}
	h := header{
		version: binary.LittleEndian.Uint32(b[8:]),
		class:   binary.LittleEndian.Uint32(b[12:]),
		salt:    binary.LittleEndian.Uint32(b[16:]),
		first:   binary.LittleEndian.Uint64(b[20:]),
		follows: binary.LittleEndian.Uint64(b[28:]),
	}
	return h, binary.LittleEndian.Uint32(b[36:]) == crc32.Checksum(b[:36], castagnoli)
}

// fileName returns the name of a segment: "high-0000000000000001-5f3c9a01.events".
func fileName(c Class, first uint64, salt uint32) string {
	return c.String() + "-" + hex(first, 16) + "-" + hex(uint64(salt), 8) + nameSuffix
}

func hex(n uint64, digits int) string {
	s := strconv.FormatUint(n, 16)
	return strings.Repeat("0", digits-len(s)) + s
}

// parseFileName is the inverse of fileName. It accepts no other spelling.
func parseFileName(name string) (c Class, first uint64, salt uint32, ok bool) {
	base, found := strings.CutSuffix(name, nameSuffix)
	parts := strings.Split(base, "-")
	if !found || len(parts) != 3 {
		return 0, 0, 0, false
	}
	for c < Classes && c.String() != parts[0] {
		c++
	}
	first, err := strconv.ParseUint(parts[1], 16, 64)
	if err != nil || c == Classes || first == 0 || first > maxSequence {
		return 0, 0, 0, false
	}
	n, err := strconv.ParseUint(parts[2], 16, 32)
	if err != nil || fileName(c, first, uint32(n)) != name {
		return 0, 0, 0, false
	}
	return c, first, uint32(n), true
}

// maxSequence bounds sequences, so that sums of two cannot overflow.
const maxSequence = 1 << 62
