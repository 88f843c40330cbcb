package spool

import (
	"cmp"
	"hash/crc32"
	"slices"
)

// maxSegments bounds the files of a spool that are looked at: more than the
// largest spool has.
const maxSegments = 1 << 15

// found is a file as it was found.
type found struct {
	segment
	follows uint64 // 0 if that cannot be known
}

// list looks at all files of a folder, and returns those of each class in order.
func list(d disk) ([Classes][]found, Report, error) {
	var files [Classes][]found
	var report Report
	n := 0
	err := d.Names(func(name string) bool {
		c, first, salt, ok := parseFileName(name)
		switch {
		case name == stateName:
		case !ok:
			report.Foreign++
		case n == maxSegments:
			report.Unread++
		default:
			n++
			files[c] = append(files[c], found{segment: segment{first: first, salt: salt}})
		}
		return true
	})
	var r reader
	defer r.close()
	for c := range files {
		q := &queue{class: Class(c)}
		kept := files[c][:0]
		for _, f := range files[c] {
			if r.inspect(d, q, &f, &report) {
				kept = append(kept, f)
			}
		}
		files[c] = kept
		slices.SortFunc(files[c], func(a, b found) int {
			return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.end, b.end))
		})
	}
	return files, report, err
}

// inspect finds out what is in a file of a queue, and reports whether that is
// any event. A file without one is removed.
func (r *reader) inspect(d disk, q *queue, f *found, report *Report) bool {
	err := r.use(d, q, &f.segment)
	var whole int64
	if err == nil {
		whole, err = r.f.Size()
	}
	if err != nil {
		report.Unread++
		return false
	}
	r.size = min(whole, maxFile)
	var b []byte
	if r.size >= headerSize {
		if b, err = r.bytes(0, headerSize); transient(err) != nil {
			report.Unread++
			return false
		}
	}
	if h, ok := parseHeader(b); ok {
		switch {
		case h.version > formatVersion:
			report.Newer++
			return false
		case h.class != uint32(q.class) || h.salt != f.salt || h.first != f.first:
			report.Foreign++ // somebody gave it another name
			return false
		}
		f.follows = h.follows
	}
	if end, ok := r.seal(f.first); ok {
		f.end, f.size = end, r.size-recordSize
		return true
	}
	if f.end, f.size, err = r.scan(f.first); err != nil {
		report.Unread++
		return false
	}
	f.open, f.torn = true, whole > f.size
	report.Torn += whole - f.size
	if f.end > f.first {
		return true
	}
	if d.Remove(q.name(&f.segment)) != nil {
		report.Unread++
	}
	return false
}

// seal returns the sequence after the last event of a file that is sealed.
func (r *reader) seal(first uint64) (end uint64, ok bool) {
	off := r.size - recordSize
	if off <= headerSize {
		return 0, false
	}
	b, err := r.bytes(off, recordSize)
	if err != nil {
		return 0, false // then it is as if it were not there
	}
	// No event is empty, so that there cannot be more than that many.
	rec, ok := parseRecord(b, r.seed, first+1, first+uint64(off-headerSize)/recordSize+1)
	return rec.seq, ok && rec.length == 0
}

// scan reads a file that is not sealed. It returns the sequence after the last
// event, and where that ends.
func (r *reader) scan(first uint64) (end uint64, size int64, err error) {
	end, size = first, headerSize
	to := first + uint64(r.size)/recordSize + 1
	for at := (place{headerSize, first}); ; {
		if at, err = r.find(at, to); err != nil {
			return end, size, transient(err)
		}
		if at.seq == to {
			return end, size, nil
		}
		rec, err := r.record(at.off, at.seq, at.seq+1)
		if err != nil {
			return end, size, transient(err)
		}
		b, err := r.bytes(at.off+recordSize, rec.length)
		if err != nil {
			return end, size, transient(err)
		}
		at = place{at.off + rec.size(), at.seq + 1}
		if crc32.Update(r.seed, castagnoli, b) == rec.sum {
			end, size = at.seq, at.off
		}
	}
}

// seek returns the place of the event with a sequence, or the next one that can
// be read, from a place on in a file.
func (r *reader) seek(d disk, q *queue, g *segment, at place, seq uint64) (place, error) {
	for at.seq < seq {
		var err error
		if _, at, err = r.header(d, q, g, at); err != nil {
			return at, err
		}
	}
	return at, nil
}
