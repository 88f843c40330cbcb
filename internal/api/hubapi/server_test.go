package hubapi_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/hubapi"
	"github.com/tvilling/tvilling/internal/hub/message"
)

// serve runs the handler on a real listener with TLS and HTTP/2.
func (h *hub) serve(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h.handler)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(func() {
		h.handler.Stop()
		s.Close()
	})
	return s
}

// stream opens a stream as somebody and returns a reader of its lines.
func (h *hub) stream(t *testing.T, s *httptest.Server, who, target string) (lines *bufio.Reader, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", h.token(t, who))
	w, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = w.Body.Close()
	})
	if w.StatusCode != http.StatusOK || !strings.HasPrefix(w.Header.Get("Content-Type"), "application/x-ndjson") {
		t.Fatalf("got %d %s", w.StatusCode, w.Header.Get("Content-Type"))
	}
	return bufio.NewReader(w.Body), cancel
}

func next(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	line, err := r.ReadString('\n')
	if err != nil {
		t.Fatalf("read a line: %v", err)
	}
	return line
}

// TestFollow: what happens is sent at once, over HTTP/2, and the stream ends
// when the handler stops.
func TestFollow(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	s := h.serve(t)
	h.Register(t, tvilling.Device("d1"))
	changes, _ := h.stream(t, s, "service", "/tvilling/changes?follow=true")
	messages, _ := h.stream(t, s, "service", "/tvilling/messages?follow=true&device=d1")
	if got := next(t, changes); !strings.Contains(got, `"op":"createDeviceIdentity"`) {
		t.Errorf("first change: %s", got)
	}
	next(t, changes) // its security module
	h.must(t, http.StatusOK, "service", http.MethodPatch, "/twins/d1?api-version=2021-04-12", `{"tags":{"a":1}}`)
	if got := next(t, changes); !strings.Contains(got, `"op":"updateTwin"`) {
		t.Errorf("change while following: %s", got)
	}
	h.messages.add(message.Telemetry, &tvilling.Message{From: tvilling.Device("d2"), Body: []byte("1")}, &tvilling.Message{From: tvilling.Device("d1"), Body: []byte("2")})
	if got := next(t, messages); !strings.Contains(got, `"body":2`) {
		t.Errorf("message while following: %s", got)
	}
	h.handler.Stop()
	for name, r := range map[string]*bufio.Reader{"changes": changes, "messages": messages} {
		if _, err := r.ReadString('\n'); !errors.Is(err, io.EOF) {
			t.Errorf("%s: after Stop got %v, want the end", name, err)
		}
	}
}

// TestStreamGone: a client that goes away ends its stream; nothing is left.
func TestStreamGone(t *testing.T) {
	t.Parallel()
	ended := make(chan string, 1)
	h := newHub(t, func(o *hubapi.Options) {
		o.Observe = func(route string, _ int, _ time.Duration) { ended <- route }
	})
	s := h.serve(t)
	_, stop := h.stream(t, s, "service", "/tvilling/messages?follow=true")
	stop()
	if got := <-ended; got != "GET /tvilling/messages" {
		t.Errorf("ended %s", got)
	}
}

// TestSlowReader: a client that reads nothing holds up its own stream, with
// bounded memory, until it is cut after its time.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t)
		body := []byte(`"` + strings.Repeat("x", 100_000) + `"`)
		for range 1000 {
			h.messages.add(message.Telemetry, &tvilling.Message{From: tvilling.Device("d1"), Body: body})
		}
		near, far := net.Pipe()
		ended := make(chan struct{})
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer close(ended)
			h.handler.ServeHTTP(w, r)
		})}
		listener := &oneConn{conn: far, done: make(chan struct{})}
		var wg sync.WaitGroup
		wg.Go(func() { _ = server.Serve(listener) })
		request := "GET /tvilling/messages HTTP/1.1\r\nHost: hub\r\nAuthorization: " + h.token(t, "service") + "\r\n\r\n"
		if _, err := io.WriteString(near, request); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		<-ended // without a byte read
		if took := time.Since(begin); took < 30*time.Second || took > 31*time.Second {
			t.Errorf("cut after %s, want 30s", took)
		}
		_ = near.Close()
		_ = server.Close()
		wg.Wait()
	})
}

// oneConn is a listener with one connection.
type oneConn struct {
	conn net.Conn
	once sync.Once
	done chan struct{}
	shut sync.Once
}

func (l *oneConn) Accept() (c net.Conn, err error) {
	l.once.Do(func() { c = l.conn })
	if c != nil {
		return c, nil
	}
	<-l.done
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error {
	l.shut.Do(func() { close(l.done) })
	return nil
}

func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// TestBodies: chunked bodies are taken, long ones refused, slow ones cut.
func TestBodies(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	s := h.serve(t)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}}}
	defer client.CloseIdleConnections()
	put := func(body io.Reader) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.URL+"/devices/d1?api-version=2021-04-12", body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", h.token(t, "iothubowner"))
		w, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, w.Body)
		_ = w.Body.Close()
		return w
	}
	// A reader of unknown length goes out in chunks.
	if w := put(io.MultiReader(strings.NewReader(`{"deviceId":`), strings.NewReader(`"d1"}`))); w.StatusCode != http.StatusOK {
		t.Errorf("chunked: got %d, want 200", w.StatusCode)
	}
	const most = 1 << 20
	exact := `{"x":"` + strings.Repeat("x", most-len(`{"x":""}`)) + `"}`
	if w := put(strings.NewReader(exact)); w.StatusCode != http.StatusConflict {
		t.Errorf("%d bytes: got %d, want 409 (it is taken)", len(exact), w.StatusCode)
	}
	if w := put(strings.NewReader(exact + " ")); w.StatusCode != http.StatusRequestEntityTooLarge || w.Header.Get("Iothub-Errorcode") != "MessageTooLarge" {
		t.Errorf("%d bytes: got %d %s, want 413", len(exact)+1, w.StatusCode, w.Header.Get("Iothub-Errorcode"))
	}
}

// TestSlowBody: a client that begins a body and does not end it is answered
// after its time.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t)
		near, far := net.Pipe()
		server := &http.Server{Handler: h.handler}
		listener := &oneConn{conn: far, done: make(chan struct{})}
		var wg sync.WaitGroup
		wg.Go(func() { _ = server.Serve(listener) })
		begin := time.Now()
		request := "PUT /devices/d1?api-version=2021-04-12 HTTP/1.1\r\nHost: hub\r\nContent-Length: 100\r\nAuthorization: " + h.token(t, "iothubowner") + "\r\n\r\n{"
		if _, err := io.WriteString(near, request); err != nil {
			t.Fatal(err)
		}
		w, err := http.ReadResponse(bufio.NewReader(near), nil)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); w.StatusCode != http.StatusBadRequest || took != 30*time.Second {
			t.Errorf("got %d after %s, want 400 after 30s", w.StatusCode, took)
		}
		_ = near.Close()
		_ = server.Close()
		wg.Wait()
	})
}
