package securitydb

import (
	"context"
	"errors"

	"zombiezen.com/go/sqlite"
)

// pool hands out connections that only read, a bounded number of them, opened
// when they are first needed.
type pool struct {
	path string
	// slots holds one value for every connection that may be in use: a
	// connection that is open and idle, or nil for one not opened yet.
	slots chan *sqlite.Conn
	done  chan struct{} // closed by close
}

func newPool(path string, size int) *pool {
	p := &pool{path: path, slots: make(chan *sqlite.Conn, size), done: make(chan struct{})}
	for range size {
		p.slots <- nil
	}
	return p
}

// use runs f with a connection. It waits for one until ctx ends or the pool
// is closed.
func (p *pool) use(ctx context.Context, op string, f func(*sqlite.Conn) error) error {
	if ctx.Err() != nil {
		return givenUp(ctx, op)
	}
	select {
	case <-p.done:
		return errClosed(op)
	default:
	}
	var conn *sqlite.Conn
	select {
	case conn = <-p.slots:
	case <-ctx.Done():
		return givenUp(ctx, op)
	case <-p.done:
		return errClosed(op)
	}
	defer func() { p.slots <- conn }()
	if conn == nil {
		var err error
		if conn, err = openReader(p.path); err != nil {
			return err
		}
	}
	return f(conn)
}

// snapshot is use for more than one query: all of them see the same batches.
func (p *pool) snapshot(ctx context.Context, op string, f func(*sqlite.Conn) error) error {
	return p.use(ctx, op, func(conn *sqlite.Conn) error {
		if err := exec(conn, "BEGIN"); err != nil {
			return dbError(op, p.path, err)
		}
		err := f(conn)
		if end := exec(conn, "COMMIT"); end != nil && err == nil {
			err = dbError(op, p.path, end)
		}
		return err
	})
}

// close waits for the uses under way and closes every connection.
func (p *pool) close() error {
	close(p.done)
	var errs []error
	for range cap(p.slots) {
		if conn := <-p.slots; conn != nil {
			errs = append(errs, conn.Close())
		}
	}
	return errors.Join(errs...)
}
