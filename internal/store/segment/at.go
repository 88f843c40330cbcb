package segment

import (
	"errors"
	"io/fs"
	"sort"
	"syscall"

	"github.com/tvilling/tvilling"
)

// At returns the record that begins at an offset of the file whose first
// sequence is given, as [Log.Read] told of it once.
//
// An error of code NotFound means that there is no such file any more. What is
// no record, or does not match its checksum, is an error of code Corrupt whose
// cause is a [Damage].
func (l *Log) At(first uint64, offset int64) (Record, error) {
	r, err := l.beginAt(first)
	if err != nil {
		return Record{}, err
	}
	// The file was only read: there is nothing that closing could lose.
	defer func() { _ = l.put(r.file) }()
	damage := &Damage{File: r.file.path, Offset: offset, First: first, Last: r.last, Reason: reasonGap}
	if offset < fileHeaderSize || offset%alignment != 0 {
		return Record{}, corrupt(damage)
	}
	h, ok, err := r.header(offset, first, r.last)
	if err != nil {
		return Record{}, l.failed("read log", err)
	}
	if !ok {
		damage.Err = r.readErr
		return Record{}, corrupt(damage)
	}
	r.pos, r.expect = offset, h.seq
	it, _, err := r.next()
	if err != nil {
		return Record{}, l.failed("read log", err)
	}
	if it.kind != good {
		damage.First, damage.Last, damage.Reason, damage.Err = h.seq, h.seq, reasonPayload, r.readErr
		return Record{Sequence: h.seq}, corrupt(damage)
	}
	return Record{Sequence: h.seq, Offset: offset, Payload: it.payload}, nil
}

// beginAt opens the file with a first sequence.
func (l *Log) beginAt(first uint64) (*reader, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errClosed(l.dir)
	}
	i := sort.Search(len(l.files), func(i int) bool { return l.files[i].first >= first })
	if i == len(l.files) || l.files[i].first != first {
		return nil, tvilling.Errorf(tvilling.NotFound, "The log has no file that begins with record %d any more.", first)
	}
	f := l.files[i]
	r := &reader{file: f, last: l.lastOf(i)}
	h, err := l.get(f)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EIO) {
		return nil, corrupt(&Damage{File: f.path, First: first, Last: r.last, Reason: reasonFile, Err: err})
	}
	if err != nil {
		return nil, l.failed("read log", err)
	}
	r.window = window{file: h, end: f.size, piece: pieceAt}
	r.seed = f.seed
	return r, nil
}

// pieceAt is how much of a file is read at once for one record.
const pieceAt = 4 << 10
