package main

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// proxy stands between clients and the hub's MQTT port and counts the bytes
// that pass: the payload of TCP, TLS included.
type proxy struct {
	listener net.Listener
	target   string
	up, down atomic.Int64
	// accepted counts connections, said what clients have written: records of
	// TLS, when they come one at a time.
	accepted, said atomic.Int64
	wg             sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
	ended bool
}

// newProxy listens on a port of the loopback interface.
func newProxy(target string) (*proxy, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: l, target: target, conns: make(map[net.Conn]bool)}
	p.wg.Go(p.serve)
	return p, nil
}

func (p *proxy) addr() *net.TCPAddr { return p.listener.Addr().(*net.TCPAddr) } //nolint:forcetypeassert // it listens on TCP

func (p *proxy) serve() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.accepted.Add(1)
		p.wg.Go(func() { p.carry(c) })
	}
}

// carry joins a client with the hub until one of them leaves.
func (p *proxy) carry(client net.Conn) {
	defer p.forget(client)
	hub, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", p.target)
	if err != nil {
		return // the client sees that nobody answers
	}
	defer p.forget(hub)
	if !p.remember(client, hub) {
		return
	}
	var wg sync.WaitGroup
	way := func(to, from net.Conn, bytes, writes *atomic.Int64) {
		_, _ = io.Copy(counted{to, bytes, writes}, from) // an end is an end
		_ = errors.Join(to.Close(), from.Close())
	}
	wg.Go(func() { way(hub, client, &p.up, &p.said) })
	wg.Go(func() { way(client, hub, &p.down, new(atomic.Int64)) })
	wg.Wait()
}

func (p *proxy) remember(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return false
	}
	for _, c := range conns {
		p.conns[c] = true
	}
	return true
}

func (p *proxy) forget(c net.Conn) {
	_ = c.Close() // it may be closed already
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
}

// cut ends all connections, as a network does that fails.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

func (p *proxy) close() error {
	err := p.listener.Close()
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	p.cut()
	p.wg.Wait()
	return err
}

// bytes returns what has passed so far.
func (p *proxy) bytes() traffic { return traffic{p.up.Load(), p.down.Load()} }

// traffic is what has passed: from the client, and to it.
type traffic struct{ up, down int64 }

func (t traffic) minus(o traffic) traffic { return traffic{t.up - o.up, t.down - o.down} }

// counted counts what is written. It hides that a connection can read from
// another by itself, which would pass its counting by.
type counted struct {
	w             io.Writer
	bytes, writes *atomic.Int64
}

func (c counted) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.bytes.Add(int64(n))
	c.writes.Add(1)
	return n, err
}
