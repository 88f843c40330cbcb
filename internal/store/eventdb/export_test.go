package eventdb

import (
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite/sqlitex"
)

// Abandon ends a store as a crash does: what is in memory is lost.
func (db *DB) Abandon() error {
	db.writing.Lock()
	db.closed = true
	close(db.quit)
	db.writing.Unlock()
	db.running.Wait()
	db.mu.Lock()
	db.shut = true
	close(db.changed)
	db.mu.Unlock()
	return db.release()
}

// LimitPages lets the file that is written to have no more than some more
// pages than it has; a negative number takes the limit away.
func (db *DB) LimitPages(more int) error {
	db.writing.Lock()
	defer db.writing.Unlock()
	if more < 0 {
		return sqlitex.ExecuteTransient(db.writer, "PRAGMA max_page_count = 2147483647", nil)
	}
	n, err := queryInt(db.writer, "PRAGMA page_count")
	return errors.Join(err, sqlitex.ExecuteTransient(db.writer, fmt.Sprintf("PRAGMA max_page_count = %d", n+int64(more)), nil))
}

// Format is the version of the schema that this version writes.
const Format = 1

// The codecs, for tests of their own.
var (
	AppendLocal = appendLocal
	AppendGUID  = appendGUID
	ParseGUID   = parseGUID
)
