package argon2id_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/argon2id"
)

func TestHash(t *testing.T) {
	t.Parallel()
	h := argon2id.New()
	first, err := h.Hash(t.Context(), "a password")
	if err != nil {
		t.Fatal(err)
	}
	second, err := h.Hash(t.Context(), "a password")
	if err != nil || first == second {
		t.Errorf("two hashes are %q and %q, %v", first, second, err)
	}
	if !strings.HasPrefix(first, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("got %q", first)
	}
	for _, test := range []struct {
		encoded, password string
		ok, again         bool
	}{
		{first, "a password", true, false},
		{first, "a passwore", false, false},
		{first, "", false, false},
		{h.Decoy(), "a password", false, false},
		// Made by the reference implementation: argon2 somesalt -id -t 2 -m 16 -p 1 -l 24 (password "password").
		{"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "password", true, true},
	} {
		ok, again, err := h.Verify(t.Context(), test.encoded, test.password)
		if err != nil || ok != test.ok || again != test.again {
			t.Errorf("%q with %q: got %t, %t, %v", test.encoded, test.password, ok, again, err)
		}
	}
}

// TestMalformed: a stored hash that is damaged is an error, and asks for no
// more memory than a good one may.
func TestMalformed(t *testing.T) {
	t.Parallel()
	h := argon2id.New()
	good := h.Decoy()
	for _, bad := range []string{
		"", "x", "$argon2id$", strings.Replace(good, "argon2id", "argon2i", 1), strings.Replace(good, "v=19", "v=18", 1),
		strings.Replace(good, "m=19456", "m=4294967295", 1), strings.Replace(good, "m=19456", "m=1", 1), strings.Replace(good, "t=2", "t=0", 1),
		strings.Replace(good, "p=1", "p=0", 1), good[:len(good)-30], good + "!", good + "$x",
	} {
		if _, _, err := h.Verify(t.Context(), bad, "a password"); tvilling.CodeOf(err) != tvilling.Corrupt {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}

// TestBound: of many at once some are refused, and the others are right.
func TestBound(t *testing.T) {
	t.Parallel()
	h := argon2id.New()
	decoy := h.Decoy()
	var mu sync.Mutex
	var wg sync.WaitGroup
	refused := 0
	for range 80 {
		wg.Go(func() {
			ok, _, err := h.Verify(t.Context(), decoy, "x")
			mu.Lock()
			defer mu.Unlock()
			switch {
			case tvilling.CodeOf(err) == tvilling.Throttled:
				refused++
			case ok || err != nil:
				t.Errorf("got %t, %v", ok, err)
			}
		})
	}
	wg.Wait()
	if refused == 0 || refused > 80-34 {
		t.Errorf("%d of 80 at once are refused, want some and at most 46", refused)
	}
}
