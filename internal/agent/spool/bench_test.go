package spool_test

import (
	"runtime"
	"testing"

	"github.com/tvilling/tvilling/internal/agent/spool"
)

func benchSpool(b *testing.B, size int64) *spool.Spool {
	b.Helper()
	s, err := spool.Open(spool.Options{Dir: b.TempDir() + "/spool", MaxBytes: size})
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

// BenchmarkAdd adds events of 400 bytes to a spool that is full, so that each
// of them drops another; without syncing.
func BenchmarkAdd(b *testing.B) {
	s := benchSpool(b, 2<<20)
	ev := make([]byte, 400)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if err := s.Add(spool.Low, ev); err != nil {
			b.Fatal(err)
		}
		if i++; i%1000 == 0 {
			if err := s.Sync(); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkAddSync is what an urgent event costs until it is durable.
func BenchmarkAddSync(b *testing.B) {
	s := benchSpool(b, 2<<20)
	ev := make([]byte, 400)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Add(spool.High, ev); err != nil {
			b.Fatal(err)
		}
		if err := s.Sync(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSend is what a message of 64 KiB costs: 150 events are added and
// synced, taken and done.
func BenchmarkSend(b *testing.B) {
	s := benchSpool(b, 2<<20)
	ev := make([]byte, 400)
	b.ReportAllocs()
	for b.Loop() {
		for range 150 {
			if err := s.Add(spool.Low, ev); err != nil {
				b.Fatal(err)
			}
		}
		if err := s.Sync(); err != nil {
			b.Fatal(err)
		}
		batch, err := s.Take(64<<10, 4096, spool.Low)
		if err == nil {
			err = s.Done(batch)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTake reads a message of 64 KiB.
func BenchmarkTake(b *testing.B) {
	s := benchSpool(b, 2<<20)
	ev := make([]byte, 400)
	for range 1000 {
		if err := s.Add(spool.Low, ev); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Sync(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Take(64<<10, 4096, spool.Low); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen opens a full spool of 64 MiB, and measures what it holds.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir() + "/spool"
	o := spool.Options{Dir: dir, MaxBytes: 64 << 20}
	s, err := spool.Open(o)
	if err != nil {
		b.Fatal(err)
	}
	ev := make([]byte, 400)
	for range (60 << 20) / 424 {
		if err := s.Add(spool.Low, ev); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	heap := func() float64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	b.ReportAllocs()
	held := 0.0
	for b.Loop() {
		before := heap()
		if s, err = spool.Open(o); err != nil {
			b.Fatal(err)
		}
		held = heap() - before
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(held, "heap-bytes")
}
