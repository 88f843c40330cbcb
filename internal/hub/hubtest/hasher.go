package hubtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Hasher hashes passwords at once. Hashes that begin with "old:" are to be made
// anew.
type Hasher struct{}

// Hash returns the SHA-256 of the password.
func (Hasher) Hash(_ context.Context, password string) (string, error) { return quick(password), nil }

// Verify compares.
func (Hasher) Verify(_ context.Context, encoded, password string) (ok, again bool, err error) {
	hash, old := strings.CutPrefix(encoded, "old:")
	return hash == quick(password), old, nil
}

// Decoy is a hash of nothing.
func (Hasher) Decoy() string { return "decoy" }

func quick(password string) string {
	sum := sha256.Sum256([]byte(password))
	return hex.EncodeToString(sum[:])
}
