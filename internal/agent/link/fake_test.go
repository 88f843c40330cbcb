package link_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/agent/identity"
	"github.com/tvilling/tvilling/internal/agent/link"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
)

const someKey = "c2VjcmV0IGtleQ=="

var module = tvilling.Identity{Device: "d1", Module: tvilling.SecurityModule}

// fake is a hub and the network to it.
type fake struct {
	t *testing.T

	mu sync.Mutex
	// What the hub does.
	down    bool              // nothing answers
	code    packet.ReturnCode // of the CONNACK
	present bool              // a session is there
	mute    bool              // requests are not answered
	slow    time.Duration     // after which messages are acknowledged
	status  int               // of a GET, 200
	desired string
	nc      net.Conn // the newest connection
	seen    seen
}

// seen is what a fake has seen.
type seen struct {
	dials      []time.Time
	subscribed int
	gets       int
	messages   []string
	reports    []string
	goodbyes   int
	refreshes  int // of the credential
}

// has returns what f has seen by now.
func (f *fake) has() seen {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.seen
	s.dials = append([]time.Time(nil), s.dials...)
	return s
}

func (*fake) Credential(context.Context) (identity.Credential, error) {
	return identity.Credential{ID: module, HostName: "hub.test", Addr: "hub.test:8883", Key: someKey}, nil
}

func (f *fake) Refresh(ctx context.Context) (identity.Credential, error) {
	f.mu.Lock()
	f.seen.refreshes++
	f.mu.Unlock()
	return f.Credential(ctx)
}

func (f *fake) dial(context.Context, string, string) (net.Conn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen.dials = append(f.seen.dials, time.Now())
	if f.down {
		return nil, errors.New("no route to host")
	}
	a, b := net.Pipe()
	f.nc = b
	go f.serve(b)
	return a, nil
}

func (f *fake) serve(nc net.Conn) {
	defer nc.Close()
	var data []byte
	buf := make([]byte, 4096)
	for {
		n, err := nc.Read(buf)
		data = append(data, buf[:n]...)
		for {
			frame, n, err := packet.Next(data, packet.MaxLength)
			if err != nil {
				f.t.Errorf("the hub gets %v", err)
				return
			}
			if n == 0 {
				break
			}
			if answer := f.answer(frame); len(answer) > 0 {
				if frame.Type == packet.PUBLISH && answer[0]>>4 == byte(packet.PUBACK) {
					<-time.After(f.slow)
				}
				if _, err := nc.Write(answer); err != nil {
					return
				}
			}
			data = data[n:]
		}
		if err != nil {
			return
		}
	}
}

func (f *fake) answer(frame packet.Frame) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch frame.Type {
	case packet.CONNECT:
		c, _, err := packet.DecodeConnect(frame)
		if err != nil || c.CleanSession || string(c.ClientID) != module.String() {
			f.t.Errorf("CONNECT %+v (%v)", c, err)
		}
		return packet.Connack{Code: f.code, SessionPresent: f.present && f.code == packet.Accepted}.Append(nil)
	case packet.SUBSCRIBE:
		s, err := packet.DecodeSubscribe(frame)
		if err != nil {
			f.t.Errorf("SUBSCRIBE: %v", err)
		}
		f.seen.subscribed++
		ack := packet.Suback{ID: s.ID, Codes: make([]byte, len(s.Filters))}
		return ack.Append(nil)
	case packet.PINGREQ:
		if f.mute {
			return nil
		}
		return packet.AppendPingresp(nil)
	case packet.DISCONNECT:
		f.seen.goodbyes++
		return nil
	case packet.PUBLISH:
		return f.publish(frame)
	default:
		f.t.Errorf("the hub gets %v", frame.Type)
		return nil
	}
}

func (f *fake) publish(frame packet.Frame) []byte {
	p, err := packet.DecodePublish(frame)
	if err != nil {
		f.t.Errorf("PUBLISH: %v", err)
	}
	topic := string(p.Topic)
	_, rid, _ := strings.Cut(topic, "$rid=")
	switch {
	case strings.HasPrefix(topic, "$iothub/twin/GET/"):
		f.seen.gets++
		if f.mute {
			return nil
		}
		r := packet.Publish{Topic: []byte("$iothub/twin/res/" + strconv.Itoa(f.status) + "/?$rid=" + rid)}
		if f.status == 200 {
			r.Payload = []byte(`{"desired":` + f.desired + `,"reported":{"$version":1}}`)
		}
		return r.Append(nil)
	case strings.HasPrefix(topic, "$iothub/twin/PATCH/properties/reported/"):
		f.seen.reports = append(f.seen.reports, string(p.Payload))
		if f.mute {
			return nil
		}
		r := packet.Publish{Topic: []byte("$iothub/twin/res/204/?$rid=" + rid + "&$version=2")}
		return r.Append(nil)
	}
	if !strings.Contains(topic, "%24.ifid=urn%3Aazureiot%3ASecurity%3ASecurityAgent%3A1") {
		f.t.Errorf("a message to %s, which is not marked", topic)
	}
	f.seen.messages = append(f.seen.messages, string(p.Payload))
	if f.mute {
		return nil
	}
	return packet.AppendPuback(nil, p.ID)
}

// set changes what the hub does.
func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// desire tells the agent of a change, and has desired be what the twin is.
func (f *fake) desire(version int, patch, desired string) {
	f.t.Helper()
	f.mu.Lock()
	f.desired = desired
	nc := f.nc
	f.mu.Unlock()
	p := packet.Publish{Topic: []byte("$iothub/twin/PATCH/properties/desired/?$version=" + strconv.Itoa(version)), Payload: []byte(patch)}
	if _, err := nc.Write(p.Append(nil)); err != nil {
		f.t.Errorf("the hub tells of a change: %v", err)
	}
}

// cut ends the newest connection.
func (f *fake) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = f.nc.Close()
}

// agent is a link and what it has told.
type agent struct {
	*link.Link
	fake *fake

	mu     sync.Mutex
	twins  []string
	states int
}

func (a *agent) told() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.twins...)
}

// run runs a test in a bubble of time, with a link that runs for as long.
func run(t *testing.T, change func(*fake, *link.Options), test func(*testing.T, *fake, *agent)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{t: t, status: 200, desired: `{"a":1,"$version":5}`}
		a := &agent{fake: f}
		o := link.Options{
			Identity: f, Logger: slog.New(slog.DiscardHandler), ClientType: "test", Dial: f.dial,
			OnTwin: func(b []byte) {
				a.mu.Lock()
				defer a.mu.Unlock()
				a.twins = append(a.twins, string(b))
			},
			OnState: func() {
				a.mu.Lock()
				defer a.mu.Unlock()
				a.states++
			},
		}
		if change != nil {
			change(f, &o)
		}
		a.Link = link.New(o)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); a.Run(ctx) }()
		synctest.Wait()
		test(t, f, a)
		cancel()
		<-ended
	})
}

// pass lets time pass.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
