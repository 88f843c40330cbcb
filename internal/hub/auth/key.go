package auth

import (
	"crypto/rand"
	"encoding/base64"
	"log/slog"
	"strings"

	"github.com/tvilling/tvilling"
)

// The least and most bytes of a symmetric key, decoded (wire §3.4).
const (
	MinKeyBytes = 16
	MaxKeyBytes = 64
)

const newKeyBytes = 32

// NewKey returns a fresh symmetric key: the base64 text of 32 random bytes.
func NewKey() string {
	var raw [newKeyBytes]byte
	_, _ = rand.Read(raw[:]) // never fails; the process ends if there is no randomness
	return base64.StdEncoding.EncodeToString(raw[:])
}

// CheckKey reports whether key may be a symmetric key: base64 of 16 to 64
// bytes. The error does not repeat it.
func CheckKey(key string) error {
	_, err := decodeKey(key)
	return err
}

func decodeKey(key string) ([]byte, error) {
	// Strict refuses stray bits in the last character, so a key has one text.
	raw, err := base64.StdEncoding.Strict().DecodeString(key)
	if err != nil || strings.ContainsAny(key, "\r\n") {
		return nil, tvilling.Errorf(tvilling.InvalidArgument, "A symmetric key must be base64 text with its padding.")
	}
	if len(raw) < MinKeyBytes || len(raw) > MaxKeyBytes {
		return nil, tvilling.Errorf(tvilling.InvalidArgument,
			"A symmetric key must have %d to %d bytes when decoded; this one has %d.", MinKeyBytes, MaxKeyBytes, len(raw))
	}
	return raw, nil
}

// Pair is the two symmetric keys of an identity or a policy, in base64. Both
// are valid at all times, so that one can be replaced while clients use the
// other. A Pair never shows its keys in a log, a formatted text or JSON; whoever
// may show them does so field by field.
type Pair struct {
	Primary, Secondary string
}

// NewPair returns two fresh keys.
func NewPair() Pair { return Pair{Primary: NewKey(), Secondary: NewKey()} }

// Check reports whether both keys may be keys.
func (p Pair) Check() error {
	if err := CheckKey(p.Primary); err != nil {
		return err
	}
	return CheckKey(p.Secondary)
}

// Regenerate returns the pair with one key fresh ("primary" or "secondary") or
// both exchanged ("swap").
func (p Pair) Regenerate(which string) (Pair, error) {
	switch which {
	case "primary":
		p.Primary = NewKey()
	case "secondary":
		p.Secondary = NewKey()
	case "swap":
		p.Primary, p.Secondary = p.Secondary, p.Primary
	default:
		return Pair{}, tvilling.Errorf(tvilling.InvalidArgument,
			"The key to regenerate must be primary, secondary or swap; it is %q.", clip(which))
	}
	return p, nil
}

const redacted = "[redacted]"

// String hides the keys.
func (Pair) String() string { return redacted }

// GoString hides the keys.
func (Pair) GoString() string { return redacted }

// LogValue hides the keys.
func (Pair) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON hides the keys.
func (Pair) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
