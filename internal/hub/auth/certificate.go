package auth

import (
	"context"
	"crypto/sha1" //nolint:gosec // thumbprints of IoT Hub are SHA-1 or SHA-256, as the registrar chose (wire §3.5)
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// CheckThumbprint reports whether s is the thumbprint of a certificate: the
// hexadecimal digits of its SHA-1 or SHA-256, without separators, in either
// letter case. It returns them in upper case, as records keep them.
func CheckThumbprint(s string) (string, error) {
	if parseThumbprint(s) == nil {
		return "", tvilling.Errorf(tvilling.InvalidArgument,
			"A thumbprint must be %d (SHA-1) or %d (SHA-256) hexadecimal digits without separators.", 2*sha1.Size, 2*sha256.Size)
	}
	return strings.ToUpper(s), nil
}

// parseThumbprint returns the bytes of a thumbprint, nil if it is none.
func parseThumbprint(s string) []byte {
	raw, err := hex.DecodeString(s)
	if err != nil || len(raw) != sha1.Size && len(raw) != sha256.Size {
		return nil
	}
	return raw
}

// matchThumbprint returns the bytes of the thumbprint, of the two that auth
// has, which cert matches; nil when it matches none. Both are always compared.
func matchThumbprint(auth state.Authentication, cert *x509.Certificate) []byte {
	sum1 := sha1.Sum(cert.Raw) //nolint:gosec // see the import
	sum256 := sha256.Sum256(cert.Raw)
	var match []byte
	for _, stored := range []string{auth.PrimaryThumbprint, auth.SecondaryThumbprint} {
		raw := parseThumbprint(stored)
		// Slices of different length never compare equal.
		if subtle.ConstantTimeCompare(raw, sum1[:])|subtle.ConstantTimeCompare(raw, sum256[:]) == 1 {
			match = raw
		}
	}
	return match
}

// certified proves that the leaf of certs is the certificate of one of the
// candidates.
func (a *Authenticator) certified(ctx context.Context, subject string, candidates []tvilling.Identity, certs []*x509.Certificate, now time.Time) (Principal, error) {
	if len(certs) == 0 || len(candidates) == 0 {
		return Principal{}, refuse(subject, NoCredential, "the caller shows no token, and no certificate that could count here")
	}
	var last error
	for _, id := range candidates {
		r, err := a.records(ctx, id)
		if err != nil {
			return Principal{}, err
		}
		p, err := a.certifiedAs(subject, r, certs[0], now)
		if err == nil {
			return p, nil
		}
		last = err
	}
	return Principal{}, last
}

func (a *Authenticator) certifiedAs(subject string, r records, leaf *x509.Certificate, now time.Time) (Principal, error) {
	rec := r.own
	if rec == nil {
		rec = a.decoy
	}
	thumbprint := matchThumbprint(rec.Auth, leaf)
	switch {
	case r.own == nil:
		return Principal{}, refuse(subject, UnknownIdentity, "no such identity is registered")
	case rec.Auth.Type == state.CertificateAuthority:
		return Principal{}, refuse(subject, WrongMethod, "this version does not verify certificates of a certificate authority; register the device with the thumbprints of its certificates (selfSigned)")
	case rec.Auth.Type != state.SelfSigned:
		return Principal{}, refuse(subject, WrongMethod, "the identity is registered to authenticate by %s, not by a certificate", rec.Auth.Type)
	case thumbprint == nil:
		return Principal{}, refuse(subject, WrongCertificate, "the certificate has neither the primary nor the secondary thumbprint; its thumbprints are %s", thumbprints(leaf))
	}
	if err := checkDates(subject, leaf, now); err != nil {
		return Principal{}, err
	}
	if err := r.checkOpen(subject); err != nil {
		return Principal{}, err
	}
	return Principal{
		ID:          rec.ID,
		Permissions: DeviceConnect,
		Expires:     leaf.NotAfter,
		Credential:  a.sealer.Fingerprint(kindCertificate, thumbprint),
	}, nil
}

// thumbprints describes a certificate to an operator who wants to register it.
func thumbprints(cert *x509.Certificate) string {
	return fmt.Sprintf("SHA-1 %X, SHA-256 %X", sha1.Sum(cert.Raw), sha256.Sum256(cert.Raw)) //nolint:gosec // see the import
}

// checkDates reports whether cert is valid at now.
func checkDates(subject string, cert *x509.Certificate, now time.Time) error {
	if now.Before(cert.NotBefore) {
		return refuse(subject, ExpiredCertificate, "the certificate is valid from %s on", cert.NotBefore.UTC().Format(time.RFC3339))
	}
	if now.After(cert.NotAfter) {
		return refuse(subject, ExpiredCertificate, "the certificate was valid until %s", cert.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}
