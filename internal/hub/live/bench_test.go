package live_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/hubtest"
	"github.com/tvilling/tvilling/internal/hub/live"
)

const (
	benchQueries = 64
	benchDevices = 6400
	benchRate    = 5000 // reported patches a second
)

// BenchmarkFollow measures 64 live queries, each of a site of 100 devices, while
// devices report 5,000 times a second: how long after the acknowledgement of a
// report the event with it came, and the CPU time that all took.
func BenchmarkFollow(b *testing.B) {
	for _, kind := range []string{"own", "all"} {
		b.Run(kind, func(b *testing.B) { benchmarkFollow(b, kind) })
	}
}

func benchmarkFollow(b *testing.B, kind string) {
	h := over(b, hubtest.New(b))
	for i := range benchDevices {
		d := benchDevice(i)
		h.Register(b, d)
		h.patch(b, d, fmt.Sprintf(`{"site":"s%d"}`, i%benchQueries), "")
	}
	m := &meter{acknowledged: make([]atomic.Int64, b.N)}
	ctx, stop := context.WithCancel(b.Context())
	var readers sync.WaitGroup
	ready := make(chan struct{}, benchQueries)
	for i := range benchQueries {
		text := fmt.Sprintf(`SELECT properties.reported.n FROM devices WHERE tags.site = 's%d'`, i)
		if kind == "all" {
			text = fmt.Sprintf(`SELECT properties.reported.n, '%d' AS q FROM devices WHERE IS_DEFINED(tags.site)`, i)
		}
		l, err := h.live.Open(ctx, text, "")
		if err != nil {
			b.Fatal(err)
		}
		readers.Go(func() {
			defer l.Close()
			m.read(ctx, l, ready)
		})
	}
	for range benchQueries {
		<-ready
	}
	before := cpu(b)
	begin := time.Now()
	b.ResetTimer()
	var reports sync.WaitGroup
	for n := range b.N {
		if ahead := time.Duration(n)*time.Second/benchRate - time.Since(begin); ahead > time.Millisecond {
			time.Sleep(ahead) //nolint:forbidigo // a benchmark's rate
		}
		reports.Add(1)
		h.Twins.Report(benchDevice(n%benchDevices), "bench", fmt.Appendf(nil, `{"n":%d}`, n), -1, func(int64, error) {
			m.acknowledged[n].Store(time.Since(m.begin()).Nanoseconds())
			reports.Done()
		})
	}
	reports.Wait()
	took := time.Since(begin)
	b.StopTimer()
	stop()
	readers.Wait()
	used := cpu(b) - before
	m.report(b)
	b.ReportMetric(float64(b.N)/took.Seconds(), "reports/s")
	b.ReportMetric(used.Seconds()/took.Seconds()*100, "cpu-%")
	b.ReportMetric(0, "ns/op")
}

func benchDevice(i int) tvilling.Identity {
	return tvilling.Device(tvilling.DeviceID(fmt.Sprintf("device-%06d", i)))
}

// cpu returns the time that the process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// meter keeps when reports were acknowledged, and how long their events took.
type meter struct {
	started      sync.Once
	zero         time.Time
	acknowledged []atomic.Int64

	mu   sync.Mutex
	lags []time.Duration
}

func (m *meter) begin() time.Time {
	m.started.Do(func() { m.zero = time.Now().Add(-time.Second) })
	return m.zero
}

func (m *meter) read(ctx context.Context, l *live.Subscription, ready chan<- struct{}) {
	var lags []time.Duration
	for e, err := range l.Events(ctx) {
		if err != nil {
			panic(err)
		}
		switch e.Kind {
		case live.Ready:
			ready <- struct{}{}
		case live.Changed:
			var row struct{ N int }
			if err := json.Unmarshal(e.Row, &row); err != nil {
				panic(err)
			}
			// An event may be faster than the acknowledgement.
			if at := m.acknowledged[row.N].Load(); at > 0 {
				lags = append(lags, time.Since(m.begin())-time.Duration(at))
			} else {
				lags = append(lags, 0)
			}
		case live.Entered, live.Left, live.Reset, live.Idle:
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lags = append(m.lags, lags...)
}

func (m *meter) report(b *testing.B) {
	slices.Sort(m.lags)
	n := len(m.lags)
	if n == 0 {
		return
	}
	b.ReportMetric(float64(n)/float64(b.N), "events/report")
	b.ReportMetric(float64(m.lags[n/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(m.lags[n*99/100].Microseconds())/1000, "p99-ms")
}
