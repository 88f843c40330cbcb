// The test of this directory keeps a hub under mixed load and looks at what
// it holds afterwards. `make soak` runs it for minutes; among the other tests
// it runs for moments, so that it stays true.
package soak_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/app"
	"github.com/tvilling/tvilling/internal/app/apptest"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/device"
)

const (
	workers          = 8
	devicesPerWorker = 6
	// The ceilings: what may be there after the load beyond what was there
	// after its first part, when every cache and pool had been filled.
	moreHeap       = 24 << 20
	moreGoroutines = 8
	moreFiles      = 8
	// settling bounds how long what was closed may take to be gone.
	settling = 30 * time.Second
)

// length is how long the load runs: TVILLING_SOAK_TIME, or 3 seconds.
func length(t *testing.T) time.Duration {
	t.Helper()
	s := os.Getenv("TVILLING_SOAK_TIME")
	if s == "" {
		return 3 * time.Second
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < time.Second {
		t.Fatalf("TVILLING_SOAK_TIME is %q, want a duration of at least 1s", s)
	}
	return d
}

func TestSoak(t *testing.T) {
	long := length(t)
	hub := apptest.Start(t, func(o *app.Options) {
		o.CacheBytes = 4 << 20
		smallest := app.Retention{MaxAge: time.Hour, MaxBytes: 64 << 20}
		o.Telemetry, o.Security, o.History = smallest, smallest, smallest
	})
	l := &load{hub: hub, service: hub.Client(), keys: map[tvilling.Identity]string{}}
	for w := range workers {
		for n := range devicesPerWorker {
			id := deviceOf(w, n)
			l.keys[id] = hub.Register(l.service, id.Device)
		}
	}
	// The first part fills caches and pools; what it leaves is the measure.
	l.run(t, max(long/4, time.Second))
	before := settle(t, holding{goroutines: 1 << 20, files: 1 << 20})
	done := l.total()
	l.run(t, max(long*3/4, time.Second))
	after := settle(t, before)
	t.Logf("%d operations in %s, then %d more: %+v, then %+v", done, long/4, l.total()-done, before, after)
	if l.total() == done {
		t.Error("the second part did nothing: this test looks at nothing")
	}
	if after.heap > before.heap+moreHeap {
		t.Errorf("heap after collection: %d MiB, was %d MiB: more than %d MiB beyond it", after.heap>>20, before.heap>>20, moreHeap>>20)
	}
	if after.goroutines > before.goroutines+moreGoroutines {
		t.Errorf("goroutines: %d, were %d", after.goroutines, before.goroutines)
	}
	if after.files > before.files+moreFiles {
		t.Errorf("open files: %d, were %d", after.files, before.files)
	}
}

// holding is what the process holds.
type holding struct {
	heap              uint64
	goroutines, files int
}

// settle waits until goroutines and files are back at about want, or as long
// as that may take, and returns what is held then.
func settle(t *testing.T, want holding) holding {
	t.Helper()
	deadline := time.NewTimer(settling)
	defer deadline.Stop()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		now := held(t)
		if now.goroutines <= want.goroutines+moreGoroutines && now.files <= want.files+moreFiles && now.heap <= want.heap+moreHeap {
			return now
		}
		select {
		case <-look.C:
		case <-deadline.C:
			return now
		}
	}
}

func held(t *testing.T) holding {
	t.Helper()
	runtime.GC()
	runtime.GC() // the first one moves what pools hold, the second frees it
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return holding{heap: m.HeapAlloc, goroutines: runtime.NumGoroutine(), files: len(files)}
}

// load is a fleet with its service, all against one hub.
type load struct {
	hub     *apptest.Hub
	service *client.Client
	keys    map[tvilling.Identity]string

	connects, reports, twins, messages, patches, refused, queries atomic.Int64
}

func (l *load) total() int64 {
	return l.connects.Load() + l.reports.Load() + l.twins.Load() + l.messages.Load() + l.patches.Load() + l.refused.Load() + l.queries.Load()
}

func deviceOf(worker, n int) tvilling.Identity {
	return tvilling.Device(tvilling.DeviceID(fmt.Sprintf("soak-%d-%d", worker, n)))
}

// run keeps the hub busy for a while and waits until every client is gone.
func (l *load) run(t *testing.T, long time.Duration) {
	t.Helper()
	until, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(w), uint64(l.total())))
			for until.Err() == nil && !t.Failed() {
				// Each step is finished, not cut off: a step that fails is a failure.
				if err := l.step(t.Context(), w, random); err != nil {
					t.Errorf("worker %d: %v", w, err)
				}
			}
		})
	}
	wg.Wait()
}

// step is one life of a connection, with a service at work beside it.
func (l *load) step(ctx context.Context, worker int, random *rand.Rand) error {
	ctx, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	id := deviceOf(worker, random.IntN(devicesPerWorker))
	var wire net.Conn
	connect := func() (*device.Client, error) {
		return device.Dial(ctx, device.Options{
			Addr: l.hub.MQTT(), TLS: l.hub.TLS(), HostName: "localhost", ID: id, Key: l.keys[id], Clean: random.IntN(2) == 0,
			OnDesired: func(int64, []byte) {},
			Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				var err error
				wire, err = new(net.Dialer).DialContext(ctx, network, addr)
				return wire, err
			},
		})
	}
	c, err := connect()
	if err != nil {
		return fmt.Errorf("connect %s: %w", id, err)
	}
	l.connects.Add(1)
	if random.IntN(4) == 0 { // a second connection takes over
		first := c
		if c, err = connect(); err != nil {
			return fmt.Errorf("take over %s: %w", id, err)
		}
		l.connects.Add(1)
		<-first.Done()
		_ = first.Close() // it has ended; why is no matter
	}
	if err := c.SubscribeDesired(ctx); err != nil {
		return fmt.Errorf("subscribe %s: %w", id, err)
	}
	for range 1 + random.IntN(10) {
		if err := l.act(ctx, c, id, random); err != nil {
			return err
		}
	}
	if random.IntN(3) == 0 {
		_ = wire.Close() // the network goes, without a goodbye
		<-c.Done()
	}
	_ = c.Close()
	return nil
}

// act does one thing that a device or its service does.
func (l *load) act(ctx context.Context, c *device.Client, id tvilling.Identity, random *rand.Rand) error {
	switch random.IntN(7) {
	case 0, 1:
		// A bounded set of keys: twins do not grow for ever.
		_, err := c.Report(ctx, fmt.Appendf(nil, `{"k%d":{"n":%d}}`, random.IntN(20), random.Int64N(1e9)))
		l.reports.Add(1)
		return describe(err, "report", id)
	case 2:
		_, err := c.Twin(ctx)
		l.twins.Add(1)
		return describe(err, "read twin", id)
	case 3:
		m := &tvilling.Message{Body: make([]byte, random.IntN(2000))}
		if random.IntN(2) == 0 {
			device.MarkSecurity(m)
		}
		l.messages.Add(1)
		return describe(c.Send(ctx, m), "send", id)
	case 4:
		patch := client.TwinPatch{Desired: json.RawMessage(fmt.Sprintf(`{"d%d":%d}`, random.IntN(20), random.Int64N(1e9)))}
		_, err := l.service.PatchTwin(ctx, id, patch, tvilling.Match{})
		l.patches.Add(1)
		return describe(err, "patch", id)
	case 5:
		_, err := l.service.QueryPage(ctx, "SELECT deviceId FROM devices WHERE properties.desired.d1 > 5", 20, "")
		l.queries.Add(1)
		return describe(err, "query", id)
	default:
		_, err := c.Report(ctx, []byte(`{"a":{"$bad":1}}`))
		l.refused.Add(1)
		if tvilling.CodeOf(err) != tvilling.InvalidArgument {
			return fmt.Errorf("bad report of %s: got %w, want it refused", id, err)
		}
		return nil
	}
}

func describe(err error, what string, id tvilling.Identity) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", what, id, err)
}
