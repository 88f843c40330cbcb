package history_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/history"
	"github.com/tvilling/tvilling/internal/hub/hubtest"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/hub/twin/doc"
	"github.com/tvilling/tvilling/internal/store/sqlite"
)

// BenchmarkHistory reads the past of one of 2,000 twins that were changed
// 20,000 times in all.
func BenchmarkHistory(b *testing.B) {
	store, err := sqlite.Open(b.Context(), sqlite.Options{Dir: filepath.Join(b.TempDir(), "hub")})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() }) // nothing is to be kept
	c := hubtest.Over(b, store)
	const twins, changes = 2000, 20_000
	id := func(i int) tvilling.Identity { return tvilling.Device(tvilling.DeviceID(fmt.Sprintf("d%d", i%twins))) }
	for i := range twins {
		c.Register(b, id(i))
	}
	done := make(chan error, changes)
	for i := range changes {
		c.Twins.Report(id(i), "device", fmt.Appendf(nil, `{"a":{"b":%d},"c":"%050d"}`, i, i), -1, func(_ int64, err error) { done <- err })
	}
	for range changes {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	v, err := c.Twins.Patch(b.Context(), id(7), twin.Update{Desired: hubtest.Patch(b, doc.Desired, `{"a":1}`)}, tvilling.Match{}, "policy:a")
	if err != nil {
		b.Fatal(err)
	}
	h := history.New(c.Store, c.Twins, func(tvilling.Identity) bool { return false })
	b.Run("Versions", func(b *testing.B) {
		for b.Loop() {
			if _, err := h.Versions(b.Context(), id(7), history.Query{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("At", func(b *testing.B) {
		for b.Loop() {
			if _, err := h.At(b.Context(), id(7), history.Point{Version: v.Version}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
