package web

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/console/assets"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/hub/account"
)

// Root begins the addresses of all pages.
const Root = ui.Root

// Cookie holds the token of a session.
const Cookie = "__Host-tvilling"

// Limits of a request.
const (
	maxBody = 1 << 20
	// pageTime is how long the making of a page may take.
	pageTime = 30 * time.Second
)

// Route is one method of one address.
type Route struct {
	Method string
	// Path is below [Root], in the form of [http.ServeMux]: "/devices/{device}".
	Path string
	// Role is the least that a user needs; Nobody leaves the route open to all.
	Role account.Role
	// Stream routes answer for as long as the browser listens.
	Stream bool
	// Audit, if set, has the act written to the audit log once it was done and
	// before the answer says so: for what the core does not record by itself. It
	// is a word like "sink.test". What was acted upon is [Call.Subject]; an
	// answer with an error's status says that nothing was done.
	Audit string
	Do    func(c *Call) error
}

// Accounts knows who has signed in; an [account.Service] does.
type Accounts interface {
	// Session returns the session that a token opens, an error of code
	// Unauthorized if none does any more.
	Session(ctx context.Context, token string) (account.Session, error)
	// Record writes an act to the audit log, durably.
	Record(ctx context.Context, actor, action, subject string) error
}

// Status is what the frame of every page shows of the hub.
type Status struct {
	Hub, Version string
	// Health is "" while the hub is well, else what is wrong in a few words.
	Health string
	// Devices, High (open alerts of high severity), Recommendations (active)
	// and Configurations are the counts of the navigation.
	Devices, High, Recommendations, Configurations int64
}

// Options are what a Site works with.
type Options struct {
	Accounts Accounts
	// Status is asked for every page; it does not wait.
	Status func() Status
	// SignIn answers who has no session: it may keep what was typed.
	SignIn func(c *Call) error
	Routes []Route
	Logger *slog.Logger
}

// Site answers requests for pages.
type Site struct {
	opt    Options
	mux    *http.ServeMux
	rate   *rates
	places places
	cross  *http.CrossOriginProtection
	ending context.Context //nolint:containedctx // the site's own end
	stop   context.CancelFunc

	pages, failed, limited, crossSite atomic.Int64
}

// New returns a site.
func New(o Options) *Site {
	s := &Site{opt: o, mux: http.NewServeMux(), rate: newRates(), cross: http.NewCrossOriginProtection()}
	s.ending, s.stop = context.WithCancel(context.Background())
	for _, r := range o.Routes {
		s.mux.HandleFunc(r.Method+" "+Root+r.Path, func(w http.ResponseWriter, q *http.Request) { s.answer(w, q, r) })
	}
	s.mux.HandleFunc("GET "+assets.Root, assets.ServeHTTP)
	for _, first := range []string{Root, Root + "/{$}"} {
		s.mux.HandleFunc("GET "+first, func(w http.ResponseWriter, q *http.Request) {
			http.Redirect(w, q, Root+"/overview", http.StatusSeeOther)
		})
	}
	return s
}

// Routes are what the site answers, files apart.
func (s *Site) Routes() []Route { return slices.Clone(s.opt.Routes) }

// Stop ends all streams; pages that are being made come to their end.
func (s *Site) Stop() { s.stop() }

// ServeHTTP answers a request.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	if err := s.cross.Check(r); err != nil {
		s.crossSite.Add(1)
		http.Error(w, "This form was sent from another site, so nothing was done. Open the page here and try again.", http.StatusForbidden)
		return
	}
	if _, pattern := s.mux.Handler(r); pattern == "" {
		s.answer(w, r, Route{Method: r.Method, Path: "/", Role: account.Viewer, Do: func(*Call) error {
			return tvilling.Errorf(tvilling.NotFound, "There is no such page.")
		}})
		return
	}
	s.mux.ServeHTTP(w, r)
}

// secure sets the headers that keep a page to itself.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'none'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types tvilling")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Cache-Control", "private, no-cache")
}

// answer does what a route says, for a user who may.
func (s *Site) answer(w http.ResponseWriter, r *http.Request, route Route) {
	begin := time.Now()
	c := &Call{W: w, R: r, Route: route, site: s, tracking: strings.ToLower(rand.Text()[:16])}
	s.pages.Add(1)
	if !route.Stream {
		ctx, cancel := context.WithTimeout(r.Context(), pageTime)
		defer cancel()
		c.R = r.WithContext(ctx)
	}
	err := s.do(c)
	if err != nil && !c.wrote {
		err = c.fail(err)
	}
	if c.status >= http.StatusInternalServerError {
		s.failed.Add(1)
	}
	level := slog.LevelDebug
	if err != nil && r.Context().Err() == nil {
		level = slog.LevelWarn
	}
	s.opt.Logger.LogAttrs(r.Context(), level, "page", slog.String("method", r.Method), slog.String("path", r.URL.Path),
		slog.String("actor", c.Actor()), slog.Int("status", c.status), slog.Duration("took", time.Since(begin)),
		slog.String("tracking_id", c.tracking), slog.Any("error", err))
}

func (s *Site) do(c *Call) error {
	if err := c.identify(); err != nil {
		return err
	}
	if c.signedIn && !s.rate.allow(c.Who.ID) {
		s.limited.Add(1)
		c.W.Header().Set("Retry-After", "1")
		return tvilling.Errorf(tvilling.Throttled, "This session asks for more than %d pages a second. Wait a moment, then load the page again.", perSecond)
	}
	if err := c.parse(); err != nil {
		return err
	}
	if c.Route.Role != account.Nobody {
		if !c.signedIn {
			if c.Route.Stream {
				c.status, c.wrote = http.StatusUnauthorized, true
				c.W.WriteHeader(c.status)
				return nil
			}
			return s.opt.SignIn(c)
		}
		if !c.Who.May(c.Route.Role) {
			return tvilling.Errorf(tvilling.Unauthorized, "This needs the role %s; %s has the role %s. Ask an admin of this hub.", c.Route.Role, c.Who.User, c.Who.Role)
		}
	}
	if c.Route.Stream {
		leave, err := s.places.take(c.Who.User)
		if err != nil {
			s.limited.Add(1)
			c.W.Header().Set("Retry-After", "10")
			return err
		}
		defer leave()
	}
	if err := c.Route.Do(c); err != nil {
		return err
	}
	if !c.wrote {
		return c.audit()
	}
	return nil
}

// identify finds out who asks: nobody, without a session or with one that has
// ended.
func (c *Call) identify() error {
	cookie, err := c.R.Cookie(Cookie)
	if err != nil || cookie.Value == "" {
		return nil //nolint:nilerr // there is no such cookie
	}
	who, err := c.site.opt.Accounts.Session(c.Context(), cookie.Value)
	switch {
	case err == nil:
		c.Who, c.signedIn = who, true
	case tvilling.CodeOf(err) != tvilling.Unauthorized:
		return err
	}
	return nil
}

// parse reads the form of a request, within limits.
func (c *Call) parse() error {
	c.R.Body = http.MaxBytesReader(c.W, c.R.Body, maxBody)
	query, err := url.ParseQuery(c.R.URL.RawQuery)
	if err != nil {
		return tvilling.Errorf(tvilling.InvalidArgument, "The address of this page is malformed: %v.", err)
	}
	c.query = query
	if c.R.Method != http.MethodPost {
		return nil
	}
	// Multipart is for files; rules and lists of devices come that way, too.
	err = c.R.ParseMultipartForm(maxBody)
	if errors.Is(err, http.ErrNotMultipart) {
		err = c.R.ParseForm()
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tvilling.Errorf(tvilling.TooLarge, "A form may have at most %s.", ui.Bytes(maxBody))
	}
	if err != nil {
		return tvilling.Errorf(tvilling.InvalidArgument, "The form could not be read: %v.", err)
	}
	return nil
}
