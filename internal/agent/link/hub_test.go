package link_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/agent/identity"
	"github.com/tvilling/tvilling/internal/agent/link"
	"github.com/tvilling/tvilling/internal/app/apptest"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/device"
)

// patience is how long a test waits for what is to happen.
const patience = 20 * time.Second

// start runs a hub with a device that has a security module.
func start(t *testing.T) (h *apptest.Hub, admin *client.Client, c identity.Config, deviceKey string) {
	t.Helper()
	h = apptest.Start(t, nil)
	admin = h.Client()
	deviceKey = h.Register(admin, "d1")
	if _, err := admin.RestoreModule(t.Context(), "d1"); err != nil {
		t.Fatal(err)
	}
	c = identity.Default()
	c.HostName, c.DeviceID = "localhost", "d1"
	c.CAFile = filepath.Join(h.Data, "ca.pem")
	c.MQTTPort, c.HTTPSPort = port(t, h.MQTT()), port(t, h.HTTPS())
	c.StateDirectory = filepath.Join(t.TempDir(), "state")
	return h, admin, c, deviceKey
}

func port(t *testing.T, addr string) int {
	t.Helper()
	_, p, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(p)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// secret puts a secret into a file.
func secret(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// live is a link to a real hub.
type live struct {
	*link.Link
	t      *testing.T
	twins  chan string
	states chan struct{}
}

// keep runs a link of a configuration until the test ends.
func keep(t *testing.T, c identity.Config, change ...func(*link.Options)) *live {
	t.Helper()
	s, err := identity.New(c)
	if err != nil {
		t.Fatal(err)
	}
	l := &live{t: t, twins: make(chan string, 100), states: make(chan struct{}, 1)}
	o := link.Options{
		Identity: s, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), ClientType: "tvilling-agent/1.0.0",
		OnTwin: func(b []byte) { l.twins <- string(b) },
		OnState: func() {
			select {
			case l.states <- struct{}{}:
			default:
			}
		},
	}
	for _, f := range change {
		f(&o)
	}
	l.Link = link.New(o)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan struct{})
	go func() { defer close(ended); l.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return l
}

// until waits for a state.
func (l *live) until(what string, is func(link.State) bool) link.State {
	l.t.Helper()
	end := time.After(patience)
	for {
		if s := l.State(); is(s) {
			return s
		}
		select {
		case <-l.states:
		case <-end:
			l.t.Fatalf("%s: State = %+v", what, l.State())
		}
	}
}

func (l *live) connected() link.State {
	l.t.Helper()
	return l.until("connected", func(s link.State) bool { return s.Connected })
}

// twin waits for a section that has a text in it.
func (l *live) twin(want string) {
	l.t.Helper()
	end := time.After(patience)
	for {
		select {
		case got := <-l.twins:
			if strings.Contains(got, want) {
				return
			}
		case <-end:
			l.t.Fatalf("no twin has %s", want)
		}
	}
}

func TestWholeHub(t *testing.T) {
	t.Parallel()
	_, admin, c, deviceKey := start(t)
	c.DeviceKeyFile = secret(t, deviceKey)
	module := tvilling.Identity{Device: "d1", Module: tvilling.SecurityModule}
	patch := func(text string) {
		t.Helper()
		if _, err := admin.PatchTwin(t.Context(), module, client.TwinPatch{Desired: []byte(text)}, tvilling.Match{}); err != nil {
			t.Fatal(err)
		}
	}
	patch(`{"first":1}`)
	l := keep(t, c)
	l.connected()
	l.twin(`"first":1`)
	patch(`{"second":{"a":1}}`)
	l.twin(`"second":{"a":1}`)
	if _, err := admin.ReplaceTwin(t.Context(), module, client.TwinPatch{Desired: []byte(`{"third":3,"fourth":4}`)}, tvilling.Match{}); err != nil {
		t.Fatal(err)
	}
	l.twin(`{"third":3,"fourth":4,"$version":4}`) // and nothing else
	if err := l.Report(t.Context(), []byte(`{"state":"fine"}`)); err != nil {
		t.Fatal(err)
	}
	twin, err := admin.Twin(t.Context(), module)
	if err != nil || !strings.Contains(string(twin.Properties.Reported), `"state":"fine"`) {
		t.Errorf("the twin is %+v (%v)", twin, err)
	}
	if err := l.Send(t.Context(), []byte(`{"AgentVersion":"1"}`)); err != nil {
		t.Errorf("Send = %v", err)
	}
}

func TestKeyRotation(t *testing.T) {
	t.Parallel()
	h, admin, c, deviceKey := start(t)
	c.DeviceKeyFile = secret(t, deviceKey)
	app, err := device.Dial(t.Context(), device.Options{Addr: h.MQTT(), TLS: h.TLS(), HostName: "localhost", ID: tvilling.Device("d1"), Key: deviceKey})
	if err != nil {
		t.Fatal(err)
	}
	defer app.Close()
	l := keep(t, c)
	l.connected()
	if _, err := admin.RegenerateKey(t.Context(), tvilling.Identity{Device: "d1", Module: tvilling.SecurityModule}, "primary"); err != nil {
		t.Fatal(err)
	}
	l.until("connected with the new key", func(s link.State) bool { return s.Connected && s.Connects == 2 })
	if err := l.Send(t.Context(), []byte("{}")); err != nil {
		t.Errorf("Send = %v", err)
	}
	if err := app.Send(t.Context(), &tvilling.Message{Body: []byte("x")}); err != nil {
		t.Errorf("the application's connection: %v", err)
	}
}

func TestKeyFileRotation(t *testing.T) {
	t.Parallel()
	_, admin, c, _ := start(t)
	module := tvilling.Identity{Device: "d1", Module: tvilling.SecurityModule}
	m, err := admin.Module(t.Context(), module)
	if err != nil {
		t.Fatal(err)
	}
	c.ModuleKeyFile = secret(t, m.Authentication.SymmetricKey.Primary)
	l := keep(t, c)
	l.connected()
	a, err := admin.RegenerateKey(t.Context(), module, "primary")
	if err != nil {
		t.Fatal(err)
	}
	s := l.until("refused", func(s link.State) bool { return !s.Connected && tvilling.CodeOf(s.Err) == tvilling.Unauthorized })
	if strings.Contains(s.Err.Error(), m.Authentication.SymmetricKey.Primary) {
		t.Errorf("the error has the key: %v", s.Err)
	}
	if err := os.WriteFile(c.ModuleKeyFile, []byte(a.SymmetricKey.Primary), 0o600); err != nil {
		t.Fatal(err)
	}
	l.connected()
}

func TestModuleIsDeletedAndMade(t *testing.T) {
	t.Parallel()
	_, admin, c, deviceKey := start(t)
	c.DeviceKeyFile = secret(t, deviceKey)
	l := keep(t, c)
	l.connected()
	module := tvilling.Identity{Device: "d1", Module: tvilling.SecurityModule}
	if err := admin.Delete(t.Context(), module, tvilling.Match{}); err != nil {
		t.Fatal(err)
	}
	l.until("no module", func(s link.State) bool { return !s.Connected && tvilling.CodeOf(s.Err) == tvilling.ModuleNotFound })
	if _, err := admin.RestoreModule(t.Context(), "d1"); err != nil {
		t.Fatal(err)
	}
	l.connected()
}

// TestBytes says what a connection costs. The second resumes the session of TLS,
// so that no certificates come down; what goes up is mostly the key share.
func TestBytes(t *testing.T) {
	t.Parallel()
	_, _, c, deviceKey := start(t)
	c.DeviceKeyFile = secret(t, deviceKey)
	conns := make(chan net.Conn, 2)
	l := keep(t, c, func(o *link.Options) {
		o.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err == nil {
				conns <- nc
			}
			return nc, err
		}
	})
	l.connected()
	l.twin("$version")
	first, firstDown := l.Traffic()
	if err := (<-conns).Close(); err != nil {
		t.Fatal(err)
	}
	l.until("connected again", func(s link.State) bool { return s.Connected && s.Connects == 2 })
	l.twin("$version")
	second, secondDown := l.Traffic()
	second, secondDown = second-first, secondDown-firstDown
	if err := l.Send(t.Context(), []byte("0123456789")); err != nil {
		t.Fatal(err)
	}
	third, _ := l.Traffic()
	t.Logf("to connect, subscribe and read the twin: %d bytes up and %d down at first, %d and %d again; %d up for a message of 10 bytes",
		first, firstDown, second, secondDown, third-second-first)
	if first > 2400 || second > 2400 || third-second-first > 200 {
		t.Error("too many bytes go up")
	}
	if secondDown > firstDown-500 {
		t.Error("the session of TLS is not resumed")
	}
}
