package link

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/agent/identity"
	"github.com/tvilling/tvilling/internal/device"
)

const (
	// Waits between tries: at random from firstWait to three times the wait
	// before, up to longestWait, so that a fleet does not come back at once.
	firstWait   = time.Second
	longestWait = 5 * time.Minute
	// steady is how long a connection has to last for the next wait to be short.
	steady = time.Minute
	// connectTimeout bounds one try.
	connectTimeout = 45 * time.Second
	// tellGap is how long after one another sections are told.
	tellGap = time.Second
	// readGap is how long after one another, and after a change, the whole twin is
	// read.
	readGap = 2 * time.Second
	// slightGap is readGap after changes of one value: that one of those was a
	// replacement is unlikely, and a reading costs twenty times what they do.
	slightGap = time.Hour
	// readRetry is how long after a reading that failed.
	readRetry = time.Minute
	// maxPacket bounds what is taken from the hub: a twin has two sections.
	maxPacket = 2*maxSection + 4096
	// inFlight bounds the requests under way.
	inFlight = 16
)

// errRenew is why a connection ends for a new token.
var errRenew = errors.New("the token is to be renewed")

// Run keeps the connection until ctx ends, and then says goodbye.
func (l *Link) Run(ctx context.Context) {
	var (
		wait    time.Duration
		refresh bool // the hub has refused the credential
		brief   int  // connections in a row that the hub has soon closed
	)
	for ctx.Err() == nil {
		began := time.Now()
		connected, err := l.once(ctx, refresh)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errRenew):
			wait, refresh, brief = 0, false, 0
			l.lost(nil)
			continue
		case connected && time.Since(began) >= steady:
			wait, refresh, brief = 0, false, 0
		case connected:
			refresh = false
			if brief++; brief >= 3 {
				err = tvilling.Errorf(tvilling.Unavailable, "The hub closes the connection soon after each start. Perhaps another agent uses the same identity: stop the original one. (%w)", err)
			}
		case tvilling.CodeOf(err) == tvilling.Unauthorized:
			if !refresh {
				refresh = true
				l.lost(err)
				continue // with what the credential is now, at once
			}
		}
		l.lost(err)
		wait = nextWait(wait)
		l.opt.Logger.InfoContext(ctx, "there is no connection to the hub", "error", err, "again", wait.Truncate(time.Millisecond))
		sleep := pauseForNetwork
		if l.opt.Dial != nil {
			sleep = pause // the kernel's routes need not be those of the network
		}
		if !sleep(ctx, wait) {
			return
		}
	}
}

// nextWait returns how long to wait after a wait, zero if there was none.
func nextWait(before time.Duration) time.Duration {
	top := min(max(3*before, 3*firstWait), longestWait)
	return firstWait + rand.N(top-firstWait+1) //nolint:gosec // not a secret
}

// pause waits, and reports whether ctx did not end meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// once connects, and follows the connection until it ends. err is why it did,
// or why there is none.
func (l *Link) once(ctx context.Context, refresh bool) (connected bool, err error) {
	s := &section{doubt: true}
	changed := make(chan struct{}, 1)
	c, ends, err := l.connect(ctx, refresh, func(version int64, patch []byte) {
		s.patch(version, patch)
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	if err != nil {
		l.mu.Lock()
		l.state.Failures++
		l.mu.Unlock()
		return false, err
	}
	err = l.follow(ctx, c, s, changed, ends)
	l.mu.Lock()
	l.client = nil
	l.mu.Unlock()
	if errors.Is(err, errRenew) || ctx.Err() != nil {
		l.requests.Wait()
	} else {
		c.Abort(err)
	}
	_ = c.Close() // why it had ended is known
	return true, err
}

// connect makes a connection. ends is when its token is to be replaced, zero if
// never.
func (l *Link) connect(ctx context.Context, refresh bool, onDesired func(int64, []byte)) (*device.Client, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	var cred identity.Credential
	var err error
	if refresh {
		l.sessions = tls.NewLRUClientSessionCache(1) // the last one was with the former credential
		l.subscribed = false                         // perhaps the module is another one
		if cred, err = l.opt.Identity.Refresh(ctx); tvilling.CodeOf(err) == tvilling.Unavailable {
			// Perhaps the former one is good again.
			cred, err = l.opt.Identity.Credential(ctx)
		}
	} else {
		cred, err = l.opt.Identity.Credential(ctx)
	}
	if err != nil {
		return nil, 0, err
	}
	o := device.Options{
		Addr: cred.Addr, HostName: cred.HostName, ID: cred.ID, Key: cred.Key, Token: cred.Token, TokenLife: l.opt.TokenLife,
		ClientType: l.opt.ClientType, KeepAlive: l.opt.KeepAlive, Patience: l.opt.AckTimeout,
		MaxPacket: maxPacket, InFlight: inFlight, Subscribed: l.subscribed,
		OnDesired: onDesired, Dial: l.dial,
	}
	if cred.TLS != nil {
		o.TLS = cred.TLS.Clone()
		o.TLS.ClientSessionCache = l.sessions
	}
	c, err := device.Dial(ctx, o)
	if err != nil {
		if tvilling.CodeOf(err) == tvilling.Unauthorized {
			if hint := identity.ClockHint(time.Now()); hint != "" {
				err = tvilling.Errorf(tvilling.Unauthorized, "The hub refused the credential.%s (%w)", hint, err)
			}
		}
		return nil, 0, identity.Explain(err, cred.Addr, time.Now())
	}
	var ends time.Duration
	if cred.Key != "" {
		ends = l.opt.TokenLife*3/4 + rand.N(l.opt.TokenLife/5) //nolint:gosec // not a secret
	}
	return c, ends, nil
}

// follow does what a connection is for until it ends, and returns why it has.
func (l *Link) follow(ctx context.Context, c *device.Client, s *section, changed <-chan struct{}, ends time.Duration) error {
	if err := l.begin(ctx, c, s); err != nil {
		return err
	}
	var renew <-chan time.Time
	if ends > 0 {
		t := time.NewTimer(ends)
		defer t.Stop()
		renew = t.C
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	var told, read time.Time // when it may be done next
	var pending, slight bool // read is when it is to be done, put off for a slight doubt
	if _, doubt := s.due(); doubt {
		read, pending = time.Now().Add(readRetry), true
	}
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-c.Done():
			return c.Err()
		case <-renew:
			return errRenew
		case <-changed:
		case <-timer.C:
		}
		now := time.Now()
		tell, doubt := s.due()
		if doubt {
			gap := readGap
			if s.slightly() {
				gap = slightGap
			}
			at := now.Add(gap)
			if !pending && at.Before(read) {
				at = read
			}
			if !pending || slight && at.Before(read) {
				read, pending, slight = at, true, gap == slightGap
			}
		}
		if pending && !now.Before(read) {
			read, pending, slight = now.Add(readGap), false, false
			if err := l.read(ctx, c, s); err != nil {
				if c.Err() != nil {
					return c.Err()
				}
				l.opt.Logger.WarnContext(ctx, "the twin cannot be read", "error", err)
				read = now.Add(readRetry)
			}
			if tell, doubt = s.due(); doubt {
				pending = true
			}
		}
		if tell && !now.Before(told) {
			told, tell = now.Add(tellGap), false
			l.tell(s)
		}
		l.mu.Lock()
		l.state.Patches += s.counted()
		l.mu.Unlock()
		next := time.Duration(-1)
		if tell {
			next = told.Sub(now)
		}
		if d := read.Sub(now); pending && (next < 0 || d < next) {
			next = d
		}
		if next >= 0 {
			timer.Reset(max(next, 0))
		}
	}
}

// begin subscribes, and reads the twin.
func (l *Link) begin(ctx context.Context, c *device.Client, s *section) error {
	limit, cancel := context.WithTimeoutCause(ctx, l.opt.AckTimeout, errSilent)
	defer cancel()
	if !c.SessionPresent() {
		l.subscribed = false // until it is read below: this session may outlive the connection
	}
	if err := c.SubscribeTwin(limit); err != nil {
		return err
	}
	if err := l.read(ctx, c, s); err != nil {
		if c.Err() != nil || ctx.Err() != nil {
			return err
		}
		// Messages can be sent all the same.
		l.opt.Logger.WarnContext(ctx, "the twin cannot be read", "error", err)
	}
	l.subscribed = true
	l.mu.Lock()
	l.client = c
	l.state.Connected, l.state.Since = true, time.Now()
	l.state.Connects++
	if s.older(l.reported) {
		l.state.Renewals++
		l.reported = 0
	}
	l.mu.Unlock()
	l.opt.Logger.InfoContext(ctx, "connected to the hub", "session", c.SessionPresent())
	if l.opt.OnState != nil {
		l.opt.OnState()
	}
	return nil
}

// read reads the whole twin.
func (l *Link) read(ctx context.Context, c *device.Client, s *section) error {
	limit, cancel := context.WithTimeoutCause(ctx, l.opt.AckTimeout, errSilent)
	defer cancel()
	twin, err := c.Twin(limit)
	if errors.Is(err, errSilent) {
		l.subscribed = false // perhaps the hub's session is not what it seemed
		c.Abort(err)
	}
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.state.Twins++
	l.mu.Unlock()
	return s.whole(twin)
}

func (l *Link) tell(s *section) {
	if text := s.untold(); text != nil && l.opt.OnTwin != nil {
		l.opt.OnTwin(text)
	}
}

// lost notes that there is no connection, and why.
func (l *Link) lost(err error) {
	l.mu.Lock()
	was := l.state.Connected
	l.state.Connected, l.state.Err = false, err
	if was {
		l.state.Since = time.Now()
	}
	l.mu.Unlock()
	if l.opt.OnState != nil {
		l.opt.OnState()
	}
}

// dial makes a connection whose bytes are counted.
func (l *Link) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	dial := l.opt.Dial
	if dial == nil {
		dial = (&net.Dialer{KeepAlive: -1}).DialContext // MQTT has its own
	}
	nc, err := dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &counted{Conn: nc, link: l}, nil
}

// counted is a connection whose bytes are counted.
type counted struct {
	net.Conn
	link *Link
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.link.received.Add(uint64(n))
	return n, err
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.link.sent.Add(uint64(n))
	return n, err
}
