package security_test

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/app"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/notify/webhook"
)

const secret = "a secret of thirty-two bytes and more"

// receiver is somebody who is told of alerts.
type receiver struct {
	t    *testing.T
	down atomic.Bool
	// tried has a place for each attempt while it is down.
	tried chan struct{}

	mu   sync.Mutex
	got  map[uint64]int // how often each entry came
	news chan struct{}
}

func newReceiver(t *testing.T) *receiver {
	return &receiver{t: t, tried: make(chan struct{}, 1), got: map[uint64]int{}, news: make(chan struct{}, 1)}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is signalled already
	}
}

// turnedAway reports whether the receiver is down, and notes the attempt.
func (r *receiver) turnedAway() bool {
	if r.down.Load() {
		signal(r.tried)
		return true
	}
	return false
}

func (r *receiver) took(sequence uint64) {
	r.mu.Lock()
	r.got[sequence]++
	r.mu.Unlock()
	signal(r.news)
}

// has waits until each entry up to one has come so many times.
func (r *receiver) has(w *world, last uint64, times int) {
	w.Helper()
	for {
		missing := uint64(0)
		r.mu.Lock()
		for s := uint64(1); s <= last && missing == 0; s++ {
			if r.got[s] < times {
				missing = s
			}
		}
		r.mu.Unlock()
		if missing == 0 {
			return
		}
		select {
		case <-r.news:
		case <-w.ctx.Done():
			w.Fatalf("entry %d of %d has not come %d times", missing, last, times)
		}
	}
}

// ServeHTTP is the webhook.
func (r *receiver) ServeHTTP(rw http.ResponseWriter, req *http.Request) {
	if r.turnedAway() {
		panic(http.ErrAbortHandler)
	}
	body, err := io.ReadAll(req.Body)
	if err == nil {
		err = webhook.Verify([]byte(secret), req.Header.Get(webhook.SignatureHeader), body, time.Now())
	}
	var entry struct{ Sequence uint64 }
	if err == nil {
		err = json.Unmarshal(body, &entry)
	}
	if err != nil || req.Header.Get(webhook.KeyHeader) != strconv.FormatUint(entry.Sequence, 10) {
		r.t.Errorf("a request with key %s is not right: %v: %s", req.Header.Get(webhook.KeyHeader), err, body)
	}
	plain(r.t, "webhook", body)
	r.took(entry.Sequence)
}

var feedSequence = regexp.MustCompile(` cn1=(\d+)`)

// collect is the syslog server: it reads messages counted by octets (RFC 5425).
func (r *receiver) collect(l net.Listener) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		c, err := l.Accept()
		if err != nil {
			return // the test is over
		}
		wg.Go(func() {
			defer func() { _ = c.Close() }() // it is read to its end
			if r.turnedAway() {
				return
			}
			in := bufio.NewReader(c)
			for {
				head, err := in.ReadString(' ')
				if err != nil {
					return
				}
				n, err := strconv.Atoi(strings.TrimSpace(head))
				if err != nil || n > 1<<20 {
					r.t.Errorf("a message begins with %q", head)
					return
				}
				b := make([]byte, n)
				if _, err := io.ReadFull(in, b); err != nil || r.turnedAway() {
					return
				}
				m := feedSequence.FindSubmatch(b)
				if m == nil || !strings.Contains(string(b), "CEF:0|") || strings.ContainsAny(string(b), "\n\x1b") {
					r.t.Errorf("a message is %q", b)
					return
				}
				sequence, _ := strconv.ParseUint(string(m[1]), 10, 64) // digits
				r.took(sequence)
			}
		})
	}
}

// TestSinksLoseNothing: receivers that are down for a while, and a hub that is
// stopped meanwhile, cost no entry of the feed; a replay tells it all again.
func TestSinksLoseNothing(t *testing.T) {
	t.Parallel()
	hook, log := newReceiver(t), newReceiver(t)
	server := httptest.NewUnstartedServer(hook)
	server.Config.ErrorLog = nil
	server.StartTLS()
	t.Cleanup(server.Close)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: server.TLS.Certificates, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { log.collect(listener) })
	t.Cleanup(func() { _ = listener.Close(); wg.Wait() })

	dir := t.TempDir()
	secretFile, caFile := filepath.Join(dir, "secret"), filepath.Join(dir, "ca.pem")
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for name, b := range map[string][]byte{secretFile: []byte(secret + "\n"), caFile: ca} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w := start(t, func(o *app.Options) {
		o.Sinks = []app.Sink{
			{Kind: app.Webhook, Name: "hook", Target: server.URL, SecretFile: secretFile, CAFile: caFile},
			{Kind: app.Syslog, Name: "siem", Target: listener.Addr().String(), CAFile: caFile},
		}
	})
	n := 0
	strike := func(a *agent) {
		for range 5 {
			n++
			a.sees(event(id(n), "ProcessCreate", time.Now(), process(fmt.Sprintf("/tmp/<m>|=\\%d\n", n), miner)))
		}
		w.settle()
	}
	a := w.register("d1")
	strike(a)
	hook.has(w, w.head(), 1)
	log.has(w, w.head(), 1)

	hook.down.Store(true)
	log.down.Store(true)
	strike(a)
	for _, r := range []*receiver{hook, log} {
		select {
		case <-r.tried:
		case <-w.ctx.Done():
			t.Fatal("a receiver that is down is not tried")
		}
	}
	w.restart()
	a = w.connect("d1")
	strike(a)
	hook.down.Store(false)
	log.down.Store(false)
	hook.has(w, w.head(), 1)
	log.has(w, w.head(), 1)

	for _, name := range []string{"hook", "siem"} {
		if err := w.owner.ReplaySink(w.ctx, name, 0); err != nil {
			t.Fatal(err)
		}
	}
	hook.has(w, w.head(), 2)
	log.has(w, w.head(), 2)
	sinks, err := w.owner.Sinks(w.ctx)
	if err != nil || len(sinks) != 2 {
		t.Fatalf("sinks are %+v, %v", sinks, err)
	}
	for _, s := range sinks {
		if s.Missed != 0 || s.Sent == 0 {
			t.Errorf("sink %+v", s)
		}
	}
}

// head returns the sequence of the newest entry of the feed.
func (w *world) head() (last uint64) {
	w.Helper()
	for e, err := range w.owner.Feed(w.ctx, client.StreamOptions{}) {
		if err != nil {
			w.Fatal(err)
		}
		last = e.Sequence
	}
	return last
}
