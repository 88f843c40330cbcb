package tlsconf

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tvilling/tvilling"
)

// Options say where the server certificate comes from.
type Options struct {
	// Dir is the data directory, where the hub keeps a certificate authority of
	// its own when CertFile is empty.
	Dir string
	// Names are further DNS names and IP addresses for the hub's own certificate.
	Names []string
	// CertFile and KeyFile are the operator's certificate, chain included, and
	// its key, both PEM. Give both or neither.
	CertFile, KeyFile string
	// ClassicalCurves leaves the post-quantum key exchanges out, for clients too
	// small for the long first message of a handshake that comes with them.
	ClassicalCurves bool
	// Poll is how often the files are looked at; 0 means every 10 seconds.
	Poll time.Duration
	// Logger hears of certificates made, replaced, refused and soon to end.
	Logger *slog.Logger
}

const (
	defaultPoll = 10 * time.Second
	// retryAfter is when a load that failed is tried again though no file changed.
	retryAfter = time.Hour
	// warnBefore is when the end of a certificate is worth a warning, once a day.
	warnBefore = 14 * 24 * time.Hour
	warnEvery  = 24 * time.Hour
)

// Stats tell how a [Reloader] fares.
type Stats struct {
	// Loads counts certificates put in force, Refusals those kept out.
	Loads, Refusals uint64
	// NotAfter is when the certificate in force ends.
	NotAfter time.Time
}

// Reloader holds the server certificate in force. It is safe for concurrent use.
type Reloader struct {
	source    source
	poll      time.Duration
	classical bool
	logger    *slog.Logger

	current  atomic.Pointer[tls.Certificate]
	loads    atomic.Uint64
	refusals atomic.Uint64

	mu     sync.Mutex // guards what follows, and orders loads
	inUse  stamp      // the files as they were loaded
	seen   stamp      // the files as they failed to load once
	failed stamp      // the files as they were refused
	retry  time.Time
	warned time.Time
}

// New loads the server certificate, or makes it and the authority behind it.
func New(ctx context.Context, o Options) (*Reloader, error) {
	r := &Reloader{poll: o.Poll, classical: o.ClassicalCurves, logger: o.Logger}
	if r.logger == nil {
		r.logger = slog.New(slog.DiscardHandler)
	}
	if r.poll <= 0 {
		r.poll = defaultPoll
	}
	switch {
	case (o.CertFile == "") != (o.KeyFile == ""):
		return nil, tvilling.Errorf(tvilling.InvalidArgument, "Give both the certificate file and the key file, or neither.")
	case o.CertFile != "":
		r.source = given{certFile: o.CertFile, keyFile: o.KeyFile}
	case o.Dir == "":
		return nil, errors.New("tlsconf: a data directory or a certificate is required")
	default:
		machine, err := os.Hostname()
		if err != nil {
			machine = "" // the certificate goes without it
		}
		n, err := collectNames(machine, o.Names)
		if err != nil {
			return nil, err
		}
		r.source = own{dir: o.Dir, names: n, logger: r.logger}
	}
	if err := r.Reload(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// Config returns what a listener needs. Every connection, from the next one
// on, gets the certificate that is then in force, whatever name it asks for:
// the C client of 2019 asks for none (no SNI).
//
// A client certificate is asked for, with no authority named, and not required;
// its chain is not verified here. What it is worth is for package auth to say.
func (r *Reloader) Config() *tls.Config {
	c := &tls.Config{
		MinVersion: tls.VersionTLS12, // Python's device client speaks no other (wire §1.1)
		ClientAuth: tls.RequestClientCert,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return r.current.Load(), nil
		},
	}
	if r.classical {
		c.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}
	}
	return c
}

// Stats returns the counts so far.
func (r *Reloader) Stats() Stats {
	return Stats{Loads: r.loads.Load(), Refusals: r.refusals.Load(), NotAfter: r.current.Load().Leaf.NotAfter}
}

// Reload looks at the files now. What is there takes force, or is refused with
// an error; then the certificate in force stays. Open connections notice neither.
func (r *Reloader) Reload(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.stamp()
	err := r.load(ctx, at, time.Now())
	if err != nil {
		r.refuse(at, time.Now())
	}
	return err
}

// Run watches the files, renews the hub's own certificate and warns of one
// that is about to end, until ctx ends. It logs what it cannot use.
func (r *Reloader) Run(ctx context.Context) {
	ticker := time.NewTicker(r.poll)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := r.check(ctx, time.Now()); err != nil {
				r.logger.ErrorContext(ctx, "server certificate refused; the one in force goes on",
					"error", err, "not_after", r.current.Load().Leaf.NotAfter)
			}
		}
	}
}

// check loads the certificate when its files have changed or it is due.
func (r *Reloader) check(ctx context.Context, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.warn(ctx, now)
	at := r.stamp()
	due := r.source.due(r.current.Load().Leaf, now)
	if at == r.inUse && !due || at == r.failed && now.Before(r.retry) {
		return nil
	}
	err := r.load(ctx, at, now)
	switch {
	case err == nil:
		return nil
	case at != r.seen && at != r.inUse:
		// Two files cannot be replaced in one step: look once more before
		// calling it a fault.
		r.seen = at
		return nil
	default:
		r.refuse(at, now)
		return err
	}
}

// load puts in force what the source has. The files were looked at before they
// are read, so a change in between, by the source itself too, is found at the
// next check.
func (r *Reloader) load(ctx context.Context, at stamp, now time.Time) error {
	pair, err := r.source.load(ctx, now)
	if err != nil {
		return err
	}
	old := r.current.Swap(pair)
	r.inUse, r.failed, r.seen = at, stamp{}, stamp{}
	if old == nil || !old.Leaf.Equal(pair.Leaf) {
		r.loads.Add(1)
	}
	if old != nil && !old.Leaf.Equal(pair.Leaf) {
		r.warned = time.Time{}
		r.logger.InfoContext(ctx, "server certificate replaced", "not_after", pair.Leaf.NotAfter)
	}
	return nil
}

func (r *Reloader) refuse(at stamp, now time.Time) {
	r.refusals.Add(1)
	r.failed, r.retry = at, now.Add(retryAfter)
}

func (r *Reloader) stamp() stamp { return stampOf(r.source.files()) }

// warn says once a day that the certificate in force is about to end.
func (r *Reloader) warn(ctx context.Context, now time.Time) {
	end := r.current.Load().Leaf.NotAfter
	if now.Before(end.Add(-warnBefore)) || now.Before(r.warned.Add(warnEvery)) {
		return
	}
	r.warned = now
	certFile, _ := r.source.files()
	r.logger.WarnContext(ctx, "server certificate ends soon; replace it", "file", certFile, "not_after", end)
}
