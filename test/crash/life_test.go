package crash_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/device"
)

// hostName is what the clients of these tests call the hub.
const hostName = "localhost"

// life is one run of a hub, from ready to its end.
type life struct {
	t   *testing.T
	ctx context.Context // ends with the hub
	endpoints
	tls *tls.Config
	api *client.Client

	// left counts down the acknowledgements to the kill.
	left   atomic.Int64
	killed atomic.Bool
	kill   func()
	cancel context.CancelFunc
}

func begin(t *testing.T, h hub) *life {
	t.Helper()
	l := &life{t: t, endpoints: h.start(t), kill: h.kill}
	l.ctx, l.cancel = context.WithCancel(t.Context())
	pem, err := os.ReadFile(filepath.Join(h.data(), "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	l.tls = &tls.Config{RootCAs: pool, ServerName: hostName, MinVersion: tls.VersionTLS12}
	owner, err := os.ReadFile(filepath.Join(h.data(), "owner.connection-string"))
	if err != nil {
		t.Fatal(err)
	}
	l.api, err = client.New(client.Options{ConnectionString: strings.TrimSpace(string(owner)), Addr: l.https, CAs: pool})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// end lets go of what belongs to the life.
func (l *life) end() {
	l.cancel()
	l.api.Close()
}

// acked counts an acknowledged write that has been noted; at its number the
// hub is killed, in the very moment.
func (l *life) acked() {
	if l.left.Add(-1) == 0 {
		l.killed.Store(true)
		l.kill()
		l.cancel()
	}
}

// over reports whether a worker is to end because of err. An error that the
// kill does not explain fails the test.
func (l *life) over(what string, err error) bool {
	if err == nil {
		return l.killed.Load()
	}
	if !l.killed.Load() {
		l.t.Errorf("%s: %v", what, err)
		l.cancel()
	}
	return true
}

// connect connects a device or module.
func (l *life) connect(o device.Options) (*device.Client, error) {
	o.Addr, o.TLS, o.HostName = l.mqtt, l.tls, hostName
	return device.Dial(l.ctx, o)
}

// register makes a device for a worker and returns its key.
func (l *life) register(id tvilling.DeviceID) string {
	l.t.Helper()
	d, err := l.api.CreateDevice(l.ctx, client.Device{DeviceID: id})
	if err != nil {
		l.t.Fatalf("register %s: %v", id, err)
	}
	return d.Authentication.SymmetricKey.Primary
}

// moduleKey reads the key of a device's security module.
func (l *life) moduleKey(id tvilling.DeviceID) string {
	l.t.Helper()
	m, err := l.api.Module(l.ctx, securityOf(id))
	if err != nil {
		l.t.Fatalf("read module of %s: %v", id, err)
	}
	return m.Authentication.SymmetricKey.Primary
}

func securityOf(d tvilling.DeviceID) tvilling.Identity {
	return tvilling.Identity{Device: d, Module: tvilling.SecurityModule}
}
