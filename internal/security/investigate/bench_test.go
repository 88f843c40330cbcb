package investigate_test

import (
	"fmt"
	"testing"

	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/investigate"
)

// crowd is some thousand events as agents send them.
func crowd() *store {
	s := new(store)
	for i := range 5000 {
		d := fmt.Sprintf("d%d", i%50)
		s.add(d, "ProcessCreate", process(fmt.Sprintf("/usr/bin/tool%d", i%40), fmt.Sprintf("/usr/bin/tool%d --config /etc/tool/%d.conf --verbose", i%40, i)))
	}
	return s
}

func BenchmarkWhere(b *testing.B) {
	s := crowd()
	r := investigate.NewReader(s.events)
	w, err := investigate.ParseWhere([]string{"CommandLine contains nonsense", "UserId = 0"})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := r.Page(b.Context(), event.Query{}, w, 100, never); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(s.list))/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkSummary(b *testing.B) {
	s := crowd()
	r := investigate.NewReader(s.events)
	for b.Loop() {
		if _, err := r.Summary(b.Context(), investigate.Processes, investigate.Scope{}, never); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(s.list))/b.Elapsed().Seconds(), "events/s")
}
