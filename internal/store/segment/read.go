package segment

import (
	"errors"
	"io/fs"
	"iter"
	"sort"
	"syscall"

	"github.com/tvilling/tvilling"
)

// Record is one record of a log. Its payload may be kept but not changed; it
// shares memory with its neighbours, so copy it to keep few of many.
type Record struct {
	Sequence uint64
	// Offset is where the record begins in its file; 0 beside an error.
	Offset  int64
	Payload []byte
}

// Read yields the records after a sequence, in order, up to the one that is
// the newest when the loop begins, and ends there. Records that were dropped
// are passed over: the first yielded sequence is then greater than after+1.
//
// Where records are damaged it yields one error of code Corrupt, whose cause
// is a [Damage], together with the sequence of the last record lost there, and
// goes on behind it. The consumer decides whether to stop. An error of another
// code, without a sequence, ends the loop: the log was closed, or the machine
// lacks something. Files that are dropped during the loop are read to their
// end if they were begun.
func (l *Log) Read(after uint64) iter.Seq2[Record, error] {
	return l.read(after, false)
}

// Pass is [Log.Read] for a consumer that keeps nothing: a payload is good
// until the next record only.
func (l *Log) Pass(after uint64) iter.Seq2[Record, error] {
	return l.read(after, true)
}

func (l *Log) read(after uint64, reuse bool) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		until := l.Head()
		for pos := after; pos < until; {
			r, err := l.begin(pos, until)
			if err != nil {
				// A file that is gone or unreadable is damage; anything else,
				// such as too many open files, may pass and ends the loop.
				if tvilling.CodeOf(err) != tvilling.Corrupt {
					yield(Record{}, err)
					return
				}
				if !yield(Record{Sequence: r.last}, err) {
					return
				}
				pos = r.last
				continue
			}
			r.reuse = reuse
			if !l.readFile(r, yield) {
				return
			}
			pos = r.last
		}
	}
}

// readFile yields what r reads and gives the file back, even if the consumer
// panics. It reports whether the consumer wants more.
func (l *Log) readFile(r *reader, yield func(Record, error) bool) bool {
	// The file was only read: there is nothing that closing could lose.
	defer func() { _ = l.put(r.file) }()
	return r.run(yield)
}

// reader reads the records of one file after the one that is done, up to last.
type reader struct {
	scanner
	file *file
	done uint64
	last uint64
}

// begin opens the file that holds the first record after pos. If the error is
// one of code Corrupt, the reader says only which file was lost.
func (l *Log) begin(pos, until uint64) (*reader, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errClosed(l.dir)
	}
	// The first file whose records all lie after pos+1, less one.
	i := sort.Search(len(l.files), func(i int) bool { return l.files[i].first > pos+1 })
	i = max(i-1, 0)
	f := l.files[i]
	r := &reader{file: f, done: max(pos, f.first-1), last: min(l.lastOf(i), until)}
	h, err := l.get(f)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EIO) {
		r.readErr = err
		return r, r.lost(0, r.last, reasonFile)
	}
	if err != nil {
		return nil, l.failed("read log", err)
	}
	r.window = window{file: h, end: f.size}
	r.seed = f.seed
	r.skipTo = r.done
	r.pos, r.expect = fileHeaderSize, f.first
	if i == len(l.files)-1 {
		n := sort.Search(len(l.marks), func(n int) bool { return l.marks[n].seq > r.done+1 })
		if n > 0 {
			r.pos, r.expect = l.marks[n-1].off, l.marks[n-1].seq
		}
	}
	return r, nil
}

// run yields what the file holds; it reports whether the consumer wants more.
func (r *reader) run(yield func(Record, error) bool) bool {
	if err := r.seek(); err != nil {
		return yield(Record{Sequence: r.last}, r.lost(r.pos, r.last, err.Error()))
	}
	for r.done < r.last {
		it, ok, err := r.next()
		if err != nil || !ok {
			break
		}
		if it.kind == gap {
			// How many records it held shows at the next one, if there is one.
			lost := r.last
			if it.end < r.end {
				lost = min(lost, r.expect-1)
			}
			if lost > r.done {
				if !yield(Record{Sequence: lost}, r.lost(it.off, lost, reasonGap)) {
					return false
				}
			}
			continue
		}
		if it.head.seq <= r.done {
			continue
		}
		if it.kind == bad {
			err := r.lost(it.off, it.head.seq, reasonPayload)
			if !yield(Record{Sequence: it.head.seq}, err) {
				return false
			}
			continue
		}
		r.done = it.head.seq
		if !yield(Record{Sequence: it.head.seq, Offset: it.off, Payload: it.payload}, nil) {
			return false
		}
	}
	if r.done < r.last {
		return yield(Record{Sequence: r.last}, r.lost(r.pos, r.last, reasonEnd))
	}
	return true
}

// lost returns the error for the records after r.done up to last, and passes them.
func (r *reader) lost(off int64, last uint64, reason string) error {
	d := &Damage{File: r.file.path, Offset: off, First: r.done + 1, Last: last, Reason: reason, Err: r.readErr}
	r.done = last
	r.readErr = nil
	return corrupt(d)
}

// seekDistance is how near to its goal a search by halving ends.
const seekDistance = 256 << 10

// seek moves near to the record after r.done, by halving: a record can be
// found from any offset, because no other bytes pass for its header.
func (r *reader) seek() error {
	low, high := r.pos, r.end
	probe := scanner{window: r.window, seed: r.seed}
	probe.reuse = true
	for high-low > seekDistance {
		mid := align((low + high) / 2)
		probe.expect = r.expect
		off, err := probe.resync(mid, low)
		if err != nil {
			return err
		}
		if off >= high || off >= r.end {
			high = mid
			continue
		}
		h, _, err := probe.header(off, 0, ^uint64(0))
		if err != nil {
			return err
		}
		if h.seq > r.done+1 {
			high = mid
			continue
		}
		low = off
		r.pos, r.expect = off, h.seq
	}
	return nil
}
