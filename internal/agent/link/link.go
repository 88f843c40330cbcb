package link

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/agent/identity"
	"github.com/tvilling/tvilling/internal/device"
)

// Identity has the credential to connect with; [identity.Source] is one.
type Identity interface {
	Credential(ctx context.Context) (identity.Credential, error)
	// Refresh returns the credential that follows one which the hub has refused.
	Refresh(ctx context.Context) (identity.Credential, error)
}

// Options are what a link is made with. Identity and Logger are needed.
type Options struct {
	Identity Identity
	Logger   *slog.Logger
	// ClientType says to the hub what connects: "tvilling-agent/1.0".
	ClientType string
	// OnTwin is told of the whole desired section, {"…":…,"$version":n}, after
	// each connection and when it has changed, at most once a second or so; of
	// changes in between only the newest is told. It is called by Run's goroutine
	// and must not wait for the link. The section is its to keep.
	OnTwin func(desired []byte)
	// OnState, if set, is called by Run's goroutine when the connection has been
	// made or lost. It must not wait for the link.
	OnState func()
	// KeepAlive is the longest silence, 1177 s, the most that an IoT Hub allows
	// (wire §1.3). Shorter ones are for middleboxes that forget silent connections.
	KeepAlive time.Duration
	// TokenLife is how long tokens are valid, 48 hours. The connection is made anew
	// in the last quarter of it.
	TokenLife time.Duration
	// AckTimeout is how long the hub may take for an answer or an acknowledgement:
	// 45 s. A connection with a slower one is given up.
	AckTimeout time.Duration
	// Dial, if set, makes the connections below TLS.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// ErrOffline is why nothing can be sent while there is no connection.
var ErrOffline error = tvilling.Errorf(tvilling.Unavailable, "There is no connection to the hub at the moment.")

// State is what a link says of itself.
type State struct {
	Connected bool
	// Since is when the connection was made or lost, zero before the first.
	Since time.Time
	// Err is why there is no connection, or why the last one was lost; nil if
	// neither has happened.
	Err error
	// Connects and Failures count connections that were made, and tries that
	// failed.
	Connects, Failures uint64
	// Messages and Reports count what the hub has acknowledged.
	Messages, Reports uint64
	// Twins counts readings of the whole twin, Patches the changes that the hub
	// told of.
	Twins, Patches uint64
	// Renewals counts the connections at which the reported properties were older
	// than what was last reported: the module was deleted and made again, or the
	// hub was set back, and the twin has to be told everything anew.
	Renewals uint64
}

// Link is a connection that is kept. Make one with New, run it with Run. Its
// methods may be called from several goroutines at once.
type Link struct {
	opt            Options
	sent, received atomic.Uint64
	// sessions has the last TLS session, with which the next handshake is short.
	sessions tls.ClientSessionCache
	// subscribed says that this process has subscribed in the hub's session.
	subscribed bool
	// requests are those under way; a connection that is replaced waits for them.
	requests sync.WaitGroup

	// mu guards what follows.
	mu     sync.Mutex
	state  State
	client *device.Client // nil while there is no connection
	// reported is the version of the reported properties after the last report.
	reported int64
}

// New returns a link that has not begun to connect.
func New(o Options) *Link {
	o.KeepAlive = cmp.Or(o.KeepAlive, 1177*time.Second)
	o.TokenLife = cmp.Or(o.TokenLife, 48*time.Hour)
	o.AckTimeout = cmp.Or(o.AckTimeout, 45*time.Second)
	return &Link{opt: o, sessions: tls.NewLRUClientSessionCache(1)}
}

// State returns the link's state.
func (l *Link) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// Traffic returns the bytes that were sent and received over TCP, TLS
// included, since the link was made. Fetching the module's key is not the link's
// (some 2 KB up, where that is the way).
func (l *Link) Traffic() (sent, received uint64) { return l.sent.Load(), l.received.Load() }

// Send sends a security message and returns when the hub has it. It fails with
// [ErrOffline] while there is no connection; a message that failed may have
// reached the hub all the same.
func (l *Link) Send(ctx context.Context, body []byte) error {
	m := &tvilling.Message{Body: body}
	device.MarkSecurity(m)
	return l.request(ctx, &l.state.Messages, func(c *device.Client, done func(error)) error {
		return c.SendAsync(ctx, m, done)
	})
}

// Report merges a patch into the reported properties and returns when the hub
// has it. It fails with [ErrOffline] while there is no connection.
func (l *Link) Report(ctx context.Context, patch []byte) error {
	return l.request(ctx, &l.state.Reports, func(c *device.Client, done func(error)) error {
		return c.ReportAsync(ctx, patch, func(version int64, err error) {
			if err == nil {
				l.mu.Lock()
				l.reported = version
				l.mu.Unlock()
			}
			done(err)
		})
	})
}

// request makes a request of the connection, and counts it if it succeeds. If
// the hub takes too long to answer, the connection is given up, whether or not
// the caller waits that long: it may be one that only this side has.
func (l *Link) request(ctx context.Context, counter *uint64, start func(*device.Client, func(error)) error) error {
	l.mu.Lock()
	c := l.client
	if c == nil {
		l.mu.Unlock()
		return ErrOffline
	}
	l.requests.Add(1)
	l.mu.Unlock()
	silent := time.AfterFunc(l.opt.AckTimeout, func() { c.Abort(errSilent) })
	got := make(chan error, 1)
	done := func(err error) {
		silent.Stop()
		if err == nil {
			l.mu.Lock()
			*counter++
			l.mu.Unlock()
		}
		l.requests.Done()
		got <- err
	}
	if err := start(c, done); err != nil {
		silent.Stop()
		l.requests.Done()
		return err
	}
	select {
	case err := <-got:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// errSilent is why a connection is given up.
var errSilent error = tvilling.Errorf(tvilling.Unavailable, "The hub does not answer; the connection is given up.")
