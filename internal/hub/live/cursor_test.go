package live_test

import (
	"testing"

	"github.com/tvilling/tvilling/internal/hub/live"
)

// FuzzCursor: whatever is taken for a cursor is just what a hub would have
// written.
func FuzzCursor(f *testing.F) {
	for _, p := range [][2]uint64{{0, 0}, {1, 1}, {300, 70_000}, {1<<64 - 2, 1<<64 - 1}} {
		f.Add(live.Cursor("SELECT * FROM devices", p[0], p[1]))
	}
	f.Add("")
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, s string) {
		if again, ok := live.Again(s); ok && again != s {
			t.Errorf("%q is written %q", s, again)
		}
	})
}
