package mqtt

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/hub/session"
)

// refused is why a connection gets no session.
type refused struct {
	why Refusal
	err error
	// answer is what the client is told before the connection is closed; nil
	// says nothing.
	answer []byte
}

func refuse(why Refusal, code packet.ReturnCode, err error) *refused {
	return &refused{why, err, packet.Connack{Code: code}.Append(nil)}
}

// greet takes a connection from its first byte to CONNACK, all of it within
// the time for handshakes.
func (c *conn) greet(ctx context.Context) *refused {
	if err := c.nc.SetDeadline(time.Now().Add(c.srv.limits.Handshake)); err != nil {
		return &refused{why: RefusedTimeout, err: err}
	}
	if c.closed.Load() {
		return &refused{why: RefusedUnavailable, err: errStopping}
	}
	var certificates []*x509.Certificate
	if t, ok := c.nc.(*tls.Conn); ok {
		//nolint:noctx // HandshakeContext costs a goroutine; the deadline and shut end a handshake, too.
		if err := t.Handshake(); err != nil {
			return &refused{why: RefusedTLS, err: err}
		}
		certificates = t.ConnectionState().PeerCertificates
	}
	f, r := c.firstPacket()
	if r != nil {
		return r
	}
	return c.connect(ctx, f, certificates)
}

// firstPacket reads until the first packet is whole. It must be a CONNECT
// [MQTT-3.1.0-1].
func (c *conn) firstPacket() (packet.Frame, *refused) {
	for {
		f, ok, err := c.in.next(maxConnect)
		switch {
		case err != nil:
			return packet.Frame{}, &refused{why: RefusedMalformed, err: err}
		case ok && f.Type != packet.CONNECT:
			return packet.Frame{}, &refused{why: RefusedMalformed, err: errors.New("the first packet is " + f.Type.String() + ", not CONNECT")}
		case ok:
			return f, nil
		}
		n, err := c.in.fill(c.nc)
		c.srv.stats.ReceivedBytes.Add(int64(n))
		if n == 0 && err != nil {
			if isTimeout(err) {
				return packet.Frame{}, &refused{why: RefusedTimeout, err: err}
			}
			return packet.Frame{}, &refused{why: RefusedMalformed, err: err}
		}
	}
}

// connect handles the CONNECT packet (MQTT 3.1.1 §3.1.4).
func (c *conn) connect(ctx context.Context, f packet.Frame, certificates []*x509.Certificate) *refused {
	c.srv.stats.Received.Add(1)
	p, level, err := packet.DecodeConnect(f)
	if errors.Is(err, packet.ErrProtocolLevel) {
		return &refused{RefusedLevel, err, packet.AppendUnsupported(nil, level)}
	}
	if err != nil { // closed without CONNACK [MQTT-3.1.4-1]
		return &refused{why: RefusedMalformed, err: err}
	}
	if err := checkClientID(string(p.ClientID)); err != nil {
		return refuse(RefusedClientID, packet.IdentifierRejected, err) // [MQTT-3.1.3-9]
	}
	user, err := ParseUser(string(p.Username))
	if err != nil {
		return refuse(RefusedUnauthorized, packet.NotAuthorized, err)
	}
	c.id = user.ID
	if string(p.ClientID) != user.ID.String() { // wire §1.2
		return refuse(RefusedUnauthorized, packet.NotAuthorized, tvilling.Errorf(tvilling.Unauthorized,
			"The client id is %q; for the user name that was given it must be %q.", clip(string(p.ClientID)), user.ID))
	}
	principal, err := c.srv.opt.Auth.Connect(ctx, user.ID, auth.Credentials{
		Token: string(p.Password), Certificates: certificates, Remote: remote(c.nc), Protocol: "mqtt",
	})
	if err != nil {
		return refuseFor(err)
	}
	if p.Will != nil {
		if c.will, err = newWill(user.ID, p.Will); err != nil {
			return refuse(RefusedWill, packet.NotAuthorized, err)
		}
	}
	c.actor, c.expires = principal.Actor(), principal.Expires
	c.silence = silence(p.KeepAlive)
	s, present, err := c.srv.opt.Sessions.Open(ctx, session.Options{
		ID: user.ID, Principal: principal, Clean: p.CleanSession,
		ClientType: user.ClientType, ModelID: user.ModelID, Transport: "mqtt", Remote: remote(c.nc),
	}, c)
	if err != nil {
		return refuseFor(err)
	}
	c.session = s
	c.opened = time.Now()
	c.heard = c.opened
	c.welcome(present)
	return nil
}

// welcome puts CONNACK in front of whatever the hub enqueued since the session
// is open [MQTT-3.2.0-1], and sends it.
func (c *conn) welcome(present bool) {
	c.srv.stats.Open.Add(1)
	c.mu.Lock()
	ok := c.enqueueLocked(func(dst []byte) ([]byte, int) {
		return slices.Insert(dst, 0, packet.Connack{SessionPresent: present}.Append(nil)...), 1
	})
	c.mu.Unlock()
	if !ok {
		c.overflowed()
	}
	c.uncork()
}

// refuseFor maps an error of the hub to a return code (wire §1.2): 5 for every
// fault of the client, 3, which clients retry, for every fault of the hub.
func refuseFor(err error) *refused {
	switch tvilling.CodeOf(err) {
	case tvilling.Unauthorized, tvilling.DeviceNotFound, tvilling.ModuleNotFound, tvilling.NotFound, tvilling.InvalidArgument:
		return refuse(RefusedUnauthorized, packet.NotAuthorized, err)
	default:
		return refuse(RefusedUnavailable, packet.ServerUnavailable, err)
	}
}

// checkClientID demands {device} or {device}/{module}.
func checkClientID(s string) error {
	device, module, ok := strings.Cut(s, "/")
	if ok && module == "" {
		return tvilling.Errorf(tvilling.InvalidArgument, "The client id must be {device} or {device}/{module}; its module id is empty.")
	}
	return tvilling.Identity{Device: tvilling.DeviceID(device), Module: tvilling.ModuleID(module)}.Check()
}

// silence is how long a client with a keep-alive may say nothing: one and a
// half times that [MQTT-3.1.2-24], at most the cap, which also holds for
// clients that turn keep-alive off (wire §1.3).
func silence(keepAlive uint16) time.Duration {
	if keepAlive == 0 {
		return keepAliveCap
	}
	return min(time.Duration(keepAlive)*time.Second*3/2, keepAliveCap)
}

// reject is the end of a connection that got no session.
func (c *conn) reject(ctx context.Context, r *refused) {
	c.srv.stats.refused[r.why].Add(1)
	if r.answer != nil {
		if err := c.write(r.answer); err == nil {
			c.srv.stats.Sent.Add(1)
			c.srv.stats.SentBytes.Add(int64(len(r.answer)))
		}
	}
	c.in.release()
	if c.session != nil { // only after a panic
		c.session.Done(r.err)
	}
	c.closeSocket()
	c.mu.Lock()
	c.out.drop()
	c.mu.Unlock()
	level := slog.LevelInfo
	if r.why == RefusedUnavailable {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{slog.String("remote", remote(c.nc)), slog.String("reason", r.why.String()), slog.Any("error", r.err)}
	if c.id.Device != "" {
		attrs = append(attrs, slog.String("identity", c.id.String()))
	}
	c.srv.log.LogAttrs(ctx, level, "connection refused", attrs...)
}
