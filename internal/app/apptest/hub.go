// Package apptest is test support: a whole hub in the test's process, with
// real listeners on free ports of the loopback interface and its data in a
// temporary directory. It is not part of the product.
package apptest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/app"
	"github.com/tvilling/tvilling/internal/client"
)

// Hub is a running hub.
type Hub struct {
	t    testing.TB
	opt  app.Options
	app  *app.App
	stop func() error
	// ended has why the hub ended, once it has.
	ended chan error

	// Data is the hub's data directory; it outlives restarts.
	Data string
}

// Start runs a hub until the test ends. change, if not nil, changes its options.
func Start(t testing.TB, change func(*app.Options)) *Hub {
	t.Helper()
	h := &Hub{t: t, Data: filepath.Join(t.TempDir(), "data")}
	h.opt = app.Options{
		Data: h.Data, MQTT: "127.0.0.1:0", HTTPS: []string{"127.0.0.1:0"}, Admin: "127.0.0.1:0",
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	if change != nil {
		change(&h.opt)
	}
	h.start()
	t.Cleanup(func() {
		if h.stop != nil {
			h.Stop()
		}
	})
	return h
}

func (h *Hub) start() {
	h.t.Helper()
	// The hub is stopped by Stop, in the order of the test, not by its context.
	base := context.WithoutCancel(h.t.Context())
	a, err := app.New(base, h.opt)
	if err != nil {
		h.t.Fatalf("start a hub: %v", err)
	}
	h.app = a
	ctx, cancel := context.WithCancel(base)
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- a.Run(ctx, app.Hooks{Ready: func() { close(ready) }}) }()
	h.stop = func() error { cancel(); return <-ended }
	h.ended = ended
	select {
	case <-ready:
	case err := <-ended:
		h.t.Fatalf("run a hub: %v", err)
	}
}

// Stop drains and closes the hub.
func (h *Hub) Stop() {
	h.t.Helper()
	stop := h.stop
	h.stop = nil
	if err := stop(); err != nil {
		h.t.Errorf("stop a hub: %v", err)
	}
}

// Restart stops the hub, unless that was done, and starts it over the same
// data, on other ports.
func (h *Hub) Restart() {
	h.t.Helper()
	if h.stop != nil {
		h.Stop()
	}
	h.start()
}

// Ended waits for a hub that ends by itself, and returns why it did.
func (h *Hub) Ended() error {
	h.t.Helper()
	select {
	case err := <-h.ended:
		h.stop = nil
		return err
	case <-time.After(time.Minute):
		h.t.Fatal("the hub does not end by itself")
		return nil
	}
}

// Fail starts a stopped hub that is not to come up, and returns why it does not.
func (h *Hub) Fail() error {
	h.t.Helper()
	a, err := app.New(h.t.Context(), h.opt)
	if err == nil {
		err = a.Close()
		h.t.Fatalf("the hub starts; want it to refuse (closed: %v)", err)
	}
	return err
}

// App is the hub itself.
func (h *Hub) App() *app.App { return h.app }

// Options are what the hub was started with.
func (h *Hub) Options() app.Options { return h.opt }

// MQTT is the "host:port" of the MQTT listener.
func (h *Hub) MQTT() string { return hostPort(h.app.Endpoints().MQTT) }

// HTTPS is the "host:port" of the first HTTPS listener.
func (h *Hub) HTTPS() string { return hostPort(h.app.Endpoints().HTTPS[0]) }

// Admin is the "host:port" of the admin listener.
func (h *Hub) Admin() string { return hostPort(h.app.Endpoints().Admin) }

func hostPort(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return endpoint
	}
	return u.Host
}

// OwnerConnectionString is what the hub left for its owner.
func (h *Hub) OwnerConnectionString() string {
	h.t.Helper()
	b, err := os.ReadFile(filepath.Join(h.Data, "owner.connection-string"))
	if err != nil {
		h.t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// Client returns a REST client of the hub as its owner.
func (h *Hub) Client() *client.Client {
	h.t.Helper()
	return h.ClientAs(h.OwnerConnectionString())
}

// ClientAs returns a REST client of the hub for a connection string.
func (h *Hub) ClientAs(connection string) *client.Client {
	h.t.Helper()
	c, err := client.New(client.Options{ConnectionString: connection, Addr: h.HTTPS(), CAFile: filepath.Join(h.Data, "ca.pem")})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(c.Close)
	return c
}

// TLS returns a client's TLS configuration that trusts the hub.
func (h *Hub) TLS() *tls.Config {
	h.t.Helper()
	pem, err := os.ReadFile(filepath.Join(h.Data, "ca.pem"))
	if err != nil {
		h.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		h.t.Fatal("ca.pem holds no certificate")
	}
	return &tls.Config{RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS12}
}

// Register creates a device and returns its primary key.
func (h *Hub) Register(c *client.Client, id tvilling.DeviceID) string {
	h.t.Helper()
	d, err := c.CreateDevice(h.t.Context(), client.Device{DeviceID: id})
	if err != nil {
		h.t.Fatalf("register %s: %v", id, err)
	}
	return d.Authentication.SymmetricKey.Primary
}
