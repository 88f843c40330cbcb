package crash_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/device"
)

// reporter reports properties, several patches in flight. Patch n sets n, and
// one of five members to n; so the document says which patches are in it, and
// its version is always n+1.
type reporter struct {
	id     tvilling.Identity
	key    string
	random *rand.Rand

	mu          sync.Mutex
	sent, acked int
}

func (r *reporter) setUp(l *life) {
	l.t.Helper()
	r.key = l.register(r.id.Device)
	if r.id.IsModule() {
		r.key = l.moduleKey(r.id.Device)
	}
}

func (r *reporter) work(l *life) {
	c, err := l.connect(device.Options{ID: r.id, Key: r.key, InFlight: 1 + r.random.IntN(16)})
	if l.over("connect "+r.id.String(), err) {
		return
	}
	defer func() { _ = c.Close() }() // killed, most likely
	if l.over("subscribe", c.SubscribeResponses(l.ctx)) {
		return
	}
	for !l.killed.Load() {
		r.mu.Lock()
		r.sent++
		n := r.sent
		r.mu.Unlock()
		err := c.ReportAsync(l.ctx, r.patch(n), func(version int64, err error) {
			if err != nil {
				l.over("report "+r.id.String(), err)
				return
			}
			r.mu.Lock()
			r.acked = n
			r.mu.Unlock()
			if version != int64(n)+1 {
				l.t.Errorf("%s: report %d has version %d, want %d", r.id, n, version, n+1)
			}
			l.acked()
		})
		if l.over("report "+r.id.String(), err) {
			return
		}
	}
}

func (r *reporter) patch(n int) []byte {
	return fmt.Appendf(nil, `{"n":%d,"m":{"k%d":%d},"pad":"%s"}`, n, n%5, n, strings.Repeat("x", n*37%400))
}

// verify also proves that the identity's key is valid still.
func (r *reporter) verify(l *life) {
	l.t.Helper()
	c, err := l.connect(device.Options{ID: r.id, Key: r.key, Clean: true})
	if err != nil {
		l.t.Errorf("connect %s after a crash: %v", r.id, err)
		return
	}
	defer func() { _ = c.Close() }()
	body, err := c.Twin(l.ctx)
	if err != nil {
		l.t.Errorf("read twin of %s after a crash: %v", r.id, err)
		return
	}
	var twin struct {
		Reported struct {
			N       int            `json:"n"`
			M       map[string]int `json:"m"`
			Pad     string         `json:"pad"`
			Version int64          `json:"$version"`
		} `json:"reported"`
	}
	if err := json.Unmarshal(body, &twin); err != nil {
		l.t.Errorf("twin of %s: %v: %s", r.id, err, body)
		return
	}
	got := twin.Reported
	if got.N < r.acked || got.N > r.sent {
		l.t.Errorf("%s: report %d is the last there; %d was acknowledged, %d sent", r.id, got.N, r.acked, r.sent)
	}
	if got.Version != int64(got.N)+1 {
		l.t.Errorf("%s: %d reports make version %d", r.id, got.N, got.Version)
	}
	if len(got.Pad) != got.N*37%400 {
		l.t.Errorf("%s: the pad of report %d has %d bytes", r.id, got.N, len(got.Pad))
	}
	for k := range 5 {
		want := got.N - (got.N-k+5)%5
		if n := got.M[fmt.Sprintf("k%d", k)]; n != max(want, 0) {
			l.t.Errorf("%s: after report %d member k%d is %d, want %d", r.id, got.N, k, n, want)
		}
	}
	r.sent, r.acked = got.N, got.N
}

// sender sends numbered messages, the odd ones marked as security messages,
// several in flight.
type sender struct {
	id     tvilling.Identity
	key    string
	random *rand.Rand

	mu    sync.Mutex
	sent  int
	acked []bool // by number
}

func (s *sender) setUp(l *life) {
	l.t.Helper()
	s.key = l.register(s.id.Device)
	if s.id.IsModule() {
		s.key = l.moduleKey(s.id.Device)
	}
	s.acked = []bool{false}
}

func (s *sender) work(l *life) {
	c, err := l.connect(device.Options{ID: s.id, Key: s.key, InFlight: 1 + s.random.IntN(16)})
	if l.over("connect "+s.id.String(), err) {
		return
	}
	defer func() { _ = c.Close() }()
	for !l.killed.Load() {
		s.mu.Lock()
		s.sent++
		n := s.sent
		s.acked = append(s.acked, false)
		s.mu.Unlock()
		m := &tvilling.Message{Body: fmt.Appendf(nil, `{"n":%d,"pad":"%s"}`, n, strings.Repeat("y", n*61%900))}
		if n%2 == 1 {
			device.MarkSecurity(m)
		}
		err := c.SendAsync(l.ctx, m, func(err error) {
			if err != nil {
				l.over("send "+s.id.String(), err)
				return
			}
			s.mu.Lock()
			s.acked[n] = true
			s.mu.Unlock()
			l.acked()
		})
		if l.over("send "+s.id.String(), err) {
			return
		}
	}
}

// verify is that of verifyMessages, which reads the logs once for all senders.
func (s *sender) verify(*life) {}

// verifyMessages looks for every acknowledged message, once and in order.
func verifyMessages(l *life, senders []*sender) {
	l.t.Helper()
	there := make(map[tvilling.Identity][]bool)
	for _, s := range senders {
		there[s.id] = make([]bool, s.sent+1)
	}
	for kind, odd := range map[string]int{client.Security: 1, client.Telemetry: 0} {
		last := make(map[tvilling.Identity]int)
		var sequence uint64
		for m, err := range l.api.Messages(l.ctx, kind, client.StreamOptions{}) {
			if err != nil {
				l.t.Errorf("read %s messages: %v", kind, err)
				return
			}
			if sequence++; m.Sequence != sequence {
				l.t.Errorf("%s message %d follows %d", kind, m.Sequence, sequence-1)
				return
			}
			id := tvilling.Identity{Device: m.DeviceID, Module: m.ModuleID}
			var body struct {
				N   int    `json:"n"`
				Pad string `json:"pad"`
			}
			if err := json.Unmarshal(m.Body, &body); err != nil || len(body.Pad) != body.N*61%900 {
				l.t.Errorf("%s message of %s: %v: %s", kind, id, err, m.Body)
				return
			}
			switch {
			case body.N <= last[id]:
				l.t.Errorf("%s: message %d comes after %d", id, body.N, last[id])
			case body.N >= len(there[id]):
				l.t.Errorf("%s: message %d was never sent", id, body.N)
				return
			case body.N%2 != odd:
				l.t.Errorf("%s: message %d is among the %s messages", id, body.N, kind)
			}
			last[id] = body.N
			there[id][body.N] = true
		}
	}
	for _, s := range senders {
		for n, acked := range s.acked {
			if acked && !there[s.id][n] {
				l.t.Errorf("%s: message %d was acknowledged and is not there", s.id, n)
			}
		}
	}
}

// subscriber comes and goes, at times with a session that is kept.
type subscriber struct {
	id     tvilling.DeviceID
	key    string
	random *rand.Rand

	// present and subscribed are as acknowledged; unsure says that the hub was
	// killed between.
	present, subscribed, unsure bool
	version                     int64 // of desired properties
}

func (s *subscriber) setUp(l *life) {
	l.t.Helper()
	s.key = l.register(s.id)
	s.version = 1
}

func (s *subscriber) work(l *life) {
	for !l.killed.Load() {
		s.unsure = true
		clean := s.random.IntN(3) == 0
		c, err := l.connect(device.Options{ID: tvilling.Device(s.id), Key: s.key, Clean: clean})
		if l.over("connect "+string(s.id), err) {
			return
		}
		if clean {
			s.present, s.subscribed, s.unsure = false, false, false
			l.acked()
			_ = c.Close()
			continue
		}
		err = c.SubscribeDesired(l.ctx)
		if err == nil {
			s.present, s.subscribed, s.unsure = true, true, false
			l.acked()
		}
		_ = c.Close()
		if l.over("subscribe "+string(s.id), err) {
			return
		}
	}
}

func (s *subscriber) verify(l *life) {
	l.t.Helper()
	heard := make(chan int64, 8)
	c, err := l.connect(device.Options{ID: tvilling.Device(s.id), Key: s.key, OnDesired: func(v int64, _ []byte) { heard <- v }})
	if err != nil {
		l.t.Errorf("connect %s after a crash: %v", s.id, err)
		return
	}
	defer func() { _ = c.Close() }()
	if !s.unsure && c.SessionPresent() != s.present {
		l.t.Errorf("%s: session present is %t, want %t", s.id, c.SessionPresent(), s.present)
	}
	_, err = l.api.PatchTwin(l.ctx, tvilling.Device(s.id), client.TwinPatch{Desired: json.RawMessage(`{"x":1}`)}, tvilling.Match{})
	if err != nil {
		l.t.Errorf("patch %s: %v", s.id, err)
		return
	}
	s.version++
	// The answer to this comes after the patch, if there is one; it also makes
	// the session one that is kept for certain.
	if _, err := c.Twin(l.ctx); err != nil {
		l.t.Errorf("read twin of %s: %v", s.id, err)
		return
	}
	told := false
	select {
	case v := <-heard:
		told = true
		if v != s.version {
			l.t.Errorf("%s: told of version %d, want %d", s.id, v, s.version)
		}
	default:
	}
	if !s.unsure && told != s.subscribed {
		l.t.Errorf("%s: told of a change is %t, but subscribed is %t", s.id, told, s.subscribed)
	}
	s.present, s.subscribed, s.unsure = true, told, false
}
