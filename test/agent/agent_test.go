//go:build linux

// The tests of this directory run a whole hub and the security agent of this
// machine, in the test's process or as the program that is installed, and look
// at the hub for what the agent does.
package agent_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/agent"
	"github.com/tvilling/tvilling/internal/agent/identity"
	"github.com/tvilling/tvilling/internal/app"
	"github.com/tvilling/tvilling/internal/app/apptest"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/security/agentconfig"
)

// patience is how long a test waits for what must come. It bounds a failing
// test and says nothing about how fast anything is.
const patience = 30 * time.Second

const deviceID = "d1"

// world is a hub with one device, and a wire to it.
type world struct {
	*testing.T
	hub    *apptest.Hub
	owner  *client.Client
	wire   *wire
	key    string // the device's
	module tvilling.Identity
	dir    string
}

// start runs a hub until the test ends. At the end, what agents have sent is
// held against the schema.
func start(t *testing.T) *world {
	t.Helper()
	return startFor(t, tvilling.SecurityModule)
}

func startFor(t *testing.T, module tvilling.ModuleID) *world {
	t.Helper()
	h := apptest.Start(t, func(o *app.Options) {
		o.Logger = slog.New(slog.DiscardHandler)
		o.Tuning.InstallGrace, o.Tuning.CompareGrace = time.Second, time.Second
	})
	w := &world{T: t, hub: h, owner: h.Client(), module: tvilling.Identity{Device: deviceID, Module: module}, dir: t.TempDir()}
	w.key = h.Register(w.owner, deviceID)
	var err error
	if module == tvilling.SecurityModule {
		_, err = w.owner.RestoreModule(t.Context(), deviceID)
	} else {
		_, err = w.owner.CreateModule(t.Context(), client.Module{DeviceID: deviceID, ModuleID: module})
	}
	if err != nil {
		t.Fatal(err)
	}
	w.wire = lay(t, h.MQTT())
	t.Cleanup(w.strict)
	return w
}

// config is a local configuration with the device's key.
func (w *world) config() identity.Config {
	w.Helper()
	c := identity.Default()
	c.HostName, c.DeviceID, c.ModuleID = "localhost", deviceID, string(w.module.Module)
	c.CAFile = filepath.Join(w.hub.Data, "ca.pem")
	c.MQTTPort, c.HTTPSPort = port(w, w.wire.addr), port(w, w.hub.HTTPS())
	c.DeviceKeyFile = w.secret("device-key", w.key)
	c.StateDirectory, c.StatusSocket = filepath.Join(w.dir, "state"), filepath.Join(w.dir, "status")
	return c
}

func port(t testing.TB, addr string) int {
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
func (w *world) secret(name, text string) string {
	w.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
	return path
}

// desire patches the desired properties.
func (w *world) desire(patch string) {
	w.Helper()
	if _, err := w.owner.PatchTwin(w.Context(), w.module, client.TwinPatch{Desired: json.RawMessage(patch)}, tvilling.Match{}); err != nil {
		w.Fatal(err)
	}
}

const object = `"` + agentconfig.Object + `"`

// silent is a configuration under which nothing is sent unless a test asks for it.
func silent(more ...string) string {
	var members []string
	for _, p := range agentconfig.Properties() {
		if strings.HasPrefix(p.Name, "eventPriority") && !slices.ContainsFunc(more, func(m string) bool { return strings.HasPrefix(m, `"`+p.Name+`"`) }) {
			members = append(members, `"`+p.Name+`":{"value":"Off"}`)
		}
	}
	return `{` + object + `:{` + strings.Join(append(members, more...), ",") + `},"tvillingAgent":{"immediateEvents":[],"snapshotsOnChange":false,"heartbeatFrequency":"PT0S"}}`
}

// running is an agent in the test's process.
type running struct {
	*agent.Agent
	stop func()
}

// run runs an agent until the test ends, or it is stopped.
func (w *world) run(c identity.Config) *running {
	w.Helper()
	a, err := agent.New(agent.Options{Config: c, Version: "1.0.0", Logger: slog.New(slog.NewTextHandler(w.Output(), nil)), Embedded: true})
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.Context()))
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.Errorf("the end of the agent: %v", err)
		}
	})
	w.Cleanup(stop)
	return &running{Agent: a, stop: stop}
}

// until waits until something is so.
func (w *world) until(what string, is func() bool) {
	w.Helper()
	w.within(patience, what, is)
}

func (w *world) within(d time.Duration, what string, is func() bool) {
	w.Helper()
	end := time.Now().Add(d)
	for !is() {
		if time.Now().After(end) {
			w.Fatalf("after %v it is not so that %s", d, what)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// reported are the reported properties of the agent's twin.
type reported struct {
	raw   json.RawMessage
	Agent struct {
		Configuration struct {
			State    string   `json:"state"`
			Problems []string `json:"problems"`
		} `json:"configuration"`
		Version string            `json:"agentVersion"`
		Sources map[string]string `json:"sources"`
	} `json:"tvillingAgent"`
	Version     int64  `json:"$version"`
	LatestState string `json:"latest_state"`
	Invalid     string `json:"latest_invalid_fields"`
}

func (w *world) reported() (r reported) {
	w.Helper()
	t, err := w.owner.Twin(w.Context(), w.module)
	if err != nil {
		w.Fatal(err)
	}
	if err := json.Unmarshal(t.Properties.Reported, &r); err != nil {
		w.Fatal(err)
	}
	r.raw = t.Properties.Reported
	return r
}

// value returns a value of the configuration object, as it is reported.
func (r reported) value(name string) string {
	object, _ := agentconfig.Reported(r.raw)
	var values map[string]struct {
		Value json.RawMessage `json:"value"`
	}
	if json.Unmarshal(object, &values) != nil {
		return ""
	}
	return strings.Trim(string(values[name].Value), `"`)
}

// member returns a member of the reported properties.
func (r reported) member(name string) string {
	var all map[string]json.RawMessage
	if json.Unmarshal(r.raw, &all) != nil {
		return ""
	}
	return strings.Trim(string(all[name]), `"`)
}

// state waits until a state of the configuration is reported.
func (w *world) state(want string) (r reported) {
	w.Helper()
	w.until("the configuration is "+want, func() bool {
		r = w.reported()
		return r.Agent.Configuration.State == want
	})
	return r
}

// events returns the device's events at the hub.
func (w *world) events(names ...string) (all []*client.Event) {
	w.Helper()
	for e, err := range w.owner.Events(w.Context(), client.EventFilter{Device: deviceID, Names: names}, client.Paging{}, false) {
		if err != nil {
			w.Fatal(err)
		}
		if !e.Hub {
			all = append(all, e)
		}
	}
	return all
}

// sees waits until the hub has an event with a text in its payload.
func (w *world) sees(name, text string) (found *client.Event) {
	w.Helper()
	w.until("there is a "+name+" with "+text, func() bool {
		for _, e := range w.events(name) {
			if strings.Contains(string(e.Payload), text) {
				found = e
				return true
			}
		}
		return false
	})
	return found
}

// alert waits until there is an alert of a type, with a text in it.
func (w *world) alert(d time.Duration, typ, text string) {
	w.Helper()
	w.within(d, "there is an alert "+typ+" of "+text, func() bool {
		for a, err := range w.owner.Alerts(w.Context(), client.AlertFilter{Device: deviceID}, client.Paging{}) {
			if err != nil {
				w.Fatal(err)
			}
			if b, err := json.Marshal(a); err == nil && a.Type == typ && strings.Contains(string(b), text) {
				return true
			}
		}
		return false
	})
}

// advice waits until there is an active recommendation of a type, with a text
// in its details.
func (w *world) advice(d time.Duration, typ, state, text string) {
	w.Helper()
	w.within(d, "the recommendation "+typ+" is "+state+", with "+text, func() bool {
		r, err := w.owner.Recommendation(w.Context(), typ, deviceID)
		return err == nil && r.State == state && strings.Contains(string(r.Details), text)
	})
}

// posture returns what the twin says of the device's security.
func (w *world) posture() (p struct {
	State         string           `json:"state"`
	Alerts        map[string]int64 `json:"alerts"`
	Configuration string           `json:"configuration"`
},
) {
	w.Helper()
	t, err := w.owner.Twin(w.Context(), tvilling.Identity{Device: deviceID, Module: tvilling.SecurityModule})
	if err != nil {
		w.Fatal(err)
	}
	doc := struct {
		Security any `json:"security"`
	}{&p}
	if err := json.Unmarshal(t.Raw, &doc); err != nil {
		w.Fatal(err)
	}
	return p
}

// wire is what agents connect to: it passes bytes to the hub, counts them, and
// can be cut.
type wire struct {
	addr     string
	up, down atomic.Int64

	mu     sync.Mutex
	target string // "" while it is cut
	conns  map[net.Conn]bool
}

func lay(t *testing.T, target string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{addr: l.Addr().String(), target: target, conns: map[net.Conn]bool{}}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { w.pass(c) })
		}
	})
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		w.cut()
		wg.Wait()
	})
	return w
}

// pass passes a connection's bytes until it ends.
func (w *wire) pass(c net.Conn) {
	defer c.Close()
	w.mu.Lock()
	target := w.target
	w.conns[c] = true
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		delete(w.conns, c)
		w.mu.Unlock()
	}()
	if target == "" {
		return
	}
	hub, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer hub.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(counting{c, &w.down}, hub)
		_ = c.Close()
	}()
	_, _ = io.Copy(counting{hub, &w.up}, c)
	_ = hub.Close()
	<-done
}

type counting struct {
	io.Writer
	n *atomic.Int64
}

func (c counting) Write(b []byte) (int, error) {
	n, err := c.Writer.Write(b)
	c.n.Add(int64(n))
	return n, err
}

// cut ends all connections, and lets no other be made until join.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.target = ""
	for c := range w.conns {
		_ = c.Close()
	}
}

func (w *wire) join(target string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.target = target
}

// rest waits until nothing passes for a while.
func (w *world) rest() {
	w.Helper()
	var last int64
	since := time.Now()
	w.until("nothing is sent any more", func() bool {
		if n := w.wire.up.Load() + w.wire.down.Load(); n != last {
			last, since = n, time.Now()
		}
		return time.Since(since) > time.Second
	})
}

// root skips the test for others than root.
func root(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}
