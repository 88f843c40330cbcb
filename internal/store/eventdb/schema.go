package eventdb

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
	// applicationID marks a SQLite file as one of events ("tvev").
	applicationID = 0x74766576
	// pageSize is small because each flush touches many places of the lists.
	pageSize = 4096
	// checkpointPages is the length of the WAL, in pages, from which a flush
	// moves it into the database file: long, so that a page of the lists is
	// moved once for several flushes.
	checkpointPages = 4000
	writerCacheKiB  = 16 << 10
	readerCacheKiB  = 2 << 10
	busyTimeout     = 10 * time.Second
)

// openWriter opens a file for writing, makes it if there is none and brings
// its schema up to date.
func openWriter(path string) (*sqlite.Conn, error) {
	// SQLite gives its side files the mode of the main one.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, dbError(opOpen, path, err)
	}
	if err := f.Close(); err != nil {
		return nil, dbError(opOpen, path, err)
	}
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		return nil, dbError(opOpen, path, err)
	}
	if err := prepareWriter(conn, path); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

func prepareWriter(conn *sqlite.Conn, path string) error {
	// Somebody may look at the file with another program; writing waits for
	// that, but not for ever.
	conn.SetBusyTimeout(busyTimeout)
	id, err := queryInt(conn, "PRAGMA application_id")
	if err != nil {
		return dbError(opOpen, path, err)
	}
	version, err := queryInt(conn, "PRAGMA user_version")
	if err != nil {
		return dbError(opOpen, path, err)
	}
	tables, err := queryInt(conn, "SELECT count(*) FROM sqlite_schema")
	if err != nil {
		return dbError(opOpen, path, err)
	}
	if (version > 0 || tables > 0) && id != applicationID {
		return &tvilling.Error{
			Code: tvilling.InvalidArgument, Op: opOpen, Subject: path,
			Message: fmt.Sprintf("The file %s is a SQLite database, but none of Tvilling's events; move it away or use another directory.", path),
		}
	}
	for _, p := range []string{
		fmt.Sprintf("page_size = %d", pageSize), // counts before the first table only
		"journal_mode = WAL",
		// A transaction is on disk when COMMIT returns: Durable promises it.
		"synchronous = FULL",
		fmt.Sprintf("cache_size = -%d", writerCacheKiB),
		fmt.Sprintf("wal_autocheckpoint = %d", checkpointPages),
		// A WAL that grew is cut back once it was moved.
		"journal_size_limit = 33554432",
		"temp_store = MEMORY",
	} {
		if err := sqlitex.ExecuteTransient(conn, "PRAGMA "+p, nil); err != nil {
			return dbError(opOpen, path, err)
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

// migrate runs the steps that the file does not have yet, each in a
// transaction with the number that says so.
func migrate(conn *sqlite.Conn, path string, version int64) error {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	slices.SortFunc(files, cmp.Compare[string])
	if version > int64(len(files)) {
		return &tvilling.Error{
			Code: tvilling.Unsupported, Op: opOpen, Subject: path,
			Message: fmt.Sprintf("The file %s was written by a newer version of Tvilling (schema %d; this version knows up to %d); use that version, or move the file away.",
				path, version, len(files)),
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
			return dbError(opOpen, path, fmt.Errorf("%s: %w", name, err))
		}
	}
	return nil
}

// openReader opens one more connection to a file, which only reads.
func openReader(path string) (*sqlite.Conn, error) {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadOnly)
	if err != nil {
		return nil, dbError(opRead, path, err)
	}
	conn.SetBusyTimeout(busyTimeout)
	if err := sqlitex.ExecuteTransient(conn, fmt.Sprintf("PRAGMA cache_size = -%d", readerCacheKiB), nil); err != nil {
		return nil, errors.Join(dbError(opRead, path, err), conn.Close())
	}
	return conn, nil
}

// column copies a blob into buf, or into something larger.
func column(stmt *sqlite.Stmt, col int, buf []byte) []byte {
	n := stmt.ColumnLen(col)
	buf = slices.Grow(buf[:0], n)[:n]
	stmt.ColumnBytes(col, buf)
	return buf
}

// first steps a statement to its first row and reports whether there is one;
// done resets it.
func firstRow(stmt *sqlite.Stmt) (ok bool, done func() error, err error) {
	ok, err = stmt.Step()
	if err != nil {
		_ = stmt.Reset() // it says the same error again
		return false, nil, err
	}
	return ok, stmt.Reset, nil
}
