package mqtt_test

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/gateway/mqtt"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/hub/session"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// hub is the hub that a gateway under test talks to. Its answers are given at
// once, unless hold makes it keep them until release.
type hub struct {
	mu        sync.Mutex
	sessions  map[tvilling.Identity]*fakeSession
	kept      map[tvilling.Identity]state.Topic
	messages  []*tvilling.Message
	tokens    []auth.Credentials
	opened    []session.Options
	ends      []error
	held      []func()
	holding   bool
	reported  int64
	subscribe error // what Subscribe fails with

	authErr, openErr, appendErr, twinErr error
	panics                               bool // Device does
	expires                              time.Time
	onOpen                               func(session.Client)
	document                             []byte
}

func newHub() *hub {
	return &hub{
		sessions: make(map[tvilling.Identity]*fakeSession), kept: make(map[tvilling.Identity]state.Topic), reported: 1,
		document: []byte(`{"desired":{"$version":1},"reported":{"$version":1}}`),
	}
}

// later runs f, or keeps it until release while the hub is holding.
func (h *hub) later(f func()) {
	h.mu.Lock()
	if h.holding {
		h.held = append(h.held, f)
		h.mu.Unlock()
		return
	}
	h.mu.Unlock()
	f()
}

func (h *hub) hold() { h.mu.Lock(); h.holding = true; h.mu.Unlock() }

// release runs what was held, in the order that pick gives (nil: as it came).
func (h *hub) release(pick func([]func())) {
	h.mu.Lock()
	held := h.held
	h.held, h.holding = nil, false
	h.mu.Unlock()
	if pick != nil {
		pick(held)
	}
	for _, f := range held {
		f()
	}
}

func (h *hub) heldCount() int { h.mu.Lock(); defer h.mu.Unlock(); return len(h.held) }

func (h *hub) Connect(_ context.Context, id tvilling.Identity, c auth.Credentials) (auth.Principal, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tokens = append(h.tokens, c)
	if h.authErr != nil {
		return auth.Principal{}, h.authErr
	}
	return auth.Principal{ID: id, Permissions: auth.DeviceConnect, Expires: h.expires}, nil
}

func (h *hub) Open(_ context.Context, o session.Options, c session.Client) (mqtt.Session, bool, error) {
	h.mu.Lock()
	if h.openErr != nil {
		defer h.mu.Unlock()
		return nil, false, h.openErr
	}
	old := h.sessions[o.ID]
	s := &fakeSession{h: h, o: o, c: c, seq: make(chan struct{}, 1)}
	topics, present := h.kept[o.ID]
	if o.Clean {
		delete(h.kept, o.ID)
		present = false
	} else {
		s.topics = topics
		h.kept[o.ID] = topics
	}
	h.sessions[o.ID] = s
	h.opened = append(h.opened, o)
	onOpen := h.onOpen
	h.mu.Unlock()
	if old != nil {
		old.c.Close(session.ErrTakenOver)
	}
	if onOpen != nil {
		onOpen(c)
	}
	return s, present, nil
}

func (h *hub) Device(context.Context, tvilling.Identity) ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.panics {
		panic("device")
	}
	return h.document, h.twinErr
}

func (h *hub) DeviceInOrder(id tvilling.Identity, done func([]byte, error)) {
	h.later(func() {
		h.mu.Lock()
		body := []byte(`{"in order":` + strconv.FormatInt(h.reported, 10) + `}`)
		h.mu.Unlock()
		done(body, nil)
	})
}

func (h *hub) Report(_ tvilling.Identity, _ string, body []byte, base int64, done func(int64, error)) {
	if string(body) == "bad" {
		done(0, &tvilling.Error{Code: tvilling.InvalidArgument, Path: "reported.a", Message: "It is bad."})
		return
	}
	h.later(func() {
		h.mu.Lock()
		version, err := h.reported, h.twinErr
		if err == nil && base >= 0 && base != version {
			err = tvilling.Errorf(tvilling.PreconditionFailed, "The base version is %d, the version is %d.", base, version)
		}
		if err == nil {
			h.reported++
			version = h.reported
		}
		h.mu.Unlock()
		done(version, err)
	})
}

func (h *hub) Append(msgs []*tvilling.Message, done func(error)) {
	h.later(func() {
		h.mu.Lock()
		err := h.appendErr
		if err == nil {
			h.messages = append(h.messages, msgs...)
		}
		h.mu.Unlock()
		done(err)
	})
}

// taken returns the messages made durable.
func (h *hub) taken() []*tvilling.Message {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.messages)
}

func (h *hub) session(id tvilling.Identity) *fakeSession {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sessions[id]
}

// doneReasons returns what sessions ended with, in order.
func (h *hub) doneReasons() []error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.ends)
}

type fakeSession struct {
	h *hub
	o session.Options
	c session.Client

	seq     chan struct{} // the sequence point; in a bubble a mutex would not let time pass
	topics  state.Topic
	qos     state.Topic
	touched int
}

func (s *fakeSession) Subscribe(_ context.Context, topics, atLeastOnce state.Topic) error {
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	if s.h.subscribe != nil {
		return s.h.subscribe
	}
	s.topics |= topics
	s.qos = s.qos&^topics | atLeastOnce
	if !s.o.Clean {
		s.h.kept[s.o.ID] = s.topics
	}
	return nil
}

func (s *fakeSession) Unsubscribe(_ context.Context, topics state.Topic) error {
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	s.topics &^= topics
	s.qos &^= topics
	return nil
}

func (s *fakeSession) Topics() (topics, atLeastOnce state.Topic) {
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	return s.topics, s.qos
}

func (s *fakeSession) Sequence(f func()) { s.seq <- struct{}{}; defer func() { <-s.seq }(); f() }

func (s *fakeSession) Touch() { s.h.mu.Lock(); s.touched++; s.h.mu.Unlock() }

func (s *fakeSession) Done(reason error) {
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	s.h.ends = append(s.h.ends, reason)
	if s.h.sessions[s.o.ID] == s {
		delete(s.h.sessions, s.o.ID)
	}
}

// pipes is a listener of in-memory connections.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { p.once.Do(func() { close(p.done) }); return nil }

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

func (p *pipes) dial(t *testing.T) net.Conn {
	t.Helper()
	a, b := net.Pipe()
	select {
	case p.conns <- a:
		return b
	case <-p.done:
		t.Fatal("dial: the listener is closed")
		return nil
	}
}

// gateway is a server under test with its hub.
type gateway struct {
	*hub
	srv *mqtt.Server
	ln  *pipes
}

// start runs a server in the bubble that the test is in, until it ends.
func start(t *testing.T, change ...func(*mqtt.Options)) *gateway {
	t.Helper()
	h := newHub()
	o := mqtt.Options{
		Auth: h, Sessions: h, Twins: h, Messages: h,
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn + 1})),
	}
	for _, f := range change {
		f(&o)
	}
	srv, err := mqtt.New(o)
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{hub: h, srv: srv, ln: newPipes()}
	served := make(chan error, 1)
	ctx := context.WithoutCancel(t.Context()) // the test's own ends before its cleanups
	go func() { served <- srv.Serve(ctx, g.ln) }()
	t.Cleanup(func() {
		h.release(nil)
		if err := srv.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return g
}

// bubble runs a test with the clock of a bubble.
func bubble(t *testing.T, f func(t *testing.T)) { t.Helper(); synctest.Test(t, f) }

// client is the other end of a connection. Its packets are read as they come.
type client struct {
	t      *testing.T
	nc     net.Conn
	frames chan packet.Frame
}

func (g *gateway) dial(t *testing.T) *client {
	t.Helper()
	return newClient(t, g.ln.dial(t))
}

func newClient(t *testing.T, nc net.Conn) *client {
	c := &client{t: t, nc: nc, frames: make(chan packet.Frame, 4096)}
	go c.read()
	t.Cleanup(func() { _ = nc.Close() })
	return c
}

func (c *client) read() {
	defer close(c.frames)
	var data []byte
	buf := make([]byte, 4096)
	for {
		n, err := c.nc.Read(buf)
		data = append(data, buf[:n]...)
		for {
			f, n, err := packet.Next(data, packet.MaxLength)
			if err != nil || n == 0 {
				break
			}
			f.Body = slices.Clone(f.Body)
			c.frames <- f
			data = data[n:]
		}
		if err != nil {
			return
		}
	}
}

func (c *client) send(b []byte) {
	c.t.Helper()
	if _, err := c.nc.Write(b); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

// next waits for the next packet.
func (c *client) next(want packet.Type) packet.Frame {
	c.t.Helper()
	f, ok := <-c.frames
	if !ok {
		c.t.Fatalf("connection closed, want %v", want)
	}
	if f.Type != want {
		c.t.Fatalf("got %v % x, want %v", f.Type, f.Body, want)
	}
	return f
}

// closed waits for the end of the connection, before which nothing may come.
func (c *client) closed() {
	c.t.Helper()
	if f, ok := <-c.frames; ok {
		c.t.Fatalf("got %v %q, want the connection closed", f.Type, f.Body)
	}
}

// quiet checks that nothing has come.
func (c *client) quiet() {
	c.t.Helper()
	synctest.Wait()
	select {
	case f, ok := <-c.frames:
		c.t.Fatalf("got %v %q (open: %t), want nothing", f.Type, f.Body, ok)
	default:
	}
}

// hello is the CONNECT that a test's client sends unless it says otherwise.
func hello(id tvilling.Identity) packet.Connect {
	user := "hub.test/" + id.String() + "/?api-version=2021-04-12&DeviceClientType=test"
	return packet.Connect{KeepAlive: 60, ClientID: []byte(id.String()), Username: []byte(user), Password: []byte("token of " + id.String())}
}

// connect dials and greets; change may alter the CONNECT.
func (g *gateway) connect(t *testing.T, id tvilling.Identity, change ...func(*packet.Connect)) (*client, packet.Connack) {
	t.Helper()
	p := hello(id)
	for _, f := range change {
		f(&p)
	}
	c := g.dial(t)
	c.send(p.Append(nil))
	ack, err := packet.DecodeConnack(c.next(packet.CONNACK))
	if err != nil {
		t.Fatal(err)
	}
	return c, ack
}

// online is connect that must succeed, subscribed to filters.
func (g *gateway) online(t *testing.T, id tvilling.Identity, filters ...string) *client {
	t.Helper()
	c, ack := g.connect(t, id)
	if ack.Code != packet.Accepted {
		t.Fatalf("CONNACK %v", ack.Code)
	}
	if len(filters) > 0 {
		c.subscribe(filters...)
	}
	return c
}

func (c *client) subscribe(filters ...string) {
	c.t.Helper()
	s := packet.Subscribe{ID: 1}
	for _, f := range filters {
		s.Filters = append(s.Filters, packet.Filter{Topic: []byte(f)})
	}
	c.send(s.Append(nil))
	c.next(packet.SUBACK)
}

func publish(topic string, qos byte, id uint16, payload string) []byte {
	p := packet.Publish{Topic: []byte(topic), QoS: qos, ID: id, Payload: []byte(payload)}
	return p.Append(nil)
}

// message waits for a PUBLISH of QoS 0 and returns its topic and payload.
func (c *client) message() (topic, payload string) {
	c.t.Helper()
	p, err := packet.DecodePublish(c.next(packet.PUBLISH))
	if err != nil {
		c.t.Fatal(err)
	}
	if p.QoS != 0 {
		c.t.Errorf("PUBLISH to %s has QoS %d, want 0", p.Topic, p.QoS)
	}
	return string(p.Topic), string(p.Payload)
}

// puback waits for a PUBACK and returns its packet identifier.
func (c *client) puback() uint16 {
	c.t.Helper()
	id, err := packet.DecodeID(c.next(packet.PUBACK))
	if err != nil {
		c.t.Fatal(err)
	}
	return id
}

// ended checks why connections ended.
func (g *gateway) ended(t *testing.T, want mqtt.End) {
	t.Helper()
	synctest.Wait()
	if got := g.srv.Stats().Ended(want); got != 1 {
		t.Errorf("connections ended for %s: %d, want 1", want, got)
		g.srv.Stats().Each(func(name, reason string, v int64) {
			if name == "ended" && v > 0 {
				t.Logf("ended for %s: %d", reason, v)
			}
		})
	}
}

const (
	responses = "$iothub/twin/res/#"
	desired   = "$iothub/twin/PATCH/properties/desired/#"
	events    = "devices/dev1/messages/events/"
)

// pass lets d of the bubble's time pass.
func pass(d time.Duration) { <-time.After(d) }

func itoa(n int) string { return strconv.Itoa(n) }
