package eventdb

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/tvilling/tvilling"
)

// retryAfter is how long a flush that failed waits for the next try.
const retryAfter = time.Second

// Flush writes what is in memory; when it returns without an error, all that
// was appended before is durable.
func (db *DB) Flush(ctx context.Context) error {
	if ctx.Err() != nil {
		return givenUp(ctx, opFlush)
	}
	db.writing.Lock()
	defer db.writing.Unlock()
	if db.closed {
		return errClosed(opFlush)
	}
	return db.flushNow()
}

// keep is the goroutine that flushes a batch that has waited long enough.
func (db *DB) keep() {
	timer := time.NewTimer(db.opt.FlushAfter)
	defer timer.Stop()
	for {
		select {
		case <-db.quit:
			return
		case <-db.wake:
			// The batch is young: the timer is set for it.
			timer.Reset(db.opt.FlushAfter)
		case <-timer.C:
			if again := db.tick(); again > 0 {
				timer.Reset(again)
			}
		}
	}
}

// tick flushes the open batch if it is due, and returns when to look again; 0
// if there is nothing to wait for.
func (db *DB) tick() time.Duration {
	db.writing.Lock()
	defer db.writing.Unlock()
	if db.closed || db.open.from == 0 {
		return 0
	}
	if left := db.opt.FlushAfter - time.Since(db.open.since); left > 0 {
		return left
	}
	if db.tryFlush() != nil {
		return retryAfter
	}
	return 0
}

// mayTry reports whether it is worth trying to write.
func (db *DB) mayTry() bool {
	return db.failed.IsZero() || time.Since(db.failed) >= retryAfter
}

// tryFlush flushes for nobody who could be told: it logs when flushing begins
// to fail and when it works again.
func (db *DB) tryFlush() error {
	was := db.failed
	err := db.flushNow()
	switch {
	case err != nil && was.IsZero():
		db.opt.Logger.Error("events cannot be written to disk; they wait in memory", "error", err, "bytes", db.open.bytes)
	case err == nil && !was.IsZero():
		db.opt.Logger.Info("events are written to disk again")
	}
	return err
}

// flushNow writes the open batch in one transaction. When that fails the
// batch stays as it was. writing is held.
func (db *DB) flushNow() error {
	b := db.open
	if b.from == 0 {
		return nil
	}
	start := time.Now()
	sum, err := db.write(b)
	if tvilling.CodeOf(err) == tvilling.Corrupt {
		if err = db.replace(err); err == nil {
			sum, err = db.write(b)
		}
	}
	if err != nil {
		db.failed = time.Now()
		db.figures.flushErrors.Add(1)
		return err
	}
	db.failed = time.Time{}
	db.figures.flushed(time.Since(start))
	db.mu.Lock()
	defer db.mu.Unlock()
	db.parts[len(db.parts)-1].sum = sum
	db.durable = db.position
	db.open = newBatch()
	return nil
}

// replace lets another file of the day take over from one that was found
// damaged while it was written to.
func (db *DB) replace(cause error) error {
	old := db.parts[len(db.parts)-1]
	db.opt.Logger.Error("a file of events is damaged and is not written to any more; another one takes over", "file", old.path, "error", cause)
	p, conn, err := makePartition(db.opt.Dir, old.day, db.durable, old.salt)
	if err != nil {
		return err
	}
	return db.install(p, conn)
}

// rotate makes the file of another day. The open batch is empty.
func (db *DB) rotate(day time.Time) error {
	p, conn, err := makePartition(db.opt.Dir, day, db.durable, newSalt())
	if err != nil {
		return err
	}
	return db.install(p, conn)
}

// install makes a partition the one that is written to.
func (db *DB) install(p *partition, conn *sqlite.Conn) error {
	old := db.writer
	db.writer = conn
	db.mu.Lock()
	db.parts = append(slices.Clip(db.parts), p)
	db.mu.Unlock()
	if old == nil {
		return nil
	}
	// The WAL of a day that is over is moved into its file, which is all there
	// is to see of it from now on.
	err := sqlitex.ExecuteTransient(old, "PRAGMA wal_checkpoint(TRUNCATE)", nil)
	if err = errors.Join(err, old.Close()); err != nil {
		db.opt.Logger.Warn("a file of events was not closed in order; that is repaired at the next start", "error", err)
	}
	return nil
}

// write writes a batch to the newest partition and returns what that holds then.
func (db *DB) write(b *batch) (sum summary, err error) {
	p := db.parts[len(db.parts)-1]
	conn := db.writer
	end, err := sqlitex.ImmediateTransaction(conn)
	if err != nil {
		return sum, dbError(opFlush, p.path, err)
	}
	if err = db.writeBlocks(conn, b); err == nil {
		err = writePostings(conn, b)
	}
	if err == nil {
		err = writeLetters(conn, b)
	}
	sum = p.sum.with(b, db.position)
	if err == nil {
		err = putSummary(conn, p.salt, sum)
	}
	end(&err)
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultConstraint, sqlite.ResultReadOnly:
		// It holds what it cannot know yet, or its header says that nobody may
		// write: another file takes over.
		err = fmt.Errorf("%w: %w", sqlite.ResultCorrupt.ToError(), err)
	default:
	}
	if err != nil {
		return sum, dbError(opFlush, p.path, err)
	}
	return sum, nil
}

// with returns the summary of a file to which a batch is added.
func (s summary) with(b *batch, position uint64) summary {
	if s.blocks == 0 && s.letters == 0 && s.letterX == 0 {
		s.first = b.from
	}
	s.position = position
	s.firstReceived = min(s.firstReceived, clampNano(b.firstReceived))
	s.lastReceived = max(s.lastReceived, clampNano(b.lastReceived))
	for _, k := range b.blocks {
		s.oldest, s.newest = min(s.oldest, k.oldest), max(s.newest, k.newest)
		s.events += k.events
	}
	s.blocks += int64(len(b.blocks))
	s.letters += int64(len(b.letters))
	s.letterBytes += b.letterBytes
	s.letterX += b.shed
	return s
}

func (db *DB) writeBlocks(conn *sqlite.Conn, b *batch) error {
	var body []byte
	for _, k := range b.blocks {
		body = db.packer.pack(body[:0], k.first, k.contents)
		stmt, err := conn.Prepare("INSERT INTO body VALUES (?, ?)")
		if err != nil {
			return err
		}
		stmt.BindInt64(1, int64(k.first))
		stmt.BindBytes(2, body)
		if _, err := stmt.Step(); err != nil {
			return err
		}
		if stmt, err = conn.Prepare("INSERT INTO block VALUES (?, ?, ?, ?, ?)"); err != nil {
			return err
		}
		for i, v := range [...]int64{int64(k.first), int64(k.last), k.oldest, k.newest, int64(k.mask)} {
			stmt.BindInt64(i+1, v)
		}
		if _, err := stmt.Step(); err != nil {
			return err
		}
	}
	return nil
}

// rowBytes bounds a row of a device's list, so that it fits on a page of an
// index; a message with more events than that takes a row of its own.
const rowBytes = 900

func writePostings(conn *sqlite.Conn, b *batch) error {
	// In order, so that neighbours share pages.
	var w listWriter
	for _, device := range slices.Sorted(maps.Keys(b.postings)) {
		if err := w.device(conn, device, b.postings[device]); err != nil {
			return err
		}
	}
	return nil
}

// listWriter adds to the lists of devices.
type listWriter struct{ list, next []byte }

func (w *listWriter) device(conn *sqlite.Conn, device tvilling.DeviceID, add []posting) error {
	first, state, err := w.last(conn, device)
	if err != nil {
		return err
	}
	for i := range add {
		p := &add[i]
		w.next = appendPosting(w.next[:0], &state, p)
		if first == 0 || len(w.list)+len(w.next) > rowBytes {
			if first != 0 && i > 0 {
				if err := w.put(conn, device, first); err != nil {
					return err
				}
			}
			first, state = p.sequence, listState{sequence: p.sequence}
			w.list = append(w.list[:0], 0, 0, 0, 0)
			w.next = appendPosting(w.next[:0], &state, p)
		}
		w.list = append(w.list, w.next...)
	}
	return w.put(conn, device, first)
}

// last reads the last row of a device, to which more may be added; first is 0
// if there is none that is good.
func (w *listWriter) last(conn *sqlite.Conn, device tvilling.DeviceID) (first uint64, state listState, err error) {
	stmt, err := conn.Prepare("SELECT first, list FROM posting WHERE device = ? ORDER BY first DESC LIMIT 1")
	if err != nil {
		return 0, state, err
	}
	stmt.BindText(1, string(device))
	ok, done, err := firstRow(stmt)
	if err != nil {
		return 0, state, err
	}
	if !ok {
		return 0, state, done()
	}
	first = uint64(stmt.ColumnInt64(0))
	w.list = column(stmt, 1, w.list)
	l := openList(first, w.list)
	var p posting
	for l != nil && l.next(&p) {
	}
	if l == nil || l.r.bad {
		return 0, state, done()
	}
	return first, l.state, done()
}

func (w *listWriter) put(conn *sqlite.Conn, device tvilling.DeviceID, first uint64) error {
	stmt, err := conn.Prepare("INSERT INTO posting VALUES (?, ?, ?) ON CONFLICT (device, first) DO UPDATE SET list = excluded.list")
	if err != nil {
		return err
	}
	stmt.BindText(1, string(device))
	stmt.BindInt64(2, int64(first))
	stmt.BindBytes(3, seal(first, w.list))
	_, err = stmt.Step()
	return err
}
