package webhook_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/notify/webhook"
	"github.com/tvilling/tvilling/internal/security/deliver"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/store/securitymem"
)

// receiver is a server that a hub tells of alerts. It verifies every request.
type receiver struct {
	t   *testing.T
	got chan request

	mu     sync.Mutex
	answer func(n int, w http.ResponseWriter) // nil: 204
	n      int
}

// request is a request whose signature was good.
type request struct {
	key  string
	body string
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		r.t.Error(err)
	}
	if err := webhook.Verify(secret, req.Header.Get(webhook.SignatureHeader), body, time.Now()); err != nil {
		r.t.Errorf("signature of %s: %v", body, err)
	}
	if req.Method != http.MethodPost || req.Header.Get("Content-Type") != "application/json" || req.UserAgent() != "Tvilling/1.2.3" {
		r.t.Errorf("request = %s %s by %s", req.Method, req.Header.Get("Content-Type"), req.UserAgent())
	}
	r.mu.Lock()
	r.n++
	n, answer := r.n, r.answer
	r.mu.Unlock()
	if answer != nil {
		answer(n, w)
	} else {
		w.WriteHeader(http.StatusNoContent)
	}
	r.got <- request{req.Header.Get(webhook.KeyHeader), string(body)}
}

func (r *receiver) set(answer func(n int, w http.ResponseWriter)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer, r.n = answer, 0
}

// serve starts a receiver on a listener.
func serve(t *testing.T, r *receiver, l net.Listener) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(r)
	if l != nil {
		s.Listener.Close()
		s.Listener = l
	}
	s.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(t.Output(), nil), slog.LevelDebug)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func roots(s *httptest.Server) *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(s.Certificate())
	return p
}

func newReceiver(t *testing.T) *receiver { return &receiver{t: t, got: make(chan request, 1000)} }

func newSink(t *testing.T, s *httptest.Server) *webhook.Sink {
	t.Helper()
	sink, err := webhook.New(webhook.Options{URL: s.URL + "/hook?token=hidden-token", Secret: secret, Roots: roots(s), Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	return sink
}

func entries(first, last uint64) (list []ledger.Entry) {
	for n := first; n <= last; n++ {
		list = append(list, ledger.Entry{
			Sequence: n, Time: time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC), Subject: "alert", ID: fmt.Sprintf("id-%d", n), Device: "d1",
			Action: "raised", Actor: "hub:detection", Body: json.RawMessage(`{"severity":"high"}`),
		})
	}
	return list
}

func TestDeliver(t *testing.T) {
	r := newReceiver(t)
	n, err := newSink(t, serve(t, r, nil)).Deliver(t.Context(), entries(7, 8))
	if n != 2 || err != nil {
		t.Fatalf("Deliver = %d, %v", n, err)
	}
	want := request{"7", `{"sequence":7,"time":"2026-02-03T04:05:06Z","subject":"alert","id":"id-7","device":"d1","action":"raised","actor":"hub:detection","body":{"severity":"high"}}`}
	if diff := cmp.Diff(want, <-r.got, cmp.AllowUnexported(request{})); diff != "" {
		t.Errorf("request differs (-want +got):\n%s", diff)
	}
	if got := <-r.got; got.key != "8" {
		t.Errorf("second key = %s, want 8", got.key)
	}
}

func TestRefused(t *testing.T) {
	elsewhere := newReceiver(t)
	other := serve(t, elsewhere, nil)
	for _, c := range []struct {
		name   string
		answer func(int, http.ResponseWriter)
		want   string
		after  time.Duration
	}{
		{"fault", func(_ int, w http.ResponseWriter) { http.Error(w, "no\x1b[31m\nroom", http.StatusServiceUnavailable) }, "The receiver answered 503 Service Unavailable: no [31m room.", 0},
		{"seconds", func(_ int, w http.ResponseWriter) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
		}, "The receiver answered 429 Too Many Requests.", 7 * time.Second},
		{"much later", func(_ int, w http.ResponseWriter) {
			w.Header().Set("Retry-After", "99999999999999")
			w.WriteHeader(http.StatusServiceUnavailable)
		}, "503", time.Hour},
		{"bad request", func(_ int, w http.ResponseWriter) { w.WriteHeader(http.StatusBadRequest) }, "400 Bad Request", 0},
		{"redirect", func(_ int, w http.ResponseWriter) {
			w.Header().Set("Location", other.URL)
			w.WriteHeader(http.StatusTemporaryRedirect)
		}, "redirects are not followed", 0},
		{"long", func(_ int, w http.ResponseWriter) {
			http.Error(w, strings.Repeat("x", 1<<20), http.StatusInternalServerError)
		}, "500 Internal Server Error: " + strings.Repeat("x", 200) + "…", 0},
		{"no status", func(_ int, w http.ResponseWriter) { w.WriteHeader(599) }, "The receiver answered 599.", 0},
		{"cut off", func(_ int, _ http.ResponseWriter) { panic(http.ErrAbortHandler) }, "The receiver cannot be reached.", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newReceiver(t)
			r.set(func(n int, w http.ResponseWriter) {
				if n >= 2 {
					c.answer(n, w)
				}
			})
			n, err := newSink(t, serve(t, r, nil)).Deliver(t.Context(), entries(1, 3))
			if err == nil {
				t.Fatalf("Deliver = %d, nil", n)
			}
			if n != 1 || tvilling.CodeOf(err) != tvilling.Unavailable || !strings.Contains(tvilling.MessageOf(err), c.want) {
				t.Errorf("Deliver = %d, %v\nwant 1, Unavailable: … %s …", n, err, c.want)
			}
			if strings.Contains(err.Error(), "hidden-token") || strings.Contains(err.Error(), string(secret)) {
				t.Errorf("the error shows a secret: %v", err)
			}
			d, ok := errors.AsType[deliver.Delayed](err)
			if got := c.name != "cut off"; ok != got || ok && d.RetryAfter() != c.after {
				t.Errorf("retry after = %v, want %v", d, c.after)
			}
		})
	}
	if len(elsewhere.got) > 0 {
		t.Error("a redirect was followed")
	}
}

func TestUnverified(t *testing.T) {
	s := serve(t, newReceiver(t), nil)
	sink, err := webhook.New(webhook.Options{URL: s.URL, Secret: secret, Roots: x509.NewCertPool()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sink.Deliver(t.Context(), entries(1, 1)); !strings.Contains(tvilling.MessageOf(err), "The certificate of the receiver cannot be verified") {
		t.Errorf("Deliver = %v", err)
	}
}

func TestSlow(t *testing.T) {
	r, release := newReceiver(t), make(chan struct{})
	r.set(func(int, http.ResponseWriter) { <-release })
	sink := newSink(t, serve(t, r, nil))
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if n, err := sink.Deliver(ctx, entries(1, 1)); n != 0 || !strings.Contains(tvilling.MessageOf(err), "did not answer within its time") {
		t.Errorf("Deliver = %d, %v", n, err)
	}
}

func TestOptions(t *testing.T) {
	for _, c := range []struct{ url, secret, want string }{
		{"http://example.com", string(secret), "https://"},
		{"https://", string(secret), "name a host"},
		{"::", string(secret), "https://"},
		{"https://example.com", "short", "at least 16 bytes"},
	} {
		if _, err := webhook.New(webhook.Options{URL: c.url, Secret: []byte(c.secret)}); !strings.Contains(tvilling.MessageOf(err), c.want) {
			t.Errorf("%s: %v, want … %s …", c.url, err, c.want)
		}
	}
}

func TestReadSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	for _, c := range []struct {
		text string
		ok   bool
	}{
		{string(secret) + "\n", true}, {string(secret) + "\r\n", true}, {"short\n", false}, {"", false}, {strings.Repeat("x", 5000), false},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := webhook.ReadSecret(path)
		if (err == nil) != c.ok || c.ok && string(got) != string(secret) {
			t.Errorf("secret of %d bytes: %q, %v", len(c.text), got, err)
		}
		if err != nil && strings.Contains(err.Error(), "short") {
			t.Errorf("the error shows the secret: %v", err)
		}
	}
	if _, err := webhook.ReadSecret(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error = %v", err)
	}
}

// hub is a ledger with a runner over a webhook.
type hub struct {
	t      *testing.T
	ledger *ledger.Ledger
	runner *deliver.Runner
	stop   func()
	made   int
}

func (h *hub) start(sink deliver.Sink) {
	h.t.Helper()
	r, err := deliver.New(h.t.Context(), h.ledger, deliver.Options{
		Name: "hook", Kind: "webhook", Sink: sink, FirstWait: 2 * time.Millisecond, MaxWait: 10 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(h.t.Output(), nil)),
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.runner = r
	ctx, cancel := context.WithCancel(context.WithoutCancel(h.t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() { r.Run(ctx) })
	h.stop = func() { cancel(); wg.Wait() }
	h.t.Cleanup(h.stop)
}

// reach waits until the cursor is at a sequence: the answer to a request comes
// after the receiver has seen it.
func (h *hub) reach(sequence uint64) {
	h.t.Helper()
	tick, deadline := time.NewTicker(time.Millisecond), time.After(20*time.Second)
	defer tick.Stop()
	for h.runner.Status().Cursor != sequence {
		select {
		case <-tick.C:
		case <-deadline:
			h.t.Fatalf("cursor = %d, want %d", h.runner.Status().Cursor, sequence)
		}
	}
}

func (h *hub) raise(n int) {
	h.t.Helper()
	for range n {
		h.made++
		if err := h.ledger.Do(h.t.Context(), func(tx *ledger.Tx) error {
			return tx.PutAlert(&ledger.Alert{
				ID: fmt.Sprint("id-", h.made), Key: ledger.Key{Device: "d1", Type: "IoT_Test", Cause: fmt.Sprint(h.made)}, Severity: ledger.High, Status: ledger.New,
			}, ledger.Step{Actor: "hub:detection", Action: "raised", To: ledger.New})
		}); err != nil {
			h.t.Fatal(err)
		}
	}
}

// take reads n requests and returns their keys.
func (r *receiver) take(n int) (keys []int) {
	r.t.Helper()
	for range n {
		select {
		case q := <-r.got:
			k, err := strconv.Atoi(q.key)
			if err != nil {
				r.t.Fatal(err)
			}
			var body struct{ Sequence int }
			if err := json.Unmarshal([]byte(q.body), &body); err != nil || body.Sequence != k {
				r.t.Errorf("body of %d has sequence %d, %v", k, body.Sequence, err)
			}
			keys = append(keys, k)
		case <-time.After(20 * time.Second):
			r.t.Fatalf("%d requests came, want %d", len(keys), n)
		}
	}
	return keys
}

// TestWhole takes a receiver through a bad day: it is down, it fails, it takes
// entries without saying so, it asks for a replay.
func TestWhole(t *testing.T) {
	first := newReceiver(t)
	s := serve(t, first, nil)
	address := s.Listener.Addr().String()
	sink := newSink(t, s)
	h := &hub{t: t, ledger: ledger.NewLedger(securitymem.New())}
	h.start(sink)
	h.raise(3)
	if got := first.take(3); !slices.Equal(got, []int{1, 2, 3}) {
		t.Fatalf("keys = %v", got)
	}
	// Down: nothing is lost.
	s.Close()
	h.raise(100)
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	r := newReceiver(t)
	// Failing: every entry is answered with a fault before it is taken.
	r.set(func(n int, w http.ResponseWriter) {
		if n%2 == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	serve(t, r, l)
	var want []int
	for n := 4; n <= 103; n++ {
		want = append(want, n, n)
	}
	if got := r.take(200); !slices.Equal(got, want) {
		t.Fatalf("keys = %v\nwant each twice, in order: once refused, once taken", got)
	}
	// Taken, but the answer is lost: it comes again under the same key.
	r.set(func(n int, _ http.ResponseWriter) {
		if n == 1 {
			r.got <- request{"104", `{"sequence":104}`}
			panic(http.ErrAbortHandler)
		}
	})
	h.raise(1)
	if got := r.take(2); !slices.Equal(got, []int{104, 104}) {
		t.Fatalf("keys = %v, want 104 twice", got)
	}
	r.set(nil)
	if err := h.runner.Replay(t.Context(), 101); err != nil {
		t.Fatal(err)
	}
	if got := r.take(3); !slices.Equal(got, []int{102, 103, 104}) {
		t.Fatalf("keys = %v, want the replay", got)
	}
	// The next process goes on where this one came to.
	h.reach(104)
	h.stop()
	if st := h.runner.Status(); st.Cursor != 104 || st.Lag != 0 || st.Failures < 100 {
		t.Errorf("status = %+v", st)
	}
	h.raise(1)
	h.start(sink)
	if got := r.take(1); !slices.Equal(got, []int{105}) {
		t.Fatalf("keys = %v, want 105", got)
	}
	h.reach(105)
	h.stop()
	if len(r.got) > 0 {
		t.Errorf("%d more requests came", len(r.got))
	}
}
