package hub_test

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/app/apptest"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
	"github.com/tvilling/tvilling/internal/hub/auth"
)

// patience is how long a test waits for what must come. It bounds a failing
// test and says nothing about how fast the hub is.
const patience = 20 * time.Second

// hostName is what the clients of these tests call the hub.
const hostName = "hub.localhost"

// wire speaks MQTT packet by packet, so that a test sees exactly what the hub
// sends, in order, and can send what no client would.
type wire struct {
	t       testing.TB
	nc      net.Conn
	buf     []byte
	waiting []packet.Frame // read while something else was awaited
	nextID  uint16
}

// connecting describes a CONNECT.
type connecting struct {
	id       tvilling.Identity
	key      string
	keep     bool // CleanSession=0
	clientID string
	username string
	password string
	expires  time.Time
	will     *packet.Will
	tls      *tls.Config
}

func (c *connecting) fill(t testing.TB) {
	t.Helper()
	if c.clientID == "" {
		c.clientID = c.id.String()
	}
	if c.username == "" {
		c.username = hostName + "/" + c.id.String() + "/?api-version=2021-04-12&DeviceClientType=test"
	}
	if c.expires.IsZero() {
		c.expires = time.Now().Add(time.Hour)
	}
	if c.password == "" && c.key != "" {
		c.password = token(t, resourceOf(c.id), c.key, "", c.expires)
	}
}

// resourceOf is what an identity's own token is for.
func resourceOf(id tvilling.Identity) string {
	r := hostName + "/devices/" + string(id.Device)
	if id.IsModule() {
		r += "/modules/" + string(id.Module)
	}
	return r
}

func token(t testing.TB, resource, key, policy string, expires time.Time) string {
	t.Helper()
	s, err := auth.Sign(resource, key, policy, expires)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// open opens a TLS connection without saying anything on it.
func open(t testing.TB, h *apptest.Hub, conf *tls.Config) *wire {
	t.Helper()
	if conf == nil {
		conf = h.TLS()
	}
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: patience}, Config: conf}
	nc, err := d.DialContext(t.Context(), "tcp", h.MQTT())
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	w := &wire{t: t, nc: nc}
	t.Cleanup(func() { _ = nc.Close() })
	return w
}

// try sends a CONNECT and returns the hub's answer; ok is false when it closes
// the connection without any.
func try(t testing.TB, h *apptest.Hub, c connecting) (w *wire, ack packet.Connack, ok bool) {
	t.Helper()
	c.fill(t)
	w = open(t, h, c.tls)
	p := packet.Connect{
		CleanSession: !c.keep, KeepAlive: 60, ClientID: []byte(c.clientID), Will: c.will,
		Username: []byte(c.username), Password: []byte(c.password),
	}
	w.send(p.Append(nil))
	f, ok := w.read()
	if !ok {
		return w, packet.Connack{}, false
	}
	ack, err := packet.DecodeConnack(f)
	if f.Type != packet.CONNACK || err != nil {
		t.Fatalf("the answer to CONNECT is %v: %v", f.Type, err)
	}
	return w, ack, true
}

// connect connects an identity with its key.
func connect(t testing.TB, h *apptest.Hub, id tvilling.Identity, key string) *wire {
	t.Helper()
	w, _ := dial(t, h, connecting{id: id, key: key})
	return w
}

func dial(t testing.TB, h *apptest.Hub, c connecting) (w *wire, present bool) {
	t.Helper()
	w, ack, ok := try(t, h, c)
	if !ok || ack.Code != packet.Accepted {
		t.Fatalf("connect %s: answered %t, %v", c.id, ok, ack.Code)
	}
	return w, ack.SessionPresent
}

func (w *wire) send(b []byte) {
	w.t.Helper()
	if err := w.nc.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		w.t.Fatal(err)
	}
	// A hub that has closed the connection is seen by whoever reads.
	if _, err := w.nc.Write(b); errors.Is(err, os.ErrDeadlineExceeded) {
		w.t.Fatalf("the hub did not take %d bytes: %v", len(b), err)
	}
}

// read returns the next packet; false at the end of the connection.
func (w *wire) read() (packet.Frame, bool) {
	w.t.Helper()
	for {
		f, n, err := packet.Next(w.buf, packet.MaxLength)
		if err != nil {
			w.t.Fatalf("the hub sent a malformed packet: %v", err)
		}
		if n > 0 {
			w.buf = w.buf[n:]
			return f, true
		}
		chunk := make([]byte, 64<<10)
		if err := w.nc.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return packet.Frame{}, false
		}
		n, err = w.nc.Read(chunk)
		w.buf = append(slices.Clip(w.buf), chunk[:n]...)
		if n > 0 {
			continue
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			w.t.Fatal("the hub did not answer")
		}
		return packet.Frame{}, false
	}
}

// await returns the next packet that fits, and keeps others for later.
func (w *wire) await(what string, fits func(packet.Frame) bool) packet.Frame {
	w.t.Helper()
	for i, f := range w.waiting {
		if fits(f) {
			w.waiting = append(w.waiting[:i:i], w.waiting[i+1:]...)
			return f
		}
	}
	for {
		f, ok := w.read()
		if !ok {
			w.t.Fatalf("the connection ended before %s", what)
		}
		if fits(f) {
			return f
		}
		w.waiting = append(w.waiting, f)
	}
}

func (w *wire) id() uint16 {
	if w.nextID++; w.nextID == 0 {
		w.nextID = 1
	}
	return w.nextID
}

// acked waits for the packet that acknowledges id.
func (w *wire) acked(kind packet.Type, id uint16) packet.Frame {
	w.t.Helper()
	return w.await(kind.String(), func(f packet.Frame) bool {
		return f.Type == kind && len(f.Body) >= 2 && int(f.Body[0])<<8|int(f.Body[1]) == int(id)
	})
}

const (
	twinResponses = "$iothub/twin/res/#"
	twinDesired   = "$iothub/twin/PATCH/properties/desired/#"
)

func (w *wire) subscribe(filters ...string) {
	w.t.Helper()
	p := packet.Subscribe{ID: w.id()}
	for _, f := range filters {
		p.Filters = append(p.Filters, packet.Filter{Topic: []byte(f)})
	}
	w.send(p.Append(nil))
	w.acked(packet.SUBACK, p.ID)
}

// publish sends a message at QoS 1 and waits for its PUBACK.
func (w *wire) publish(topic string, payload []byte) {
	w.t.Helper()
	p := packet.Publish{QoS: 1, ID: w.id(), Topic: []byte(topic), Payload: payload}
	w.send(p.Append(nil))
	w.acked(packet.PUBACK, p.ID)
}

// answer is the answer to a twin request.
type answer struct {
	status  int
	version int64 // of the topic; 0 if there is none
	body    []byte
}

// get reads the twin. The client must subscribe to answers.
func (w *wire) get() answer {
	w.t.Helper()
	return w.ask("$iothub/twin/GET/?$rid=", nil)
}

// report patches reported properties.
func (w *wire) report(patch string) answer {
	w.t.Helper()
	return w.ask("$iothub/twin/PATCH/properties/reported/?$rid=", []byte(patch))
}

func (w *wire) ask(topic string, payload []byte) answer {
	w.t.Helper()
	rid := strconv.Itoa(int(w.id()))
	p := packet.Publish{Topic: []byte(topic + rid), Payload: payload}
	w.send(p.Append(nil))
	return w.answered(rid)
}

func (w *wire) answered(rid string) answer {
	w.t.Helper()
	var a answer
	w.await("the answer to request "+rid, func(f packet.Frame) bool {
		var gotRID string
		var ok bool
		a, gotRID, ok = asAnswer(f)
		return ok && gotRID == rid
	})
	return a
}

func asAnswer(f packet.Frame) (a answer, rid string, ok bool) {
	topic, payload, ok := asPublish(f)
	if !ok {
		return a, "", false
	}
	rest, ok := strings.CutPrefix(topic, "$iothub/twin/res/")
	if !ok {
		return a, "", false
	}
	status, query, _ := strings.Cut(rest, "/?$rid=")
	rid, version, _ := strings.Cut(query, "&$version=")
	a.status, _ = strconv.Atoi(status)
	a.version, _ = strconv.ParseInt(version, 10, 64)
	a.body = payload
	return a, rid, true
}

// asDesired reads a change of desired properties.
func asDesired(f packet.Frame) (version int64, body []byte, ok bool) {
	topic, payload, ok := asPublish(f)
	if !ok {
		return 0, nil, false
	}
	rest, ok := strings.CutPrefix(topic, "$iothub/twin/PATCH/properties/desired/?$version=")
	if !ok {
		return 0, nil, false
	}
	version, err := strconv.ParseInt(rest, 10, 64)
	return version, payload, err == nil
}

func asPublish(f packet.Frame) (topic string, payload []byte, ok bool) {
	if f.Type != packet.PUBLISH {
		return "", nil, false
	}
	p, err := packet.DecodePublish(f)
	return string(p.Topic), p.Payload, err == nil
}

// desired waits for the next change of desired properties.
func (w *wire) desired() (version int64, body []byte) {
	w.t.Helper()
	w.await("a change of desired properties", func(f packet.Frame) (ok bool) {
		version, body, ok = asDesired(f)
		return ok
	})
	return version, body
}

// closed waits for the hub to close the connection, and returns what it sent
// before.
func (w *wire) closed() []packet.Frame {
	w.t.Helper()
	got := w.waiting
	for {
		f, ok := w.read()
		if !ok {
			return got
		}
		got = append(got, f)
	}
}

// bye ends the connection in order and waits until the hub has noticed.
func (w *wire) bye() {
	w.t.Helper()
	w.send(packet.AppendDisconnect(nil))
	w.closed()
	_ = w.nc.Close()
}

// alive makes sure that the hub still serves the connection.
func (w *wire) alive() {
	w.t.Helper()
	w.send(packet.AppendPingreq(nil))
	w.await("PINGRESP", func(f packet.Frame) bool { return f.Type == packet.PINGRESP })
}

// cut ends the connection without a word.
func (w *wire) cut() {
	if t, ok := w.nc.(*tls.Conn); ok {
		_ = t.NetConn().Close()
	}
	_ = w.nc.Close()
}
