package syslog_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/notify/syslog"
	"github.com/tvilling/tvilling/internal/security/deliver"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/store/securitymem"
)

// receiver is a syslog server over TLS.
type receiver struct {
	t     *testing.T
	roots *x509.CertPool
	conf  *tls.Config
	got   chan int

	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]bool
	// mute has it accept connections and read nothing.
	mute bool
	wg   sync.WaitGroup
}

func newReceiver(t *testing.T) *receiver {
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS() // for its certificate
	r := &receiver{t: t, roots: x509.NewCertPool(), got: make(chan int, 10000), conns: map[net.Conn]bool{}}
	r.roots.AddCert(s.Certificate())
	r.conf = &tls.Config{Certificates: s.TLS.Certificates}
	s.Close()
	r.listen("127.0.0.1:0")
	t.Cleanup(r.close)
	return r
}

func (r *receiver) listen(address string) {
	r.t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	r.listener = l
	r.mu.Unlock()
	r.wg.Go(func() {
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			r.wg.Go(func() { r.serve(raw) })
		}
	})
}

func (r *receiver) address() string { return r.listener.Addr().String() }

var sequenceID = regexp.MustCompile(`^<\d+>1 .* \[meta sequenceId="(\d+)"\] CEF:0\|`)

func (r *receiver) serve(raw net.Conn) {
	c := tls.Server(raw, r.conf)
	defer c.Close()
	r.mu.Lock()
	r.conns[raw] = true
	mute := r.mute
	r.mu.Unlock()
	if mute {
		if c.Handshake() == nil {
			io.Copy(io.Discard, raw) // TLS records, none of them opened
		}
		return
	}
	in := bufio.NewReader(c)
	for {
		count, err := in.ReadString(' ')
		if err != nil {
			return
		}
		n, err := strconv.Atoi(strings.TrimSuffix(count, " "))
		if err != nil || n <= 0 || n > 9000 {
			r.t.Errorf("count of octets = %q", count)
			return
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(in, b); err != nil {
			return
		}
		m := sequenceID.FindSubmatch(b)
		if m == nil {
			r.t.Errorf("message = %q", b)
			return
		}
		id, _ := strconv.Atoi(string(m[1]))
		r.got <- id
	}
}

// cut closes all connections, without a word, and the listener.
func (r *receiver) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listener.Close()
	for c := range r.conns {
		c.Close()
	}
	clear(r.conns)
}

func (r *receiver) close() {
	r.cut()
	r.wg.Wait()
}

func (r *receiver) take(n int) (list []int) {
	r.t.Helper()
	for range n {
		select {
		case id := <-r.got:
			list = append(list, id)
		case <-time.After(20 * time.Second):
			r.t.Fatalf("%d messages came, want %d: %v", len(list), n, list)
		}
	}
	return list
}

func to(first, last int) (list []int) {
	for n := first; n <= last; n++ {
		list = append(list, n)
	}
	return list
}

func (r *receiver) sink(settle time.Duration) *syslog.Sink {
	r.t.Helper()
	s, err := syslog.New(syslog.Options{Address: r.address(), Roots: r.roots, Host: "hub", Version: "1", Settle: settle})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { s.Finish(context.WithoutCancel(r.t.Context())) })
	return s
}

func entries(first, last uint64) (list []ledger.Entry) {
	for n := first; n <= last; n++ {
		list = append(list, ledger.Entry{Sequence: n, Time: at, Subject: "alert", ID: fmt.Sprint(n), Device: "d1", Action: "raised", Body: []byte(`{"severity":"high"}`)})
	}
	return list
}

// settled waits until what the sink says of its progress is done.
func settled(t *testing.T, s *syslog.Sink) (sequence uint64, err error) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		sequence, again, err := s.Settled()
		if err != nil || again == 0 {
			return sequence, err
		}
		select {
		case <-time.After(again):
		case <-deadline:
			t.Fatalf("%d has settled, and it goes on", sequence)
		}
	}
}

func TestDeliverAndSettle(t *testing.T) {
	r := newReceiver(t)
	s := r.sink(50 * time.Millisecond)
	if n, again, err := s.Settled(); n != 0 || again != 0 || err != nil {
		t.Errorf("Settled at the start = %d, %v, %v", n, again, err)
	}
	for first := uint64(1); first <= 100; first += 10 {
		if n, err := s.Deliver(t.Context(), entries(first, first+9)); n != 10 || err != nil {
			t.Fatalf("Deliver = %d, %v", n, err)
		}
	}
	if got := r.take(100); !slices.Equal(got, to(1, 100)) {
		t.Errorf("messages = %v", got)
	}
	if n, err := settled(t, s); n != 100 || err != nil {
		t.Errorf("settled = %d, %v, want 100", n, err)
	}
	// What is given again settles again.
	if _, err := s.Deliver(t.Context(), entries(41, 50)); err != nil {
		t.Fatal(err)
	}
	if n, again, err := s.Settled(); n != 40 || again <= 0 || err != nil {
		t.Errorf("Settled = %d, %v, %v after a replay from 40", n, again, err)
	}
	if n, err := settled(t, s); n != 50 || err != nil {
		t.Errorf("settled = %d, %v, want 50", n, err)
	}
}

func TestConnectionFails(t *testing.T) {
	r := newReceiver(t)
	s := r.sink(time.Hour)
	if _, err := s.Deliver(t.Context(), entries(1, 5)); err != nil {
		t.Fatal(err)
	}
	r.take(5)
	r.cut()
	n, err := settled(t, s)
	if n != 0 || tvilling.CodeOf(err) != tvilling.Unavailable || !strings.Contains(tvilling.MessageOf(err), "sent again") {
		t.Errorf("settled = %d, %v, want a failure", n, err)
	}
	if n, again, err := s.Settled(); n != 0 || again != 0 || err != nil {
		t.Errorf("Settled = %d, %v, %v: the failure is told once", n, again, err)
	}
	if n, err := s.Deliver(t.Context(), entries(1, 5)); n != 0 || !strings.Contains(tvilling.MessageOf(err), "The receiver cannot be reached") {
		t.Errorf("Deliver = %d, %v", n, err)
	}
	r.listen(r.address())
	if n, err := s.Deliver(t.Context(), entries(1, 5)); n != 5 || err != nil {
		t.Errorf("Deliver = %d, %v", n, err)
	}
	if got := r.take(5); !slices.Equal(got, to(1, 5)) {
		t.Errorf("messages = %v", got)
	}
}

func TestFinish(t *testing.T) {
	r := newReceiver(t)
	s := r.sink(time.Hour)
	if err := s.Finish(t.Context()); err != nil {
		t.Errorf("Finish of nothing = %v", err)
	}
	if _, err := s.Deliver(t.Context(), entries(1, 5)); err != nil {
		t.Fatal(err)
	}
	if err := s.Finish(t.Context()); err != nil {
		t.Errorf("Finish = %v", err)
	}
	if got := r.take(5); !slices.Equal(got, to(1, 5)) {
		t.Errorf("messages = %v", got)
	}
	if n, _, _ := s.Settled(); n != 5 {
		t.Errorf("settled = %d, want 5", n)
	}
	// A receiver that reads nothing does not end the connection in good order.
	r.mu.Lock()
	r.mute = true
	r.mu.Unlock()
	if _, err := s.Deliver(t.Context(), entries(6, 7)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.Finish(ctx); err == nil {
		t.Error("Finish = nil though the receiver has read nothing")
	}
	if n, _, _ := s.Settled(); n != 5 {
		t.Errorf("settled = %d, want 5", n)
	}
}

func TestUnverified(t *testing.T) {
	r := newReceiver(t)
	s, err := syslog.New(syslog.Options{Address: r.address(), Roots: x509.NewCertPool()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Deliver(t.Context(), entries(1, 1)); !strings.Contains(tvilling.MessageOf(err), "certificate of the receiver cannot be verified") {
		t.Errorf("Deliver = %v", err)
	}
}

func TestContextEnds(t *testing.T) {
	r := newReceiver(t)
	s := r.sink(time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := s.Deliver(ctx, entries(1, 1)); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("Deliver = %d, %v", n, err)
	}
}

func TestAddress(t *testing.T) {
	for _, a := range []string{"", "host", ":6514", "host:"} {
		if _, err := syslog.New(syslog.Options{Address: a}); tvilling.CodeOf(err) != tvilling.InvalidArgument {
			t.Errorf("%q: %v", a, err)
		}
	}
}

// hub is a ledger whose feed goes to a receiver.
type hub struct {
	t      *testing.T
	ledger *ledger.Ledger
	runner *deliver.Runner
	stop   func()
	made   int
}

func (h *hub) start(s deliver.Sink) {
	h.t.Helper()
	r, err := deliver.New(h.t.Context(), h.ledger, deliver.Options{
		Name: "siem", Kind: "syslog", Sink: s, FirstWait: 2 * time.Millisecond, MaxWait: 10 * time.Millisecond,
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

// TestWhole: a receiver that goes away takes with it what lies in buffers;
// everything that had not settled comes again, under its old number.
func TestWhole(t *testing.T) {
	r := newReceiver(t)
	h := &hub{t: t, ledger: ledger.NewLedger(securitymem.New())}
	s := r.sink(time.Hour)
	h.start(s)
	h.raise(50)
	if got := r.take(50); !slices.Equal(got, to(1, 50)) {
		t.Fatalf("messages = %v", got)
	}
	if c := h.runner.Status().Cursor; c != 0 {
		t.Errorf("cursor = %d though nothing has settled", c)
	}
	// Down, and more happens.
	r.cut()
	h.raise(50)
	r.listen(r.address())
	if got := r.take(100); !slices.Equal(got, to(1, 100)) {
		t.Fatalf("messages = %v, want all again", got)
	}
	if err := h.runner.Replay(t.Context(), 90); err != nil {
		t.Fatal(err)
	}
	if got := r.take(10); !slices.Equal(got, to(91, 100)) {
		t.Fatalf("messages = %v, want the replay", got)
	}
	// An end in good order settles what was given; the next process goes on there.
	h.stop()
	if st := h.runner.Status(); st.Cursor != 100 || st.Lag != 0 {
		t.Errorf("status = %+v", st)
	}
	h.raise(1)
	h.start(r.sink(20 * time.Millisecond))
	if got := r.take(1); !slices.Equal(got, []int{101}) {
		t.Fatalf("messages = %v, want 101", got)
	}
	tick, deadline := time.NewTicker(time.Millisecond), time.After(20*time.Second)
	defer tick.Stop()
	for h.runner.Status().Cursor != 101 {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("cursor = %d, want 101 once it has settled", h.runner.Status().Cursor)
		}
	}
	h.stop()
	if len(r.got) > 0 {
		t.Errorf("%d more messages came", len(r.got))
	}
}
