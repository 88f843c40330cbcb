package sqlite

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"slices"

	"github.com/tvilling/tvilling"
)

// A history file tells where one ended segment of the journal has the records
// of an identity. It is made from the segment and can be made again, so it is
// not synced; what a crash leaves of it shows by its checksums.
//
//	file   = header block*                       each 4096 bytes
//	header = magic[8] version:u32 count:u32 first:u64 last:u64 size:u64 low:u64 lost:u64
//	         fan[512]:u32 zero… crc:u32
//	block  = place[341] crc:u32
//	place  = hash:u32 record:u32 directory:u32
//
// Integers are little-endian. First, last and size are the segment's. The
// places ascend by hash and then by record; fan[i] counts those whose hash
// begins with less than i. A place is two offsets in the segment, in units of
// 8 bytes: of a record that belongs to an identity of this hash, and of the
// directory of its batch, 0 if that is lost. Whose a record is it says itself.
const (
	historyMagic   = "tvhistry"
	historyVersion = 1
	historyBlock   = 4096
	historyFan     = 512
	historyShift   = 32 - 9 // of a hash, to its place in the fan

	placeBytes  = 12
	blockPlaces = (historyBlock - checksumSize) / placeBytes
	fanOffset   = 56
	placeUnit   = 8
)

// place is where a record is in its segment.
type place struct{ hash, record, directory uint32 }

func (p place) compare(o place) int {
	if p.hash != o.hash {
		return int(int64(p.hash) - int64(o.hash))
	}
	return int(int64(p.record) - int64(o.record))
}

// lostHash is the hash of damaged records of which it is not known whose they
// were. Identities may have it as well.
const lostHash = 1<<32 - 1

// identityHash is the hash of an identity in a history file.
func identityHash[S ~string | ~[]byte, T ~string | ~[]byte](device S, module T) uint32 {
	text := keyTexts.Get().(*[320]byte)
	b := append(append(append(text[:0], device...), 0), module...)
	sum := crc32.Checksum(b, castagnoli)
	keyTexts.Put(text)
	return sum
}

// historyHeader is what a history file says of its segment.
type historyHeader struct {
	first, last uint64
	size        int64
	// low is the sequence of the newest change before the segment, 0 if that
	// is not known.
	low uint64
	// lost counts the places of lostHash that are of damaged records.
	lost uint64
}

// errStale says that a history file is damaged, or not of this segment.
var errStale = errors.New("the history file does not fit")

// appendHistory appends the history file of places, which it sorts.
func appendHistory(dst []byte, h historyHeader, places []place) []byte {
	slices.SortFunc(places, place.compare)
	blocks := (len(places) + blockPlaces - 1) / blockPlaces
	start := len(dst)
	dst = slices.Grow(dst, (1+blocks)*historyBlock)
	dst = append(dst, historyMagic...)
	dst = binary.LittleEndian.AppendUint32(dst, historyVersion)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(places)))
	for _, v := range []uint64{h.first, h.last, uint64(h.size), h.low, h.lost} {
		dst = binary.LittleEndian.AppendUint64(dst, v)
	}
	next := 0
	for i := range uint32(historyFan) {
		for next < len(places) && places[next].hash>>historyShift < i {
			next++
		}
		dst = binary.LittleEndian.AppendUint32(dst, uint32(next))
	}
	dst = sealBlock(dst, start)
	for chunk := range slices.Chunk(places, blockPlaces) {
		start := len(dst)
		for _, p := range chunk {
			dst = binary.LittleEndian.AppendUint32(dst, p.hash)
			dst = binary.LittleEndian.AppendUint32(dst, p.record)
			dst = binary.LittleEndian.AppendUint32(dst, p.directory)
		}
		dst = sealBlock(dst, start)
	}
	return dst
}

// sealBlock fills the block that begins at start and appends its checksum.
func sealBlock(dst []byte, start int) []byte {
	dst = append(dst, make([]byte, start+historyBlock-checksumSize-len(dst))...)
	return appendChecksum(dst, crc32.Checksum(dst[start:], castagnoli))
}

// readBlocks reads whole blocks and checks them.
func readBlocks(f io.ReaderAt, first, count int) ([]byte, error) {
	b := make([]byte, count*historyBlock)
	if n, err := f.ReadAt(b, int64(first)*historyBlock); n < len(b) {
		if err == nil || errors.Is(err, io.EOF) {
			err = errStale
		}
		return nil, err
	}
	for at := 0; at < len(b); at += historyBlock {
		end := at + historyBlock - checksumSize
		if binary.LittleEndian.Uint32(b[end:]) != crc32.Checksum(b[at:end], castagnoli) {
			return nil, errStale
		}
	}
	return b, nil
}

// historyFile is a history file that is open.
type historyFile struct {
	historyHeader
	f     io.ReaderAt
	count uint32
	fan   []byte
}

// openHistory reads the header of a history file of a length. The error is
// errStale if it is none of the segment that want tells of.
func openHistory(f io.ReaderAt, length int64, want historyHeader) (*historyFile, error) {
	b, err := readBlocks(f, 0, 1)
	if err != nil {
		return nil, err
	}
	h := &historyFile{f: f, count: binary.LittleEndian.Uint32(b[12:]), fan: b[fanOffset:][:4*historyFan]}
	u := func(i int) uint64 { return binary.LittleEndian.Uint64(b[16+8*i:]) }
	h.historyHeader = historyHeader{first: u(0), last: u(1), size: int64(u(2)), low: u(3), lost: u(4)}
	want.low, want.lost = h.low, h.lost
	blocks := (int64(h.count) + blockPlaces - 1) / blockPlaces
	if string(b[:len(historyMagic)]) != historyMagic || binary.LittleEndian.Uint32(b[8:]) != historyVersion ||
		h.historyHeader != want || length != (1+blocks)*historyBlock {
		return nil, errStale
	}
	return h, nil
}

// find returns the places of a hash.
func (h *historyFile) find(hash uint32) ([]place, error) {
	bucket := int(hash >> historyShift)
	low, high := binary.LittleEndian.Uint32(h.fan[4*bucket:]), h.count
	if bucket+1 < historyFan {
		high = binary.LittleEndian.Uint32(h.fan[4*bucket+4:])
	}
	if low >= high || high > h.count {
		return nil, nil
	}
	first := int(low) / blockPlaces
	b, err := readBlocks(h.f, 1+first, int(high-1)/blockPlaces+1-first)
	if err != nil {
		return nil, err
	}
	var found []place
	for n := int(low); n < int(high); n++ {
		p := b[(n/blockPlaces-first)*historyBlock+n%blockPlaces*placeBytes:]
		if binary.LittleEndian.Uint32(p) == hash {
			found = append(found, place{hash, binary.LittleEndian.Uint32(p[4:]), binary.LittleEndian.Uint32(p[8:])})
		}
	}
	return found, nil
}

// all returns the places where records of an identity may be, in the order
// of the records.
func (h *historyFile) all(id tvilling.Identity) ([]place, error) {
	hash := identityHash(id.Device, id.Module)
	found, err := h.find(hash)
	if err != nil || h.lost == 0 || hash == lostHash {
		return found, err
	}
	lost, err := h.find(lostHash)
	if err != nil {
		return nil, err
	}
	found = append(found, lost...)
	slices.SortFunc(found, func(a, b place) int { return int(int64(a.record) - int64(b.record)) })
	return found, nil
}
