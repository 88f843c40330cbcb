package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/session"
)

// conn is one connection of a client. Its goroutine reads and handles packets;
// fields above closed belong to that goroutine.
//
// Lock order: the session's sequence point comes before mu, so nothing of the
// session is called with mu held.
type conn struct {
	srv *Server
	nc  net.Conn // TLS or plain

	id      tvilling.Identity
	actor   string
	session Session
	will    *tvilling.Message
	expires time.Time     // zero: the credential does not end
	silence time.Duration // longest silence of the client
	heard   time.Time     // when its last packet came
	opened  time.Time
	in      input
	batch   batch

	// pending counts twin requests that wait for the committer.
	pending atomic.Int32
	closed  atomic.Bool

	// mu guards what follows, which the hub's goroutines use, too.
	mu     sync.Mutex
	change sync.Cond // something below may let the reader go on
	ended  *ended    // why the connection is closed
	out    outbox
	acks   acks
	// inFlight is the weight of the requests that are not settled.
	inFlight int
}

// ended is why a connection ends. It is not an error interface, so that no
// handler can return another kind of error by mistake.
type ended struct {
	end End
	err error // nil after DISCONNECT
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{srv: s, nc: nc}
	c.change.L = &c.mu
	c.out.corked = true // until CONNACK
	return c
}

// Desired implements [session.Client].
func (c *conn) Desired(version int64, patch []byte) {
	if c.sendDesired(version, patch) {
		c.srv.stats.DesiredSent.Add(1)
	}
}

// Close implements [session.Client].
func (c *conn) Close(reason error) {
	end := EndUnavailable
	switch {
	case errors.Is(reason, session.ErrTakenOver):
		end = EndTakenOver
	case errors.Is(reason, session.ErrRevoked), tvilling.CodeOf(reason) == tvilling.Unauthorized:
		end = EndRevoked
	}
	c.shut(&ended{end, reason})
}

// shut ends the connection for a reason; the first reason counts. It does not
// block: it makes the reader and a writer return from wherever they wait.
func (c *conn) shut(e *ended) {
	c.mu.Lock()
	if c.ended != nil {
		c.mu.Unlock()
		return
	}
	c.ended = e
	c.closed.Store(true)
	c.out.drop()
	c.change.Broadcast()
	c.mu.Unlock()
	// Whoever sets a deadline looks at closed after it, so this one is not lost.
	_ = c.nc.SetDeadline(time.Unix(1, 0))
}

// run serves the client until its connection ends.
func (c *conn) run(ctx context.Context) {
	e := c.serve(ctx)
	c.shut(e)
	c.finish()
}

func (c *conn) serve(ctx context.Context) (e *ended) {
	defer func() {
		if r := recover(); r != nil {
			c.srv.log.ErrorContext(ctx, "connection handler panicked",
				"identity", c.id.String(), "panic", r, "stack", string(debug.Stack()))
			e = &ended{EndInternal, tvilling.Errorf(tvilling.Internal, "panic: %v", r)}
		}
	}()
	for {
		e := c.handleAll(ctx)
		c.submit()
		if e != nil {
			return e
		}
		c.uncork()
		if e := c.read(); e != nil {
			return e
		}
	}
}

// read waits for more bytes, no longer than the client may be silent and its
// credential is valid.
func (c *conn) read() *ended {
	deadline := c.heard.Add(c.silence)
	expiring := !c.expires.IsZero() && c.expires.Before(deadline)
	if expiring {
		deadline = c.expires
	}
	if err := c.nc.SetReadDeadline(deadline); err != nil {
		return &ended{EndLost, err}
	}
	if c.closed.Load() {
		return &ended{EndLost, net.ErrClosed} // the reason is set already
	}
	n, err := c.in.fill(c.nc)
	c.srv.stats.ReceivedBytes.Add(int64(n))
	if n > 0 {
		return nil // an error comes again with the next read
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF):
		return &ended{EndLost, tvilling.Errorf(tvilling.Unavailable, "The client closed the connection without a DISCONNECT.")}
	case !isTimeout(err):
		return &ended{EndLost, err}
	case expiring:
		// wire §1.3: 401003, then 404104.
		return &ended{EndExpired, tvilling.Errorf(tvilling.Unauthorized, "The credential expired at %s.", c.expires.UTC().Format(time.RFC3339))}
	default:
		// [MQTT-3.1.2-24]
		return &ended{EndKeepAlive, tvilling.Errorf(tvilling.Unavailable, "The client was silent for %s.", c.silence)}
	}
}

// finish is the end of every connection that had a session.
func (c *conn) finish() {
	c.mu.Lock()
	e := c.ended
	c.mu.Unlock()
	c.in.release()
	if c.will != nil && e.end != EndDisconnect {
		c.sendWill()
	}
	c.session.Done(e.err)
	c.closeSocket()
	c.srv.stats.ended[e.end].Add(1)
	c.srv.stats.Open.Add(-1)
	c.srv.forget(c)
	attrs := []slog.Attr{
		slog.String("identity", c.id.String()), slog.String("remote", remote(c.nc)),
		slog.String("reason", e.end.String()), slog.Duration("duration", time.Since(c.opened)),
	}
	if e.err != nil {
		attrs = append(attrs, slog.Any("error", e.err))
	}
	c.srv.log.LogAttrs(context.Background(), e.end.level(), "connection closed", attrs...)
}

// level is how much an operator should care.
func (e End) level() slog.Level {
	switch e {
	case EndInternal:
		return slog.LevelError
	case EndMalformed, EndProtocol, EndTopic, EndFilter, EndTooLarge, EndOverflow, EndStuck, EndUnavailable:
		return slog.LevelWarn
	case EndDisconnect, EndLost, EndKeepAlive, EndExpired, EndTakenOver, EndRevoked, EndStopping, ends:
	}
	return slog.LevelInfo
}

// closeSocket says goodbye in TLS, unless the client does not take what is
// sent to it, and closes.
func (c *conn) closeSocket() {
	c.mu.Lock()
	stuck := c.ended != nil && (c.ended.end == EndStuck || c.ended.end == EndOverflow)
	c.mu.Unlock()
	if t, ok := c.nc.(*tls.Conn); ok && stuck {
		_ = t.NetConn().Close()
		return
	}
	_ = c.nc.Close() // sends close_notify, waiting 5 s at most
}

func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

func remote(nc net.Conn) string {
	if a := nc.RemoteAddr(); a != nil {
		return a.String()
	}
	return ""
}
