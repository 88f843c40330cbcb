package faultfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/tvilling/tvilling/internal/store/segment"
)

const sectorSize = 512

// FS is a file system in memory. The zero value is not usable; see [New].
// It implements segment.FS and is safe for concurrent use.
type FS struct {
	mu    sync.Mutex
	files map[string]*node // what the process sees
	disk  map[string]*node // the entries that are durable
	// ghosts are files that came and went since the last SyncDir.
	ghosts map[string]*node
	locks  map[string]bool
	// life is counted up by a crash; handles of an earlier life are dead.
	life int

	space     int64 // bytes left; negative means no limit
	failSync  countdown
	failWrite countdown
	failDir   countdown
	failOther map[string]error

	syncs, writes int
}

// countdown fails one call after a number of good ones.
type countdown struct {
	after int
	err   error
}

// take returns the error if its turn has come. It stays for later calls.
func (c *countdown) take() error {
	if c.err == nil {
		return nil
	}
	if c.after > 0 {
		c.after--
		return nil
	}
	return c.err
}

// node is a file: its data now, the data that is durable, and the sectors
// that the next Sync must write. A Sync that fails forgets them, as kernels do.
type node struct {
	data, durable []byte
	dirty         map[int]bool
}

// touch marks what lies between two offsets as not yet durable.
func (n *node) touch(off, end int) {
	if n.dirty == nil {
		n.dirty = map[int]bool{}
	}
	for s := off / sectorSize; s*sectorSize < end; s++ {
		n.dirty[s] = true
	}
}

// sync makes n durable as far as it is dirty.
func (n *node) sync() {
	if size := len(n.data); size <= len(n.durable) {
		n.durable = n.durable[:size]
	} else {
		n.durable = append(n.durable, make([]byte, size-len(n.durable))...)
	}
	for s := range n.dirty {
		if off := s * sectorSize; off < len(n.data) {
			copy(n.durable[off:], n.data[off:min(off+sectorSize, len(n.data))])
		}
	}
	n.dirty = nil
}

var _ segment.FS = (*FS)(nil)

// New returns an empty file system without faults.
func New() *FS {
	return &FS{files: map[string]*node{}, disk: map[string]*node{}, ghosts: map[string]*node{}, locks: map[string]bool{}, space: -1}
}

// SetSpace leaves n bytes for further growth; a negative n lifts the limit.
// A write beyond it stores what fits and fails with ENOSPC. Files that shrink
// or are removed give their space back.
func (f *FS) SetSpace(n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.space = n
}

// FailSync makes every Sync of a file fail with err, after n that succeed.
// What a failed Sync should have made durable is not, and no later Sync makes
// it so unless it is written again. A nil err ends it.
func (f *FS) FailSync(n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failSync = countdown{n, err}
}

// FailWrite makes every write fail with err, after n that succeed; it stores
// about the first half of what it was given, up to the end of a sector: kernels
// copy whole pages. A nil err ends it.
func (f *FS) FailWrite(n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failWrite = countdown{n, err}
}

// FailSyncDir makes every SyncDir fail with err, after n that succeed.
func (f *FS) FailSyncDir(n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failDir = countdown{n, err}
}

// Fail makes every call of an operation ("create", "open", "remove", "truncate",
// "read", "names") fail with err; nil ends it.
func (f *FS) Fail(op string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failOther == nil {
		f.failOther = map[string]error{}
	}
	f.failOther[op] = err
}

// Counts returns how many writes and syncs of files have succeeded.
func (f *FS) Counts() (writes, syncs int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.writes, f.syncs
}

// Crash is a power cut and the start after it. Open handles are dead, locks
// are gone and so are all faults. Of what was not durable, keep decides piece
// by piece whether it reached the disk: each sector that was written, each
// change of a size, each entry that was made or removed, or made and removed.
// A nil keep loses everything that was not durable.
func (f *FS) Crash(keep func() bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if keep == nil {
		keep = func() bool { return false }
	}
	f.life++
	f.locks = map[string]bool{}
	f.space = -1
	f.failSync, f.failWrite, f.failDir, f.failOther = countdown{}, countdown{}, countdown{}, nil
	next := map[string]*node{}
	names := slices.Collect(maps.Keys(f.files))
	for name := range f.disk {
		if f.files[name] == nil {
			names = append(names, name)
		}
	}
	for name := range f.ghosts {
		if f.files[name] == nil && f.disk[name] == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names) // so that a test's choices are repeatable
	for _, name := range names {
		now, before := f.files[name], f.disk[name]
		if now == nil && before == nil {
			before = f.ghosts[name]
			if !keep() {
				continue
			}
		}
		if now != before && !keep() {
			now = before
		}
		if now != nil {
			next[name] = &node{durable: now.crash(keep)}
			next[name].data = slices.Clone(next[name].durable)
		}
	}
	f.files, f.disk, f.ghosts = next, maps.Clone(next), map[string]*node{}
}

// crash returns what a disk holds of n.
func (n *node) crash(keep func() bool) []byte {
	size := len(n.durable)
	if len(n.data) != size && keep() {
		size = len(n.data)
	}
	out := make([]byte, size)
	same := min(len(n.data), len(n.durable), size)
	for off := 0; off < size; off += sectorSize {
		end := min(off+sectorSize, size)
		if end <= same && bytes.Equal(n.data[off:end], n.durable[off:end]) {
			copy(out[off:end], n.data[off:end])
			continue
		}
		before, now := piece(n.durable, off, end), piece(n.data, off, end)
		from := before
		if !bytes.Equal(before, now) && keep() {
			from = now
		}
		copy(out[off:end], from)
	}
	return out
}

// piece returns data[off:end], filled up with zeros.
func piece(data []byte, off, end int) []byte {
	out := make([]byte, end-off)
	if off < len(data) {
		copy(out, data[off:min(end, len(data))])
	}
	return out
}

// Files returns the paths of all files, sorted.
func (f *FS) Files() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.files))
}

// Data returns a copy of a file's content; nil if there is no such file.
func (f *FS) Data(path string) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := f.files[path]; n != nil {
		return slices.Clone(n.data)
	}
	return nil
}

// SetData makes a file with the given content, durably: the way to damage one.
func (f *FS) SetData(path string, data []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.files[path]
	if n == nil {
		n = &node{}
		f.files[path], f.disk[path] = n, n
	}
	n.data, n.durable, n.dirty = slices.Clone(data), slices.Clone(data), nil
}

// MakeDir does nothing: directories need not be made.
func (f *FS) MakeDir(string) error { return nil }

// Lock takes a directory until the result is closed or the next crash.
func (f *FS) Lock(dir string) (io.Closer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.locks[dir] {
		return nil, fmt.Errorf("lock %s: %w", dir, syscall.EWOULDBLOCK)
	}
	f.locks[dir] = true
	return &lock{f, dir, f.life}, nil
}

type lock struct {
	fs   *FS
	dir  string
	life int
}

func (l *lock) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	if l.life == l.fs.life {
		delete(l.fs.locks, l.dir)
	}
	return nil
}

// Names lists the files of a directory.
func (f *FS) Names(dir string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.failOther["names"]; err != nil {
		return nil, err
	}
	var names []string
	for path := range f.files {
		if filepath.Dir(path) == filepath.Clean(dir) {
			names = append(names, filepath.Base(path))
		}
	}
	return names, nil
}

// Create makes or empties a file.
func (f *FS) Create(path string) (segment.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.failOther["create"]; err != nil {
		return nil, err
	}
	n := f.files[path]
	if n == nil {
		n = &node{}
		f.files[path] = n
	}
	f.free(len(n.data))
	n.touch(0, len(n.data))
	n.data = nil
	return &file{fs: f, node: n, life: f.life}, nil
}

// Open opens a file.
func (f *FS) Open(path string) (segment.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.failOther["open"]; err != nil {
		return nil, err
	}
	n := f.files[path]
	if n == nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return &file{fs: f, node: n, life: f.life}, nil
}

// Remove takes a file out of its directory.
func (f *FS) Remove(path string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.failOther["remove"]; err != nil {
		return err
	}
	n := f.files[path]
	if n == nil {
		return &fs.PathError{Op: "remove", Path: path, Err: fs.ErrNotExist}
	}
	f.free(len(n.data))
	delete(f.files, path)
	f.ghosts[path] = n
	return nil
}

// SyncDir makes the entries of a directory durable.
func (f *FS) SyncDir(dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.failDir.take(); err != nil {
		return err
	}
	for path := range f.disk {
		if filepath.Dir(path) == filepath.Clean(dir) && f.files[path] == nil {
			delete(f.disk, path)
		}
	}
	for path, n := range f.files {
		if filepath.Dir(path) == filepath.Clean(dir) {
			f.disk[path] = n
		}
	}
	for path := range f.ghosts {
		if filepath.Dir(path) == filepath.Clean(dir) {
			delete(f.ghosts, path)
		}
	}
	return nil
}

// free gives space back. f.mu is held.
func (f *FS) free(n int) {
	if f.space >= 0 {
		f.space += int64(n)
	}
}

// file is an open handle.
type file struct {
	fs     *FS
	node   *node
	life   int
	closed bool
}

// alive returns an error when the handle is closed or from before a crash.
// fs.mu is held.
func (h *file) alive() error {
	if h.closed || h.life != h.fs.life {
		return fs.ErrClosed
	}
	return nil
}

// ReadAt reads like [io.ReaderAt].
func (h *file) ReadAt(b []byte, off int64) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if err := errors.Join(h.alive(), h.fs.failOther["read"]); err != nil {
		return 0, err
	}
	if off >= int64(len(h.node.data)) {
		return 0, io.EOF
	}
	n := copy(b, h.node.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt writes like [io.WriterAt].
func (h *file) WriteAt(b []byte, off int64) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if err := h.alive(); err != nil {
		return 0, err
	}
	if err := h.fs.failWrite.take(); err != nil {
		n := len(b) / 2
		n = max(n-int((off+int64(n))%sectorSize), 0)
		h.store(b[:n], off)
		return n, err
	}
	fits := len(b)
	if grow := off + int64(len(b)) - int64(len(h.node.data)); h.fs.space >= 0 && grow > 0 {
		fits = len(b) - int(max(grow-h.fs.space, 0))
		h.fs.space -= min(grow, h.fs.space)
	}
	fits = max(fits, 0)
	h.store(b[:fits], off)
	if fits < len(b) {
		return fits, &fs.PathError{Op: "write", Path: "faultfs", Err: syscall.ENOSPC}
	}
	h.fs.writes++
	return len(b), nil
}

func (h *file) store(b []byte, off int64) {
	if need := off + int64(len(b)); len(b) > 0 && need > int64(len(h.node.data)) {
		h.node.data = append(h.node.data, make([]byte, need-int64(len(h.node.data)))...)
	}
	if len(b) > 0 {
		copy(h.node.data[off:], b)
		h.node.touch(int(off), int(off)+len(b))
	}
}

// Size returns the size of the file.
func (h *file) Size() (int64, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	return int64(len(h.node.data)), h.alive()
}

// Truncate changes the size of the file.
func (h *file) Truncate(size int64) error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if err := errors.Join(h.alive(), h.fs.failOther["truncate"]); err != nil {
		return err
	}
	now := int64(len(h.node.data))
	if size <= now {
		h.fs.free(int(now - size))
		h.node.touch(int(size), int(now))
		h.node.data = h.node.data[:size:size]
		return nil
	}
	h.node.data = append(h.node.data, make([]byte, size-now)...)
	return nil
}

// Sync makes the file's data and size durable.
func (h *file) Sync() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if err := h.alive(); err != nil {
		return err
	}
	if err := h.fs.failSync.take(); err != nil {
		h.node.dirty = nil
		return err
	}
	h.node.sync()
	h.fs.syncs++
	return nil
}

// Close closes the handle.
func (h *file) Close() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.closed {
		return fs.ErrClosed
	}
	h.closed = true
	return nil
}
