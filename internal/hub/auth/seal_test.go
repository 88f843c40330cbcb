package auth_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/auth"
)

func TestSealerOpensForItsPurposeOnly(t *testing.T) {
	t.Parallel()
	s := newSealer(t)
	sealed := s.Seal("device/d/primary", []byte("secret"))
	if bytes.Contains(sealed, []byte("secret")) {
		t.Fatal("the sealed text shows the secret")
	}
	got, err := s.Open("device/d/primary", sealed)
	if err != nil || string(got) != "secret" {
		t.Fatalf("got %q, %v", got, err)
	}
	if again := s.Seal("device/d/primary", []byte("secret")); bytes.Equal(again, sealed) {
		t.Error("sealed twice, the same text: the nonce is not random")
	}
	refused := func(name string, s *auth.Sealer, purpose string, sealed []byte) {
		t.Helper()
		if got, err := s.Open(purpose, sealed); tvilling.CodeOf(err) != tvilling.Corrupt {
			t.Errorf("%s: got %q, %v, want an error of code Corrupt", name, got, err)
		}
	}
	refused("another purpose", s, "device/d/secondary", sealed)
	refused("another hub key", newSealer(t), "device/d/primary", sealed)
	refused("nothing", s, "device/d/primary", nil)
	for i := range sealed {
		damaged := bytes.Clone(sealed)
		damaged[i] ^= 1
		refused(fmt.Sprintf("byte %d changed", i), s, "device/d/primary", damaged)
		refused(fmt.Sprintf("cut after %d bytes", i), s, "device/d/primary", sealed[:i])
	}
}

func TestNewSealerWantsAWholeKey(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 16, 31, 33} {
		if _, err := auth.NewSealer(make([]byte, n)); err == nil {
			t.Errorf("a hub key of %d bytes was taken", n)
		}
	}
}

func TestSealPair(t *testing.T) {
	t.Parallel()
	s := newSealer(t)
	for _, want := range []auth.Pair{auth.NewPair(), {}, {Primary: auth.NewKey()}} {
		primary, secondary := s.SealPair("device/d", want)
		got, err := s.OpenPair("device/d", primary, secondary)
		if err != nil || got != want {
			t.Errorf("got another pair, or %v", err)
		}
		if want.Primary != "" {
			if _, err := s.OpenPair("device/d", secondary, primary); want.Secondary != "" && err == nil {
				t.Error("primary and secondary can be exchanged")
			}
			if _, err := s.OpenPair("module/d/m", primary, secondary); err == nil {
				t.Error("a pair opens for another owner")
			}
		}
	}
}

func TestOwnersDiffer(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, name := range []string{"d", "d/m", "m", "module", "d/primary", "primary"} {
		owner := auth.IdentityOwner(identity(name))
		if before, taken := seen[owner]; taken {
			t.Errorf("%s and %s share the owner %s", before, name, owner)
		}
		seen[owner] = name
	}
}

func TestPairHidesItsKeys(t *testing.T) {
	t.Parallel()
	p := auth.NewPair()
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("made", "keys", p, "any", &p, "in", struct{ P auth.Pair }{p})
	slog.New(slog.NewJSONHandler(&log, nil)).Info("made", "keys", p, "any", &p, "in", struct{ P auth.Pair }{p})
	for _, text := range []string{
		log.String(), fmt.Sprint(p), fmt.Sprintf("%v %+v %#v %s %q", p, p, p, p, p),
		fmt.Sprintf("%+v", struct{ P auth.Pair }{p}),
	} {
		if strings.Contains(text, p.Primary) || strings.Contains(text, p.Secondary) {
			t.Errorf("a key shows: %s", text)
		}
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	if a, b := auth.NewKey(), auth.NewKey(); a == b || auth.CheckKey(a) != nil {
		t.Errorf("two new keys are equal or refused")
	}
	for key, want := range map[string]bool{
		"AAAAAAAAAAAAAAAAAAAAAA==":                   true,  // 16 bytes
		"AAAAAAAAAAAAAAAAAAAA":                       false, // 15
		strings.Repeat("AAAA", 21) + "AA==":          true,  // 64
		strings.Repeat("AAAA", 21) + "AAA=":          false, // 65
		"":                                           false,
		"AAAAAAAAAAAAAAAAAAAAAA":                     false, // no padding
		"AAAAAAAAAAAAAAAAAAAAAB==":                   false, // stray bits
		"AAAAAAAAAAAA\nAAAAAAAAAA==":                 false,
		"AAAAAAAAAAAAAAAAAAAA-_==":                   false, // the other alphabet
		"AAAAAAAAAAAAAAAAAAAAAA== ":                  false,
		"correct horse battery staple correct horse": false,
	} {
		err := auth.CheckKey(key)
		if got := err == nil; got != want {
			t.Errorf("%q: taken: %v, want %v (%v)", key, got, want, err)
		}
		if err != nil && key != "" && strings.Contains(err.Error(), key) {
			t.Errorf("the error repeats the key: %v", err)
		}
	}
}
