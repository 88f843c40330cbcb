package segment_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/store/segment"
)

// BenchmarkAppend measures durable appends on the disk that holds the
// temporary directory, with and without reserved space.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{256, 1400} {
		for _, records := range []int{1, 20, 256} {
			for _, reserve := range []int64{-1, segment.DefaultReserve} {
				name := fmt.Sprintf("bytes=%d/batch=%d/reserve=%d", size, records, max(reserve, 0))
				b.Run(name, func(b *testing.B) { benchAppend(b, size, records, reserve) })
			}
		}
	}
}

func benchAppend(b *testing.B, size, records int, reserve int64) {
	l := mustOpen(b, segment.Options{Dir: b.TempDir(), Reserve: reserve})
	batch := make([][]byte, records)
	for i := range batch {
		batch[i] = make([]byte, size)
		for j := range batch[i] {
			batch[i][j] = byte(i + j)
		}
	}
	b.SetBytes(int64(size * records))
	b.ReportAllocs()
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		if _, err := l.Append(batch); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(records*b.N)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

// BenchmarkRead measures reading a log of 64 MiB from the page cache, and
// finding a place in the middle of it.
func BenchmarkRead(b *testing.B) {
	l := mustOpen(b, segment.Options{Dir: b.TempDir()})
	batch := make([][]byte, 1000)
	for i := range batch {
		batch[i] = make([]byte, 1000)
	}
	for range 60 {
		if _, err := l.Append(batch); err != nil {
			b.Fatal(err)
		}
	}
	if err := l.Rotate(); err != nil {
		b.Fatal(err)
	}
	b.Run("all", func(b *testing.B) {
		b.SetBytes(l.Bytes())
		for b.Loop() {
			for _, err := range l.Read(0) {
				if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("seek", func(b *testing.B) {
		for i := uint64(0); b.Loop(); i++ {
			for _, err := range l.Read(i * 7919 % l.Head()) {
				if err != nil {
					b.Fatal(err)
				}
				break
			}
		}
	})
}
