package hubapi

import (
	"context"
	"log/slog"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/rest"
	"github.com/tvilling/tvilling/internal/hub/health"
)

// Options are what a [Handler] works with. Every service is needed.
type Options struct {
	Auth     rest.Authenticator
	Registry Registry
	Twins    Twins
	Search   Search
	History  History
	Messages Messages
	Journal  Journal
	Live     Live
	Policies Policies
	Settings Settings
	Adoption Adoption
	Users    Users
	Audit    Audit

	Configurations Configurations
	// Health returns the latest figures of the hub, with what is wrong.
	Health func() (health.Facts, []health.Fault)
	// Certificates returns those in force.
	Certificates func() Certificates

	// SecurityModule is the id of the module that holds a device's security.
	SecurityModule tvilling.ModuleID
	// Ready reports why the hub is not ready to serve; nil when it is.
	Ready func(ctx context.Context) error
	// Observe, if set, is told of every request when it has been answered.
	Observe func(route string, status int, took time.Duration)
	Logger  *slog.Logger

	// Timeout is how long a request that is not a stream may take; 60 s if 0.
	Timeout time.Duration
}

// Handler serves the routes of the package. It is safe for concurrent use.
type Handler struct {
	*rest.Handler
	Options
}

// New returns a handler.
func New(o Options) *Handler {
	h := &Handler{Options: o}
	h.Handler = rest.New(rest.Options{
		Auth: o.Auth, Routes: h.table(), Observe: o.Observe, Logger: o.Logger.With("component", "hubapi"), Timeout: o.Timeout,
	})
	return h
}
