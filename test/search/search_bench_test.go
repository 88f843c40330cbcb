package search_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/commit"
	"github.com/tvilling/tvilling/internal/hub/query"
	"github.com/tvilling/tvilling/internal/hub/search"
)

// ask runs one page of a query, which must be answered as is said, and have a row.
func (f *fleet) ask(b *testing.B, text string, plan search.Plan) {
	b.Helper()
	q, err := query.Compile(text)
	if err != nil {
		b.Fatal(err)
	}
	e, err := f.search.Explain(b.Context(), q, query.Options{}, true)
	if err != nil {
		b.Fatal(err)
	}
	if e.Plan != plan || e.Page.Rows == 0 {
		b.Fatalf("%s: the plan is %s with %d rows, want %s with some", text, e.Plan, e.Page.Rows, plan)
	}
	var took []time.Duration
	cpu := processorTime(b)
	for b.Loop() {
		begin := time.Now()
		if _, err := f.search.Run(b.Context(), q, query.Options{}); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begin))
	}
	b.ReportMetric((processorTime(b)-cpu).Seconds()*1000/float64(len(took)), "cpu-ms/op")
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(e.Page.Rows), "rows")
}

// processorTime is what the process has used so far. On a busy machine it says
// more than the time that went by.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkSearch(b *testing.B) {
	f := open(b)
	for _, x := range []struct {
		name, text string
		plan       search.Plan
	}{
		{"count", "SELECT COUNT() AS n FROM devices.modules WHERE security.state = 'atRisk' AND properties.reported.baseline.failed > 20", search.Index},
		{"group", "SELECT security.state, COUNT() AS n FROM devices.modules WHERE moduleId = 'azureiotsecurity' GROUP BY security.state", search.Index},
		{"join", "SELECT tags.site, modules.security.state, COUNT() AS n FROM devices JOIN devices.modules GROUP BY tags.site, modules.security.state", search.Index},
		{"page", "SELECT * FROM devices.modules WHERE security.state = 'atRisk' AND properties.reported.baseline.failed = 29", search.Index},
		{"all", "SELECT * FROM devices", search.Index},
		{"order", "SELECT * FROM devices.modules WHERE security.state = 'atRisk' ORDER BY security.score", search.Index},
		{"recheck", "SELECT deviceId FROM devices.modules WHERE security.state = 'atRisk' AND properties.reported.baseline.failed = 29 AND ARRAY_CONTAINS(properties.reported.ports, 22)", search.Recheck},
		{"device", "SELECT * FROM devices.modules WHERE deviceId = 'device-00000777'", search.Device},
		{"scan", "SELECT COUNT() AS n FROM devices.modules WHERE ARRAY_CONTAINS(properties.reported.ports, 22)", search.Scan},
		{"scan page", "SELECT deviceId FROM devices.modules WHERE ARRAY_CONTAINS(properties.reported.ports, 22)", search.Scan},
	} {
		b.Run(x.name, func(b *testing.B) { f.ask(b, x.text, x.plan) })
	}
}

func BenchmarkEach(b *testing.B) {
	f := open(b)
	q, err := query.Compile("SELECT deviceId FROM devices.modules WHERE moduleId = 'azureiotsecurity'")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		n := 0
		for _, err := range f.search.Each(b.Context(), q, tvilling.Identity{}) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		b.ReportMetric(float64(n), "twins")
	}
}

// BenchmarkCommit tells how long commits take, alone and while two scans run
// all the time.
func BenchmarkCommit(b *testing.B) {
	f := open(b)
	running, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	wg.Go(func() { f.committer.Run(running) })
	q, err := query.Compile("SELECT COUNT() AS n FROM devices.modules WHERE ARRAY_CONTAINS(properties.reported.ports, 7)")
	if err != nil {
		b.Fatal(err)
	}
	for _, scans := range []int{0, 1, 2} {
		b.Run(fmt.Sprintf("beside %d scans", scans), func(b *testing.B) {
			ctx, end := context.WithCancel(b.Context())
			var scanning sync.WaitGroup
			for range scans {
				scanning.Go(func() {
					for ctx.Err() == nil {
						if _, err := f.search.Run(ctx, q, query.Options{}); err != nil && ctx.Err() == nil {
							b.Error(err)
							return
						}
					}
				})
			}
			f.commits(b)
			end()
			scanning.Wait()
		})
	}
}

// commits writes twins again, 16 at a time, and reports the time of each.
func (f *fleet) commits(b *testing.B) {
	const writers = 16
	var mu sync.Mutex // guards took
	var took []time.Duration
	var wg sync.WaitGroup
	each := max(b.N/writers, 1)
	b.ResetTimer()
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				begin := time.Now()
				id := deviceID((w*7919 + i*104729) % *fleetSize)
				err := f.committer.Do(b.Context(), func(tx *commit.Tx) error {
					t, err := tx.Twin(id)
					if err != nil {
						return err
					}
					next := *t
					next.Version++
					tx.PutTwin(&next)
					return nil
				})
				if err != nil {
					b.Error(err)
					return
				}
				mu.Lock()
				took = append(took, time.Since(begin))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "max-ms")
}
