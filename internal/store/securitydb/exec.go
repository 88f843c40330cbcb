package securitydb

import (
	"fmt"

	"zombiezen.com/go/sqlite"
)

// prepare returns the prepared statement of a query, which the connection
// keeps by its text, with arguments bound in order.
func prepare(conn *sqlite.Conn, query string, args ...any) (*sqlite.Stmt, error) {
	stmt, err := conn.Prepare(query)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	for i, a := range args {
		switch a := a.(type) {
		case nil:
			stmt.BindNull(i + 1)
		case int64:
			stmt.BindInt64(i+1, a)
		case string:
			stmt.BindText(i+1, a)
		case []byte:
			stmt.BindBytes(i+1, a)
		default:
			return nil, fmt.Errorf("argument %d of type %T cannot be bound", i+1, a)
		}
	}
	return stmt, nil
}

// exec runs a statement that yields no rows that matter.
func exec(conn *sqlite.Conn, query string, args ...any) error {
	return each(conn, query, func(*sqlite.Stmt) bool { return false }, args...)
}

// changed runs a statement and reports whether it changed a row.
func changed(conn *sqlite.Conn, query string, args ...any) (bool, error) {
	if err := exec(conn, query, args...); err != nil {
		return false, err
	}
	return conn.Changes() > 0, nil
}

// each runs a query and calls row for every row until it returns false.
func each(conn *sqlite.Conn, query string, row func(*sqlite.Stmt) bool, args ...any) error {
	stmt, err := prepare(conn, query, args...)
	if err != nil {
		return err
	}
	for {
		ok, err := stmt.Step()
		if err != nil {
			// The step's error says more than the reset's, which repeats it.
			_ = stmt.Reset()
			return fmt.Errorf("step: %w", err)
		}
		if !ok || !row(stmt) {
			break
		}
	}
	if err := stmt.Reset(); err != nil {
		return fmt.Errorf("reset: %w", err)
	}
	return nil
}

// blob returns the value of a query's first row and column; nil without rows.
func blob(conn *sqlite.Conn, query string, args ...any) (value []byte, err error) {
	err = each(conn, query, func(stmt *sqlite.Stmt) bool {
		value = column(stmt, 0)
		return false
	}, args...)
	return value, err
}

// column copies a blob column; it is never nil.
func column(stmt *sqlite.Stmt, i int) []byte {
	b := make([]byte, stmt.ColumnLen(i))
	return b[:stmt.ColumnBytes(i, b)]
}
