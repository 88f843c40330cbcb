package segment

import (
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/tvilling/tvilling"
)

// keepBuffer is the largest buffer that the appender keeps between appends.
const keepBuffer = 4 << 20

// Append writes the payloads as consecutive records, in order, and returns
// the sequence of the first one when all are durable. They are kept or lost
// together, whatever happens. Without payloads it does nothing.
//
// An error of code Unavailable means that there was no space (or another
// lasting want of the machine), that nothing was kept and that a later call
// may succeed. TooLarge and InvalidArgument refuse what can never be stored.
// An error of code Internal poisons the log: see the package comment.
func (l *Log) Append(payloads [][]byte) (first uint64, err error) {
	if err := checkBatch(payloads); err != nil {
		return 0, err
	}
	l.appending.Lock()
	defer l.appending.Unlock()
	next, err := l.writable()
	if err != nil || len(payloads) == 0 {
		return next, err
	}
	size := int64(0)
	for _, p := range payloads {
		size += header{length: uint32(len(p))}.size()
	}
	if l.ended || l.active.size > fileHeaderSize && l.active.size+size > l.maxBytes {
		if err := l.rotate(next); err != nil {
			return 0, err
		}
	}
	buf := l.buf[:0]
	for i, p := range payloads {
		h := header{seq: next + uint64(i), index: uint16(i), more: uint16(len(payloads) - 1 - i)}
		buf = appendRecord(buf, l.active.seed, h, p)
	}
	if cap(buf) <= keepBuffer {
		l.buf = buf
	}
	if err := l.write(l.active, buf); err != nil {
		return 0, err
	}
	l.publish(l.active, next, len(payloads), int64(len(buf)))
	return next, nil
}

func checkBatch(payloads [][]byte) error {
	if len(payloads) > MaxBatch {
		return tvilling.Errorf(tvilling.InvalidArgument,
			"An append may have at most %d records; this one has %d.", MaxBatch, len(payloads))
	}
	for _, p := range payloads {
		if len(p) > MaxPayload {
			return tvilling.Errorf(tvilling.TooLarge,
				"A record may have at most %d bytes; this one has %d.", MaxPayload, len(p))
		}
	}
	return nil
}

// writable returns the next sequence, or why there can be no append.
// l.appending is held, so it does not change.
func (l *Log) writable() (next uint64, err error) {
	if l.poison != nil {
		return 0, l.poison
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0, errClosed(l.dir)
	}
	return l.head + 1, nil
}

func errClosed(dir string) error {
	return &tvilling.Error{
		Code: tvilling.Unavailable, Op: "use log", Subject: dir,
		Message: "The log is closed; the hub is stopping.",
	}
}

// write makes buf durable at the end of the active file, or leaves the file
// as it was, or poisons the log.
func (l *Log) write(f *file, buf []byte) error {
	if err := l.reserveFor(f, int64(len(buf))); err != nil {
		return err
	}
	n, err := f.handle.WriteAt(buf, f.size)
	if err == nil && n < len(buf) {
		err = io.ErrShortWrite
	}
	if err == nil {
		if err := f.handle.Sync(); err != nil {
			return l.poisoned("sync", f, err)
		}
		return nil
	}
	if !noSpace(err) {
		return l.poisoned("write", f, err)
	}
	if poison := l.rollBack(f); poison != nil {
		return poison
	}
	return l.full(err)
}

// rollBack cuts off what lies behind the records of the active file. It must
// be gone durably before anything else is written there: after a crash it
// could otherwise lie behind the records of a later append. A log that cannot
// be rolled back is poisoned.
func (l *Log) rollBack(f *file) error {
	l.reserved = f.size
	if err := f.handle.Truncate(f.size); err != nil {
		return l.poisoned("roll back", f, err)
	}
	if err := f.handle.Sync(); err != nil {
		return l.poisoned("roll back", f, err)
	}
	return nil
}

// reserveLimit is the largest append that space is reserved for. Beyond it
// the zeros cost more than the growing does (see the benchmark).
const reserveLimit = 32 << 10

// zeros is what space is reserved with.
var zeros [256 << 10]byte

// reserveFor writes zeros ahead when a small append of n bytes finds none to
// overwrite. The sync of that append makes them durable, too. When there is no
// space for them the append goes on without.
func (l *Log) reserveFor(f *file, n int64) error {
	if n > reserveLimit || n > l.reserve || l.unreserved || f.size+n <= l.reserved {
		return nil
	}
	from := max(l.reserved, f.size)
	size := min(l.reserve, l.maxBytes-from)
	if from+size < f.size+n {
		return nil
	}
	var err error
	for off := from; off < from+size && err == nil; {
		var n int
		want := min(int64(len(zeros)), from+size-off)
		if n, err = f.handle.WriteAt(zeros[:want], off); err == nil && int64(n) < want {
			err = io.ErrShortWrite
		}
		off += want
	}
	if err != nil && !noSpace(err) {
		return l.poisoned("reserve", f, err)
	}
	if err != nil {
		l.unreserved = true
		return l.rollBack(f)
	}
	l.reserved = from + size
	return nil
}

// trim gives back what is reserved behind the records of the active file. It
// need not be durable: zeros at the end of a file do no harm.
func (l *Log) trim() error {
	if l.reserved <= l.active.size || l.poison != nil {
		return nil //nolint:nilerr // a poisoned log is left as it is
	}
	l.reserved = l.active.size
	return l.active.handle.Truncate(l.active.size)
}

// publish lets readers see the records that have become durable.
func (l *Log) publish(f *file, first uint64, count int, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.marks); n == 0 || f.size-l.marks[n-1].off >= markDistance {
		l.marks = append(l.marks, mark{seq: first, off: f.size})
	}
	f.size += bytes
	l.bytes += bytes
	l.head += uint64(count)
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// Rotate ends the active file, unless it is empty, and begins the next one,
// so that [Log.Drop] can delete it. Errors are those of Append.
func (l *Log) Rotate() error {
	l.appending.Lock()
	defer l.appending.Unlock()
	next, err := l.writable()
	if err != nil || l.active.first == next {
		return err
	}
	return l.rotate(next)
}

// rotate begins the file that holds the sequences from next on.
// l.appending is held.
func (l *Log) rotate(next uint64) error {
	old := l.active
	// From here on the old file takes no more, even if the new one cannot be
	// begun now: a crash may leave that one behind, empty, and its name says
	// that it begins with this sequence.
	l.ended = true
	if err := l.trim(); err != nil {
		return l.poisoned("trim", old, err)
	}
	if err := l.addFile(next); err != nil {
		return err
	}
	// The old file was synced by its last append; closing it loses nothing.
	if err := l.put(old); err != nil {
		return l.poisoned("close", old, err)
	}
	return nil
}

// addFile creates the file that begins with the given sequence, durably, and
// makes it the active one. When it fails there is no such file.
func (l *Log) addFile(first uint64) error {
	f := l.newFile(first, l.salt)
	h, err := l.fs.Create(f.path)
	if err != nil {
		if noSpace(err) {
			return l.full(err)
		}
		return l.failed("begin segment", err)
	}
	if err := l.writeFileHeader(f, h); err != nil {
		// A file that stays behind is empty, and is taken over by the next
		// attempt, which uses the same name.
		if left := errors.Join(h.Close(), l.fs.Remove(f.path)); left != nil {
			err = errors.Join(err, left)
		}
		return err
	}
	f.handle, f.users, f.size = h, 1, fileHeaderSize
	l.mu.Lock()
	defer l.mu.Unlock()
	l.active, l.ended, l.reserved, l.unreserved = f, false, fileHeaderSize, false
	l.bytes += fileHeaderSize
	l.files = append(l.files, f)
	l.marks = l.marks[:0]
	return nil
}

// writeFileHeader makes an empty file a segment file and its entry durable.
func (l *Log) writeFileHeader(f *file, h File) error {
	_, err := h.WriteAt(appendFileHeader(nil, f.salt, f.first), 0)
	if err != nil {
		if noSpace(err) {
			return l.full(err)
		}
		return l.poisoned("write", f, err)
	}
	if err := h.Sync(); err != nil {
		return l.poisoned("sync", f, err)
	}
	if err := l.fs.SyncDir(l.dir); err != nil {
		return l.poisoned("sync directory", f, err)
	}
	return nil
}

// noSpace reports whether err is a want of space, which may pass.
func noSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// full returns the refusal for a want of space.
func (l *Log) full(err error) error {
	return &tvilling.Error{
		Code: tvilling.Unavailable, Op: "append", Subject: l.dir,
		Message: fmt.Sprintf("There is no space left in %s; free some, nothing was stored.", l.dir),
		Err:     err,
	}
}

// poisoned ends all appending. l.appending is held, or the log is not open yet.
func (l *Log) poisoned(step string, f *file, err error) error {
	l.poison = &tvilling.Error{
		Code: tvilling.Internal, Op: step, Subject: f.path,
		Message: "The log takes nothing more, because what is durable is not known; restart to recover it.",
		Err:     err,
	}
	return l.poison
}
