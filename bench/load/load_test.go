package load_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tvilling/tvilling/bench/load"
)

func TestHistogram(t *testing.T) {
	var h load.Histogram
	if got := h.Quantile(0.5); got != 0 {
		t.Errorf("quantile of nothing = %v", got)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	times := make([]time.Duration, 10_000)
	for i := range times {
		times[i] = time.Duration(rng.ExpFloat64() * float64(3*time.Millisecond))
		h.Add(times[i])
	}
	slices.Sort(times)
	if got := h.Count(); got != int64(len(times)) {
		t.Errorf("count = %d", got)
	}
	if got, want := h.Max(), times[len(times)-1]; got != want {
		t.Errorf("max = %v, want %v", got, want)
	}
	for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 0.999, 1} {
		got, want := h.Quantile(q), times[min(int(q*float64(len(times))), len(times)-1)]
		if ratio := float64(got) / float64(want); ratio < 0.97 || ratio > 1.05 {
			t.Errorf("quantile %v = %v, want about %v", q, got, want)
		}
	}
}

func TestHistogramEdges(t *testing.T) {
	for _, d := range []time.Duration{0, 1, 31, 32, 63, 64, 65, 127, 128, 1<<40 - 1, 1 << 40, 1<<62 + 1} {
		var h load.Histogram
		h.Add(d)
		if got := h.Quantile(0.5); got != d {
			t.Errorf("the only time %d came back as %d", d, got)
		}
	}
}

// serve runs an echo until the test ends.
func serve(t *testing.T) (addr string, conf *tls.Config) {
	t.Helper()
	server, client := httptest.NewUnstartedServer(nil), &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "example.com"}
	server.StartTLS()
	t.Cleanup(server.Close)
	client.RootCAs.AddCert(server.Certificate())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &load.Echo{TLS: &tls.Config{Certificates: server.TLS.Certificates}, Answer: make([]byte, 1000), Status: "204"}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := e.Serve(ctx, ln); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(func() { stop(); wg.Wait() })
	return ln.Addr().String(), client
}

func dial(t *testing.T, n int) []*load.Conn {
	t.Helper()
	addr, conf := serve(t)
	conns, err := load.DialAll(t.Context(), n, func(i int) (load.DialOptions, error) {
		return load.DialOptions{Addr: addr, TLS: conf, ClientID: "d" + strconv.Itoa(i), Filters: []string{"$iothub/twin/res/#"}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { load.CloseAll(conns) })
	return conns
}

func TestRunTwice(t *testing.T) {
	conns := dial(t, 5)
	for _, w := range []struct {
		name   string
		work   load.Work
		sticky bool
	}{
		{"twins", &load.Twins{Topic: "$iothub/twin/GET/?$rid=", Status: "204"}, false},
		{"telemetry", &load.Telemetry{
			Topic:   func(int) []byte { return []byte("devices/d/messages/events/") },
			Payload: func(dst []byte, _ uint64) []byte { return append(dst, "hello"...) },
		}, true},
	} {
		began, ended := 0, 0
		res, err := load.Run(t.Context(), load.Plan{
			Conns: conns, InFlight: 12, Work: w.work, Sticky: w.sticky, Measure: 50 * time.Millisecond,
			Begin: func() { began++ }, End: func() { ended++ },
		})
		if err != nil {
			t.Fatalf("%s: %v", w.name, err)
		}
		if res.Count() == 0 || res.Rate() <= 0 || res.Max() <= 0 {
			t.Errorf("%s: nothing was measured", w.name)
		}
		if began != 1 || ended != 1 {
			t.Errorf("%s: began %d times, ended %d times", w.name, began, ended)
		}
	}
}

func TestRunStopsAtWrongAnswer(t *testing.T) {
	conns := dial(t, 2)
	_, err := load.Run(t.Context(), load.Plan{
		Conns: conns, InFlight: 3, Measure: time.Minute,
		Work: &load.Twins{Topic: "$iothub/twin/GET/?$rid=", Status: "200"},
	})
	if err == nil || !strings.Contains(err.Error(), "answered with 204") {
		t.Errorf("err = %v, want the answer's status", err)
	}
}
