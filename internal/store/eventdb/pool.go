package eventdb

import (
	"context"
	"errors"
	"slices"
	"sync"

	"zombiezen.com/go/sqlite"
)

// errGone says that retention has removed the file meanwhile.
var errGone = errors.New("the file was removed")

// pool hands out connections that only read, a bounded number of them over all
// files, opened when they are needed and kept for a while. Every use is
// short: no reader keeps a WAL from being moved or a file from being removed.
type pool struct {
	slots chan struct{} // one for each use under way
	done  chan struct{} // closed by close

	mu   sync.Mutex
	idle []idleConn // the one used last at the end
}

type idleConn struct {
	p    *partition
	conn *sqlite.Conn
}

func newPool(size int) *pool {
	return &pool{slots: make(chan struct{}, size), done: make(chan struct{})}
}

// use runs f with a connection to a file. It waits for one until ctx ends or
// the pool is closed; when ctx ends while f runs, SQLite gives up.
func (l *pool) use(ctx context.Context, p *partition, f func(*sqlite.Conn) error) error {
	select {
	case <-ctx.Done():
		return givenUp(ctx, opRead)
	case <-l.done:
		return errClosed(opRead)
	default:
	}
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		return givenUp(ctx, opRead)
	case <-l.done:
		return errClosed(opRead)
	}
	defer func() { <-l.slots }()
	p.gate.RLock()
	defer p.gate.RUnlock()
	if p.gone {
		return errGone
	}
	conn := l.take(p)
	if conn == nil {
		var err error
		if conn, err = openReader(p.path); err != nil {
			return err
		}
	}
	err := l.run(ctx, conn, f)
	if closing := l.give(p, conn); closing != nil {
		return errors.Join(err, closing)
	}
	return err
}

func (l *pool) run(ctx context.Context, conn *sqlite.Conn, f func(*sqlite.Conn) error) error {
	if ctx.Done() != nil {
		conn.SetInterrupt(ctx.Done())
		defer conn.SetInterrupt(nil)
	}
	err := f(conn)
	if err != nil && ctx.Err() != nil {
		return givenUp(ctx, opRead)
	}
	return err
}

func (l *pool) take(p *partition) *sqlite.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, v := range slices.Backward(l.idle) {
		if v.p == p {
			conn := v.conn
			l.idle = append(l.idle[:i], l.idle[i+1:]...)
			return conn
		}
	}
	return nil
}

// give keeps a connection, and closes the one that was not used for longest.
func (l *pool) give(p *partition, conn *sqlite.Conn) error {
	l.mu.Lock()
	l.idle = append(l.idle, idleConn{p, conn})
	var old *sqlite.Conn
	if len(l.idle) > cap(l.slots) {
		old = l.idle[0].conn
		l.idle = append(l.idle[:0], l.idle[1:]...)
	}
	l.mu.Unlock()
	if old != nil {
		return old.Close()
	}
	return nil
}

// forget closes the idle connections to a file. Nobody else uses it when its
// gate is held.
func (l *pool) forget(p *partition) error {
	var errs []error
	for conn := l.take(p); conn != nil; conn = l.take(p) {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}

// close waits for the uses under way and closes every connection.
func (l *pool) close() error {
	close(l.done)
	for range cap(l.slots) {
		l.slots <- struct{}{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, c := range l.idle {
		errs = append(errs, c.conn.Close())
	}
	l.idle = nil
	return errors.Join(errs...)
}
