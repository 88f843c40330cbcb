package configuration //nolint:testpackage // what is decided is the inside

import (
	"fmt"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
)

// BenchmarkDecide is what looking at one twin takes: a security module twin of
// about 1.3 KB, ten configurations of which two apply.
func BenchmarkDecide(b *testing.B) {
	w := newWorld(b)
	w.twin = state.NewTwin(tvilling.Device("d"))
	var settings tree
	for i := range 30 {
		settings.set([]string{"agent", fmt.Sprintf("property%02d", i), "value"}, `"PT5M"`)
	}
	w.hand(doc.Desired, string(settings.appendJSON(nil)))
	w.hand(doc.Tags, `{"site":"s1"}`)
	for i := range 10 {
		w.put(fmt.Sprintf("fw%d", i), fmt.Sprintf(`{"properties.desired.agent.property%02d.value":"PT%dM","properties.desired.extra%d":1}`, i, i, i),
			fmt.Sprintf("tags.site = 's%d'", i%5), i, all)
	}
	for _, have := range []bool{false, true} {
		b.Run(fmt.Sprintf("applied=%t", have), func(b *testing.B) {
			if have {
				w.renew()
			}
			b.ReportAllocs()
			for b.Loop() {
				d, err := w.table.decide(w.row(), func(string) string { return "" })
				if err != nil || d.idle() != have {
					b.Fatal(d, err)
				}
			}
		})
	}
}
