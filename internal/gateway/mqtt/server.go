package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"github.com/tvilling/tvilling"
)

var errStopping = tvilling.Errorf(tvilling.Unavailable, "The hub is stopping.")

// Server serves MQTT clients. Make one with [New].
type Server struct {
	opt     Options
	limits  Limits
	log     *slog.Logger
	tls     *tls.Config
	gate    *gate
	stats   Stats
	writers *writers
	buffers tlsBuffers

	wg       sync.WaitGroup // every goroutine of the server
	open     chan struct{}  // a place for every connection
	greeting chan struct{}  // and for those without a session
	stop     chan struct{}  // closed by Shutdown

	// mu guards what follows.
	mu        sync.Mutex
	stopping  bool
	conns     map[*conn]struct{}
	listeners map[net.Listener]struct{}
}

// New returns a server that serves nobody yet.
func New(o Options) (*Server, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	s := &Server{opt: o, limits: o.Limits, log: o.Log, stop: make(chan struct{})}
	s.limits.setDefaults()
	s.writers = newWriters(&s.wg)
	s.buffers = findTLSBuffers()
	s.open = make(chan struct{}, s.limits.Connections)
	s.greeting = make(chan struct{}, s.limits.Greeting)
	s.conns = make(map[*conn]struct{})
	s.listeners = make(map[net.Listener]struct{})
	s.gate = newGate(s.limits.Handshakes, s.stop)
	if o.TLS != nil {
		s.tls = s.gate.config(o.TLS)
	}
	return s, nil
}

// Stats returns the server's counts.
func (s *Server) Stats() *Stats { return &s.stats }

// Serve accepts connections from ln until ctx is done or Shutdown is called,
// and closes ln. The error is nil then. Connections outlive Serve; Shutdown
// ends them.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	if !s.listen(ln) {
		_ = ln.Close()
		return nil
	}
	defer s.unlisten(ln)
	defer context.AfterFunc(ctx, func() { _ = ln.Close() })()
	connCtx := context.WithoutCancel(ctx)
	var pause time.Duration
	for {
		if !s.place(ctx) {
			return nil
		}
		nc, err := ln.Accept()
		if err == nil {
			pause = 0
			s.stats.Accepted.Add(1)
			s.start(connCtx, nc)
			continue
		}
		<-s.greeting
		<-s.open
		if s.isStopping() || ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		// Out of file descriptors, most likely: those who are connected stay.
		s.stats.AcceptErrors.Add(1)
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		s.log.WarnContext(ctx, "connection not accepted", "error", err, "retry_in", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		case <-s.stop:
		}
	}
}

// place waits for a place for one more connection.
func (s *Server) place(ctx context.Context) bool {
	select {
	case s.open <- struct{}{}:
	case <-ctx.Done():
		return false
	case <-s.stop:
		return false
	}
	select {
	case s.greeting <- struct{}{}:
		return true
	case <-ctx.Done():
	case <-s.stop:
	}
	<-s.open
	return false
}

// start serves a connection. The goroutine that greets is not the one that
// then reads: a handshake leaves a large stack behind, and an idle connection
// should have a small one.
func (s *Server) start(ctx context.Context, nc net.Conn) {
	if s.tls != nil {
		nc = tls.Server(&gatedConn{Conn: nc, g: s.gate}, s.tls)
	}
	c := newConn(s, nc)
	if !s.remember(c) {
		<-s.greeting
		<-s.open
		_ = nc.Close()
		return
	}
	s.stats.Greeting.Add(1)
	s.wg.Go(func() {
		r := s.greet(ctx, c)
		s.stats.Greeting.Add(-1)
		<-s.greeting
		if r == nil {
			if t, ok := c.nc.(*tls.Conn); ok {
				s.buffers.shrink(t)
			}
			s.wg.Go(func() {
				c.run(ctx)
				<-s.open
			})
			return
		}
		c.reject(ctx, r)
		s.forget(c)
		<-s.open
	})
}

// greet is conn.greet with whatever goes wrong in it contained.
func (s *Server) greet(ctx context.Context, c *conn) (r *refused) {
	defer func() {
		if p := recover(); p != nil {
			s.log.ErrorContext(ctx, "connection handler panicked", "remote", remote(c.nc), "panic", p, "stack", string(debug.Stack()))
			r = &refused{why: RefusedUnavailable, err: tvilling.Errorf(tvilling.Internal, "panic: %v", p)}
		}
	}()
	if t, ok := c.nc.(*tls.Conn); ok {
		if g, ok := t.NetConn().(*gatedConn); ok {
			defer g.leave() // a handshake that fails may never write
		}
	}
	return c.greet(ctx)
}

// Shutdown stops accepting, closes every connection and waits until all
// goroutines of the server are gone, or ctx is done.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if !s.stopping {
		s.stopping = true
		close(s.stop)
		close(s.writers.stop)
	}
	conns := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	for ln := range s.listeners {
		_ = ln.Close()
	}
	s.mu.Unlock()
	for _, c := range conns {
		c.shut(&ended{EndStopping, errStopping})
	}
	done := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *Server) isStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

// remember notes a connection; false when the server is stopping.
func (s *Server) remember(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	s.conns[c] = struct{}{}
	return true
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
}

func (s *Server) listen(ln net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	s.listeners[ln] = struct{}{}
	return true
}

func (s *Server) unlisten(ln net.Listener) {
	_ = ln.Close()
	s.mu.Lock()
	delete(s.listeners, ln)
	s.mu.Unlock()
}
