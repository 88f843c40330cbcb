package mqtt_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/gateway/mqtt"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/hub/session"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// idleHub does nothing, at once: what is measured is the gateway.
type idleHub struct{ document []byte }

func (idleHub) Connect(_ context.Context, id tvilling.Identity, _ auth.Credentials) (auth.Principal, error) {
	return auth.Principal{ID: id}, nil
}

func (idleHub) Open(context.Context, session.Options, session.Client) (mqtt.Session, bool, error) {
	return idleSession{}, false, nil
}

func (h idleHub) Device(context.Context, tvilling.Identity) ([]byte, error) { return h.document, nil }

func (h idleHub) DeviceInOrder(_ tvilling.Identity, done func([]byte, error)) {
	done(h.document, nil)
}

func (idleHub) Report(_ tvilling.Identity, _ string, _ []byte, _ int64, done func(int64, error)) {
	done(2, nil)
}
func (idleHub) Append(_ []*tvilling.Message, done func(error)) { done(nil) }

type idleSession struct{}

func (idleSession) Subscribe(context.Context, state.Topic, state.Topic) error { return nil }
func (idleSession) Unsubscribe(context.Context, state.Topic) error            { return nil }
func (idleSession) Topics() (topics, atLeastOnce state.Topic)                 { return ^state.Topic(0), 0 }
func (idleSession) Sequence(f func())                                         { f() }
func (idleSession) Touch()                                                    {}
func (idleSession) Done(error)                                                {}

// serve runs a gateway on a socket of this machine.
func serve(b *testing.B) (addr string, roots *x509.CertPool, stats *mqtt.Stats) {
	b.Helper()
	cert := certificate(b, "hub.test")
	roots = x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	h := idleHub{document: []byte(`{"desired":{"x":"` + strings.Repeat("d", 1000) + `"},"reported":{"x":"` + strings.Repeat("r", 1000) + `"}}`)}
	srv, err := mqtt.New(mqtt.Options{
		TLS:  &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12},
		Auth: h, Sessions: h, Twins: h, Messages: h, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	ln, err := (&net.ListenConfig{KeepAlive: -1}).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(context.WithoutCancel(b.Context()), ln) })
	b.Cleanup(func() {
		_ = srv.Shutdown(context.WithoutCancel(b.Context()))
		wg.Wait()
	})
	return ln.Addr().String(), roots, srv.Stats()
}

func dialBench(b *testing.B, addr string, roots *x509.CertPool) net.Conn {
	b.Helper()
	d := tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: "hub.test", MinVersion: tls.VersionTLS12}}
	nc, err := d.DialContext(b.Context(), "tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = nc.Close() })
	p := hello(device)
	if _, err := nc.Write(p.Append(nil)); err != nil {
		b.Fatal(err)
	}
	if _, err := io.ReadFull(nc, make([]byte, 4)); err != nil {
		b.Fatal(err)
	}
	return nc
}

// exchange sends req times and waits for the answers, window at a time, all of
// a window in one write.
func exchange(b *testing.B, req []byte, answer, window int) {
	addr, roots, _ := serve(b)
	nc := dialBench(b, addr, roots)
	r := bufio.NewReaderSize(nc, 64<<10)
	out := []byte(strings.Repeat(string(req), window))
	in := make([]byte, answer*window)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if n++; n%window != 0 {
			continue
		}
		if _, err := nc.Write(out); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(r, in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPublish(b *testing.B) {
	req := publish(events+"%24.ct=application%2Fjson&%24.ce=utf-8", 1, 7, strings.Repeat("x", 200))
	for _, window := range []int{1, 20} {
		b.Run("window="+strconv.Itoa(window), func(b *testing.B) { exchange(b, req, 4, window) })
	}
}

func BenchmarkTwinGet(b *testing.B) {
	req := publish("$iothub/twin/GET/?$rid=7526ec31-9216-442b-a940-2be912316647", 0, 0, " ")
	p := packet.Publish{Topic: []byte("$iothub/twin/res/200/?$rid=7526ec31-9216-442b-a940-2be912316647"), Payload: make([]byte, 2040)}
	for _, window := range []int{1, 20} {
		b.Run("window="+strconv.Itoa(window), func(b *testing.B) { exchange(b, req, len(p.Append(nil)), window) })
	}
}

func BenchmarkReport(b *testing.B) {
	req := publish("$iothub/twin/PATCH/properties/reported/?$rid=a1f", 0, 0, `{"temperature":21.5}`)
	p := packet.Publish{Topic: []byte("$iothub/twin/res/204/?$rid=a1f&$version=2")}
	for _, window := range []int{1, 20} {
		b.Run("window="+strconv.Itoa(window), func(b *testing.B) { exchange(b, req, len(p.Append(nil)), window) })
	}
}

// BenchmarkIdleConnection reports what one waiting TLS connection costs the
// process that serves it. The clients are another process.
func BenchmarkIdleConnection(b *testing.B) {
	const connections = 2000
	addr, _, stats := serve(b)
	// The child needs no trust: it measures nothing.
	before, heapBefore, stackBefore := memory(b)
	cmd := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^TestIdleClients$", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), "TVILLING_IDLE_CLIENTS="+addr+" "+strconv.Itoa(connections))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	for stats.Open.Load() < connections {
		<-time.After(50 * time.Millisecond)
	}
	<-time.After(500 * time.Millisecond)
	peak, _, _ := memory(b)
	for range 3 { // stacks shrink by half each time
		runtime.GC()
	}
	debug.FreeOSMemory()
	rss, heap, stack := memory(b)
	for b.Loop() {
	}
	b.ReportMetric(float64(rss-before)/connections/1024, "rss-KiB/conn")
	b.ReportMetric(float64(peak-before)/connections/1024, "peak-KiB/conn")
	b.ReportMetric(float64(heap-heapBefore)/connections/1024, "heap-KiB/conn")
	b.ReportMetric(float64(stack-stackBefore)/connections/1024, "stack-KiB/conn")
	_ = stdin.Close()
	_ = cmd.Wait()
}

// memory returns what the process holds, in bytes.
func memory(b *testing.B) (rss, heap, stack int64) {
	b.Helper()
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Skip("needs /proc: ", err)
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(data), &size, &resident); err != nil {
		b.Fatal(err)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return resident * int64(os.Getpagesize()), int64(m.HeapInuse), int64(m.StackInuse)
}

// TestIdleClients is the child of BenchmarkIdleConnection: it connects, sends
// a few packets as a client does, and waits until its standard input ends.
func TestIdleClients(t *testing.T) {
	var addr string
	var n int
	if _, err := fmt.Sscan(os.Getenv("TVILLING_IDLE_CLIENTS"), &addr, &n); err != nil {
		t.Skip("is a part of BenchmarkIdleConnection")
	}
	d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := w; i < n; i += 4 {
				nc, err := d.DialContext(t.Context(), "tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				t.Cleanup(func() { _ = nc.Close() })
				p := hello(tvilling.Device(tvilling.DeviceID("device-" + strconv.Itoa(i))))
				s := packet.Subscribe{ID: 1, Filters: []packet.Filter{{Topic: []byte(responses)}, {Topic: []byte(desired)}}}
				b := s.Append(p.Append(nil))
				b = append(b, publish("$iothub/twin/GET/?$rid=1", 0, 0, " ")...)
				if _, err := nc.Write(b); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	_, _ = io.Copy(io.Discard, os.Stdin)
}
