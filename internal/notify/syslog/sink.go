package syslog

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// How long things may take. An entry has settled when its connection has held
// for Settle, which is longer than confirmed: the time within which the
// receiver's system has to confirm bytes, or the connection fails.
const (
	Settle      = 15 * time.Second
	confirmed   = 10 * time.Second
	dialTime    = 10 * time.Second
	writeTime   = 30 * time.Second
	finishTime  = 3 * time.Second
	markEvery   = time.Second
	reconnected = "The connection to the receiver failed; what may be lost is sent again"
)

// Options say whom to tell.
type Options struct {
	// Address is host:port of the receiver.
	Address string
	// Roots are the certificates to trust; nil for the system's.
	Roots *x509.CertPool
	// Host is the hub's name, for the header of messages; Version the hub's.
	Host, Version string
	// Settle takes the place of the constant of that name if it is not 0.
	Settle time.Duration
}

// Sink writes entries to one receiver. Make one with [New].
type Sink struct {
	opt    Options
	dialer tls.Dialer

	mu   sync.Mutex
	conn *connection
	// last is the newest entry written, settled the newest that has settled.
	last, settled uint64
	// marks say when entries were written, about one a second.
	marks []mark
}

type mark struct {
	sequence uint64
	at       time.Time
}

// connection is a connection with the reader that sees it end.
type connection struct {
	net.Conn
	// ended is closed when the receiver ended it or it failed; err says why.
	ended chan struct{}
	err   error
}

// New returns a sink. It connects when there is something to send.
func New(o Options) (*Sink, error) {
	host, port, err := net.SplitHostPort(o.Address)
	if err != nil || host == "" || port == "" {
		return nil, tvilling.Errorf(tvilling.InvalidArgument, "The address of a syslog receiver is host:port; the port is mostly 6514.")
	}
	if o.Settle == 0 {
		o.Settle = Settle
	}
	return &Sink{opt: o, dialer: tls.Dialer{
		NetDialer: &net.Dialer{
			Timeout: dialTime,
			Control: limitUnconfirmed,
			// A receiver that is gone is noticed even if nothing is sent.
			KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3},
		},
		Config: &tls.Config{RootCAs: o.Roots, ServerName: host, MinVersion: tls.VersionTLS12},
	}}, nil
}

// Deliver writes the entries to the connection, which it makes if there is
// none. They have not settled when it returns.
func (s *Sink) Deliver(ctx context.Context, entries []ledger.Entry) (taken int, err error) {
	if len(entries) == 0 {
		return 0, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	if first := entries[0].Sequence; first <= s.last && s.conn != nil {
		// A replay: what was written before says nothing of what comes now.
		s.marks, s.settled = nil, min(s.settled, first-1)
	} else if first <= s.settled {
		s.settled = first - 1
	}
	c, err := s.connect(ctx)
	if err != nil {
		return 0, err
	}
	var b []byte
	for i := range entries {
		b = appendMessage(b, &entries[i], s.opt.Host, s.opt.Version)
	}
	// A context that ends cuts the write short; what was written of it comes again.
	stop := context.AfterFunc(ctx, func() { c.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	c.SetWriteDeadline(time.Now().Add(writeTime))
	if _, err := c.Write(b); err != nil {
		s.drop()
		return 0, failure("The receiver does not take messages", err)
	}
	s.last = entries[len(entries)-1].Sequence
	if n := len(s.marks); n > 1 && time.Since(s.marks[n-2].at) < min(markEvery, s.opt.Settle/8) {
		s.marks = s.marks[:n-1] // the newest stands for both
	}
	s.marks = append(s.marks, mark{s.last, time.Now()})
	return len(entries), nil
}

// connect returns the connection. The caller holds mu.
func (s *Sink) connect(ctx context.Context) (*connection, error) {
	if s.conn != nil {
		select {
		case <-s.conn.ended:
			err := s.conn.err
			s.drop()
			return nil, failure(reconnected, err)
		default:
			return s.conn, nil
		}
	}
	raw, err := s.dialer.DialContext(ctx, "tcp", s.opt.Address)
	if err != nil {
		if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
			return nil, failure("The certificate of the receiver cannot be verified", err)
		}
		return nil, failure("The receiver cannot be reached", err)
	}
	c := &connection{Conn: raw, ended: make(chan struct{})}
	s.conn = c
	// The reader ends with the connection, which drop and Finish close.
	go func() {
		_, c.err = io.Copy(io.Discard, c.Conn)
		close(c.ended)
	}()
	return c, nil
}

// drop closes the connection; what has not settled is forgotten, to be given
// again. The caller holds mu.
func (s *Sink) drop() {
	c := s.conn
	s.conn, s.marks, s.last = nil, nil, s.settled
	c.Close()
	<-c.ended
}

// settle moves settled on by the marks that are old enough, as long as the
// connection held. The caller holds mu.
func (s *Sink) settle() {
	if s.conn == nil {
		return
	}
	select {
	case <-s.conn.ended:
		return
	default:
	}
	for len(s.marks) > 0 && time.Since(s.marks[0].at) >= s.opt.Settle {
		s.settled, s.marks = s.marks[0].sequence, s.marks[1:]
	}
}

// Settled returns the newest entry that need not be sent again, when it is
// worth to ask again (0: nothing waits), and, once, that the connection failed
// while something had not settled.
func (s *Sink) Settled() (sequence uint64, again time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	if s.conn != nil {
		select {
		case <-s.conn.ended:
			err, waiting := s.conn.err, len(s.marks) > 0
			s.drop()
			if waiting {
				return s.settled, 0, failure(reconnected, err)
			}
		default:
		}
	}
	if len(s.marks) == 0 {
		return s.settled, 0, nil
	}
	// Not later than in a second: the connection may fail before.
	again = min(s.opt.Settle-time.Since(s.marks[0].at), time.Second)
	return s.settled, max(again, time.Millisecond), nil
}

// Finish says to the receiver that nothing more comes and waits, for some
// seconds, until it ends the connection, too. It returns nil if the receiver
// did so in good order, having read everything, or if nothing had to settle.
func (s *Sink) Finish(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.conn
	if c == nil {
		return nil
	}
	waiting := len(s.marks) > 0
	good := false
	c.SetWriteDeadline(time.Now().Add(finishTime))
	if t, ok := c.Conn.(*tls.Conn); ok && t.CloseWrite() == nil {
		ctx, cancel := context.WithTimeout(ctx, finishTime)
		defer cancel()
		select {
		case <-c.ended:
			good = c.err == nil // the reader met the end, not a failure
		case <-ctx.Done():
		}
	}
	if good {
		s.settled = s.last
	}
	s.drop()
	if waiting && !good {
		return failure("The receiver did not end the connection in good order", nil)
	}
	return nil
}

// failure is an error of this package: a sentence without its full stop, and a
// cause.
func failure(sentence string, cause error) error {
	message := sentence + "."
	if cause != nil {
		message = fmt.Sprintf("%s: %v.", sentence, cause)
	} else {
		cause = io.EOF
	}
	return &tvilling.Error{Code: tvilling.Unavailable, Op: "write to the syslog receiver", Message: message, Err: cause}
}
