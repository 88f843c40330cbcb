package securitydb

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
	// applicationID marks a SQLite file as ours ("tvse").
	applicationID = 0x74767365
	// pageSize is small: a batch changes many short records all over the file,
	// and each costs a page in the log.
	pageSize = 4096
	// backstopPages is the length of the log, in pages, from which commits move
	// it themselves because the goroutine that should does not get to it.
	backstopPages  = 16_000
	writerCacheKiB = 16 << 10
	readerCacheKiB = 2 << 10
	busyTimeout    = 10 * time.Second
)

// openWriter opens the database for the one goroutine that writes, makes it
// if there is none and brings its schema up to date.
func openWriter(path string) (*sqlite.Conn, error) {
	const op = "open security store"
	// SQLite gives its side files the mode of the main one.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, dbError(op, path, err)
	}
	if err := f.Close(); err != nil {
		return nil, dbError(op, path, err)
	}
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		return nil, dbError(op, path, err)
	}
	if err := prepareWriter(conn, path); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

func prepareWriter(conn *sqlite.Conn, path string) error {
	const op = "open security store"
	// Somebody may look at the file with another program; a commit waits for
	// that, but not for ever.
	conn.SetBusyTimeout(busyTimeout)
	var id, version, tables int64
	for query, v := range map[string]*int64{
		"PRAGMA application_id":              &id,
		"PRAGMA user_version":                &version,
		"SELECT count(*) FROM sqlite_schema": &tables,
	} {
		var err error
		if *v, err = queryInt(conn, query); err != nil {
			return dbError(op, path, err)
		}
	}
	if (version > 0 || tables > 0) && id != applicationID {
		return &tvilling.Error{
			Code: tvilling.InvalidArgument, Op: op, Subject: path,
			Message: fmt.Sprintf("The file %s is a SQLite database, but not a security store of Tvilling; move it away or use another directory.", path),
		}
	}
	for _, p := range []string{
		fmt.Sprintf("page_size = %d", pageSize), // counts before the first table only
		"journal_mode = WAL",
		"synchronous = FULL", // a commit is on disk when COMMIT returns
		fmt.Sprintf("cache_size = -%d", writerCacheKiB),
		fmt.Sprintf("wal_autocheckpoint = %d", backstopPages),
		// A log that grew is cut back once it was moved.
		"journal_size_limit = 33554432",
		"temp_store = MEMORY",
	} {
		if err := sqlitex.ExecuteTransient(conn, "PRAGMA "+p, nil); err != nil {
			return dbError(op, path, err)
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
		return fmt.Errorf("list migrations: %w", err)
	}
	slices.SortFunc(files, cmp.Compare[string])
	if version > int64(len(files)) {
		return &tvilling.Error{
			Code: tvilling.Unsupported, Op: "open security store", Subject: path,
			Message: fmt.Sprintf("The security store was written by a newer version of Tvilling (schema %d; this version knows up to %d); use that version, or restore a backup.", version, len(files)),
		}
	}
	for i, name := range files {
		if int64(i) < version {
			continue
		}
		script, err := migrations.ReadFile(name)
		if err != nil {
			return fmt.Errorf("read migration: %w", err)
		}
		step := fmt.Sprintf("%s;\nPRAGMA application_id = %d;\nPRAGMA user_version = %d;", script, applicationID, i+1)
		if err := sqlitex.ExecuteScript(conn, step, nil); err != nil {
			return dbError("migrate security store", path, fmt.Errorf("%s: %w", name, err))
		}
	}
	return nil
}

// openReader opens one more connection that only reads.
func openReader(path string) (*sqlite.Conn, error) {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadOnly)
	if err != nil {
		return nil, dbError("read security store", path, err)
	}
	conn.SetBusyTimeout(busyTimeout)
	if err := sqlitex.ExecuteTransient(conn, fmt.Sprintf("PRAGMA cache_size = -%d", readerCacheKiB), nil); err != nil {
		return nil, errors.Join(dbError("read security store", path, err), conn.Close())
	}
	return conn, nil
}
