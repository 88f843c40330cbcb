package sqlite_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
	"github.com/tvilling/tvilling/internal/store/sqlite"
)

// The benchmarks of scans use a fleet of this size. With a directory it is
// made there once and found again, which a million devices are worth:
//
//	go test ./internal/store/sqlite -run - -bench Fleet -fleet-dir /tmp/fleet -fleet-size 1000000
var (
	fleetDir     = flag.String("fleet-dir", "", "keep the fleet of the benchmarks in this `directory`")
	fleetSize    = flag.Int("fleet-size", 20_000, "the fleet of the benchmarks has this many `devices`")
	fleetShuffle = flag.Bool("fleet-shuffle", false, "register the devices of the fleet in no order")
)

func fleetModule(n int) tvilling.Identity {
	return tvilling.Identity{Device: tvilling.DeviceID(fmt.Sprintf("device-%08d", n)), Module: "azureiotsecurity"}
}

// fleetWrites returns a device with a small twin and its security module with
// one of 1.3 KB, as they are registered.
func fleetWrites(n int, noise []byte) []state.Write {
	device, module := benchID(n), fleetModule(n)
	record := func(id tvilling.Identity) *state.Identity {
		return &state.Identity{
			ID: id, Generation: "638503000000000001", Version: 1, Created: time.Unix(1, 0),
			Auth: state.Authentication{Type: state.SAS, SealedPrimary: noise[:64], SealedSecondary: noise[64:128]},
		}
	}
	at := n * 7 % (len(noise) - 2000)
	t := &state.Twin{
		ID: module, Version: 3, Revision: 2,
		Tags: doc.Section(noise[at : at+60]), Desired: doc.Section(noise[at+60 : at+460]), Reported: doc.Section(noise[at+460 : at+1300]),
	}
	return []state.Write{
		{ID: device, Identity: record(device)},
		{ID: device, Twin: &state.Twin{ID: device, Version: 2, Revision: 1, Tags: doc.Section(noise[at : at+120]), Desired: doc.Section(noise[at : at+20]), Reported: doc.Section(noise[at : at+20])}},
		{ID: module, Identity: record(module)},
		{ID: module, Twin: t},
	}
}

// openFleet opens the store of a fleet whose records are all in SQLite.
func openFleet(b *testing.B) *sqlite.Store {
	b.Helper()
	o := sqlite.Options{Dir: *fleetDir}
	if o.Dir == "" {
		o.Dir = b.TempDir()
	}
	made := filepath.Join(o.Dir, fmt.Sprintf("made-%d-%t", *fleetSize, *fleetShuffle))
	if _, err := os.Stat(made); err != nil {
		makeFleet(b, o)
		if err := os.WriteFile(made, nil, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	s, err := sqlite.Open(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

func makeFleet(b *testing.B, o sqlite.Options) {
	b.Helper()
	s, err := sqlite.Open(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 1<<20)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	order := make([]int, *fleetSize)
	for i := range order {
		order[i] = i
	}
	if *fleetShuffle {
		r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	}
	for len(order) > 0 {
		n := min(500, len(order))
		var batch state.Batch
		head, _ := s.Head()
		for i, device := range order[:n] {
			batch.Writes = append(batch.Writes, fleetWrites(device, noise)...)
			batch.Changes = append(batch.Changes, change(head+uint64(i)+1, benchID(device)))
		}
		if err := s.Commit(context.Background(), &batch); err != nil {
			b.Fatal(err)
		}
		order = order[n:]
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

// scanFleet reads the security twins of the fleet in a number of ranges at
// once and returns how many it saw.
func scanFleet(b *testing.B, s *sqlite.Store, ranges int) int64 {
	b.Helper()
	var seen, bytes atomic.Int64
	var scans sync.WaitGroup
	for i := range ranges {
		r := state.Range{Kind: state.Modules, Bare: true}
		if i > 0 {
			r.After = fleetModule(*fleetSize*i/ranges - 1)
		}
		if i < ranges-1 {
			r.Until = fleetModule(*fleetSize*(i+1)/ranges - 1)
		}
		scans.Go(func() {
			n, size := int64(0), int64(0)
			for e, err := range s.Scan(context.Background(), r) {
				if err != nil {
					b.Error(err)
					return
				}
				n++
				size += int64(len(e.Twin.Reported))
			}
			seen.Add(n)
			bytes.Add(size)
		})
	}
	scans.Wait()
	return seen.Load()
}

// BenchmarkFleetScan reads all security twins.
func BenchmarkFleetScan(b *testing.B) {
	s := openFleet(b)
	for _, ranges := range []int{1, 2} {
		b.Run(fmt.Sprintf("ranges=%d", ranges), func(b *testing.B) {
			b.ReportAllocs()
			before := cpuTime(b)
			for b.Loop() {
				if n := scanFleet(b, s, ranges); n != int64(*fleetSize) {
					b.Fatalf("%d twins of %d", n, *fleetSize)
				}
			}
			twins := float64(*fleetSize) * float64(b.N)
			b.ReportMetric(twins/b.Elapsed().Seconds(), "twins/s")
			b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/twins, "cpu-ns/twin")
		})
	}
}

// BenchmarkFleetTwins reads 100 twins by their identities, none of them in
// the cache.
func BenchmarkFleetTwins(b *testing.B) {
	s := openFleet(b)
	r := rand.New(rand.NewPCG(3, 4))
	before := cpuTime(b)
	for b.Loop() {
		for range 100 {
			w, err := s.Twin(b.Context(), fleetModule(r.IntN(*fleetSize)))
			if err != nil || w == nil {
				b.Fatal(w, err)
			}
		}
	}
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
}

// BenchmarkFleetCommitWhileScanning commits a change of one twin at a time
// while two scans go round and round.
func BenchmarkFleetCommitWhileScanning(b *testing.B) {
	s := openFleet(b)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var scans sync.WaitGroup
	var seen atomic.Int64
	for range 2 {
		scans.Go(func() {
			for ctx.Err() == nil {
				for _, err := range s.Scan(ctx, state.Range{Kind: state.Modules, Bare: true}) {
					if err != nil {
						break // it was ended
					}
					seen.Add(1)
				}
			}
		})
	}
	r := rand.New(rand.NewPCG(3, 4))
	var took []time.Duration
	for b.Loop() {
		old, err := s.Twin(b.Context(), fleetModule(r.IntN(*fleetSize)))
		if err != nil {
			b.Fatal(err)
		}
		next := *old
		next.Version++
		head, _ := s.Head()
		start := time.Now()
		commit(b, s, &state.Batch{Writes: []state.Write{{ID: next.ID, Twin: &next}}, Changes: []state.Change{change(head+1, next.ID)}})
		took = append(took, time.Since(start))
	}
	b.ReportMetric(float64(seen.Load())/b.Elapsed().Seconds(), "scanned/s")
	cancel()
	scans.Wait()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	b.ReportMetric(float64(took[len(took)-1].Microseconds()), "max-µs")
}
