package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/auth"
)

// Call is one request on its way through a handler.
type Call struct {
	// W and R are of net/http. Answers go through the methods of Call, which
	// know what has been sent already.
	W http.ResponseWriter
	R *http.Request
	// Route is the one that answers, Params its path parameters.
	Route  *Route
	Params map[string]string
	// Query is the query string, decoded.
	Query url.Values
	// Who is the caller; zero on an open route.
	Who auth.Principal

	handler *Handler
	control *http.ResponseController
	started time.Time
	// wrote says that the answer has begun; status and failed are what it was.
	wrote    bool
	status   int
	failed   string
	tracking string
	notes    []slog.Attr
}

// Context ends with the request, or when its time is over.
func (c *Call) Context() context.Context { return c.R.Context() }

// Note adds an attribute to the line of the request in the log.
func (c *Call) Note(a slog.Attr) { c.notes = append(c.notes, a) }

// resource returns the decoded path that the request is for, as the route reads it.
func (c *Call) resource() string {
	var b strings.Builder
	for _, segment := range c.Route.segments {
		b.WriteByte('/')
		if segment[0] == '{' {
			segment = c.Params[segment[1:len(segment)-1]]
		}
		b.WriteString(segment)
	}
	return b.String()
}

// Device returns the identity of the device in the path.
func (c *Call) Device() (tvilling.Identity, error) {
	id := tvilling.Identity{Device: tvilling.DeviceID(c.Params["device"])}
	return id, id.Check()
}

// Identity returns the device or module in the path.
func (c *Call) Identity() (tvilling.Identity, error) {
	id := tvilling.Identity{Device: tvilling.DeviceID(c.Params["device"]), Module: tvilling.ModuleID(c.Params["module"])}
	return id, id.Check()
}

// Match returns the condition of the If-Match header.
func (c *Call) Match() tvilling.Match { return tvilling.ParseMatch(c.R.Header.Get("If-Match")) }

// Must passes a service that holds one of the sets of permissions. A device
// never does: it acts by its own name, not by a policy.
func (c *Call) Must(sets ...auth.Permission) error {
	if c.Who.ID.Device == "" {
		if slices.ContainsFunc(sets, c.Who.May) {
			return nil
		}
	}
	names := make([]string, len(sets))
	for i, set := range sets {
		names[i] = set.String()
	}
	return c.Forbid("this needs a policy with " + strings.Join(names, " or "))
}

// Forbid returns the refusal of a caller that may not do what it asks.
func (c *Call) Forbid(why string) error {
	return &tvilling.Error{
		Code: tvilling.Unauthorized, Op: "authorise", Subject: c.Who.Actor(),
		Message: "Unauthorized: " + c.Who.Actor() + " may not do this: " + why + ".",
	}
}

// JSON answers 200 with a body; a tag that is not empty becomes the ETag header.
func (c *Call) JSON(body []byte, tag tvilling.ETag) error {
	header := c.W.Header()
	header.Set("Content-Type", JSONType)
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	if tag != "" {
		header.Set("Etag", `"`+string(tag)+`"`)
	}
	c.wrote, c.status = true, http.StatusOK
	c.W.WriteHeader(http.StatusOK)
	// A client that went away is its own affair; the work is done.
	_, _ = c.W.Write(body)
	return nil
}

// Answer writes a plain value as [Call.JSON] does. <, > and & are escaped.
func (c *Call) Answer(v any, tag tvilling.ETag) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	return c.JSON(b, tag)
}

// Text answers 200 with a text of some media type.
func (c *Call) Text(contentType, text string) error {
	header := c.W.Header()
	header.Set("Content-Type", contentType)
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Length", strconv.Itoa(len(text)))
	c.wrote, c.status = true, http.StatusOK
	c.W.WriteHeader(http.StatusOK)
	_, _ = io.WriteString(c.W, text)
	return nil
}

// File answers 200 with size bytes of a file. Within the time given for all of
// it, a client may take it as slowly as it has to.
func (c *Call) File(contentType string, size int64, from io.Reader, within time.Duration) error {
	if err := c.control.SetWriteDeadline(time.Now().Add(within)); err != nil {
		return fmt.Errorf("give out a file: %w", err)
	}
	header := c.W.Header()
	header.Set("Content-Type", contentType)
	header.Set("Content-Length", strconv.FormatInt(size, 10))
	c.wrote, c.status = true, http.StatusOK
	c.W.WriteHeader(http.StatusOK)
	if c.R.Method == http.MethodHead {
		return nil
	}
	if _, err := io.CopyN(c.W, from, size); err != nil {
		c.Warn("a file was cut short", err)
		panic(http.ErrAbortHandler) // the client must not take a part for the whole
	}
	return nil
}

// Nothing answers 204.
func (c *Call) Nothing() error {
	c.wrote, c.status = true, http.StatusNoContent
	c.W.WriteHeader(http.StatusNoContent)
	return nil
}

// Log writes a line about the request.
func (c *Call) Log(level slog.Level, message string, more ...slog.Attr) {
	ctx, l := c.Context(), c.handler.logger
	if !l.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 10+len(more))
	attrs = append(attrs,
		slog.String("method", c.R.Method),
		slog.String("path", c.R.URL.Path),
		slog.Int("status", c.status),
		slog.Duration("duration", time.Since(c.started)),
		slog.String("remote", c.R.RemoteAddr),
	)
	if a := c.actor(); a != "" {
		attrs = append(attrs, slog.String("actor", a))
	}
	if c.tracking != "" {
		attrs = append(attrs, slog.String("tracking_id", c.tracking), slog.String("code", c.failed))
	}
	if id := c.R.Header.Get("Request-Id"); id != "" {
		attrs = append(attrs, slog.String("request_id", id[:min(len(id), 64)]))
	}
	attrs = append(attrs, c.notes...)
	l.LogAttrs(ctx, level, message, append(attrs, more...)...) //nolint:sloglint // a constant of the callers
}

// Warn writes a line about something that did not stop the request.
func (c *Call) Warn(message string, err error) {
	c.Log(slog.LevelError, message, ErrorAttr(err))
}

// actor says who asks, "" before that is proven.
func (c *Call) actor() string {
	if c.Who.Policy == "" && c.Who.ID.Device == "" {
		return ""
	}
	return c.Who.Actor()
}
