package segment

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

// chunkSize is how much of a file is read at once.
const chunkSize = 64 << 10

// window reads a file piecewise.
type window struct {
	file File
	end  int64 // nothing is read at or beyond it
	// reuse reads all pieces into the same memory. Otherwise each has its own,
	// and what was returned stays valid.
	reuse bool
	// piece is how much is read at once; 0 means chunkSize.
	piece int64

	buf []byte
	off int64 // where buf begins in the file
	// strict makes a failed read an error. Otherwise pages that cannot be read
	// count as zeros, which no checksum takes for a record, and the error is
	// kept in readErr.
	strict  bool
	readErr error
}

// at returns the n bytes at off. The caller has checked that they end at or
// before w.end.
func (w *window) at(off, n int64) ([]byte, error) {
	if off < w.off || off+n > w.off+int64(len(w.buf)) {
		size := w.piece
		if size == 0 {
			size = chunkSize
		}
		size = min(max(n, size), w.end-off)
		var buf []byte
		if w.reuse && int64(cap(w.buf)) >= size {
			buf = w.buf[:size]
		} else {
			buf = make([]byte, size)
		}
		if err := w.fill(buf, off); err != nil {
			w.buf = nil
			return nil, err
		}
		w.buf, w.off = buf, off
	}
	return w.buf[off-w.off:][:n:n], nil
}

func (w *window) fill(buf []byte, off int64) error {
	n, err := w.file.ReadAt(buf, off)
	if n == len(buf) || errors.Is(err, io.EOF) {
		clear(buf[n:])
		return nil
	}
	if w.strict {
		return err
	}
	w.readErr = err
	const page = 4096
	for i := n; i < len(buf); {
		next := min(len(buf), i+page-int((off+int64(i))%page))
		if m, err := w.file.ReadAt(buf[i:next], off+int64(i)); m < next-i {
			w.readErr = errors.Join(err)
			clear(buf[i+m : next])
		}
		i = next
	}
	return nil
}

// kind says what a scan met.
type kind uint8

const (
	good kind = iota // a record
	bad              // a record whose payload does not match its checksum
	gap              // bytes that are no record
)

// item is one thing that a scan met, between two offsets of a file.
type item struct {
	kind     kind
	off, end int64
	// head is the record's header; for a gap it is zero.
	head    header
	payload []byte
}

// scanner walks over the records of a file in order.
type scanner struct {
	window
	seed uint32
	pos  int64 // where the next item begins
	// expect is the sequence of the next record, if nothing is damaged.
	expect uint64
	// skipTo: payloads up to this sequence are not looked at.
	skipTo uint64
}

// next returns the next item, or false at the end. A gap that reaches the end
// of the file is returned as well: it is a tail without any record.
func (s *scanner) next() (item, bool, error) {
	if s.pos >= s.end {
		return item{}, false, nil
	}
	h, ok, err := s.header(s.pos, s.expect, s.expect)
	if err != nil {
		return item{}, false, err
	}
	if !ok {
		off, err := s.resync(s.pos+alignment, s.pos)
		if err != nil {
			return item{}, false, err
		}
		it := item{kind: gap, off: s.pos, end: off}
		s.pos = off
		if off < s.end {
			h, _, err := s.header(off, 0, ^uint64(0))
			if err != nil {
				return item{}, false, err
			}
			s.expect = h.seq
		}
		return it, true, nil
	}
	it := item{kind: good, off: s.pos, end: s.pos + h.size(), head: h}
	if h.seq > s.skipTo {
		b, err := s.at(s.pos+recordHeaderSize, int64(h.length))
		if err != nil {
			return item{}, false, err
		}
		it.payload = b
		if crc32.Update(s.seed, castagnoli, b) != h.sum {
			it.kind, it.payload = bad, nil
		}
	}
	s.pos = it.end
	s.expect = h.seq + 1
	return it, true, nil
}

// header decodes the record header at off. It is one if its checksum holds,
// its sequence is between low and high, and its record ends in the file.
func (s *scanner) header(off int64, low, high uint64) (header, bool, error) {
	if off+recordHeaderSize > s.end {
		return header{}, false, nil
	}
	b, err := s.at(off, recordHeaderSize)
	if err != nil {
		return header{}, false, err
	}
	if seq := binary.LittleEndian.Uint64(b[8:]); seq < low || seq > high {
		return header{}, false, nil
	}
	h, ok := parseHeader(b, s.seed)
	if !ok || off+h.size() > s.end {
		return header{}, false, nil
	}
	return h, true, nil
}

// resync looks for the next record header from off on, where bytes that are
// none begin at from, and returns its offset, or the end of the file. Every
// lost record took at least the size of a header: that bounds the sequence.
func (s *scanner) resync(off, from int64) (int64, error) {
	for off+recordHeaderSize <= s.end {
		if _, err := s.at(off, recordHeaderSize); err != nil {
			return 0, err
		}
		// Nearly everything fails at the sequence, which is looked at here
		// without a call.
		b := s.buf[off-s.off:]
		for ; len(b) >= recordHeaderSize; b, off = b[alignment:], off+alignment {
			seq := binary.LittleEndian.Uint64(b[8:])
			high := s.expect + uint64(off-from)/recordHeaderSize
			if seq < s.expect || seq > high {
				continue
			}
			if _, ok, err := s.header(off, s.expect, high); ok || err != nil {
				return off, err
			}
		}
	}
	return s.end, nil
}
