package hubapi

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

// Options are what a [Handler] works with. Every service is needed.
type Options struct {
	Auth     Authenticator
	Registry Registry
	Twins    Twins
	Messages Messages
	Journal  Journal
	Policies Policies
	Settings Settings
	Adoption Adoption

	// SecurityModule is the id of the module that holds a device's security.
	SecurityModule tvilling.ModuleID
	// Ready reports why the hub is not ready to serve; nil when it is.
	Ready func(ctx context.Context) error
	// Observe, if set, is told of every request when it has been answered.
	Observe func(route string, status int, took time.Duration)
	Logger  *slog.Logger

	// Timeout is how long a request that is not a stream may take; 60 s if 0.
	Timeout time.Duration
	// QueryTime is how long one page of a query may take before it is given out
	// short, to be continued by the next one; 5 s if 0.
	QueryTime time.Duration
	// Scans is how many queries may look through all twins at once; 4 if 0.
	// Others wait, so that they leave room for the traffic of the devices.
	Scans int
}

// Handler serves the routes of the package. It is safe for concurrent use.
//
// It bounds how long a client may take to send a body and to take the lines of
// a stream. For the head of a request and for plain answers that is left to
// the server: give it a ReadHeaderTimeout, and a WriteTimeout above Timeout,
// which streams set aside for themselves.
type Handler struct {
	Options
	logger *slog.Logger
	router *router
	scans  chan struct{}

	stopping chan struct{}
	stop     sync.Once
}

// New returns a handler.
func New(o Options) *Handler {
	if o.Timeout == 0 {
		o.Timeout = 60 * time.Second
	}
	if o.QueryTime == 0 {
		o.QueryTime = 5 * time.Second
	}
	if o.Scans == 0 {
		o.Scans = 4
	}
	return &Handler{
		Options:  o,
		logger:   o.Logger.With("component", "hubapi"),
		router:   newRouter(routes()),
		scans:    make(chan struct{}, o.Scans),
		stopping: make(chan struct{}),
	}
}

// Stop ends all streams, so that a server can drain. Requests of other kinds
// go on to their end.
func (h *Handler) Stop() { h.stop.Do(func() { close(h.stopping) }) }

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{w: w, r: r, control: http.NewResponseController(w), started: time.Now()}
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
	c.log(h.logger, slog.LevelDebug, "request answered")
}

func (h *Handler) observe(c *call) {
	if h.Observe == nil {
		return
	}
	name := "none"
	if c.route != nil {
		name = c.route.method + " " + c.route.pattern
	}
	h.Observe(name, c.status, time.Since(c.started))
}

func (h *Handler) serve(c *call) error {
	c.beginBody()
	var methods []string
	c.route, c.params, methods = h.router.find(c.r.Method, c.r.URL.EscapedPath())
	if c.route == nil {
		return noRoute(c.w, c.r, methods)
	}
	for _, p := range c.params {
		// No id or name has a slash. One let through here could make the path
		// that a credential is checked for another than the one that is served.
		if strings.Contains(p, "/") {
			return tvilling.Errorf(tvilling.InvalidArgument, "The id %q contains the invalid character '/'.", p)
		}
	}
	var err error
	if c.query, err = url.ParseQuery(c.r.URL.RawQuery); err != nil {
		return tvilling.Errorf(tvilling.InvalidArgument, "The query string is malformed.")
	}
	ctx, cancel := h.limit(c)
	defer cancel()
	c.r = c.r.WithContext(ctx)
	return interrupted(ctx, h.answer(c))
}

// answer lets the caller in and has the route answer.
func (h *Handler) answer(c *call) error {
	if c.route.open {
		return c.route.handle(h, c)
	}
	if err := h.authenticate(c); err != nil {
		return err
	}
	if err := checkVersion(c); err != nil {
		return err
	}
	if err := h.allow(c); err != nil {
		return err
	}
	return c.route.handle(h, c)
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
func (h *Handler) limit(c *call) (context.Context, context.CancelFunc) {
	if !c.route.stream {
		return context.WithTimeout(c.context(), h.Timeout)
	}
	ctx, cancel := context.WithCancel(c.context())
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
func (h *Handler) authenticate(c *call) error {
	credentials := auth.Credentials{Token: c.r.Header.Get("Authorization"), Remote: c.r.RemoteAddr, Protocol: "https"}
	if c.r.TLS != nil {
		credentials.Certificates = c.r.TLS.PeerCertificates
	}
	if credentials.Token == "" && len(credentials.Certificates) == 0 {
		return tvilling.Errorf(tvilling.Unauthorized, "The request has no Authorization header; send a shared access signature.")
	}
	var err error
	c.who, err = h.Auth.Request(c.context(), c.resource(), credentials)
	return err
}

// checkVersion demands api-version where IoT Hub does; any date is taken.
func checkVersion(c *call) error {
	v := c.query.Get("api-version")
	if v == "" {
		if c.route.own {
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
