package sqlite

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/tvilling/tvilling"
)

// migrations holds the steps from one version of the schema to the next, in
// the order of their numbers. A step that was released is never changed.
//
//go:embed migrations/*.sql
var migrations embed.FS

const (
	// applicationID marks a SQLite file as ours ("tvil").
	applicationID = 0x7476696c
	// pageSize suits values of one to a few KiB: fewer pages to log a round.
	pageSize = 8192
	// checkpointPages is the length of the WAL, in pages, from which a commit
	// moves it into the database file.
	checkpointPages = 1000
	writerCacheKiB  = 8 << 10
	readerCacheKiB  = 4 << 10
	busyTimeout     = 10 * time.Second
)

// openWriter opens the database for the one goroutine that writes, makes it
// if there is none and brings its schema up to date.
func openWriter(path string) (*sqlite.Conn, error) {
	// SQLite gives its side files the mode of the main one.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, dbError("open store", path, err)
	}
	if err := f.Close(); err != nil {
		return nil, dbError("open store", path, err)
	}
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		return nil, dbError("open store", path, err)
	}
	if err := prepareWriter(conn, path); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

func prepareWriter(conn *sqlite.Conn, path string) error {
	// Somebody may look at the file with another program; writing back waits
	// for that, but not for ever.
	conn.SetBusyTimeout(busyTimeout)
	id, err := queryInt(conn, "PRAGMA application_id")
	if err != nil {
		return dbError("open store", path, err)
	}
	version, err := queryInt(conn, "PRAGMA user_version")
	if err != nil {
		return dbError("open store", path, err)
	}
	tables, err := queryInt(conn, "SELECT count(*) FROM sqlite_schema")
	if err != nil {
		return dbError("open store", path, err)
	}
	if (version > 0 || tables > 0) && id != applicationID {
		return &tvilling.Error{
			Code: tvilling.InvalidArgument, Op: "open store", Subject: path,
			Message: fmt.Sprintf("The file %s is a SQLite database, but none of Tvilling; move it away or use another directory.", path),
		}
	}
	for _, p := range []string{
		fmt.Sprintf("page_size = %d", pageSize), // counts before the first table only
		"journal_mode = WAL",
		// A transaction is on disk when COMMIT returns, so that the journal
		// may be dropped up to the position it holds.
		"synchronous = FULL",
		fmt.Sprintf("cache_size = -%d", writerCacheKiB),
		fmt.Sprintf("wal_autocheckpoint = %d", checkpointPages),
		// A WAL that grew is cut back once it was moved.
		"journal_size_limit = 33554432",
		"temp_store = MEMORY",
	} {
		if err := sqlitex.ExecuteTransient(conn, "PRAGMA "+p, nil); err != nil {
			return dbError("open store", path, err)
		}
	}
	return migrate(conn, path, version)
}

// queryInt runs a query that yields one number.
func queryInt(conn *sqlite.Conn, query string) (int64, error) {
	stmt, _, err := conn.PrepareTransient(query)
	if err != nil {
		return 0, err
	}
	v, err := sqlitex.ResultInt64(stmt)
	return v, errors.Join(err, stmt.Finalize())
}

// migrate runs the steps that the database does not have yet, each in a
// transaction with the number that says so.
func migrate(conn *sqlite.Conn, path string, version int64) error {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	slices.SortFunc(files, cmp.Compare[string])
	if version > int64(len(files)) {
		return &tvilling.Error{
			Code: tvilling.Unsupported, Op: "open store", Subject: path,
			Message: fmt.Sprintf("The store was written by a newer version of Tvilling (schema %d; this version knows up to %d); use that version, or restore a backup.", version, len(files)),
		}
	}
	for i, name := range files {
		if int64(i) < version {
			continue
		}
		script, err := migrations.ReadFile(name)
		if err != nil {
			return err
		}
		step := fmt.Sprintf("%s;\nPRAGMA application_id = %d;\nPRAGMA user_version = %d;", script, applicationID, i+1)
		if err := sqlitex.ExecuteScript(conn, step, nil); err != nil {
			return dbError("migrate store", path, fmt.Errorf("%s: %w", name, err))
		}
	}
	return nil
}

// openReader opens one more connection that only reads.
func openReader(path string) (*sqlite.Conn, error) {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadOnly)
	if err != nil {
		return nil, dbError("read store", path, err)
	}
	if err := sqlitex.ExecuteTransient(conn, fmt.Sprintf("PRAGMA cache_size = -%d", readerCacheKiB), nil); err != nil {
		return nil, errors.Join(dbError("read store", path, err), conn.Close())
	}
	return conn, nil
}

// fullBelow is less space than SQLite needs to open a database.
const fullBelow = 1 << 20

// dbError turns an error of SQLite into one of ours.
func dbError(op, path string, err error) error {
	e := &tvilling.Error{Code: tvilling.Internal, Op: op, Subject: path, Err: err}
	switch sqlite.ErrCode(err).ToPrimary() {
	case sqlite.ResultCorrupt, sqlite.ResultNotADB:
		e.Code = tvilling.Corrupt
		e.Message = "The database file is damaged. Stop the hub and restore a backup; what the backup lacks is replayed from the journal as far back as that goes."
	case sqlite.ResultFull:
		e.Code = tvilling.Unavailable
		e.Message = "There is no space left for the database; free some."
	case sqlite.ResultIOErr, sqlite.ResultCantOpen, sqlite.ResultPerm, sqlite.ResultReadOnly:
		// SQLite calls it an I/O error when its files beside the database find
		// no space.
		if free, ok := freeBytes(path); ok && free < fullBelow {
			e.Code = tvilling.Unavailable
			e.Message = fmt.Sprintf("There is hardly any space left for the database (%d bytes); free some.", free)
			break
		}
		e.Message = "The database file cannot be used; see the cause."
	case sqlite.ResultBusy:
		e.Code = tvilling.Unavailable
		e.Message = "Another program keeps the database locked; close it."
	default:
		e.Message = "The database failed; see the cause."
	}
	return e
}
