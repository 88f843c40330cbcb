package spool

import (
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"syscall"
)

// window is how much of a file is read at a time.
const window = 8 << 10

// reader reads files of queues, and keeps one open. What it returns is valid
// until it is used again.
type reader struct {
	f    file // nil: none
	name string
	of   segmentID
	seed uint32
	size int64
	buf  []byte
	off  int64 // where buf is in the file
}

// segmentID tells files apart: what their names are made of.
type segmentID struct {
	class Class
	first uint64
	salt  uint32
}

// header returns the record at a place of a file, and the place behind it. If
// that cannot be made out, the record has length 0, and the place is that of
// the next one that can, or the end. An error says that the file cannot be read
// now, but perhaps later.
func (r *reader) header(d disk, q *queue, g *segment, at place) (record, place, error) {
	end := place{g.size, g.end}
	if err := r.use(d, q, g); err != nil {
		return record{}, end, transient(err)
	}
	rec, err := r.record(at.off, at.seq, at.seq+1)
	if err == nil && rec.length == 0 {
		var next place
		if next, err = r.find(place{at.off + 1, at.seq + 1}, g.end); err == nil {
			return record{}, next, nil
		}
	}
	if err != nil {
		return record{}, end, transient(err)
	}
	next := place{at.off + rec.size(), at.seq + 1}
	return rec, next, nil
}

// find returns the place of the first record at or behind a place with a
// sequence from that of the place on and below to; the end if there is none.
func (r *reader) find(from place, to uint64) (place, error) {
	for off := from.off; off+recordSize <= r.size; off++ {
		rec, err := r.record(off, from.seq, to)
		if err != nil {
			return place{}, err
		}
		if rec.length > 0 {
			return place{off, rec.seq}, nil
		}
	}
	return place{r.size, to}, nil
}

// record returns the record at off if it is one of a sequence in [from, to)
// that is wholly in the file; else one of length 0.
func (r *reader) record(off int64, from, to uint64) (record, error) {
	if off+recordSize > r.size {
		return record{}, nil
	}
	b, err := r.bytes(off, recordSize)
	if err != nil {
		return record{}, err
	}
	rec, ok := parseRecord(b, r.seed, from, to)
	if !ok || off+rec.size() > r.size {
		return record{}, nil
	}
	return rec, nil
}

// event returns the event of the record that header found at a place; nil if it
// is damaged.
func (r *reader) event(at place, rec record) ([]byte, error) {
	b, err := r.bytes(at.off+recordSize, rec.length)
	if err != nil {
		return nil, transient(err)
	}
	if crc32.Update(r.seed, castagnoli, b) != rec.sum {
		return nil, nil
	}
	return b, nil
}

// use opens a file of a queue unless it is the one that is open.
func (r *reader) use(d disk, q *queue, g *segment) error {
	id := segmentID{q.class, g.first, g.salt}
	if r.f == nil || r.of != id {
		r.close()
		name := q.name(g)
		f, err := d.Open(name, false)
		if err != nil {
			return err
		}
		r.f, r.name, r.of, r.buf = f, name, id, r.buf[:0]
		r.seed = seedOf(q.class, g.salt)
	}
	r.size = g.size
	return nil
}

// bytes returns n bytes of the file, which has them.
func (r *reader) bytes(off int64, n int) ([]byte, error) {
	if from := off - r.off; from >= 0 && from+int64(n) <= int64(len(r.buf)) {
		return r.buf[from:][:n], nil
	}
	want := int(min(max(int64(n), window), r.size-off))
	if cap(r.buf) < want || cap(r.buf) > 2*window && want <= window {
		r.buf = make([]byte, 0, max(want, window)) // a large one is not kept
	}
	got, err := r.f.ReadAt(r.buf[:want], off)
	r.buf, r.off = r.buf[:got], off
	if got >= n {
		return r.buf[:n], nil
	}
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return nil, err
}

// close closes the file that is open.
func (r *reader) close() {
	if r.f != nil {
		_ = r.f.Close() // it was only read
	}
	r.f, r.buf = nil, r.buf[:0]
}

// transient returns nil for an error that says that the bytes are gone: the
// file is, or is shorter, or the medium is worn there.
func transient(err error) error {
	for _, gone := range []error{fs.ErrNotExist, io.EOF, io.ErrUnexpectedEOF, syscall.EIO} {
		if errors.Is(err, gone) {
			return nil
		}
	}
	return err
}
