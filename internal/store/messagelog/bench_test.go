package messagelog_test

import (
	"fmt"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/store/messagelog"
)

// BenchmarkAppend measures durable appends on the disk that holds the
// temporary directory.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{200, 1400} {
		for _, n := range []int{1, 20, 256} {
			b.Run(fmt.Sprintf("body=%d/batch=%d", size, n), func(b *testing.B) {
				l := mustOpen(b, messagelog.Options{Dir: b.TempDir(), MaxBytes: 1 << 30})
				msgs := make([]*tvilling.Message, n)
				for i := range msgs {
					msgs[i] = sample(tvilling.DeviceID(fmt.Sprintf("device-%06d", i)), size)
				}
				b.ReportAllocs()
				for b.Loop() {
					mustAppend(b, l, msgs...)
				}
				b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "messages/s")
			})
		}
	}
}

func BenchmarkRead(b *testing.B) {
	l := mustOpen(b, messagelog.Options{Dir: b.TempDir()})
	msgs := make([]*tvilling.Message, 1000)
	for i := range msgs {
		msgs[i] = sample("device", 200)
	}
	for range 20 {
		mustAppend(b, l, msgs...)
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n += len(read(b, l, 0))
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "messages/s")
}

func BenchmarkEncode(b *testing.B) {
	m := sample("device-000001", 200)
	var buf []byte
	for b.Loop() {
		var err error
		if buf, err = messagelog.AppendEncoded(buf[:0], m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	buf, err := messagelog.AppendEncoded(nil, sample("device-000001", 200))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := messagelog.Decode(buf); err != nil {
			b.Fatal(err)
		}
	}
}
