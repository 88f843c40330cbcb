package auth_test

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/hub/state"
)

func sha1Of(c *x509.Certificate) string   { return fmt.Sprintf("%X", sha1.Sum(c.Raw)) }
func sha256Of(c *x509.Certificate) string { return fmt.Sprintf("%X", sha256.Sum256(c.Raw)) }

func (h *hub) addCertificates(name, primary, secondary string) {
	id := identity(name)
	h.records[id] = &state.Identity{ID: id, Auth: state.Authentication{
		Type: state.SelfSigned, PrimaryThumbprint: primary, SecondaryThumbprint: secondary,
	}}
}

func shown(c ...*x509.Certificate) auth.Credentials { return auth.Credentials{Certificates: c} }

func TestConnectByCertificate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t)
		one, two, three := newCertificate(t, "d"), newCertificate(t, "d"), newCertificate(t, "d")
		for _, thumbs := range [][2]string{
			{sha1Of(one), sha256Of(two)},
			{sha256Of(one), sha1Of(two)},
			{strings.ToLower(sha1Of(one)), strings.ToLower(sha256Of(two))},
			{sha256Of(two), sha256Of(one)},
		} {
			h.addCertificates("d", thumbs[0], thumbs[1])
			for _, cert := range []*x509.Certificate{one, two} {
				p, err := h.Connect(t.Context(), identity("d"), shown(cert, three))
				if err != nil {
					t.Errorf("%v: %v", thumbs, err)
					continue
				}
				if p.ID != identity("d") || p.Permissions != auth.DeviceConnect || !p.Expires.Equal(cert.NotAfter) {
					t.Errorf("got %+v, want d with DeviceConnect until %v", p, cert.NotAfter)
				}
				if !h.StillValid(p, h.records[p.ID]) {
					t.Error("the certificate is not valid after all")
				}
			}
			// Only the leaf counts: any certificate can be sent behind it.
			_, err := h.Connect(t.Context(), identity("d"), shown(three, one))
			wantRefused(t, err, auth.WrongCertificate)
			if !strings.Contains(err.Error(), sha256Of(three)) {
				t.Errorf("the operator is not told the thumbprint: %v", err)
			}
		}
	})
}

func TestCertificateRefusals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t)
		cert := newCertificate(t, "d")
		connect := func(name string, c auth.Credentials) error {
			_, err := h.Connect(t.Context(), identity(name), c)
			return err
		}
		h.addCertificates("d", sha256Of(cert), "")
		h.addCertificates("d/m", "", sha1Of(cert))
		h.addCertificates("empty", "", "")
		h.addCertificates("rubbish", "00", "zz")
		if err := connect("d", shown(cert)); err != nil {
			t.Fatal(err)
		}
		if err := connect("d/m", shown(cert)); err != nil {
			t.Fatal(err)
		}
		p, _ := h.Connect(t.Context(), identity("d"), shown(cert))
		wantRefused(t, connect("ghost", shown(cert)), auth.UnknownIdentity)
		wantRefused(t, connect("empty", shown(cert)), auth.WrongCertificate)
		wantRefused(t, connect("rubbish", shown(cert)), auth.WrongCertificate)

		key := h.add("keyed").Primary
		wantRefused(t, connect("keyed", shown(cert)), auth.WrongMethod)
		// A token counts alone, and an identity with certificates has no key.
		wantRefused(t, connect("d", auth.Credentials{Token: h.sign("hub.example", key, "").Token, Certificates: shown(cert).Certificates}), auth.WrongMethod)

		for _, typ := range []state.AuthType{state.CertificateAuthority, state.None, ""} {
			h.change("d", func(r *state.Identity) { r.Auth.Type = typ })
			wantRefused(t, connect("d", shown(cert)), auth.WrongMethod)
			if h.StillValid(p, h.records[p.ID]) {
				t.Errorf("type %q: the session is still valid", typ)
			}
		}
		h.change("d", func(r *state.Identity) { r.Auth.Type, r.Disabled = state.SelfSigned, true })
		wantRefused(t, connect("d", shown(cert)), auth.DisabledIdentity)
		wantRefused(t, connect("d/m", shown(cert)), auth.DisabledIdentity)
		h.change("d", func(r *state.Identity) { r.Disabled = false })

		h.change("d", func(r *state.Identity) { r.Auth.PrimaryThumbprint = sha256Of(newCertificate(t, "d")) })
		if h.StillValid(p, h.records[p.ID]) {
			t.Error("the thumbprint was replaced, but the session is still valid")
		}
		h.change("d", func(r *state.Identity) { r.Auth.PrimaryThumbprint = sha256Of(cert) })

		<-time.After(time.Until(cert.NotAfter)) // the clock is the bubble's
		if err := connect("d", shown(cert)); err != nil {
			t.Errorf("in its last second: %v", err)
		}
		<-time.After(time.Second)
		wantRefused(t, connect("d", shown(cert)), auth.ExpiredCertificate)
		future := *cert
		future.NotBefore, future.NotAfter = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
		wantRefused(t, connect("d", shown(&future)), auth.ExpiredCertificate)
	})
}

// TestRequestByCertificate is the boot of a security agent with a certificate.
func TestRequestByCertificate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t)
		device, module := newCertificate(t, "d"), newCertificate(t, "m")
		h.addCertificates("d", sha1Of(device), "")
		h.addCertificates("d/m", sha1Of(module), "")
		h.add("d/" + security)
		for _, test := range []struct {
			resource string
			cert     *x509.Certificate
			want     string
		}{
			{"/devices/d/modules/azureiotsecurity", device, "d"},
			{"/devices/d/modules/m", device, "d"},
			{"/devices/d/modules/m", module, "d/m"},
			{"/devices/d", device, "d"},
		} {
			p, err := h.Request(t.Context(), test.resource, shown(test.cert))
			if err != nil {
				t.Errorf("%s: %v", test.resource, err)
			} else if p.ID != identity(test.want) {
				t.Errorf("%s: got %v, want %s", test.resource, p.ID, test.want)
			}
		}
		_, err := h.Request(t.Context(), "/devices/d", shown(module))
		wantRefused(t, err, auth.WrongCertificate)
		_, err = h.Request(t.Context(), "/devices/d/modules/azureiotsecurity", shown(module))
		wantRefused(t, err, auth.WrongMethod)
		_, err = h.Request(t.Context(), "/twins/d", shown(device))
		wantRefused(t, err, auth.NoCredential)
	})
}

func TestCheckThumbprint(t *testing.T) {
	t.Parallel()
	good := strings.Repeat("aB", 20)
	if got, err := auth.CheckThumbprint(good); err != nil || got != strings.ToUpper(good) {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := auth.CheckThumbprint(strings.Repeat("aB", 32)); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "AB", strings.Repeat("aB", 21), strings.Repeat("xy", 20), good + ":"} {
		if _, err := auth.CheckThumbprint(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
