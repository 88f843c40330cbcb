package identity

import (
	"os"
	"path/filepath"

	"github.com/tvilling/tvilling/internal/durable"
)

// writeFile puts b at path, wholly or not at all, and durably. It makes the
// folder if there is none.
func writeFile(path string, b []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // what is secret in it has a mode of its own
		return err
	}
	return durable.WriteFile(path, b, mode)
}
