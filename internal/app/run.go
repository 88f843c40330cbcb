package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tvilling/tvilling/internal/api/agentapi"
	"github.com/tvilling/tvilling/internal/console/web"
)

// drain is how long a stopping hub waits for requests and connections to end.
const drain = 10 * time.Second

// Hooks let the caller of [App.Run] hear of the hub and speak to it.
type Hooks struct {
	// Ready, if set, is called once, when the hub serves.
	Ready func()
	// Reload asks for a reload by each value; nil if nobody asks.
	Reload <-chan os.Signal
}

// Run serves until ctx ends, then drains and closes everything, and returns
// nil. It returns an error when the hub cannot go on, as when the store can no
// longer say what is durable. A hub runs once.
func (a *App) Run(ctx context.Context, h Hooks) error {
	serving, stopServing := context.WithCancelCause(ctx)
	defer stopServing(nil)
	// The core outlives the edges, so that what was taken is still answered.
	core, stopCore := context.WithCancel(context.WithoutCancel(ctx))
	defer stopCore()

	var edges, inner sync.WaitGroup
	inner.Go(func() { a.committer.Run(core) })
	inner.Go(func() { a.messages.Run(core) })
	// What the security plane writes goes through the core: it ends before.
	plane, stopPlane := context.WithCancel(core)
	defer stopPlane()
	var readers sync.WaitGroup
	a.runSecurity(plane, &readers)
	readers.Go(func() { a.configurations.Run(plane) })
	readers.Go(func() { a.fleet.Run(plane) })
	readers.Go(func() { a.accounts.Run(plane) })
	readers.Go(func() { a.audit.Run(plane) })
	edges.Go(func() { a.buildIndex(serving) })
	edges.Go(func() { a.watchHealth(serving) })
	edges.Go(func() { a.plane.watch.Run(serving) })
	edges.Go(func() { a.onboard.Run(serving) })
	edges.Go(func() { a.tls.Run(serving) })
	edges.Go(func() { a.serveMQTT(serving) })
	edges.Go(func() { a.batches.Run(serving) })
	servers := a.servers()
	for _, s := range servers {
		edges.Go(func() { a.serveHTTP(s) })
	}
	a.serving.Store(true)
	if h.Ready != nil {
		h.Ready()
	}
	cause := a.wait(ctx, h.Reload)
	a.serving.Store(false)
	a.log.InfoContext(ctx, "stopping", "cause", causeText(cause))
	stopServing(cause)

	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	a.api.Stop()
	a.securityAPI.Stop()
	a.agentAPI.Stop()
	a.console.Stop()
	for _, s := range servers {
		edges.Go(func() { a.shutdown(ending, s) })
	}
	if err := a.gateway.Shutdown(ending); err != nil {
		a.log.WarnContext(ctx, "connections cut", "error", err)
	}
	edges.Wait()
	stopPlane()
	readers.Wait()
	stopCore()
	inner.Wait()
	return errors.Join(cause, a.stops.run())
}

// Close closes a hub that was never run.
func (a *App) Close() error { return a.stops.run() }

// wait returns when the hub is to stop: nil when it was asked to.
func (a *App) wait(ctx context.Context, reload <-chan os.Signal) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-a.fatal:
			return fmt.Errorf("the hub stops, since what is durable is no longer known; it recovers at its next start: %w", err)
		case <-reload:
			if err := a.Reload(ctx); err != nil {
				a.log.ErrorContext(ctx, "not loaded again; what could not be loaded stays as it was", "error", err)
			} else {
				a.log.InfoContext(ctx, "certificates, rules and indicator lists loaded again")
			}
		}
	}
}

func causeText(err error) string {
	if err == nil {
		return "asked to"
	}
	return err.Error()
}

func (a *App) serveMQTT(ctx context.Context) {
	if err := a.gateway.Serve(ctx, a.mqtt); err != nil && ctx.Err() == nil {
		a.fail(fmt.Errorf("serve mqtt: %w", err))
	}
}

// server is an HTTP server with how it is to be run.
type server struct {
	http  *http.Server
	serve func() error
}

// servers makes the HTTPS servers and the admin server.
func (a *App) servers() []server {
	var list []server
	for _, l := range a.https {
		s := &http.Server{
			Handler: a.handler(), TLSConfig: a.tls.Config(),
			// Streams set a write deadline of their own, anew for every part.
			ReadHeaderTimeout: 10 * time.Second, WriteTimeout: 2 * time.Minute,
			IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
			ErrorLog: slog.NewLogLogger(a.log.With("component", "https").Handler(), slog.LevelDebug),
		}
		list = append(list, server{http: s, serve: func() error { return s.ServeTLS(l, "", "") }})
	}
	s := &http.Server{Handler: a.adminHandler(), ReadHeaderTimeout: 10 * time.Second}
	return append(list, server{http: s, serve: func() error { return s.Serve(a.admin) }})
}

// securityPath begins the paths of the security API.
const securityPath = "/tvilling/security/"

// handler gives each request to the interface that it belongs to.
func (a *App) handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.URL.Path) >= len(securityPath) && strings.EqualFold(r.URL.Path[:len(securityPath)], securityPath) {
			a.securityAPI.ServeHTTP(w, r)
			return
		}
		if len(r.URL.Path) >= len(agentapi.Path) && strings.EqualFold(r.URL.Path[:len(agentapi.Path)], agentapi.Path) {
			a.agentAPI.ServeHTTP(w, r)
			return
		}
		if !a.opt.NoConsole && (r.URL.Path == web.Root || strings.HasPrefix(r.URL.Path, web.Root+"/")) {
			a.console.ServeHTTP(w, r)
			return
		}
		if !a.opt.NoConsole && r.URL.Path == "/" && r.Method == http.MethodGet && r.Header.Get("Authorization") == "" {
			http.Redirect(w, r, web.Root, http.StatusSeeOther)
			return
		}
		a.api.ServeHTTP(w, r)
	})
}

func (a *App) serveHTTP(s server) {
	if err := s.serve(); err != nil && !errors.Is(err, http.ErrServerClosed) {
		a.fail(fmt.Errorf("serve http: %w", err))
	}
}

func (a *App) shutdown(ctx context.Context, s server) {
	if err := s.http.Shutdown(ctx); err != nil {
		a.log.WarnContext(ctx, "requests cut", "error", errors.Join(err, s.http.Close()))
	}
}

// adminHandler serves what is for the machine's own operator: metrics and profiles.
func (a *App) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.Handle("GET /healthz", a.api)
	mux.Handle("GET /readyz", a.api)
	return mux
}
