package load

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
)

// maxPacket bounds what a server may send.
const maxPacket = 256 << 10

// Conn is one MQTT connection. Send may be called from any goroutine, Read
// from one at a time.
type Conn struct {
	nc net.Conn

	buf  []byte
	data []byte // read and not handled yet, in buf
}

// DialOptions say where to and as whom.
type DialOptions struct {
	Addr string
	TLS  *tls.Config

	ClientID, Username, Password string
	Clean                        bool
	// Filters are subscribed to at QoS 0 before Dial returns.
	Filters []string
}

// Dial connects and subscribes. Keep-alive is as long as a hub allows, since
// the generator never pings.
func Dial(ctx context.Context, o DialOptions) (_ *Conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	nc, err := (&tls.Dialer{Config: o.TLS}).DialContext(ctx, "tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", o.Addr, err)
	}
	c := &Conn{nc: nc}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("connect %s: %w", o.ClientID, err), nc.Close())
		}
	}()
	if deadline, ok := ctx.Deadline(); ok {
		if err := nc.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	if err := c.greet(o); err != nil {
		return nil, err
	}
	c.buf = nil // an idle connection should hold nothing here
	return c, nc.SetDeadline(time.Time{})
}

func (c *Conn) greet(o DialOptions) error {
	hello := packet.Connect{CleanSession: o.Clean, KeepAlive: 1177, ClientID: []byte(o.ClientID)}
	if o.Username != "" {
		hello.Username, hello.Password = []byte(o.Username), []byte(o.Password)
	}
	f, err := c.ask(hello.Append(nil), packet.CONNACK)
	if err != nil {
		return err
	}
	ack, err := packet.DecodeConnack(f)
	if err != nil {
		return err
	}
	if ack.Code != packet.Accepted {
		return fmt.Errorf("refused: %s", ack.Code)
	}
	if len(o.Filters) == 0 {
		return nil
	}
	sub := packet.Subscribe{ID: 1}
	for _, filter := range o.Filters {
		sub.Filters = append(sub.Filters, packet.Filter{Topic: []byte(filter)})
	}
	if f, err = c.ask(sub.Append(nil), packet.SUBACK); err != nil {
		return err
	}
	granted, err := packet.DecodeSuback(f)
	if err != nil {
		return err
	}
	for i, code := range granted.Codes {
		if code == packet.SubackFailure {
			return fmt.Errorf("subscription to %s refused", o.Filters[i])
		}
	}
	return nil
}

// ask sends a packet and waits for one of a type.
func (c *Conn) ask(b []byte, want packet.Type) (packet.Frame, error) {
	if err := c.Send(b); err != nil {
		return packet.Frame{}, err
	}
	for {
		f, ok, err := c.next()
		switch {
		case err != nil:
			return packet.Frame{}, err
		case ok && f.Type == want:
			return f, nil
		case ok:
			return packet.Frame{}, fmt.Errorf("got %s instead of %s", f.Type, want)
		}
		if err := c.read(); err != nil {
			return packet.Frame{}, err
		}
	}
}

// Send writes packets, as one TLS record if they are not long.
func (c *Conn) Send(b []byte) error {
	_, err := c.nc.Write(b)
	return err
}

// Close closes the connection without a DISCONNECT.
func (c *Conn) Close() error { return c.nc.Close() }

// next returns the next packet that was read, valid until the next read.
func (c *Conn) next() (f packet.Frame, ok bool, err error) {
	f, n, err := packet.Next(c.data, maxPacket)
	if err != nil || n == 0 {
		return packet.Frame{}, false, err
	}
	c.data = c.data[n:]
	return f, true, nil
}

// read waits for bytes.
func (c *Conn) read() error {
	if c.buf == nil {
		c.buf = make([]byte, 4<<10)
	}
	if len(c.data) == len(c.buf) {
		c.buf = make([]byte, 2*len(c.buf))
	}
	used := copy(c.buf, c.data)
	c.data = c.buf[:used]
	n, err := c.nc.Read(c.buf[used:])
	c.data = c.buf[:used+n]
	if n > 0 {
		return nil
	}
	return err
}

// DialAll dials n connections, a few at a time; on an error it closes them all.
func DialAll(ctx context.Context, n int, options func(i int) (DialOptions, error)) ([]*Conn, error) {
	const atOnce = 16
	conns, errs := make([]*Conn, n), make([]error, n)
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for w := range min(atOnce, n) {
		wg.Go(func() {
			for i := w; i < n && ctx.Err() == nil; i += atOnce {
				o, err := options(i)
				if err == nil {
					conns[i], err = Dial(ctx, o)
				}
				if err != nil {
					errs[i] = err
					cancel()
					return
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		CloseAll(conns)
		return nil, err
	}
	return conns, ctx.Err()
}

// CloseAll closes connections; those that are nil it passes over.
func CloseAll(conns []*Conn) {
	for _, c := range conns {
		if c != nil {
			_ = c.Close() // the run is over; there is nobody to tell
		}
	}
}
