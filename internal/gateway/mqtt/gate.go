package mqtt

import (
	"crypto/tls"
	"errors"
	"net"
)

// gate bounds how many TLS handshakes compute at once. A handshake enters when
// its ClientHello has come and leaves with the server's first bytes, so nobody
// holds a place while waiting for the network.
type gate struct {
	places chan struct{}
	stop   <-chan struct{}
}

func newGate(n int, stop <-chan struct{}) *gate {
	return &gate{places: make(chan struct{}, n), stop: stop}
}

// config returns a copy of base whose handshakes pass through the gate.
func (g *gate) config(base *tls.Config) *tls.Config {
	c := base.Clone()
	inner := base.GetConfigForClient
	c.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		if gc, ok := h.Conn.(*gatedConn); ok {
			if err := gc.enter(); err != nil {
				return nil, err
			}
		}
		if inner != nil {
			return inner(h)
		}
		return nil, nil // the one there is
	}
	return c
}

// gatedConn is a connection whose handshake passes through a gate.
type gatedConn struct {
	net.Conn
	g      *gate
	inside bool // only the handshake's goroutine uses it, until it is over
}

func (c *gatedConn) enter() error {
	select {
	case c.g.places <- struct{}{}:
		c.inside = true
		return nil
	case <-c.g.stop:
		return errors.New("mqtt: the gateway is stopping")
	}
}

func (c *gatedConn) leave() {
	if c.inside {
		c.inside = false
		<-c.g.places
	}
}

// Write sends b. The first write of a handshake ends its stay in the gate.
func (c *gatedConn) Write(b []byte) (int, error) {
	c.leave()
	return c.Conn.Write(b)
}
