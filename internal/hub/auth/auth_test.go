package auth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// hub is an authenticator over a directory in memory.
type hub struct {
	*auth.Authenticator
	t       testing.TB
	sealer  *auth.Sealer
	records directory
}

type directory map[tvilling.Identity]*state.Identity

func (d directory) Identity(_ context.Context, id tvilling.Identity) (*state.Identity, error) {
	return d[id], nil
}

// newHub returns a hub with the default policies and no identities.
func newHub(t testing.TB) *hub {
	t.Helper()
	s := newSealer(t)
	policies, err := auth.DefaultPolicies(s)
	if err != nil {
		t.Fatal(err)
	}
	h := &hub{t: t, sealer: s, records: directory{}}
	h.Authenticator, err = auth.New(auth.Options{Directory: h.records, Sealer: s, Policies: policies})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func newSealer(t testing.TB) *auth.Sealer {
	t.Helper()
	key := make([]byte, auth.HubKeyBytes)
	_, _ = rand.Read(key)
	s, err := auth.NewSealer(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// identity reads "d" or "d/m".
func identity(s string) tvilling.Identity {
	for i := range len(s) {
		if s[i] == '/' {
			return tvilling.Identity{Device: tvilling.DeviceID(s[:i]), Module: tvilling.ModuleID(s[i+1:])}
		}
	}
	return tvilling.Device(tvilling.DeviceID(s))
}

// add registers an identity with two keys, which it returns.
func (h *hub) add(name string) auth.Pair {
	h.t.Helper()
	keys := auth.NewPair()
	h.addWith(name, keys)
	return keys
}

func (h *hub) addWith(name string, keys auth.Pair) {
	rec := &state.Identity{ID: identity(name), Auth: state.Authentication{Type: state.SAS}}
	rec.Auth.SealedPrimary, rec.Auth.SealedSecondary = h.sealer.SealPair(auth.IdentityOwner(rec.ID), keys)
	h.records[rec.ID] = rec
}

// change replaces the record of an identity by a changed copy.
func (h *hub) change(name string, f func(*state.Identity)) *state.Identity {
	h.t.Helper()
	old := h.records[identity(name)]
	if old == nil {
		h.t.Fatalf("no identity %s to change", name)
	}
	next := *old
	f(&next)
	h.records[next.ID] = &next
	return &next
}

// policyKeys returns the keys of a policy.
func (h *hub) policyKeys(name string) auth.Pair {
	h.t.Helper()
	p, ok := h.Policies().Get(name)
	if !ok {
		h.t.Fatalf("no policy %s", name)
	}
	keys, err := p.Keys(h.sealer)
	if err != nil {
		h.t.Fatal(err)
	}
	return keys
}

// sign makes a token that is valid for an hour.
func (h *hub) sign(resource, key, policy string) auth.Credentials {
	h.t.Helper()
	return h.signUntil(resource, key, policy, time.Now().Add(time.Hour))
}

func (h *hub) signUntil(resource, key, policy string, end time.Time) auth.Credentials {
	h.t.Helper()
	token, err := auth.Sign(resource, key, policy, end)
	if err != nil {
		h.t.Fatal(err)
	}
	return auth.Credentials{Token: token}
}

// wantRefused checks that err is a refusal for the reason and that it tells
// the client nothing more than any other refusal.
func wantRefused(t testing.TB, err error, want auth.Reason) {
	t.Helper()
	if tvilling.CodeOf(err) != tvilling.Unauthorized {
		t.Fatalf("got error %v, want a refusal (%s)", err, want)
	}
	if got := auth.ReasonOf(err); got != want {
		t.Errorf("refused because of %s, want %s: %v", got, want, err)
	}
	if got := tvilling.MessageOf(err); got != genericMessage {
		t.Errorf("the client is told %q, want only %q", got, genericMessage)
	}
}

const genericMessage = "The credentials given do not allow this. Check the host name, the identity, the key and its expiry; the hub's log has the reason."

// newCertificate makes a self-signed certificate that is valid for an hour.
func newCertificate(t testing.TB, name string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now(),
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
