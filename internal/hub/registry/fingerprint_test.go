package registry_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/hub/hubtest"
	"github.com/tvilling/tvilling/internal/hub/registry"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// marks registers a device with a credential and returns its fingerprints.
func marks(t *testing.T, c *hubtest.Core, name string, a registry.AuthSpec) [][]byte {
	t.Helper()
	v, err := c.Registry.Put(t.Context(), registry.Spec{ID: tvilling.Device(tvilling.DeviceID(name)), Auth: &a}, tvilling.Match{}, "test")
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Registry.Fingerprints(v.Identity)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range got {
		if len(m) != auth.MarkBytes {
			t.Errorf("%s has a fingerprint of %d bytes, want %d", name, len(m), auth.MarkBytes)
		}
	}
	return got
}

// common counts the fingerprints that two identities share.
func common(a, b [][]byte) (n int) {
	for _, x := range a {
		for _, y := range b {
			if bytes.Equal(x, y) {
				n++
			}
		}
	}
	return n
}

func TestFingerprints(t *testing.T) {
	c := hubtest.New(t)
	one, two, three := auth.NewKey(), auth.NewKey(), auth.NewKey()
	sas := func(primary, secondary string) registry.AuthSpec {
		return registry.AuthSpec{Type: state.SAS, PrimaryKey: primary, SecondaryKey: secondary}
	}
	cert, other := strings.Repeat("AB", 20), strings.Repeat("CD", 32)
	has := map[string][][]byte{
		"a":    marks(t, c, "a", sas(one, two)),
		"swap": marks(t, c, "swap", sas(two, one)),
		"half": marks(t, c, "half", sas(three, one)),
		"same": marks(t, c, "same", sas(three, three)),
		"own":  marks(t, c, "own", registry.AuthSpec{Type: state.SAS}),
		"cert": marks(t, c, "cert", registry.AuthSpec{Type: state.SelfSigned, PrimaryThumbprint: cert}),
		"low":  marks(t, c, "low", registry.AuthSpec{Type: state.SelfSigned, PrimaryThumbprint: other, SecondaryThumbprint: strings.ToLower(cert)}),
		"ca":   marks(t, c, "ca", registry.AuthSpec{Type: state.CertificateAuthority}),
		"none": marks(t, c, "none", registry.AuthSpec{Type: state.None}),
	}
	for name, want := range map[string]int{"a": 2, "same": 1, "own": 2, "cert": 1, "low": 2, "ca": 0, "none": 0} {
		if got := len(has[name]); got != want {
			t.Errorf("%s has %d fingerprints, want %d", name, got, want)
		}
	}
	for _, tt := range []struct {
		a, b string
		want int
	}{{"a", "swap", 2}, {"a", "half", 1}, {"half", "same", 1}, {"a", "same", 0}, {"a", "own", 0}, {"cert", "low", 1}, {"a", "cert", 0}} {
		if got := common(has[tt.a], has[tt.b]); got != tt.want {
			t.Errorf("%s and %s share %d fingerprints, want %d", tt.a, tt.b, got, tt.want)
		}
	}
	if bytes.Compare(has["a"][0], has["a"][1]) >= 0 {
		t.Error("the fingerprints are not ascending")
	}
}

// TestFingerprintsAreKeyed demands that a fingerprint is of no use elsewhere:
// another hub has other ones, and the one that sessions are known by differs.
func TestFingerprintsAreKeyed(t *testing.T) {
	key := auth.NewKey()
	here, err := auth.NewSealer(make([]byte, auth.HubKeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	there, err := auth.NewSealer(bytes.Repeat([]byte{1}, auth.HubKeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(here.MarkKey(key), there.MarkKey(key)) {
		t.Error("two hubs have the same fingerprint of a key")
	}
	if bytes.Equal(here.MarkKey(key), here.MarkThumbprint(key)) {
		t.Error("a key and a thumbprint have the same fingerprint")
	}
	if !bytes.Equal(here.MarkThumbprint("abcdef"), here.MarkThumbprint("ABCDEF")) {
		t.Error("the letter case of a thumbprint counts")
	}
}

func TestFingerprintsOfDamagedKeys(t *testing.T) {
	c := hubtest.New(t)
	v := c.Register(t, tvilling.Device("d"))
	rec := *v.Identity
	rec.Auth.SealedPrimary = bytes.Clone(rec.Auth.SealedPrimary)
	rec.Auth.SealedPrimary[len(rec.Auth.SealedPrimary)-1] ^= 1
	if got, err := c.Registry.Fingerprints(&rec); tvilling.CodeOf(err) != tvilling.Corrupt {
		t.Errorf("got %x, %v; want code Corrupt", got, err)
	}
}
