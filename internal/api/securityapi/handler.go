package securityapi

import (
	"context"
	"log/slog"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/security/investigate"
	"github.com/tvilling/tvilling/internal/security/mend"
)

// Options are what a [Handler] works with. Every service is needed.
type Options struct {
	Auth       rest.Authenticator
	Ledger     Ledger
	Alerts     Alerts
	Detections Detections
	Events     Events
	Twins      Twins
	Devices    Devices
	Fleet      Fleet
	Timeline   Timeline
	Sinks      Sinks
	// Recommendations are the kinds there are.
	Recommendations []RecommendationType
	// Changed returns a channel that is closed after the next change of the ledger.
	Changed func() <-chan struct{}
	// Guarded reports whether what belongs to security needs the permissions of
	// security. Otherwise ServiceConnect does as well, as for security twins.
	Guarded func() bool
	// Hub is the name of the hub, for exports.
	Hub string

	// Observe, if set, is told of every request when it has been answered.
	Observe func(route string, status int, took time.Duration)
	Logger  *slog.Logger
	// Timeout is how long a request that is no stream may take; 60 s if 0.
	Timeout time.Duration
	// PageTime and SummaryTime are how long stored events are searched before
	// a page or a summary is given out incomplete; 5 s and 20 s if 0.
	PageTime, SummaryTime time.Duration
	// Searches is how many searches through events may run at once; 4 if 0.
	Searches int
}

// Handler serves the routes of the package. It is safe for concurrent use.
type Handler struct {
	*rest.Handler
	opt      Options
	reader   *investigate.Reader
	mend     *mend.Service
	searches chan struct{}
}

// New returns a handler.
func New(o Options) *Handler {
	if o.PageTime == 0 {
		o.PageTime = 5 * time.Second
	}
	if o.SummaryTime == 0 {
		o.SummaryTime = 20 * time.Second
	}
	if o.Searches == 0 {
		o.Searches = 4
	}
	h := &Handler{opt: o, reader: investigate.NewReader(o.Events.Events), mend: mend.New(o.Ledger, o.Twins), searches: make(chan struct{}, o.Searches)}
	h.Handler = rest.New(rest.Options{
		Auth: o.Auth, Routes: h.routes(), Observe: o.Observe, Logger: o.Logger.With("component", "securityapi"), Timeout: o.Timeout,
		// What devices sent must not be taken for a page by a browser.
		Header: map[string]string{"X-Content-Type-Options": "nosniff"},
	})
	return h
}

// read passes callers that may read what belongs to security.
func (h *Handler) read(c *rest.Call) error {
	if h.opt.Guarded() {
		return c.Must(auth.SecurityRead)
	}
	return c.Must(auth.SecurityRead, auth.ServiceConnect)
}

// write passes callers that may change it.
func (h *Handler) write(c *rest.Call) error {
	if h.opt.Guarded() {
		return c.Must(auth.SecurityWrite)
	}
	return c.Must(auth.SecurityWrite, auth.ServiceConnect)
}

// search waits for one of the places of searches through stored events, so
// that they leave room for the traffic of the devices.
func (h *Handler) search(ctx context.Context) (done func(), err error) {
	select {
	case h.searches <- struct{}{}:
		return func() { <-h.searches }, nil
	default:
	}
	wait := time.NewTimer(h.opt.PageTime)
	defer wait.Stop()
	select {
	case h.searches <- struct{}{}:
		return func() { <-h.searches }, nil
	case <-wait.C:
	case <-ctx.Done():
	}
	return nil, tvilling.Errorf(tvilling.Throttled, "The hub runs %d other searches through events; try again.", h.opt.Searches)
}

// enough returns a function that says whether some time is over.
func enough(d time.Duration) func() bool {
	begin := time.Now()
	return func() bool { return time.Since(begin) > d }
}
