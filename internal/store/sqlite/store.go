package sqlite

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	"zombiezen.com/go/sqlite"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/store/segment"
)

// Store is the embedded [state.Store]. Open one with [Open].
type Store struct {
	opt  Options
	lock *os.File
	path string // of the database
	log  *segment.Log
	pool *pool
	// index knows where the log has the records of an identity.
	index *historyIndex

	// writing is held for a whole round of writing back. It guards writer and
	// is taken before every other lock.
	writing sync.Mutex
	writer  *sqlite.Conn
	// wake tells the write-back goroutine that there is something to do.
	wake chan struct{}
	// progress is closed and replaced (under mu) when records have become
	// clean or writing back has failed.
	progress chan struct{}
	// quit is closed to end the goroutines, which running waits for.
	quit    chan struct{}
	running sync.WaitGroup
	failing atomic.Pointer[error]
	applied atomic.Uint64 // newest journal record that SQLite holds

	cache *cache

	// scanning is held for reading by each step of a scan, and for writing
	// while records are made clean: within a step, what is not dirty is in
	// SQLite. It is taken before mu.
	scanning sync.RWMutex

	// mu makes a batch visible at once: it is held for writing while one is
	// installed, and for reading by whoever reads more than one record.
	mu sync.RWMutex
	// pending holds the identities whose record is dirty, put or deleted.
	pending keyset
	// newTwins holds the identities whose twin is dirty and not known to be in
	// SQLite in any state.
	newTwins keyset
	// unwritten lists the keys of the dirty records, each once.
	unwritten []key
	// visible is the newest journal record installed, with the newest change.
	visible position
	// unapplied is how many bytes of the journal SQLite does not hold.
	unapplied int64
	recent    recent
	closed    bool

	// segmentTimes holds when the first batch after a segment was committed;
	// the write-back goroutine owns it.
	segmentTimes map[uint64]int64

	figures figures

	// scratch is what Commit encodes into, one call at a time.
	scratch []byte
}

var _ state.Store = (*Store)(nil)

// Open opens the store in a directory, or makes a new one. After a crash it
// replays what of the journal SQLite does not hold.
//
// It is refused with code Unavailable while another process has the directory
// open, with Unsupported when a newer version of Tvilling wrote it, and with
// Corrupt when the database or the journal is damaged in a way that would let
// stale records be served without notice.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Dir == "" {
		return nil, tvilling.Errorf(tvilling.InvalidArgument, "A store needs a directory.")
	}
	o = o.withDefaults()
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, cannotUse(o.Dir, err)
	}
	lock, err := lockDir(o.Dir)
	if err != nil {
		return nil, err
	}
	s := &Store{
		opt: o, lock: lock, path: filepath.Join(o.Dir, "hub.db"),
		wake: make(chan struct{}, 1), progress: make(chan struct{}), quit: make(chan struct{}),
		cache: newCache(o.CacheBytes), recent: recent{limit: o.RecentBytes},
		segmentTimes: make(map[uint64]int64),
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.release())
	}
	s.running.Go(s.writeBack)
	s.running.Go(func() { s.index.run(s.quit) })
	if s.cache.dirtyCount.Load() > 0 {
		s.kick()
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	var err error
	if s.writer, err = openWriter(s.path); err != nil {
		return err
	}
	s.pool = newPool(s.path, max(2, runtime.GOMAXPROCS(0)))
	s.log, err = segment.Open(segment.Options{
		Dir: filepath.Join(s.opt.Dir, "journal"), MaxBytes: s.opt.SegmentBytes, FS: s.opt.FS,
	})
	if err != nil {
		return err
	}
	s.index = newHistoryIndex(s.log, filepath.Join(s.opt.Dir, "history"), s.opt.Logger)
	return s.replay(ctx)
}

// release closes what is open, in an order that lets the last connection move
// the WAL into the database file.
func (s *Store) release() error {
	var errs []error
	if s.pool != nil {
		errs = append(errs, s.pool.close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.Close())
	}
	if s.log != nil {
		errs = append(errs, s.log.Close())
	}
	return errors.Join(append(errs, unlock(s.lock), s.lock.Close())...)
}

// Close writes back what is in memory, so that the next start has nothing to
// replay, and closes the store. It waits for reads under way. Nothing is lost
// when it returns an error: the journal holds everything.
func (s *Store) Close() error {
	s.mu.Lock()
	was := s.closed
	s.closed = true
	s.announce() // a commit that waits for room is refused
	s.mu.Unlock()
	if was {
		return nil
	}
	close(s.quit)
	s.running.Wait()
	_, err := s.round(nil)
	if err == nil {
		err = s.seal()
	}
	return errors.Join(err, s.release())
}

// sealBytes is the size from which the journal's newest segment is ended at
// Close: a start reads the newest one through.
const sealBytes = 4 << 20

func (s *Store) seal() error {
	segments := s.log.Segments()
	if segments[len(segments)-1].Bytes < sealBytes {
		return nil
	}
	return s.log.Rotate()
}

// kick wakes the write-back goroutine.
func (s *Store) kick() {
	select {
	case s.wake <- struct{}{}:
	default: // it is awake already
	}
}

func errClosed(op string) error {
	return &tvilling.Error{Code: tvilling.Unavailable, Op: op, Message: "The store is closed; the hub is stopping."}
}

// givenUp is the error of a call whose context has ended.
func givenUp(ctx context.Context) error {
	return &tvilling.Error{
		Code: tvilling.Unavailable, Op: "read store",
		Message: "The call was given up before it was answered.", Err: context.Cause(ctx),
	}
}
