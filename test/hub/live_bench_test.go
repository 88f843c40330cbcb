package hub_test

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
)

// BenchmarkLiveQueries measures a whole hub with 64 live queries over HTTPS while
// 64 devices report 5,000 times a second over MQTT: how long after a report was
// sent the event with it came, its way to the disk included.
func BenchmarkLiveQueries(b *testing.B) {
	const queries, rate = 64, 5000
	h, c, _ := start(b)
	wires := make([]*wire, queries)
	for i := range wires {
		id := device("bench-" + itoa(i))
		key := h.Register(c, id.Device)
		tags := json.RawMessage(`{"site":"s` + itoa(i) + `"}`)
		if _, err := c.PatchTwin(b.Context(), id, client.TwinPatch{Tags: tags}, tvilling.Match{}); err != nil {
			b.Fatal(err)
		}
		wires[i] = connect(b, h, id, key)
	}
	sent := make([]atomic.Int64, b.N)
	zero := time.Now()
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	var mu sync.Mutex
	var lags []time.Duration
	var newest atomic.Int64
	newest.Store(-1)
	var readers sync.WaitGroup
	ready := make(chan struct{}, queries)
	for i := range queries {
		text := "SELECT properties.reported.n FROM devices WHERE tags.site = 's" + itoa(i) + "'"
		readers.Go(func() {
			for e, err := range c.Live(ctx, text, "") {
				if err != nil {
					if ctx.Err() == nil {
						b.Error(err)
					}
					return
				}
				switch e.Kind {
				case "ready":
					ready <- struct{}{}
				case "changed":
					var row struct{ N int }
					if err := json.Unmarshal(e.Row, &row); err != nil {
						b.Error(err)
						return
					}
					lag := time.Since(zero) - time.Duration(sent[row.N].Load())
					mu.Lock()
					lags = append(lags, lag)
					mu.Unlock()
					newest.Store(max(newest.Load(), int64(row.N)))
				}
			}
		})
	}
	for range queries {
		<-ready
	}
	begin := time.Now()
	b.ResetTimer()
	for n := range b.N {
		if ahead := time.Duration(n)*time.Second/rate - time.Since(begin); ahead > time.Millisecond {
			time.Sleep(ahead) //nolint:forbidigo // a benchmark's rate
		}
		p := packet.Publish{Topic: []byte("$iothub/twin/PATCH/properties/reported/?$rid=r"), Payload: []byte(`{"n":` + itoa(n) + `}`)}
		sent[n].Store(int64(time.Since(zero)))
		wires[n%queries].send(p.Append(nil))
	}
	b.StopTimer()
	took := time.Since(begin)
	for newest.Load() < int64(b.N-1) && !b.Failed() {
		time.Sleep(time.Millisecond) //nolint:forbidigo // the last event is on its way
	}
	stop()
	readers.Wait()
	slices.Sort(lags)
	b.ReportMetric(float64(b.N)/took.Seconds(), "reports/s")
	b.ReportMetric(float64(len(lags))/float64(b.N), "events/report")
	b.ReportMetric(float64(lags[len(lags)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(lags[len(lags)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(0, "ns/op")
}
