package schema_test

import (
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/sample"
	"github.com/tvilling/tvilling/internal/security/schema"
)

// bodies are messages of 20 events of the mix that the figures are about.
func bodies(n int) [][]byte {
	s := sample.New(1)
	all := make([][]byte, n)
	for i := range all {
		all[i] = s.Message("pump-"+string(rune('a'+i%26)), 20, received)
	}
	return all
}

func BenchmarkDecode(b *testing.B) {
	all := bodies(64)
	m := message("")
	b.ReportAllocs()
	var size, events, i int
	for b.Loop() {
		m.Body = all[i%len(all)]
		got, err := schema.Decode(m, time.Time{})
		if err != nil {
			b.Fatal(err)
		}
		size += len(m.Body)
		events += len(got.Events)
		i++
	}
	b.SetBytes(int64(size / b.N))
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkItems(b *testing.B) {
	var stored []event.Event
	var size int
	for _, body := range bodies(16) {
		got, err := schema.Decode(message(string(body)), time.Time{})
		if err != nil {
			b.Fatal(err)
		}
		stored = append(stored, got.Events...)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		e := &stored[i%len(stored)]
		if _, err := schema.Items(e.Kind, e.Payload); err != nil {
			b.Fatal(err)
		}
		size += len(e.Payload)
		i++
	}
	b.SetBytes(int64(size / b.N))
}

func BenchmarkAppend(b *testing.B) {
	got, err := schema.Decode(message(string(bodies(1)[0])), time.Time{})
	if err != nil {
		b.Fatal(err)
	}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = schema.Append(dst[:0], got)
	}
	b.SetBytes(int64(len(dst)))
}
