package rest

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/auth"
)

// Authenticator finds out who sends a request; an [auth.Authenticator] is one.
type Authenticator interface {
	Request(ctx context.Context, resource string, c auth.Credentials) (auth.Principal, error)
	// StillServes reports whether the policy that a service came with still has
	// its key and its permissions.
	StillServes(p auth.Principal) bool
}

// Options are what a [Handler] works with.
type Options struct {
	Auth   Authenticator
	Routes []Route
	// Header, if set, stands in every answer.
	Header map[string]string
	// Observe, if set, is told of every request when it has been answered.
	Observe func(route string, status int, took time.Duration)
	Logger  *slog.Logger
	// Timeout is how long a request that is not a stream may take; 60 s if 0.
	Timeout time.Duration
}

// Handler serves a table of routes. It is safe for concurrent use.
//
// It bounds how long a client may take to send a body and to take the lines of
// a stream. For the head of a request and for plain answers that is left to
// the server: give it a ReadHeaderTimeout, and a WriteTimeout above Timeout,
// which streams set aside for themselves.
type Handler struct {
	opt    Options
	logger *slog.Logger
	router *router

	stopping chan struct{}
	stop     sync.Once
}

// New returns a handler.
func New(o Options) *Handler {
	if o.Timeout == 0 {
		o.Timeout = 60 * time.Second
	}
	return &Handler{opt: o, logger: o.Logger, router: newRouter(o.Routes), stopping: make(chan struct{})}
}

// Stop ends all streams, so that a server can drain. Requests of other kinds
// go on to their end.
func (h *Handler) Stop() { h.stop.Do(func() { close(h.stopping) }) }

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &Call{W: w, R: r, handler: h, control: http.NewResponseController(w), started: time.Now()}
	defer func() {
		if v := recover(); v != nil {
			if v == http.ErrAbortHandler { //nolint:errorlint // the very value is the protocol of net/http
				panic(v)
			}
			h.fail(c, &tvilling.Error{Code: tvilling.Internal, Op: "serve", Subject: r.URL.Path, Err: fmt.Errorf("panic: %v\n%s", v, debug.Stack())})
		}
		h.observe(c)
	}()
	if err := h.serve(c); err != nil {
		h.fail(c, err)
		return
	}
	c.Log(slog.LevelDebug, "request answered")
}

func (h *Handler) observe(c *Call) {
	if h.opt.Observe == nil {
		return
	}
	name := "none"
	if c.Route != nil {
		name = c.Route.Name()
	}
	h.opt.Observe(name, c.status, time.Since(c.started))
}

func (h *Handler) serve(c *Call) error {
	for name, value := range h.opt.Header {
		c.W.Header().Set(name, value)
	}
	c.beginBody()
	var methods []string
	c.Route, c.Params, methods = h.router.find(c.R.Method, c.R.URL.EscapedPath())
	if c.Route == nil {
		return noRoute(c.W, c.R, methods)
	}
	for _, p := range c.Params {
		// No id or name has a slash. One let through here could make the path
		// that a credential is checked for another than the one that is served.
		if strings.Contains(p, "/") {
			return tvilling.Errorf(tvilling.InvalidArgument, "The id %q contains the invalid character '/'.", p)
		}
	}
	var err error
	if c.Query, err = url.ParseQuery(c.R.URL.RawQuery); err != nil {
		return tvilling.Errorf(tvilling.InvalidArgument, "The query string is malformed.")
	}
	ctx, cancel := h.limit(c)
	defer cancel()
	c.R = c.R.WithContext(ctx)
	return interrupted(ctx, h.answer(c))
}

// answer lets the caller in and has the route answer.
func (h *Handler) answer(c *Call) error {
	if c.Route.Open {
		return c.Route.Handle(c)
	}
	if err := h.authenticate(c); err != nil {
		return err
	}
	if err := checkVersion(c); err != nil {
		return err
	}
	if c.Route.Allow != nil {
		if err := c.Route.Allow(c); err != nil {
			return err
		}
	}
	if err := c.checkQuery(); err != nil {
		return err
	}
	return c.Route.Handle(c)
}

// interrupted says of a fault that came of the request's end that it did: a
// store that was cut short has its own words for it, and nobody need look.
func interrupted(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil || tvilling.CodeOf(err) != tvilling.Internal {
		return err
	}
	return fmt.Errorf("%w: %w", ctx.Err(), err)
}

// limit bounds a request in time, or ends a stream with the handler.
func (h *Handler) limit(c *Call) (context.Context, context.CancelFunc) {
	if !c.Route.Stream && (!c.Route.Follow || !c.follows()) {
		return context.WithTimeout(c.Context(), h.opt.Timeout)
	}
	ctx, cancel := context.WithCancel(c.Context())
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-h.stopping:
			cancel()
		case <-done:
		}
	})
	return ctx, func() {
		close(done)
		cancel()
		wg.Wait()
	}
}

// authenticate finds out who asks.
func (h *Handler) authenticate(c *Call) error {
	credentials := auth.Credentials{Token: c.R.Header.Get("Authorization"), Remote: c.R.RemoteAddr, Protocol: "https"}
	if c.R.TLS != nil {
		credentials.Certificates = c.R.TLS.PeerCertificates
	}
	if credentials.Token == "" && len(credentials.Certificates) == 0 {
		return tvilling.Errorf(tvilling.Unauthorized, "The request has no Authorization header; send a shared access signature.")
	}
	var err error
	c.Who, err = h.opt.Auth.Request(c.Context(), c.resource(), credentials)
	return err
}

// checkVersion demands api-version where IoT Hub does; any date is taken.
func checkVersion(c *Call) error {
	v := c.Query.Get("api-version")
	if v == "" {
		if c.Route.Own {
			return nil
		}
		return refuse(noVersion, tvilling.InvalidArgument, "The query string needs api-version, a date such as 2021-04-12.")
	}
	if len(v) >= len(time.DateOnly) {
		day, rest := v[:len(time.DateOnly)], v[len(time.DateOnly):]
		if _, err := time.Parse(time.DateOnly, day); err == nil && (rest == "" || rest == "-preview") {
			return nil
		}
	}
	return refuse(noVersion, tvilling.InvalidArgument, "The api-version %q is not a date such as 2021-04-12 or 2020-10-01-preview.", v)
}
