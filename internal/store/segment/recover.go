package segment

import (
	"encoding/binary"
	"fmt"

	"github.com/tvilling/tvilling"
)

// Recovery is what [Open] found in the newest file of a log, for the log of
// the hub.
type Recovery struct {
	// TornBytes is how much was cut off the end of File at Offset, because a
	// crash had interrupted an append that was never acknowledged; 0 when the
	// file was whole.
	File      string
	Offset    int64
	TornBytes int64
	// Damage lists what does not match its checksum, at most MaxDamage places;
	// Damaged counts all of them. Readers meet each of them.
	Damage  []*Damage
	Damaged int
}

// MaxDamage is how many places [Recovery] lists.
const MaxDamage = 100

// recovery is the walk through the newest file.
type recovery struct {
	scanner
	file *file
	out  *Recovery
	// batch holds what was met of the newest append so far, and what lies
	// between its records.
	batch []met
	// last is the newest record header found, lastEnd where its record ends,
	// before the sequence of the newest header of an earlier append.
	last    header
	lastEnd int64
	before  uint64
	marks   []mark
}

// met is an item with the sequences it stands for.
type met struct {
	item
	first, last uint64
}

// verdict says how a file goes on after recovery.
type verdict struct {
	end  int64  // the length that counts
	head uint64 // the newest sequence, damaged or not
	torn bool
	// seal: nothing can be appended behind damage of unknown length.
	seal bool
}

// recover makes f, the newest file, ready for appending.
func (l *Log) recover(f *file) error {
	h, err := l.fs.Open(f.path)
	if err != nil {
		return l.failed("open log", err)
	}
	f.handle, f.users, l.active = h, 1, f
	r := &recovery{file: f, out: &l.recovery}
	r.window = window{file: h, end: f.size, strict: true, reuse: true}
	r.seed, r.expect = f.seed, f.first
	blank, err := l.checkFileHeader(r)
	if err != nil {
		return err
	}
	if blank {
		// The crash came before the file was a segment file.
		if err := h.Truncate(0); err != nil {
			return l.failed("recover log", err)
		}
		if err := l.writeFileHeader(f, h); err != nil {
			return err
		}
		f.size, l.reserved, l.head = fileHeaderSize, fileHeaderSize, f.first-1
		return nil
	}
	v, err := r.walk()
	if err != nil {
		return l.failed("recover log", err)
	}
	return l.settle(r, v)
}

// settle brings file and log in line with the verdict.
func (l *Log) settle(r *recovery, v verdict) error {
	f := r.file
	if v.torn {
		r.out.File, r.out.Offset, r.out.TornBytes = f.path, v.end, f.size-v.end
	}
	if f.size > v.end {
		if err := f.handle.Truncate(v.end); err != nil {
			return l.failed("recover log", err)
		}
	}
	if err := l.rewrite(r, v.end); err != nil {
		return err
	}
	f.size, l.reserved, l.head, l.marks = v.end, v.end, v.head, r.marks
	if v.seal {
		return l.rotate(v.head + 1)
	}
	return nil
}

// rewrite makes durable what readers will be shown. The newest append may not
// be, if the process alone has ended; and if it was a sync that failed, the
// kernel has taken its pages for clean and would not write them again. So they
// are written once more. All older appends were synced without an error.
func (l *Log) rewrite(r *recovery, end int64) error {
	f := r.file
	from := int64(fileHeaderSize)
	if len(r.batch) > 0 {
		from = r.batch[0].off
	}
	if from == fileHeaderSize {
		from = 0 // the header may be as new
	}
	buf := make([]byte, min(chunkSize, end-from))
	for off := from; off < end; off += chunkSize {
		b := buf[:min(chunkSize, end-off)]
		if _, err := f.handle.ReadAt(b, off); err != nil {
			return l.failed("recover log", err)
		}
		if _, err := f.handle.WriteAt(b, off); err != nil {
			return l.failed("recover log", err)
		}
	}
	if err := f.handle.Sync(); err != nil {
		return l.poisoned("recover log", f, err)
	}
	if err := l.fs.SyncDir(l.dir); err != nil {
		return l.poisoned("recover log", f, err)
	}
	return nil
}

// checkFileHeader looks at the header of the newest file. It reports whether
// the file is blank, that is, was never finished being made.
func (l *Log) checkFileHeader(r *recovery) (blank bool, err error) {
	if r.end < fileHeaderSize {
		return true, nil
	}
	b, err := r.at(0, fileHeaderSize)
	if err != nil {
		return false, l.failed("open log", err)
	}
	h, ok := parseFileHeader(b)
	if !ok {
		blank, err := r.zeroFrom(0)
		if err != nil {
			return false, l.failed("open log", err)
		}
		if !blank || r.end > fileHeaderSize {
			// The name says the same as the header; no record is lost by it.
			r.note(0, r.expect, r.expect-1, "file header does not match its checksum")
		}
		return blank, nil
	}
	if h.version != formatVersion {
		return false, &tvilling.Error{
			Code: tvilling.Unsupported, Op: "open log", Subject: r.file.path,
			Message: fmt.Sprintf("The file has format version %d; this version of the hub knows version %d. Use the version that wrote it, or a later one.",
				h.version, formatVersion),
		}
	}
	if h.first != r.file.first || h.salt != r.file.salt {
		return false, &tvilling.Error{
			Code: tvilling.Corrupt, Op: "open log", Subject: r.file.path,
			Message: "The file has been renamed; its own name is " + fileName(h.first, h.salt) + ".",
		}
	}
	return false, nil
}

// zeroFrom reports whether everything from off on is zero.
func (r *recovery) zeroFrom(off int64) (bool, error) {
	for off < r.end {
		n := min(chunkSize, r.end-off)
		b, err := r.at(off, n)
		if err != nil {
			return false, err
		}
		if !zero(b) {
			return false, nil
		}
		off += n
	}
	return true, nil
}

func zero(b []byte) bool {
	for ; len(b) >= 8; b = b[8:] {
		if binary.LittleEndian.Uint64(b) != 0 {
			return false
		}
	}
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// note records damage.
func (r *recovery) note(off int64, first, last uint64, reason string) {
	r.out.Damaged++
	if len(r.out.Damage) < MaxDamage {
		r.out.Damage = append(r.out.Damage, &Damage{File: r.file.path, Offset: off, First: first, Last: last, Reason: reason})
	}
}

// walk reads the whole file and judges it. An append begins only after the
// one before it is durable. So only the newest one can be torn; all others
// were acknowledged, and whatever does not match there is damage.
func (r *recovery) walk() (verdict, error) {
	r.pos, r.lastEnd = fileHeaderSize, fileHeaderSize
	r.last.seq = r.file.first - 1
	r.before = r.last.seq
	var hole *item // the gap just passed
	for {
		it, ok, err := r.next()
		if err != nil {
			return verdict{}, err
		}
		if !ok || (it.kind == gap && it.end == r.end) {
			return r.judge()
		}
		if it.kind == gap {
			hole = &it
			continue
		}
		it.payload = nil
		newer := it.head.firstOfBatch() > r.last.seq
		if newer {
			r.noteBatch()
			r.batch, r.before = r.batch[:0], r.last.seq
		}
		if hole != nil {
			m := met{item: *hole, first: r.last.seq + 1, last: it.head.seq - 1}
			if newer && it.head.index == 0 {
				r.note(m.off, m.first, m.last, reasonGap)
			} else {
				r.batch = append(r.batch, m)
			}
			hole = nil
		}
		r.batch = append(r.batch, met{item: it, first: it.head.seq, last: it.head.seq})
		r.last, r.lastEnd = it.head, it.end
		if n := len(r.marks); n == 0 || it.off-r.marks[n-1].off >= markDistance {
			r.marks = append(r.marks, mark{seq: it.head.seq, off: it.off})
		}
	}
}

// noteBatch records the damage of a batch that was acknowledged.
func (r *recovery) noteBatch() {
	for _, m := range r.batch {
		switch m.kind {
		case bad:
			r.note(m.off, m.first, m.last, reasonPayload)
		case gap:
			r.note(m.off, m.first, m.last, reasonGap)
		case good:
		}
	}
}

// judge decides about the newest append and what lies behind it.
func (r *recovery) judge() (verdict, error) {
	tail, err := r.tail()
	if err != nil {
		return verdict{}, err
	}
	missing := r.last.more > 0
	torn := missing && tail != damaged
	for _, m := range r.batch {
		if m.kind == good || torn {
			continue
		}
		if torn, err = r.unwritten(m.off, m.end); err != nil {
			return verdict{}, err
		}
	}
	if torn {
		return r.cutBatch(), nil
	}
	r.noteBatch()
	if tail != damaged {
		return verdict{end: r.lastEnd, head: r.last.seq, torn: tail == unfinished}, nil
	}
	// There is at least one record that nobody can read any more.
	head := max(r.last.lastOfBatch(), r.last.seq+1)
	r.note(r.lastEnd, r.last.seq+1, head, reasonGap)
	return verdict{end: r.end, head: head, seal: true}, nil
}

// cutBatch gives up the newest append, which was never acknowledged.
func (r *recovery) cutBatch() verdict {
	v := verdict{end: r.batch[0].off, head: r.last.firstOfBatch() - 1, torn: true}
	if r.before < v.head {
		// The end of the append before is damaged; its sequences are taken.
		r.note(v.end, r.before+1, v.head, reasonGap)
		v.seal = true
	}
	for n := len(r.marks); n > 0 && r.marks[n-1].off >= v.end; n-- {
		r.marks = r.marks[:n-1]
	}
	return v
}

// tailState says what lies behind the last record of a file.
type tailState uint8

const (
	empty      tailState = iota // nothing, or space that was never written
	unfinished                  // the start of an append that a crash cut off
	damaged                     // bytes that were written whole and are no record now
)

// tail looks at what lies behind the last record.
func (r *recovery) tail() (tailState, error) {
	rest, err := r.zeroFrom(r.lastEnd)
	if err != nil || rest {
		return empty, err
	}
	if r.lastEnd+recordHeaderSize > r.end {
		return unfinished, nil
	}
	b, err := r.at(r.lastEnd, recordHeaderSize)
	if err != nil {
		return empty, err
	}
	if h, ok := parseHeader(b, r.seed); ok && h.seq == r.last.seq+1 {
		return unfinished, nil // it runs beyond the end of the file
	}
	cut, err := r.unwritten(r.lastEnd, r.lastEnd+recordHeaderSize)
	if err != nil || cut {
		return unfinished, err
	}
	return damaged, nil
}

// unwritten reports whether, between two offsets, there is a sector that was
// never written: a disk writes a sector whole or not at all, and space of a
// file that was not written reads as zeros.
func (r *recovery) unwritten(off, end int64) (bool, error) {
	for off < end {
		next := min(end, off-off%sectorSize+sectorSize)
		b, err := r.at(off, next-off)
		if err != nil {
			return false, err
		}
		if zero(b) {
			return true, nil
		}
		off = next
	}
	return false, nil
}
