package hubapi_test

import (
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/hubapi"
	"github.com/tvilling/tvilling/internal/hub/history"
)

// FuzzParsePoint: a point is refused, or is exactly one of the kinds there are.
func FuzzParsePoint(f *testing.F) {
	for _, seed := range []string{"7", "now", "sequence:99", "2026-01-31T14:30:00Z", "0001-01-01T00:00:00Z", "-1", "sequence:", "sequence:0", "", "7.0", "99999999999999999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := hubapi.ParsePoint("from", text)
		if err != nil {
			if tvilling.CodeOf(err) != tvilling.InvalidArgument {
				t.Fatal(err)
			}
			return
		}
		kinds := 0
		for _, is := range []bool{p.Now, p.Version > 0, p.Sequence > 0, !p.Time.IsZero()} {
			if is {
				kinds++
			}
		}
		if kinds != 1 || p == (history.Point{}) {
			t.Fatalf("%q is %+v", text, p)
		}
	})
}
