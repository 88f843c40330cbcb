package segment

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// The layout of a segment file; all integers are little-endian.
//
//	file    = header record*
//	header  = magic[8] version:u32 salt:u32 first:u64 reserved:u32 crc:u32
//	record  = length:u32 sum:u32 sequence:u64 index:u16 more:u16 crc:u32
//	          payload[length] zero[0..7]
//
// Records begin at multiples of 8. The crc of the file header covers the bytes
// before it. The crc of a record header and the sum of a payload start from
// the seed of the file, which is the CRC of its salt and first sequence: bytes
// of a payload, of another file or of an older life of the disk's blocks never
// pass for a record, even where a reader looks for one after damage. Index and
// more say how many records of the same append come before and after this one.
// The salt is part of the file's name as well, so that damage of the file
// header costs nothing.
const (
	magic            = "tvsegmnt"
	formatVersion    = 1
	fileHeaderSize   = 32
	recordHeaderSize = 24
	alignment        = 8
	// sectorSize is the least that a disk writes all or nothing.
	sectorSize = 512

	// MaxPayload is the largest payload of a record, in bytes.
	MaxPayload = 64 << 20
	// MaxBatch is the largest number of records of one append.
	MaxBatch = 1 << 16

	nameSuffix = ".seg"
)

// castagnoli is the table of CRC-32C, which current processors compute in hardware.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header is the header of a record.
type header struct {
	length uint32
	sum    uint32
	seq    uint64
	index  uint16
	more   uint16
}

// size returns the number of bytes of the whole record, padding included.
func (h header) size() int64 { return recordHeaderSize + align(int64(h.length)) }

// firstOfBatch returns the sequence of the first record of the same append.
func (h header) firstOfBatch() uint64 { return h.seq - uint64(h.index) }

// lastOfBatch returns the sequence of the last record of the same append.
func (h header) lastOfBatch() uint64 { return h.seq + uint64(h.more) }

func align(n int64) int64 { return (n + alignment - 1) &^ (alignment - 1) }

// seedOf returns the value that checksums of a file start from.
func seedOf(salt uint32, first uint64) uint32 {
	var b [12]byte
	binary.LittleEndian.PutUint32(b[:], salt)
	binary.LittleEndian.PutUint64(b[4:], first)
	return crc32.Checksum(b[:], castagnoli)
}

// appendRecord appends a whole record to dst. The sum of h is filled in.
func appendRecord(dst []byte, seed uint32, h header, payload []byte) []byte {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(payload)))
	dst = binary.LittleEndian.AppendUint32(dst, crc32.Update(seed, castagnoli, payload))
	dst = binary.LittleEndian.AppendUint64(dst, h.seq)
	dst = binary.LittleEndian.AppendUint16(dst, h.index)
	dst = binary.LittleEndian.AppendUint16(dst, h.more)
	dst = binary.LittleEndian.AppendUint32(dst, crc32.Update(seed, castagnoli, dst[start:]))
	dst = append(dst, payload...)
	var zero [alignment]byte
	return append(dst, zero[:align(int64(len(payload)))-int64(len(payload))]...)
}

// parseHeader decodes the record header at the start of b and reports whether
// its checksum holds. b has at least recordHeaderSize bytes.
func parseHeader(b []byte, seed uint32) (header, bool) {
	h := header{
		length: binary.LittleEndian.Uint32(b),
		sum:    binary.LittleEndian.Uint32(b[4:]),
		seq:    binary.LittleEndian.Uint64(b[8:]),
		index:  binary.LittleEndian.Uint16(b[16:]),
		more:   binary.LittleEndian.Uint16(b[18:]),
	}
	if h.length > MaxPayload || uint64(h.index) >= h.seq {
		return h, false
	}
	return h, binary.LittleEndian.Uint32(b[20:]) == crc32.Update(seed, castagnoli, b[:20])
}

// appendFileHeader appends the header of a segment file to dst.
func appendFileHeader(dst []byte, salt uint32, first uint64) []byte {
	start := len(dst)
	dst = append(dst, magic...)
	dst = binary.LittleEndian.AppendUint32(dst, formatVersion)
	dst = binary.LittleEndian.AppendUint32(dst, salt)
	dst = binary.LittleEndian.AppendUint64(dst, first)
	dst = binary.LittleEndian.AppendUint32(dst, 0)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// fileHeader is the header of a segment file.
type fileHeader struct {
	version uint32
	salt    uint32
	first   uint64
}

// parseFileHeader decodes a file header and reports whether it is one.
func parseFileHeader(b []byte) (fileHeader, bool) {
	if len(b) < fileHeaderSize || string(b[:len(magic)]) != magic {
		return fileHeader{}, false
	}
	if binary.LittleEndian.Uint32(b[28:]) != crc32.Checksum(b[:28], castagnoli) {
		return fileHeader{}, false
	}
	return fileHeader{
		version: binary.LittleEndian.Uint32(b[8:]),
		salt:    binary.LittleEndian.Uint32(b[12:]),
		first:   binary.LittleEndian.Uint64(b[16:]),
	}, true
}

// fileName returns the name of the segment file with the given first sequence.
func fileName(first uint64, salt uint32) string {
	return fmt.Sprintf("%020d-%08x%s", first, salt, nameSuffix)
}

// parseFileName is the inverse of fileName. It accepts no other spelling.
func parseFileName(name string) (first uint64, salt uint32, ok bool) {
	base, found := strings.CutSuffix(name, nameSuffix)
	if !found || len(base) != 20+1+8 || base[20] != '-' {
		return 0, 0, false
	}
	first, err := strconv.ParseUint(base[:20], 10, 64)
	if err != nil || first == 0 {
		return 0, 0, false
	}
	s, err := strconv.ParseUint(base[21:], 16, 32)
	if err != nil || fileName(first, uint32(s)) != name {
		return 0, 0, false
	}
	return first, uint32(s), true
}
