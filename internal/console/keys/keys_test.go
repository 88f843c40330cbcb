package keys_test

import (
	"testing"

	"github.com/tvilling/tvilling/internal/console/keys"
)

// TestKeysAreOne has no key stand for two things.
func TestKeysAreOne(t *testing.T) {
	seen := make(map[string]string)
	for _, group := range keys.Keys() {
		for _, key := range group.Keys {
			if key.Does == "" || len(key.Press) == 0 {
				t.Errorf("%s: %v does %q", group.Title, key.Press, key.Does)
			}
			for _, way := range key.Press {
				if other, ok := seen[way]; ok {
					t.Errorf("%s: %s does %q, and %q", group.Title, way, key.Does, other)
				}
				seen[way] = key.Does
			}
		}
	}
}
