package sqlite_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
	"github.com/tvilling/tvilling/internal/store/sqlite"
)

const benchTwins = 100_000

func benchID(n int) tvilling.Identity {
	return tvilling.Device(tvilling.DeviceID(fmt.Sprintf("device-%08d", n)))
}

// benchTwin returns a twin whose value is about 1.4 KiB.
func benchTwin(n int, version int64) *state.Twin {
	r := rand.New(rand.NewPCG(uint64(n), uint64(version)))
	b := make([]byte, 1200+r.IntN(400))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return &state.Twin{
		ID: benchID(n), Version: version, Revision: uint64(version),
		Tags: doc.Section(b[:100]), Desired: doc.Section(b[100:500]), Reported: doc.Section(b[500:]),
	}
}

// fleet opens a store with benchTwins devices, all of them in SQLite.
func fleet(b *testing.B, o sqlite.Options) *sqlite.Store {
	b.Helper()
	if o.Dir == "" {
		o.Dir = b.TempDir()
	}
	s, err := sqlite.Open(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	for n := 0; n < benchTwins; n += 500 {
		var batch state.Batch
		for i := n; i < n+500; i++ {
			id := benchID(i)
			batch.Writes = append(batch.Writes,
				state.Write{ID: id, Identity: &state.Identity{ID: id, Generation: "638503000000000001", Version: 1, Created: time.Unix(1, 0)}},
				state.Write{ID: id, Twin: benchTwin(i, 2)})
		}
		if err := s.Commit(context.Background(), &batch); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	if s, err = sqlite.Open(b.Context(), o); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

// BenchmarkCommit updates random twins of a fleet, one key of each, with a
// number of callers that each wait for their own, as a hub's committer does.
func BenchmarkCommit(b *testing.B) {
	for _, inFlight := range []int{1, 256} {
		b.Run(fmt.Sprintf("inflight=%d", inFlight), func(b *testing.B) { benchCommit(b, inFlight) })
	}
}

type request struct {
	twin *state.Twin
	done chan error
}

func benchCommit(b *testing.B, inFlight int) {
	s := fleet(b, sqlite.Options{})
	queue := make(chan request, inFlight)
	var committer sync.WaitGroup
	committer.Go(func() { commitRounds(s, queue) })
	var left atomic.Int64
	left.Store(int64(b.N))
	latencies := make([][]time.Duration, inFlight)
	b.ReportAllocs()
	before := cpuTime(b)
	b.ResetTimer()
	var callers sync.WaitGroup
	for c := range inFlight {
		callers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(c), 1))
			done := make(chan error, 1)
			for left.Add(-1) >= 0 {
				start := time.Now()
				old, err := s.Twin(context.Background(), benchID(r.IntN(benchTwins)))
				if err != nil {
					b.Error(err)
					return
				}
				next := *old
				next.Reported = slices.Clone(old.Reported)
				next.Reported[r.IntN(len(next.Reported))]++
				next.Version++
				queue <- request{&next, done}
				if err := <-done; err != nil {
					b.Error(err)
					return
				}
				latencies[c] = append(latencies[c], time.Since(start))
			}
		})
	}
	callers.Wait()
	b.StopTimer()
	used := cpuTime(b) - before
	close(queue)
	committer.Wait()
	all := slices.Sorted(slices.Values(slices.Concat(latencies...)))
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "docs/s")
	b.ReportMetric(float64(used.Nanoseconds())/1000/float64(b.N), "cpu-µs/op")
	b.ReportMetric(float64(all[len(all)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99-µs")
	st := s.Stats()
	b.ReportMetric(float64(st.StallTime.Milliseconds()), "stall-ms")
	b.ReportMetric(float64(st.WriteBackRows)/float64(b.N), "rows/op")
}

// cpuTime returns the processor time of this process.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func commitRounds(s *sqlite.Store, queue <-chan request) {
	sequence, _ := s.Head()
	for first := range queue {
		round := []request{first}
	fill:
		for len(round) < 1024 {
			select {
			case r, ok := <-queue:
				if !ok {
					break fill
				}
				round = append(round, r)
			default:
				break fill
			}
		}
		var batch state.Batch
		for _, r := range round {
			sequence++
			batch.Writes = append(batch.Writes, state.Write{ID: r.twin.ID, Twin: r.twin})
			batch.Changes = append(batch.Changes, state.Change{
				Sequence: sequence, Time: time.Now(), Op: state.ReportTwin, ID: r.twin.ID,
				Actor: "device:" + r.twin.ID.String(), Reported: r.twin.Version, Body: []byte(`{"properties":{"reported":{"temperature":21.5}}}`),
			})
		}
		err := s.Commit(context.Background(), &batch)
		for _, r := range round {
			r.done <- err
		}
	}
}

func BenchmarkTwin(b *testing.B) {
	for _, test := range []struct {
		name  string
		cache int64
		span  int
	}{
		{"cached", 0, 20_000},
		{"uncached", 1, benchTwins},
	} {
		b.Run(test.name, func(b *testing.B) {
			s := fleet(b, sqlite.Options{CacheBytes: test.cache})
			for n := range test.span {
				if _, err := s.Twin(b.Context(), benchID(n)); err != nil {
					b.Fatal(err)
				}
			}
			ids := make([]tvilling.Identity, test.span)
			for n := range ids {
				ids[n] = benchID(n)
			}
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				r := rand.New(rand.NewPCG(3, 4))
				for pb.Next() {
					if w, err := s.Twin(context.Background(), ids[r.IntN(test.span)]); err != nil || w == nil {
						b.Error(w, err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reads/s")
		})
	}
}

func BenchmarkScan(b *testing.B) {
	s := fleet(b, sqlite.Options{})
	for b.Loop() {
		n := 0
		for _, err := range s.Scan(b.Context(), state.Range{}) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != benchTwins {
			b.Fatalf("%d of %d", n, benchTwins)
		}
	}
	b.ReportMetric(float64(benchTwins)*float64(b.N)/b.Elapsed().Seconds(), "twins/s")
}

// BenchmarkOpen measures a start: of an empty store, of a fleet that was
// closed, and of one whose process was killed with 20,000 updates to replay.
func BenchmarkOpen(b *testing.B) {
	start := func(b *testing.B, dir func() string) {
		for b.Loop() {
			b.StopTimer()
			d := dir()
			b.StartTimer()
			s, err := sqlite.Open(b.Context(), sqlite.Options{Dir: d})
			if err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			if err := s.Abandon(); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	}
	b.Run("empty", func(b *testing.B) { start(b, b.TempDir) })
	dir := b.TempDir()
	if err := fleet(b, sqlite.Options{Dir: dir}).Close(); err != nil {
		b.Fatal(err)
	}
	b.Run("closed", func(b *testing.B) { start(b, func() string { return copyDir(b, dir) }) })
	s, err := sqlite.Open(b.Context(), sqlite.Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	for n := 0; n < 20_000; n += 100 {
		var batch state.Batch
		for i := n; i < n+100; i++ {
			w := benchTwin(i*7%benchTwins, 3)
			batch.Writes = append(batch.Writes, state.Write{ID: w.ID, Twin: w})
		}
		if err := s.Commit(context.Background(), &batch); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Abandon(); err != nil {
		b.Fatal(err)
	}
	b.Run("killed", func(b *testing.B) { start(b, func() string { return copyDir(b, dir) }) })
}
