package sqlite

import (
	"cmp"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/store/segment"
)

// historyIndex knows where the journal has the records of an identity: for
// ended segments from a file each, for the newest one from memory. Both are
// made by reading the journal, later than what is appended, so that a commit
// does nothing for it. What it does not know yet a reader adds first.
type historyIndex struct {
	log    *segment.Log
	dir    string
	logger *slog.Logger

	// behind is about how many bytes of the journal were not read yet; grown
	// wakes the goroutine that reads them.
	behind atomic.Int64
	grown  chan struct{}
	// built is closed once the segments that had ended at the start were looked
	// through.
	built chan struct{}
	// failing says that the last file could not be written.
	failing atomic.Bool

	// mu is held while the newest segment is read on.
	mu     sync.Mutex
	newest *historyBuilder // nil before the first read
}

const (
	historySuffix    = ".idx"
	unfinishedSuffix = ".tmp"
	// historyBehind is how much of the journal a reader may find unread, which
	// takes it some milliseconds.
	historyBehind = 4 << 20
)

// newHistoryIndex returns the index of a journal that keeps its files in dir.
func newHistoryIndex(log *segment.Log, dir string, logger *slog.Logger) *historyIndex {
	x := &historyIndex{log: log, dir: dir, logger: logger, grown: make(chan struct{}, 1), built: make(chan struct{})}
	x.remove(func(path string) bool { return strings.HasSuffix(path, unfinishedSuffix) })
	x.sweep()
	return x
}

// grew tells of bytes that the journal has grown by.
func (x *historyIndex) grew(n int64) {
	if x.behind.Add(n) < historyBehind {
		return
	}
	select {
	case x.grown <- struct{}{}:
	default: // it is awake already
	}
}

// run keeps the index near to the journal until quit is closed.
func (x *historyIndex) run(quit <-chan struct{}) {
	segments := x.log.Segments()
	for _, s := range slices.Backward(segments[:len(segments)-1]) {
		// Whoever asks for the history of an identity finds most of it in the
		// newest segments.
		if f, err := x.open(s); err == nil {
			_ = f.Close() // it was only read
			continue
		}
		if _, err := x.build(s, quit); err != nil {
			break // what is lacking is built when it is asked for
		}
	}
	close(x.built)
	for {
		if _, err := x.catchUp(quit); err != nil && !stopped(quit) {
			x.logger.Warn("the journal could not be read for the history of identities", "error", err)
		}
		select {
		case <-quit:
			return
		case <-x.grown:
		}
	}
}

func stopped(quit <-chan struct{}) bool {
	select {
	case <-quit:
		return true
	default:
		return false
	}
}

// catchUp reads the journal to its end and returns the newest segment's places
// as they are then. What it returns does not change.
func (x *historyIndex) catchUp(quit <-chan struct{}) (historyBuilder, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.behind.Store(0)
	for {
		segments := x.log.Segments()
		at := len(segments) - 1
		if x.newest != nil {
			at, _ = slices.BinarySearchFunc(segments, x.newest.segment.First, func(s segment.Segment, first uint64) int {
				return cmp.Compare(s.First, first)
			})
		}
		if b := x.newest; b == nil || segments[at].First != b.segment.First {
			x.newest = newHistoryBuilder(segments[at])
		}
		x.newest.segment = segments[at]
		if err := x.read(x.newest, quit); err != nil {
			return historyBuilder{}, err
		}
		if at == len(segments)-1 {
			return *x.newest, nil
		}
		x.write(x.newest)
		x.newest = newHistoryBuilder(segments[at+1])
	}
}

// read adds to b what its segment has by now.
func (x *historyIndex) read(b *historyBuilder, quit <-chan struct{}) error {
	if b.done >= b.segment.Last {
		return nil
	}
	for rec, err := range x.log.Pass(b.done) {
		if stopped(quit) {
			return errClosed("read history")
		}
		if err != nil && tvilling.CodeOf(err) != tvilling.Corrupt {
			return err
		}
		if rec.Sequence > b.segment.Last {
			break // the segment was dropped meanwhile
		}
		b.add(rec, err)
		if b.done >= b.segment.Last {
			break
		}
	}
	return nil
}

// build reads an ended segment and writes its file.
func (x *historyIndex) build(s segment.Segment, quit <-chan struct{}) (*historyBuilder, error) {
	b := newHistoryBuilder(s)
	if err := x.read(b, quit); err != nil {
		return nil, err
	}
	x.write(b)
	return b, nil
}

// write writes the file of an ended segment. Without it the segment is read
// again when it is asked for, which is slow and nothing worse. There is none of
// a segment that could not be read in part, as that may pass.
func (x *historyIndex) write(b *historyBuilder) {
	if b.unread {
		return
	}
	data := appendHistory(nil, b.header(), slices.Clone(b.places))
	err := os.MkdirAll(x.dir, 0o700)
	if err == nil {
		err = replaceFile(x.path(b.segment), data)
	}
	if was := x.failing.Swap(err != nil); err != nil && !was {
		x.logger.Warn("where the journal has the history of identities cannot be written down; it is looked for each time", "error", err)
	}
}

// replaceFile writes a file under another name first, so that nobody sees a
// part of it.
func replaceFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "*"+unfinishedSuffix)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

func (x *historyIndex) path(s segment.Segment) string {
	return filepath.Join(x.dir, strings.TrimSuffix(s.Name, filepath.Ext(s.Name))+historySuffix)
}

// openedHistory is a history file that has to be closed.
type openedHistory struct {
	*historyFile
	*os.File
}

// open opens the file of an ended segment.
func (x *historyIndex) open(s segment.Segment) (openedHistory, error) {
	f, err := os.Open(x.path(s))
	if err != nil {
		return openedHistory{}, err
	}
	info, err := f.Stat()
	var h *historyFile
	if err == nil {
		h, err = openHistory(f, info.Size(), historyHeader{first: s.First, last: s.Last, size: s.Bytes})
	}
	if err != nil {
		return openedHistory{}, errors.Join(err, f.Close())
	}
	return openedHistory{h, f}, nil
}

// places returns where an ended segment may have records of an identity, in
// order, if it has changes up to a sequence (0: any). A file that is missing
// or damaged is made anew.
func (x *historyIndex) places(s segment.Segment, id tvilling.Identity, until uint64, quit <-chan struct{}) ([]place, error) {
	f, err := x.open(s)
	if err == nil {
		defer func() { _ = f.Close() }() // it was only read
		if until != 0 && f.low > until {
			return nil, nil
		}
		var found []place
		if found, err = f.all(id); err == nil {
			return found, nil
		}
	}
	if !errors.Is(err, os.ErrNotExist) {
		x.logger.Warn("a file with the places of the history is made anew", "file", x.path(s), "error", err)
	}
	b, err := x.build(s, quit)
	if err != nil {
		return nil, err
	}
	return b.of(id), nil
}

// of returns the places where records of an identity may be.
func (b *historyBuilder) of(id tvilling.Identity) []place {
	hash := identityHash(id.Device, id.Module)
	var found []place
	for _, p := range b.places {
		if p.hash == hash || p.hash == lostHash && b.lost > 0 {
			found = append(found, p)
		}
	}
	return found
}

// sweep deletes the files whose segment is gone.
func (x *historyIndex) sweep() {
	keep := make(map[string]bool)
	for _, s := range x.log.Segments() {
		keep[x.path(s)] = true
	}
	x.remove(func(path string) bool { return strings.HasSuffix(path, historySuffix) && !keep[path] })
}

// remove deletes the files that which chooses.
func (x *historyIndex) remove(which func(path string) bool) {
	entries, err := os.ReadDir(x.dir)
	if errors.Is(err, os.ErrNotExist) {
		return // there are none yet
	}
	for _, e := range entries {
		if path := filepath.Join(x.dir, e.Name()); which(path) {
			err = errors.Join(err, os.Remove(path))
		}
	}
	if err != nil {
		x.logger.Warn("files of the history that are not needed any more cannot be deleted", "error", err)
	}
}
