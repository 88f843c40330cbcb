package device

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
)

// Options say whom to connect as, and where to.
type Options struct {
	// Addr is the hub's host:port.
	Addr string
	// TLS is for the connection, with the client certificate if there is one.
	// Nil connects without TLS. ServerName is HostName when it is empty.
	TLS *tls.Config
	// HostName is the hub's name in the user name and in tokens.
	HostName string
	ID       tvilling.Identity
	// Key is the identity's base64 key, from which a token for TokenLife
	// (1 hour) is made. Token is a ready one and comes before Key. Neither is
	// needed with a client certificate.
	Key, Token string
	TokenLife  time.Duration
	// Clean asks for a session that is forgotten when the connection ends.
	Clean bool
	// ClientType says what the client is.
	ClientType string
	// KeepAlive is how long the client says nothing before it says that it is
	// there: 4 minutes.
	KeepAlive time.Duration
	// Patience is how long the hub may take to take what is written, and to answer
	// that it is there: without a limit, and KeepAlive.
	Patience time.Duration
	// MaxPacket is the longest packet that is taken from the hub, in bytes: what
	// MQTT allows.
	MaxPacket int
	// Subscribed says that the hub's session of the identity, if it has one, is
	// subscribed to the twin's answers and changes already.
	Subscribed bool
	// Will, if set, is sent by the hub when the connection is lost.
	Will *tvilling.Message
	// OnDesired is told of changes of desired properties, in order, once
	// SubscribeDesired has returned or if the session was subscribed before.
	// It is called from the client's goroutine; the patch is its to keep.
	OnDesired func(version int64, patch []byte)
	// InFlight bounds what waits for the hub: 1,000 requests. More of them
	// wait to be sent.
	InFlight int
	// Dial, if set, makes the connection below TLS.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Client is one connection of an identity. Its methods may be called from
// several goroutines at once.
type Client struct {
	opt     Options
	nc      net.Conn
	events  string
	present bool
	in      input
	places  chan struct{} // a place for every request in flight
	done    chan struct{} // closed when the connection has ended
	ended   chan struct{} // closed when its goroutines have, too
	wg      sync.WaitGroup

	// mu guards what follows.
	mu       sync.Mutex
	idle     sync.Cond // no writer is at work any more
	spoke    time.Time // when something was written last
	err      error     // why the connection has ended
	closing  bool      // Close was called
	out      []byte
	spare    []byte
	writing  bool
	packetID uint16
	rid      uint64
	acks     map[uint16]func(error)
	answers  map[uint64]func(status int, version int64, body []byte, err error)
	topics   map[string]bool // subscribed to
}

// Dial connects, and returns when the hub has accepted the identity. ctx
// bounds the connecting only.
func Dial(ctx context.Context, o Options) (*Client, error) {
	o.KeepAlive = cmp.Or(o.KeepAlive, 4*time.Minute)
	o.TokenLife = cmp.Or(o.TokenLife, time.Hour)
	o.InFlight = cmp.Or(o.InFlight, 1000)
	o.MaxPacket = cmp.Or(o.MaxPacket, packet.MaxLength)
	c := &Client{
		opt: o, events: eventsTopic(o.ID),
		places: make(chan struct{}, o.InFlight), done: make(chan struct{}), ended: make(chan struct{}),
		acks:    make(map[uint16]func(error)),
		answers: make(map[uint64]func(int, int64, []byte, error)),
		topics:  make(map[string]bool),
	}
	c.idle.L = &c.mu
	c.in.limit = o.MaxPacket
	hello, err := c.hello()
	if err != nil {
		return nil, err
	}
	if err := c.dial(ctx); err != nil {
		return nil, fmt.Errorf("connect %s to %s: %w", o.ID, o.Addr, err)
	}
	// Whatever waits below ends when ctx does.
	stop := context.AfterFunc(ctx, func() { _ = c.nc.SetDeadline(time.Unix(1, 0)) })
	err = c.greet(hello)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = c.nc.Close()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	if c.present && o.Subscribed {
		c.topics[responseFilter], c.topics[desiredFilter] = true, true
	}
	c.spoke = time.Now()
	c.wg.Go(c.read)
	go func() {
		c.wg.Wait()
		close(c.ended)
	}()
	return c, nil
}

// hello is the CONNECT packet.
func (c *Client) hello() ([]byte, error) {
	o := &c.opt
	p := packet.Connect{CleanSession: o.Clean, ClientID: []byte(o.ID.String())}
	p.KeepAlive = uint16(min(max(o.KeepAlive/time.Second, 1), 65535))
	user := o.HostName + "/" + o.ID.String() + "/?api-version=2021-04-12"
	if o.ClientType != "" {
		user += "&DeviceClientType=" + escape(o.ClientType)
	}
	p.Username = []byte(user)
	token := o.Token
	if token == "" && o.Key != "" {
		var err error
		if token, err = SASToken(resource(o.HostName, o.ID), o.Key, time.Now().Add(o.TokenLife)); err != nil {
			return nil, err
		}
	}
	if token != "" {
		p.Password = []byte(token)
	}
	if w := o.Will; w != nil {
		topic, err := appendBag([]byte(c.events), w)
		if err != nil {
			return nil, err
		}
		p.Will = &packet.Will{Topic: topic, Payload: w.Body, QoS: 1}
	}
	for _, field := range [][]byte{p.ClientID, p.Username, p.Password} {
		if len(field) > packet.MaxString {
			return nil, tvilling.Errorf(tvilling.InvalidArgument, "A client id, user name or token may have at most %d bytes.", packet.MaxString)
		}
	}
	if p.Will != nil && max(len(p.Will.Topic), len(p.Will.Payload)) > packet.MaxString {
		return nil, tvilling.Errorf(tvilling.TooLarge, "A will may have at most %d bytes.", packet.MaxString)
	}
	return p.Append(nil), nil
}

func (c *Client) dial(ctx context.Context) error {
	dial := c.opt.Dial
	if dial == nil {
		dial = (&net.Dialer{KeepAlive: -1}).DialContext // MQTT has its own
	}
	nc, err := dial(ctx, "tcp", c.opt.Addr)
	if err != nil {
		return err
	}
	c.nc = nc
	if c.opt.TLS == nil {
		return nil
	}
	config := c.opt.TLS
	if config.ServerName == "" {
		config = config.Clone()
		if config.ServerName, _, err = net.SplitHostPort(c.opt.HostName); err != nil {
			config.ServerName = c.opt.HostName // it has no port
		}
	}
	t := tls.Client(nc, config)
	c.nc = t
	if err := t.HandshakeContext(ctx); err != nil {
		_ = nc.Close()
		return err
	}
	return nil
}

// greet sends CONNECT and waits for CONNACK.
func (c *Client) greet(hello []byte) error {
	if _, err := c.nc.Write(hello); err != nil {
		return fmt.Errorf("connect %s: %w", c.opt.ID, err)
	}
	for {
		f, ok, err := c.in.next()
		if err != nil {
			return fmt.Errorf("connect %s: %w", c.opt.ID, err)
		}
		if !ok {
			if err := c.in.fill(c.nc); err != nil {
				return fmt.Errorf("connect %s: %w", c.opt.ID, err)
			}
			continue
		}
		if f.Type != packet.CONNACK {
			return fmt.Errorf("connect %s: the hub's first packet is %s, not CONNACK", c.opt.ID, f.Type)
		}
		ack, err := packet.DecodeConnack(f)
		if err != nil {
			return fmt.Errorf("connect %s: %w", c.opt.ID, err)
		}
		if ack.Code != packet.Accepted {
			return refusedConnect(c.opt.ID, ack.Code)
		}
		c.present = ack.SessionPresent
		return nil
	}
}

// SessionPresent says whether the hub had kept a session of the identity.
func (c *Client) SessionPresent() bool { return c.present }

// Done is closed when the connection has ended.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err is why the connection has ended, nil while it has not; [ErrClosed] after Close.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Abort ends the connection at once, without a goodbye: the hub keeps the session
// as after any loss. err is why. It may be called from a callback.
func (c *Client) Abort(err error) { c.fail(err) }

// Close says goodbye, ends the connection and waits until the client's
// goroutines are gone. Requests that are unanswered fail. It must not be called
// from a callback. The error is why the connection had ended before, if it had.
func (c *Client) Close() error {
	// A hub that takes nothing more does not hold us up.
	c.mu.Lock()
	c.closing = true
	c.mu.Unlock()
	_ = c.nc.SetWriteDeadline(time.Now().Add(time.Second))
	c.send(packet.AppendDisconnect(nil))
	c.mu.Lock()
	for c.writing {
		c.idle.Wait()
	}
	c.mu.Unlock()
	c.fail(ErrClosed)
	<-c.ended
	if err := c.Err(); !errors.Is(err, ErrClosed) {
		return err
	}
	return nil
}
