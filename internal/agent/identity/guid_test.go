package identity_test

import (
	"strings"
	"testing"

	"github.com/tvilling/tvilling/internal/agent/identity"
)

func TestNewGUID(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		id := identity.NewGUID()
		if len(id) != 36 || id[14] != '4' || !strings.ContainsRune("89ab", rune(id[19])) || seen[id] {
			t.Fatalf("got %q", id)
		}
		seen[id] = true
	}
}
