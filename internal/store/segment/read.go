package segment

import (
	"iter"
	"sort"
)

// Record is one record of a log. Its payload may be kept but not changed; it
// shares memory with its neighbours, so copy it to keep few of many.
type Record struct {
	Sequence uint64
	Payload  []byte
}

// Read yields the records after a sequence, in order, up to the one that is
// the newest when the loop begins, and ends there. Records that were dropped
// are passed over: the first yielded sequence is then greater than after+1.
//
// Where records are damaged it yields one error of code Corrupt, whose cause
// is a [Damage], together with the sequence of the last record lost there, and
// goes on behind it. The consumer decides whether to stop. Files that are
// dropped during the loop are read to their end if they were begun.
func (l *Log) Read(after uint64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		until := l.Head()
		for pos := after; pos < until; {
			r, err := l.begin(pos, until)
			if err != nil {
				yield(Record{}, err)
				return
			}
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

// reader reads the records of one file after pos, up to last.
type reader struct {
	scanner
	file *file
	pos  uint64
	last uint64
}

// begin opens the file that holds the first record after pos.
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
	h, err := l.get(f)
	if err != nil {
		return nil, l.failed("read log", err)
	}
	r := &reader{file: f, pos: max(pos, f.first-1), last: min(l.lastOf(i), until)}
	r.window = window{file: h, end: f.size}
	r.seed = f.seed
	r.skipTo = r.pos
	r.scanner.pos, r.expect = fileHeaderSize, f.first
	if i == len(l.files)-1 {
		n := sort.Search(len(l.marks), func(n int) bool { return l.marks[n].seq > r.pos+1 })
		if n > 0 {
			r.scanner.pos, r.expect = l.marks[n-1].off, l.marks[n-1].seq
		}
	}
	return r, nil
}

// run yields what the file holds; it reports whether the consumer wants more.
func (r *reader) run(yield func(Record, error) bool) bool {
	if err := r.seek(); err != nil {
		return yield(Record{Sequence: r.last}, r.lost(r.scanner.pos, r.last, err.Error()))
	}
	for r.pos < r.last {
		it, ok, err := r.next()
		if err != nil || !ok {
			break
		}
		if it.kind == gap {
			// How many records it held shows at the next one.
			if it.end == r.end {
				break
			}
			if lost := r.expect - 1; lost > r.pos {
				if !yield(Record{Sequence: lost}, r.lost(it.off, lost, reasonGap)) {
					return false
				}
			}
			continue
		}
		if it.head.seq <= r.pos {
			continue
		}
		if it.kind == bad {
			err := r.lost(it.off, it.head.seq, reasonPayload)
			if !yield(Record{Sequence: it.head.seq}, err) {
				return false
			}
			continue
		}
		r.pos = it.head.seq
		if !yield(Record{Sequence: it.head.seq, Payload: it.payload}, nil) {
			return false
		}
	}
	if r.pos < r.last {
		return yield(Record{Sequence: r.last}, r.lost(r.scanner.pos, r.last, reasonEnd))
	}
	return true
}

// lost returns the error for the records after r.pos up to last, and passes them.
func (r *reader) lost(off int64, last uint64, reason string) error {
	d := &Damage{File: r.file.path, Offset: off, First: r.pos + 1, Last: last, Reason: reason, Err: r.readErr}
	r.pos = last
	r.readErr = nil
	return corrupt(d)
}

// seekDistance is how near to its goal a search by halving ends.
const seekDistance = 256 << 10

// seek moves near to the record after r.pos, by halving: a record can be
// found from any offset, because no other bytes pass for its header.
func (r *reader) seek() error {
	low, high := r.scanner.pos, r.end
	for high-low > seekDistance {
		mid := align((low + high) / 2)
		probe := scanner{window: r.window, seed: r.seed, expect: r.expect}
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
		if h.seq > r.pos+1 {
			high = mid
			continue
		}
		low = off
		r.scanner.pos, r.expect = off, h.seq
	}
	return nil
}
