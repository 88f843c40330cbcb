package securitydb

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	"zombiezen.com/go/sqlite"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// Options say where a store is. Dir is needed.
type Options struct {
	// Dir is the directory of the store; it is made, readable by the owner
	// only, if it does not exist.
	Dir string
	// Logger hears what is worth a look: a checkpoint that fails. The default
	// discards.
	Logger *slog.Logger
	// CheckpointPages is the length of the write-ahead log, in pages of 4 KiB,
	// from which it is moved into the database file; default 2000.
	CheckpointPages int
}

// Store is the embedded [ledger.Store]. Open one with [Open].
type Store struct {
	opt  Options
	lock *os.File
	path string
	pool *pool

	// writing is held by a commit, by each step of a trim and by the end of a
	// checkpoint. It guards writer, scratch, closed and pages.
	writing sync.Mutex
	writer  *sqlite.Conn
	scratch []byte
	closed  bool
	// pages estimates how long the write-ahead log is.
	pages int
	// wake tells the checkpoint goroutine that the log is long; quit ends it,
	// and running waits for it.
	wake    chan struct{}
	quit    chan struct{}
	running sync.WaitGroup
	mover   *sqlite.Conn // the checkpoint goroutine's

	head atomic.Uint64         // newest sequence of the feed
	lost atomic.Pointer[error] // why the store takes no more commits

	figures figures
}

var _ ledger.Store = (*Store)(nil)

// Open opens the store in a directory, or makes a new one. It is refused with
// code Unavailable while another process has it open, with Unsupported when a
// newer version of Tvilling wrote it, and with Corrupt when its file is damaged
// as a whole.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Dir == "" {
		return nil, tvilling.Errorf(tvilling.InvalidArgument, "A security store needs a directory.")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.CheckpointPages <= 0 {
		o.CheckpointPages = 2000
	}
	if ctx.Err() != nil {
		return nil, givenUp(ctx, "open security store")
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, cannotUse(o.Dir, err)
	}
	lock, err := lockDir(o.Dir)
	if err != nil {
		return nil, err
	}
	s := &Store{
		opt: o, lock: lock, path: filepath.Join(o.Dir, "security.db"),
		wake: make(chan struct{}, 1), quit: make(chan struct{}),
	}
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.release())
	}
	s.running.Go(s.checkpoints)
	return s, nil
}

func (s *Store) open() error {
	var err error
	if s.writer, err = openWriter(s.path); err != nil {
		return err
	}
	if s.mover, err = openMover(s.path); err != nil {
		return err
	}
	s.pool = newPool(s.path, max(2, runtime.GOMAXPROCS(0)))
	return s.readHead()
}

// readHead learns the newest sequence of the feed, which may have been dropped.
func (s *Store) readHead() error {
	newest, err := queryInt(s.writer, "SELECT coalesce(max(sequence), 0) FROM feed")
	if err != nil {
		return dbError("open security store", s.path, err)
	}
	trimmed, err := readNumber(s.writer, s.path, key{kind: kindTrimmed})
	if err != nil {
		return err
	}
	s.head.Store(max(uint64(newest), trimmed))
	return nil
}

// release closes what is open; the last connection moves the log into the
// database file.
func (s *Store) release() error {
	var errs []error
	if s.pool != nil {
		errs = append(errs, s.pool.close())
	}
	for _, conn := range []*sqlite.Conn{s.mover, s.writer} {
		if conn != nil {
			errs = append(errs, conn.Close())
		}
	}
	return errors.Join(append(errs, unlock(s.lock), s.lock.Close())...)
}

// Close closes the store. It waits for reads and for the commit under way;
// nothing is lost when it returns an error.
func (s *Store) Close() error {
	s.writing.Lock()
	was := s.closed
	s.closed = true
	s.writing.Unlock()
	if was {
		return nil
	}
	close(s.quit)
	s.running.Wait()
	return s.release()
}

// FeedHead returns the newest sequence of the feed.
func (s *Store) FeedHead() uint64 { return s.head.Load() }
