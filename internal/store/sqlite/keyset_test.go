package sqlite_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/store/sqlite"
)

// TestKeyset compares the ordered set with a map.
func TestKeyset(t *testing.T) {
	t.Parallel()
	ids := rapid.Custom(func(t *rapid.T) tvilling.Identity {
		return id(fmt.Sprintf("d%03d", rapid.IntRange(0, 999).Draw(t, "device")), rapid.SampledFrom([]string{"", "m"}).Draw(t, "module"))
	})
	rapid.Check(t, func(t *rapid.T) {
		var s sqlite.Keyset
		want := map[tvilling.Identity]bool{}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				for _, i := range rapid.SliceOfN(ids, 1, 800).Draw(t, "ids") {
					s.Add(i)
					want[i] = true
				}
			},
			"remove": func(t *rapid.T) {
				for _, i := range rapid.SliceOfN(ids, 1, 800).Draw(t, "ids") {
					s.Remove(i)
					delete(want, i)
				}
			},
			"": func(t *rapid.T) {
				from := ids.Draw(t, "from")
				var after []tvilling.Identity
				for i := range want {
					if i.Compare(from) > 0 {
						after = append(after, i)
					}
				}
				slices.SortFunc(after, tvilling.Identity.Compare)
				var got []tvilling.Identity
				s.After(from, func(i tvilling.Identity) bool {
					got = append(got, i)
					return true
				})
				if !slices.Equal(got, after) || s.Size() != len(want) || s.Has(from) != want[from] {
					t.Fatalf("after %v: %d of %d members, want %d of %d", from, len(got), s.Size(), len(after), len(want))
				}
			},
		})
	})
}
