package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tvilling/tvilling/internal/app"
	"github.com/tvilling/tvilling/internal/config"
)

// serveOptions are the flags of serve.
type serveOptions struct {
	config string
	data   string
	hosts  []string
	mqtt   string
	https  []string
	admin  string
	debug  bool
	accept bool
}

func newServeCommand() *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a hub",
		Long: `Run a hub until it gets SIGTERM or an interrupt, on which it drains and exits 0.

When the hub is ready it prints one line on standard output that begins with
"ready" and names its endpoints. Logs go to standard error.

Everything the hub keeps is in its data directory: the store, the certificate
authority that signs its server certificate (ca.pem, for clients to trust), and
the owner's connection string (owner.connection-string), which the other
commands find there by --data.

On SIGHUP the hub loads its certificates again; it does so by itself, too, when
their files change. Connections stay open.`,
		Example: `  tvilling serve
  tvilling serve --data /var/lib/tvilling --host hub.example.com
  tvilling serve --mqtt 127.0.0.1:18883 --https 127.0.0.1:18443 --admin 127.0.0.1:18444`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runServe(cmd.Context(), o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.config, "config", "", "configuration `file` (TOML); flags win over it")
	f.StringVar(&o.data, "data", "", "data `directory` (default ./tvilling-data)")
	f.StringSliceVar(&o.hosts, "host", nil, "`name` or address that the server certificate covers; may be given several times")
	f.StringVar(&o.mqtt, "mqtt", "", "`address` for MQTT over TLS (default :8883)")
	f.StringSliceVar(&o.https, "https", nil, "`address` for HTTPS; may be given several times (default :443 if allowed, else :8443)")
	f.StringVar(&o.admin, "admin", "", "`address` for metrics and profiles, without TLS (default 127.0.0.1:8444)")
	f.BoolVar(&o.accept, "accept-loss", false, "start once on a journal that is too damaged to tell what is lost; older states are served then")
	f.BoolVar(&o.debug, "debug", false, "log every request and connection")
	completesBy(cmd, "config", completeFiles)
	completesBy(cmd, "data", completeDirectories)
	return cmd
}

// options puts file and flags together.
func (o serveOptions) options() (app.Options, error) {
	opt := app.Options{}
	if o.config != "" {
		var err error
		if opt, err = config.Load(o.config); err != nil {
			return opt, usageError{err}
		}
	}
	opt.Version = version()
	if o.data != "" {
		opt.Data = o.data
	}
	if len(o.hosts) > 0 {
		opt.Hosts = o.hosts
	}
	if o.mqtt != "" {
		opt.MQTT = o.mqtt
	}
	if len(o.https) > 0 {
		opt.HTTPS = o.https
	}
	if o.admin != "" {
		opt.Admin = o.admin
	}
	opt.AcceptLoss = o.accept
	return opt, nil
}

func runServe(ctx context.Context, o serveOptions, stdout, stderr io.Writer) error {
	opt, err := o.options()
	if err != nil {
		return err
	}
	opt.Logger = newLogger(stderr, o.debug)
	hub, err := app.New(ctx, opt)
	if err != nil {
		return err
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	return hub.Run(ctx, app.Hooks{
		Ready:  func() { fmt.Fprintln(stdout, readyLine(hub.Endpoints())) },
		Reload: hup,
	})
}

// readyLine is what scripts wait for.
func readyLine(e app.Endpoints) string {
	parts := []string{"ready", "mqtt=" + e.MQTT}
	for _, a := range e.HTTPS {
		parts = append(parts, "https="+a)
	}
	parts = append(parts, "admin="+e.Admin)
	if e.Console != "" {
		parts = append(parts, "console="+e.Console)
	}
	return strings.Join(parts, " ")
}

func newLogger(w io.Writer, debug bool) *slog.Logger {
	level := slog.LevelInfo
	if debug {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}
