// Package argon2id hashes passwords with Argon2id (RFC 9106), and encodes the
// hashes with their parameters in PHC's string form, so that they can be
// verified when the parameters are others one day.
package argon2id

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/tvilling/tvilling"
)

// parameters are how much work a hash is.
type parameters struct {
	memory uint32 // KiB
	time   uint32
	lanes  uint8
}

// current is what OWASP recommends for memory that many share: 19 MiB, two
// passes, one lane.
var current = parameters{memory: 19 << 10, time: 2, lanes: 1}

const (
	saltBytes, keyBytes = 16, 32
	// atOnce bounds the hashes that are made at one time, and so the memory;
	// maxWaiting how many more may wait.
	atOnce, maxWaiting = 2, 32
	// Bounds of the parameters of a stored hash.
	maxMemory, maxTime = 256 << 10, 16
)

// Hasher hashes passwords, a few at a time.
type Hasher struct {
	waiting, working chan struct{}
}

// New returns a hasher.
func New() *Hasher {
	return &Hasher{waiting: make(chan struct{}, maxWaiting), working: make(chan struct{}, atOnce)}
}

// turn waits until there is room for one more hash; what it returns ends it.
func (h *Hasher) turn(ctx context.Context) (func(), error) {
	select {
	case h.waiting <- struct{}{}:
	default:
		return nil, tvilling.Errorf(tvilling.Throttled, "Too many sign in at once. Try again in a few seconds.")
	}
	defer func() { <-h.waiting }()
	select {
	case h.working <- struct{}{}:
		return func() { <-h.working }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Hash returns the encoded hash of a password.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	done, err := h.turn(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	salt := make([]byte, saltBytes)
	_, _ = rand.Read(salt) // never fails
	return encode(current, salt, derive(current, password, salt, keyBytes)), nil
}

// Verify compares a password with an encoded hash. It says "again" if the hash
// was made with other parameters than new ones are.
func (h *Hasher) Verify(ctx context.Context, encoded, password string) (ok, again bool, err error) {
	p, salt, key, err := decode(encoded)
	if err != nil {
		return false, false, err
	}
	done, err := h.turn(ctx)
	if err != nil {
		return false, false, err
	}
	defer done()
	got := derive(p, password, salt, uint32(len(key)))
	ok = subtle.ConstantTimeCompare(got, key) == 1
	return ok, ok && (p != current || len(key) != keyBytes), nil
}

// Decoy returns a hash that no password is known to have.
func (h *Hasher) Decoy() string {
	random := make([]byte, saltBytes+keyBytes)
	_, _ = rand.Read(random) // never fails
	return encode(current, random[:saltBytes], random[saltBytes:])
}

func derive(p parameters, password string, salt []byte, length uint32) []byte {
	return argon2.IDKey([]byte(password), salt, p.time, p.memory, p.lanes, length)
}

func encode(p parameters, salt, key []byte) string {
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memory, p.time, p.lanes, b.EncodeToString(salt), b.EncodeToString(key))
}

func decode(encoded string) (p parameters, salt, key []byte, err error) {
	bad := func(err error) (parameters, []byte, []byte, error) {
		return p, nil, nil, &tvilling.Error{Code: tvilling.Corrupt, Op: "read", Subject: "a password's hash", Err: err, Message: "The stored password cannot be read. Have an admin make a one-time link, and set another."}
	}
	parts := strings.Split(encoded, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return bad(nil)
	}
	var version int
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return bad(err)
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.lanes); err != nil {
		return bad(err)
	}
	if p.memory < 8 || p.memory > maxMemory || p.time < 1 || p.time > maxTime || p.lanes < 1 {
		return bad(nil)
	}
	if salt, err = base64.RawStdEncoding.Strict().DecodeString(parts[4]); err != nil {
		return bad(err)
	}
	if key, err = base64.RawStdEncoding.Strict().DecodeString(parts[5]); err != nil {
		return bad(err)
	}
	if len(salt) < 8 || len(key) < 16 || len(key) > 128 {
		return bad(nil)
	}
	return p, salt, key, nil
}
