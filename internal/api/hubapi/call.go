package hubapi

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/auth"
)

// call is one request on its way through the handler.
type call struct {
	w       http.ResponseWriter
	r       *http.Request
	control *http.ResponseController
	route   *route
	params  map[string]string
	query   url.Values
	who     auth.Principal
	started time.Time

	// wrote says that the answer has begun; status and failed are what it was.
	wrote    bool
	status   int
	failed   string
	tracking string
	// rows is how many twins a query examined.
	rows int
}

func (c *call) context() context.Context { return c.r.Context() }

// resource returns the decoded path that the request is for, as the route reads it.
func (c *call) resource() string {
	var b strings.Builder
	for _, segment := range c.route.segments {
		b.WriteByte('/')
		if segment[0] == '{' {
			segment = c.params[segment[1:len(segment)-1]]
		}
		b.WriteString(segment)
	}
	return b.String()
}

// device returns the identity of the device in the path.
func (c *call) device() (tvilling.Identity, error) {
	id := tvilling.Identity{Device: tvilling.DeviceID(c.params["device"])}
	return id, id.Check()
}

// identity returns the device or module in the path.
func (c *call) identity() (tvilling.Identity, error) {
	id := tvilling.Identity{Device: tvilling.DeviceID(c.params["device"]), Module: tvilling.ModuleID(c.params["module"])}
	return id, id.Check()
}

// match returns the condition of the If-Match header.
func (c *call) match() tvilling.Match { return tvilling.ParseMatch(c.r.Header.Get("If-Match")) }

// number reads a whole number of the query string; missing is def.
func (c *call) number(name string, def uint64) (uint64, error) {
	s := c.query.Get(name)
	if s == "" {
		return def, nil
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, &tvilling.Error{Code: tvilling.InvalidArgument, Op: "read query string", Path: name, Message: "The value must be a whole number of 0 or more."}
	}
	return n, nil
}

// flag reads a yes or no of the query string; missing is no.
func (c *call) flag(name string) (bool, error) {
	s := c.query.Get(name)
	if s == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(s)
	if err != nil {
		return false, &tvilling.Error{Code: tvilling.InvalidArgument, Op: "read query string", Path: name, Message: `The value must be "true" or "false".`}
	}
	return b, nil
}

// json answers 200 with a body; a tag that is not empty becomes the ETag header.
func (c *call) json(body []byte, tag tvilling.ETag) error {
	header := c.w.Header()
	header.Set("Content-Type", jsonType)
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	if tag != "" {
		header.Set("Etag", `"`+string(tag)+`"`)
	}
	c.wrote, c.status = true, http.StatusOK
	c.w.WriteHeader(http.StatusOK)
	// A client that went away is its own affair; the work is done.
	_, _ = c.w.Write(body)
	return nil
}

// nothing answers 204.
func (c *call) nothing() error {
	c.wrote, c.status = true, http.StatusNoContent
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// log writes the one line of a request.
func (c *call) log(l *slog.Logger, level slog.Level, message string, more ...slog.Attr) {
	ctx := c.context()
	if !l.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 10+len(more))
	attrs = append(attrs,
		slog.String("method", c.r.Method),
		slog.String("path", c.r.URL.Path),
		slog.Int("status", c.status),
		slog.Duration("duration", time.Since(c.started)),
		slog.String("remote", c.r.RemoteAddr),
	)
	if a := c.actor(); a != "" {
		attrs = append(attrs, slog.String("actor", a))
	}
	if c.tracking != "" {
		attrs = append(attrs, slog.String("tracking_id", c.tracking), slog.String("code", c.failed))
	}
	if id := c.r.Header.Get("Request-Id"); id != "" {
		attrs = append(attrs, slog.String("request_id", id[:min(len(id), 64)]))
	}
	if c.rows > 0 {
		attrs = append(attrs, slog.Int("rows_examined", c.rows))
	}
	l.LogAttrs(ctx, level, message, append(attrs, more...)...) //nolint:sloglint // a constant of the callers
}

// actor says who asks, "" before that is proven.
func (c *call) actor() string {
	if c.who.Policy == "" && c.who.ID.Device == "" {
		return ""
	}
	return c.who.Actor()
}
