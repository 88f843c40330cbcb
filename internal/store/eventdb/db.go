package eventdb

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/tvilling/tvilling"
)

// DB is an open event store. [DB.Append] has one caller; every other method is
// safe for concurrent use.
type DB struct {
	opt    Options
	lock   *os.File
	packer *packer
	pool   *pool

	// writing is held while events are added, written or removed. It guards
	// what is under it and is taken before mu.
	writing sync.Mutex
	writer  *sqlite.Conn // of the newest partition; nil if there is none
	lookups map[*partition]*sqlite.Conn
	search  search
	recall  recall
	failed  time.Time // of the last flush that failed; zero if the last did not
	closed  bool

	// mu guards what queries see. It is held for moments.
	mu       sync.RWMutex
	parts    []*partition // oldest first; the last one is written to
	open     *batch
	position uint64 // newest message dealt with
	durable  uint64 // newest message up to which all is on disk
	changed  chan struct{}
	shut     bool

	// wake tells the goroutine that flushes by time that something waits, quit
	// ends it, running waits for it.
	wake    chan struct{}
	quit    chan struct{}
	running sync.WaitGroup

	figures figures
}

// Open opens the store in a directory, or makes a new one.
//
// It is refused with code Unavailable while another process has the directory
// open, with Unsupported when a newer version of Tvilling wrote a file in it,
// and with InvalidArgument when a file is none of its own. A damaged file is
// logged and passed over; queries report it.
func Open(ctx context.Context, o Options) (*DB, error) {
	if o.Dir == "" {
		return nil, tvilling.Errorf(tvilling.InvalidArgument, "An event store needs a directory.")
	}
	o = o.withDefaults()
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, cannotUse(o.Dir, err)
	}
	lock, err := lockDir(o.Dir)
	if err != nil {
		return nil, err
	}
	db := &DB{
		opt: o, lock: lock, pool: newPool(o.Readers), lookups: make(map[*partition]*sqlite.Conn),
		open: newBatch(), changed: make(chan struct{}), wake: make(chan struct{}, 1), quit: make(chan struct{}),
	}
	if db.packer, err = newPacker(); err == nil {
		err = db.load(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, db.release())
	}
	db.running.Go(db.keep)
	return db, nil
}

// load finds the partitions. What a crash left in a WAL is moved into its file
// because it is opened for writing.
func (db *DB) load(ctx context.Context) error {
	paths, err := filepath.Glob(filepath.Join(db.opt.Dir, "*.db"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		if ctx.Err() != nil {
			return givenUp(ctx, opOpen)
		}
		p, ok := parsePartition(path)
		if !ok {
			continue
		}
		err := db.loadPartition(p)
		if errors.Is(err, errUnused) {
			// A crash came between making the file and the first flush to it.
			if err := p.remove(); err != nil {
				return cannotUse(db.opt.Dir, err)
			}
			continue
		}
		if tvilling.CodeOf(err) == tvilling.Corrupt {
			db.opt.Logger.ErrorContext(ctx, "a file of events is damaged and cannot be used; all others are served", "file", path, "error", err)
			p.damage = err
		} else if err != nil {
			return err
		}
		db.parts = append(db.parts, p)
	}
	sortPartitions(db.parts)
	for _, p := range db.parts {
		db.position = max(db.position, p.sum.position)
	}
	db.durable = db.position
	if n := len(db.parts); n > 0 && db.parts[n-1].damage == nil {
		db.writer, err = openWriter(db.parts[n-1].path)
	}
	return err
}

// errUnused says that a file was made and never used.
var errUnused = errors.New("the file is not used yet")

func (db *DB) loadPartition(p *partition) error {
	conn, err := openWriter(p.path)
	if err != nil {
		return err
	}
	err = db.loadSummary(p, conn)
	if closing := conn.Close(); closing != nil && err == nil {
		err = dbError(opOpen, p.path, closing)
	}
	return err
}

func (db *DB) loadSummary(p *partition, conn *sqlite.Conn) error {
	good, err := p.load(conn)
	if err != nil || good {
		return err
	}
	rows, err := queryInt(conn, "SELECT (SELECT count(*) FROM summary) + EXISTS (SELECT 1 FROM body) + EXISTS (SELECT 1 FROM letter)")
	if err != nil {
		return dbError(opOpen, p.path, err)
	}
	if rows == 0 {
		return errUnused
	}
	db.opt.Logger.Error("the summary of a file of events is damaged and is made anew; duplicates of its events are not known any more", "file", p.path)
	return p.rebuild(conn)
}

// sortPartitions puts the partitions in the order of what they hold, and
// damaged ones, of which that is not known, in that of their days.
func sortPartitions(parts []*partition) {
	slices.SortFunc(parts, func(a, b *partition) int {
		if c := a.day.Compare(b.day); c != 0 {
			return c
		}
		return a.number - b.number
	})
	var good []*partition
	var places []int
	for i, p := range parts {
		if p.damage == nil {
			good = append(good, p)
			places = append(places, i)
		}
	}
	slices.SortStableFunc(good, func(a, b *partition) int {
		switch {
		case a.sum.first < b.sum.first:
			return -1
		case a.sum.first > b.sum.first:
			return 1
		default:
			return 0
		}
	})
	for i, p := range good {
		parts[places[i]] = p
	}
}

// Durable returns the sequence of the newest message up to which everything is
// on disk. After a crash the caller appends the messages after it once more.
// It never goes back.
func (db *DB) Durable() uint64 {
	db.mu.RLock()
	defer db.mu.RUnlock()
	return db.durable
}

// Changed returns a channel that is closed when more has been appended, and
// when the store is closed. To follow: take the channel, read to the end, wait.
func (db *DB) Changed() <-chan struct{} {
	db.mu.RLock()
	defer db.mu.RUnlock()
	return db.changed
}

// announce wakes those that wait for Changed. mu is held for writing.
func (db *DB) announce() {
	close(db.changed)
	db.changed = make(chan struct{})
}

// Close writes what is in memory and closes the store. It waits for reads
// under way. When it returns an error, the messages after Durable have to be
// appended once more.
func (db *DB) Close() error {
	db.writing.Lock()
	if db.closed {
		db.writing.Unlock()
		return nil
	}
	db.closed = true
	close(db.quit)
	err := db.flushNow()
	db.writing.Unlock()
	db.running.Wait()
	db.mu.Lock()
	db.shut = true
	close(db.changed)
	db.mu.Unlock()
	return errors.Join(err, db.release())
}

// release closes what is open.
func (db *DB) release() error {
	errs := []error{db.pool.close()}
	for _, conn := range db.lookups {
		errs = append(errs, conn.Close())
	}
	if db.writer != nil {
		errs = append(errs, db.writer.Close())
	}
	if db.packer != nil {
		db.packer.close()
	}
	return errors.Join(append(errs, unlock(db.lock), db.lock.Close())...)
}
