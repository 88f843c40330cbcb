package sigma_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/tvilling/tvilling/internal/security/sigma"
)

// TestFold holds the short ways of folding to the long one, and that to what
// the standard library takes for equal, rune by rune.
func TestFold(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		got := sigma.FoldRune(r)
		if want := sigma.Orbit(r); got != want {
			t.Errorf("%U is folded to %U, want %U", r, got, want)
		}
		if q := unicode.SimpleFold(r); sigma.FoldRune(q) != got {
			t.Errorf("%U and %U are folded to %U and %U", r, q, got, sigma.FoldRune(q))
		}
		if !strings.EqualFold(string(got), string(r)) {
			t.Errorf("%U is folded to %U, which is another letter", r, got)
		}
	}
}
