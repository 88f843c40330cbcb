package segment

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"

	"github.com/tvilling/tvilling"
)

// What [Options] mean when they name nothing.
const (
	// DefaultMaxBytes is the size of a segment file.
	DefaultMaxBytes = 64 << 20
	// DefaultReserve is how much is reserved at once.
	DefaultReserve = 1 << 20
)

// Options say where a log is and how it is cut into files.
type Options struct {
	// Dir is the directory of the log; it is made if it does not exist. It
	// belongs to the log alone.
	Dir string
	// MaxBytes is the size at which a segment file ends and the next begins;
	// 0 means DefaultMaxBytes. A batch that is larger gets a file of its own.
	MaxBytes int64
	// Reserve is how many zeros are written ahead of small appends, which then
	// need not wait for the file system to record that the file has grown; 0
	// means DefaultReserve. Negative reserves nothing: better where the file
	// system never writes in place (Btrfs, ZFS).
	Reserve int64
	// FS is the file system; nil means that of the operating system.
	FS FS
}

// Log is an open log. Every method is safe for concurrent use.
type Log struct {
	dir      string
	maxBytes int64
	reserve  int64 // 0 for none
	fs       FS
	lock     io.Closer
	salt     uint32
	recovery Recovery

	// appending is held for a whole append, rotation or close. It guards the
	// fields below it.
	appending sync.Mutex
	buf       []byte
	poison    error
	active    *file // the newest file, which is appended to
	ended     bool  // nothing more is appended to it
	// reserved is where the zeros behind the active file's records end; unreserved says that no more are to be written to this file.
	reserved   int64
	unreserved bool

	// mu guards the fields below it; it is held for moments only. Whoever
	// needs both locks takes appending first.
	mu      sync.Mutex
	closed  bool
	head    uint64
	bytes   int64   // the sizes of all files together
	files   []*file // ascending; the last one is the active one
	marks   []mark  // of the active file, ascending
	changed chan struct{}
	// dropping is held while files are deleted, before mu.
	dropping sync.Mutex
}

// file is one segment file. Log.mu guards size, handle and users.
type file struct {
	name  string
	path  string
	first uint64
	salt  uint32
	seed  uint32
	// size is the length of what is durable and belongs to the log.
	size int64
	// handle is open while users is not 0. The active file has the appender
	// as a user.
	handle File
	users  int
}

// mark says where a record begins in the active file.
type mark struct {
	seq uint64
	off int64
}

// markDistance is the least distance of two marks.
const markDistance = 4096

// Segment describes one file of a log.
type Segment struct {
	// Name is the name of the file, which no other of the log ever has.
	Name string
	// First and Last are its sequences; Last is First-1 when it is empty.
	First, Last uint64
	Bytes       int64
}

// Open opens the log in a directory, or makes a new one. It cuts off the torn
// tail that a crash may have left and checks the newest file; what it found
// is in [Log.Recovery]. Damage is no reason to fail. Older files are checked
// when they are read.
//
// A directory that another process has open is an error of code Unavailable;
// one that cannot be read, or that holds files of a later version or of
// another log, is an error that says so.
func Open(o Options) (*Log, error) {
	if o.Dir == "" {
		return nil, tvilling.Errorf(tvilling.InvalidArgument, "A log needs a directory.")
	}
	l := &Log{dir: o.Dir, maxBytes: o.MaxBytes, fs: o.FS}
	if l.maxBytes <= 0 {
		l.maxBytes = DefaultMaxBytes
	}
	if l.reserve = max(o.Reserve, 0); o.Reserve == 0 {
		l.reserve = DefaultReserve
	}
	if l.fs == nil {
		l.fs = OS()
	}
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		return nil, l.failed("open log", err)
	}
	l.salt = binary.LittleEndian.Uint32(b[:])
	if err := l.fs.MakeDir(l.dir); err != nil {
		return nil, l.failed("open log", err)
	}
	lock, err := l.fs.Lock(l.dir)
	if err != nil {
		return nil, &tvilling.Error{
			Code: tvilling.Unavailable, Op: "open log", Subject: l.dir,
			Message: "The log is in use by another process; stop that one first.", Err: err,
		}
	}
	l.lock = lock
	if err := l.load(); err != nil {
		return nil, errors.Join(err, l.release())
	}
	return l, nil
}

// load finds the files of the directory and recovers the newest.
func (l *Log) load() error {
	names, err := l.fs.Names(l.dir)
	if err != nil {
		return l.failed("open log", err)
	}
	for _, name := range names {
		first, salt, ok := parseFileName(name)
		if !ok {
			continue // LOCK, and whatever else is none of ours
		}
		l.files = append(l.files, l.newFile(first, salt))
	}
	slices.SortFunc(l.files, func(a, b *file) int { return cmp.Compare(a.first, b.first) })
	for i, f := range l.files {
		if i > 0 && l.files[i-1].first == f.first {
			return &tvilling.Error{
				Code: tvilling.Corrupt, Op: "open log", Subject: l.dir,
				Message: fmt.Sprintf("The files %s and %s claim the same records; move the one that does not belong there away.",
					l.files[i-1].name, f.name),
			}
		}
	}
	if len(l.files) == 0 {
		return l.addFile(1)
	}
	for _, f := range l.files {
		if err := l.measure(f); err != nil {
			return err
		}
	}
	if err := l.recover(l.files[len(l.files)-1]); err != nil {
		return err
	}
	l.bytes = 0
	for _, f := range l.files {
		l.bytes += f.size
	}
	return nil
}

// measure sets the size of a file from the file system.
func (l *Log) measure(f *file) error {
	h, err := l.fs.Open(f.path)
	if err != nil {
		return l.failed("open log", err)
	}
	f.size, err = h.Size()
	if err := errors.Join(err, h.Close()); err != nil {
		return l.failed("open log", err)
	}
	return nil
}

func (l *Log) newFile(first uint64, salt uint32) *file {
	name := fileName(first, salt)
	return &file{
		name: name, path: filepath.Join(l.dir, name),
		first: first, salt: salt, seed: seedOf(salt, first),
	}
}

// Head returns the sequence of the newest durable record, damaged or not; 0
// in a log that never had one.
func (l *Log) Head() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head
}

// First returns the sequence of the oldest record that is kept, damaged or
// not; Head()+1 when there is none.
func (l *Log) First() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.files[0].first
}

// Bytes returns how large all files of the log are together, without what is
// reserved at the end of the active one.
func (l *Log) Bytes() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes
}

// Segments describes the files of the log, oldest first. The last one is the
// active one, which grows.
func (l *Log) Segments() []Segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]Segment, len(l.files))
	for i, f := range l.files {
		out[i] = Segment{Name: f.name, First: f.first, Last: l.lastOf(i), Bytes: f.size}
	}
	return out
}

// lastOf returns the last sequence of the i-th file. l.mu is held.
func (l *Log) lastOf(i int) uint64 {
	if i == len(l.files)-1 {
		return l.head
	}
	return l.files[i+1].first - 1
}

// Recovery returns what Open found.
func (l *Log) Recovery() Recovery { return l.recovery }

// Changed returns a channel that is closed at the next append, and when the
// log is closed. To follow a log: take the channel, read to the end, wait.
func (l *Log) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
		if l.closed {
			close(l.changed)
		}
	}
	return l.changed
}

// Close waits for a running append and closes the log. Readers that are
// under way end with an error of code Unavailable at the end of their file.
func (l *Log) Close() error {
	l.appending.Lock()
	defer l.appending.Unlock()
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	if l.changed != nil {
		close(l.changed)
	}
	l.mu.Unlock()
	return l.release()
}

// release gives back the active file and the lock.
func (l *Log) release() error {
	var err error
	if l.active != nil && l.active.handle != nil {
		err = errors.Join(l.trim(), l.put(l.active))
	}
	return errors.Join(err, l.lock.Close())
}

// get opens a file for one more user. l.mu is held.
func (l *Log) get(f *file) (File, error) {
	if f.handle == nil {
		h, err := l.fs.Open(f.path)
		if err != nil {
			return nil, err
		}
		f.handle = h
	}
	f.users++
	return f.handle, nil
}

// put ends a use of a file. The last one closes it.
func (l *Log) put(f *file) error {
	l.mu.Lock()
	f.users--
	var h File
	if f.users == 0 {
		h, f.handle = f.handle, nil
	}
	l.mu.Unlock()
	if h == nil {
		return nil
	}
	return h.Close()
}

// failed wraps an error of the file system that leaves nothing in doubt.
func (l *Log) failed(op string, err error) error {
	return &tvilling.Error{
		Code: tvilling.Unavailable, Op: op, Subject: l.dir,
		Message: "The directory of the log cannot be used; see the cause.", Err: err,
	}
}
