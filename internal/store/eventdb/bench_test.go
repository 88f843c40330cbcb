package eventdb_test

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/store/eventdb"
)

const (
	benchDevices = 100_000
	benchEvents  = 20 // in a message
)

// batches makes messages ahead of the clock of a benchmark, which stands
// still meanwhile.
type batches struct {
	f        *fleet
	sequence uint64
	now      time.Time
	step     time.Duration
}

func (s *batches) make(n int) []*event.Message {
	out := make([]*event.Message, n)
	for i := range out {
		s.sequence++
		s.now = s.now.Add(s.step)
		out[i] = s.f.message(s.sequence, s.now)
	}
	return out
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkAppend appends messages of random devices of a fleet, each with 20
// events that no other has, over a store that holds some already. An operation
// is an event.
func BenchmarkAppend(b *testing.B) {
	for _, before := range []int{0, 1_000_000, 4_000_000} {
		b.Run(fmt.Sprintf("stored=%d", before), func(b *testing.B) { benchAppend(b, before, benchDevices) })
	}
	for _, devices := range []int{1000, 100} {
		b.Run(fmt.Sprintf("devices=%d", devices), func(b *testing.B) { benchAppend(b, 2_000_000, devices) })
	}
}

func benchAppend(b *testing.B, before, devices int) {
	db := open(b, eventdb.Options{})
	src := &batches{f: newFleet(devices, benchEvents, 1), now: noon.Add(-8 * time.Hour), step: 4 * time.Millisecond}
	run := func(n int, timed bool) time.Duration {
		var cpu time.Duration
		for n > 0 {
			batch := src.make(min(n, 20_000)/benchEvents + 1)
			n -= len(batch) * benchEvents
			at := cpuTime(b)
			if timed {
				b.StartTimer()
			}
			add(b, db, batch...)
			if timed {
				b.StopTimer()
			}
			cpu += cpuTime(b) - at
		}
		return cpu
	}
	b.StopTimer()
	run(before, false)
	flush(b, db)
	start := db.Stats()
	b.ReportAllocs()
	b.ResetTimer()
	cpu := run(b.N, true)
	flush(b, db)
	st := db.Stats()
	b.ReportMetric(float64(st.Events-start.Events)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(cpu.Nanoseconds())/1000/float64(st.Events-start.Events), "cpu-µs/event")
	b.ReportMetric(float64(st.FlushTime-start.FlushTime)/float64(b.Elapsed()), "flush-share")
	b.ReportMetric(float64(st.LastFlush.Microseconds()), "last-flush-µs")
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	if st.Events > 100_000 {
		b.ReportMetric(float64(db.Stats().Bytes)/float64(st.Stored), "bytes/event")
	}
}

// BenchmarkDevice reads all events of a device out of two million, of which it
// has a share that lies thin over all blocks.
func BenchmarkDevice(b *testing.B) {
	for _, devices := range []int{1000, 20_000} {
		b.Run(fmt.Sprintf("devices=%d", devices), func(b *testing.B) {
			db := open(b, eventdb.Options{})
			src := &batches{f: newFleet(devices, benchEvents, 1), now: noon.Add(-8 * time.Hour), step: 4 * time.Millisecond}
			for range 100 {
				add(b, db, src.make(1000)...)
			}
			flush(b, db)
			r := rand.New(rand.NewPCG(1, 2))
			n := 0
			start := db.Stats().BlocksRead
			for b.Loop() {
				n += len(query(b, db, event.Query{Device: src.f.device(r.IntN(devices))}))
			}
			b.ReportMetric(float64(n)/float64(b.N), "events/op")
			b.ReportMetric(float64(db.Stats().BlocksRead-start)/float64(b.N), "blocks/op")
		})
	}
}

// BenchmarkScan reads all of a million events, and the rare ones among them.
func BenchmarkScan(b *testing.B) {
	db := open(b, eventdb.Options{})
	src := &batches{f: newFleet(benchDevices, benchEvents, 1), now: noon.Add(-8 * time.Hour), step: 4 * time.Millisecond}
	for n := range 50 {
		batch := src.make(1000)
		if n%10 == 0 {
			batch[0].Events[0].Kind, batch[0].Events[0].Name = event.HeartbeatKind, "Heartbeat"
		}
		add(b, db, batch...)
	}
	flush(b, db)
	for name, q := range map[string]event.Query{"all": {}, "rare": {Names: []string{"Heartbeat"}}, "minute": {From: src.now.Add(-time.Minute)}} {
		b.Run(name, func(b *testing.B) {
			n := 0
			for b.Loop() {
				for _, err := range db.Events(b.Context(), q) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(n)/float64(b.N), "events/op")
		})
	}
}

// BenchmarkDuplicates appends messages that were sent a while ago once more,
// over a day with two million events. An operation is an event.
func BenchmarkDuplicates(b *testing.B) {
	db := open(b, eventdb.Options{})
	src := &batches{f: newFleet(benchDevices, benchEvents, 1), now: noon.Add(-8 * time.Hour), step: 4 * time.Millisecond}
	var old []*event.Message
	for range 100 {
		batch := src.make(1000)
		add(b, db, batch...)
		old = append(old, batch[:20]...)
	}
	flush(b, db)
	r := rand.New(rand.NewPCG(1, 2))
	start := db.Stats()
	b.ResetTimer()
	for n := 0; n < b.N; n += benchEvents {
		src.sequence++
		m := *old[r.IntN(len(old))]
		m.Sequence, m.Received = src.sequence, src.now
		add(b, db, &m)
	}
	if st := db.Stats(); st.Events != start.Events {
		b.Errorf("%d events of %d were taken for new ones", st.Events-start.Events, b.N)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
