package auth_test

import (
	"crypto/x509"
	"slices"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// watched returns a hub with two devices, d with a module and c with a
// certificate, and the refusals that it tells of.
func watched(t *testing.T) (h *hub, d, m auth.Pair, cert *x509.Certificate, told *[]auth.Refused) {
	t.Helper()
	h = newHub(t)
	told = new([]auth.Refused)
	var err error
	h.Authenticator, err = auth.New(auth.Options{
		Directory: h.records, Sealer: h.sealer, Policies: h.Policies(),
		Refused: func(r auth.Refused) { *told = append(*told, r) },
	})
	if err != nil {
		t.Fatal(err)
	}
	d, m = h.add("d"), h.add("d/m")
	cert = newCertificate(t, "c")
	h.add("c")
	h.change("c", func(rec *state.Identity) {
		rec.Auth = state.Authentication{Type: state.SelfSigned, PrimaryThumbprint: sha256Of(cert)}
	})
	return h, d, m, cert, told
}

func TestRefusedOfConnect(t *testing.T) {
	past := time.Now().Add(-time.Hour)
	h, d, m, cert, told := watched(t)
	other := newCertificate(t, "other")
	old := *cert
	old.NotAfter = past
	for _, tt := range []struct {
		name string
		as   string
		c    auth.Credentials
		want auth.Reason // "" if nothing is told
	}{
		{"right key", "d", h.sign("hub/devices/d", d.Primary, ""), ""},
		{"expired token", "d", h.signUntil("hub/devices/d", d.Primary, "", past), auth.ExpiredToken},
		{"expired token of a module", "d/m", h.signUntil("hub/devices/d/modules/m", m.Primary, "", past), auth.ExpiredToken},
		{"wrong key", "d", h.sign("hub/devices/d", m.Primary, ""), auth.WrongKey},
		{"the device's key for a module", "d/m", h.sign("hub/devices/d", d.Primary, ""), auth.WrongKey},
		{"no token at all", "d", auth.Credentials{}, auth.NoCredential},
		{"malformed token", "d", auth.Credentials{Token: "SharedAccessSignature x"}, auth.MalformedToken},
		{"policy without the permission", "d", h.sign("hub", h.policyKeys("service").Primary, "service"), auth.MissingPermission},
		{"wrong certificate", "c", auth.Credentials{Certificates: []*x509.Certificate{other}}, auth.WrongCertificate},
		{"expired certificate", "c", auth.Credentials{Certificates: []*x509.Certificate{&old}}, auth.ExpiredCertificate},
		{"certificate where a key is asked for", "d", auth.Credentials{Certificates: []*x509.Certificate{cert}}, auth.WrongMethod},
		{"unknown device", "x", h.sign("hub/devices/x", d.Primary, ""), ""},
		{"unknown device, expired token", "x", h.signUntil("hub/devices/x", d.Primary, "", past), ""},
		{"unknown module, expired token", "d/x", h.signUntil("hub/devices/d/modules/x", d.Primary, "", past), ""},
		{"malformed id", "d d", h.sign("hub/devices/d", d.Primary, ""), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			*told = nil
			tt.c.Remote, tt.c.Protocol = "192.0.2.7:4711", "mqtt"
			_, err := h.Connect(t.Context(), identity(tt.as), tt.c)
			checkTold(t, err, *told, tt.as, tt.want)
		})
	}
	t.Run("disabled", func(t *testing.T) {
		h.change("d", func(rec *state.Identity) { rec.Disabled = true })
		*told = nil
		c := h.sign("hub/devices/d/modules/m", m.Primary, "")
		c.Remote, c.Protocol = "192.0.2.7:4711", "mqtt"
		_, err := h.Connect(t.Context(), identity("d/m"), c)
		checkTold(t, err, *told, "d/m", auth.DisabledIdentity)
	})
}

// checkTold demands that exactly the refusal err was told, or nothing.
func checkTold(t *testing.T, err error, told []auth.Refused, as string, want auth.Reason) {
	t.Helper()
	if want == "" {
		if len(told) > 0 {
			t.Errorf("told %+v, want nothing", told)
		}
		return
	}
	if got := auth.ReasonOf(err); got != want {
		t.Errorf("refused because of %q, want %q", got, want)
	}
	if len(told) != 1 {
		t.Fatalf("told %+v, want one refusal", told)
	}
	got := told[0]
	if time.Since(got.Time) > time.Minute {
		t.Errorf("the time is %v", got.Time)
	}
	got.Time = time.Time{}
	if w := (auth.Refused{ID: identity(as), Reason: want, Remote: "192.0.2.7:4711", Protocol: "mqtt"}); got != w {
		t.Errorf("told %+v, want %+v", got, w)
	}
}

func TestRefusedOfRequest(t *testing.T) {
	past := time.Now().Add(-time.Hour)
	h, d, m, cert, told := watched(t)
	service := h.policyKeys("service").Primary
	for _, tt := range []struct {
		name, resource string
		c              auth.Credentials
		want           []string // "identity reason"
	}{
		{"expired token of the device", "/devices/d", h.signUntil("hub/devices/d", d.Primary, "", past), []string{"d expired_token"}},
		{"expired token of the device for its module", "/devices/d/modules/m", h.signUntil("hub/devices/d", d.Primary, "", past), []string{"d expired_token"}},
		{"expired token of the module", "/devices/d/modules/m", h.signUntil("hub/devices/d/modules/m", m.Primary, "", past), []string{"d/m expired_token"}},
		{"wrong key with the scope of the host", "/devices/d/modules/m", h.sign("hub", service, ""), []string{"d wrong_key"}},
		{"wrong certificate", "/devices/c", auth.Credentials{Certificates: []*x509.Certificate{newCertificate(t, "x")}}, []string{"c wrong_certificate"}},
		{"right certificate", "/devices/c", auth.Credentials{Certificates: []*x509.Certificate{cert}}, nil},
		{"expired token of a service", "/devices/d", h.signUntil("hub", service, "service", past), nil},
		{"wrong key of a service", "/devices/d", h.sign("hub", d.Primary, "service"), nil},
		{"malformed token", "/devices/d", auth.Credentials{Token: "Basic x"}, nil},
		{"nothing shown", "/devices/d", auth.Credentials{}, nil},
		{"no device's path", "/statistics/devices", h.signUntil("hub", d.Primary, "", past), nil},
		{"unknown device", "/devices/x", h.signUntil("hub/devices/x", d.Primary, "", past), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			*told = nil
			_, err := h.Request(t.Context(), tt.resource, tt.c)
			var got []string
			for _, r := range *told {
				got = append(got, r.ID.String()+" "+string(r.Reason))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("told %q, want %q; the error is %v", got, tt.want, err)
			}
		})
	}
}

// TestRefusedChangesNoAnswer demands that a caller cannot tell whether his
// refusal was told of.
func TestRefusedChangesNoAnswer(t *testing.T) {
	h, d, _, _, told := watched(t)
	_, known := h.Connect(t.Context(), identity("d"), h.sign("hub/devices/d", h.policyKeys("service").Primary, ""))
	_, unknown := h.Connect(t.Context(), identity("x"), h.sign("hub/devices/x", d.Primary, ""))
	wantRefused(t, known, auth.WrongKey)
	wantRefused(t, unknown, auth.UnknownIdentity)
	if len(*told) != 1 {
		t.Errorf("told %+v, want the refusal of d alone", *told)
	}
}
