package tlsconf

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/tvilling/tvilling/internal/durable"
)

// The files of the private certificate authority, in the data directory.
const (
	CAFile         = "ca.pem"
	CAKeyFile      = "ca.key"
	ServerFile     = "server.pem"
	ServerKeyFile  = "server.key"
	caYears        = 10
	serverLifetime = 397 * 24 * time.Hour // the most that strict clients take
	// backdate keeps clients whose clocks are slow from refusing a fresh certificate.
	backdate = time.Hour
)

// authority is the private certificate authority of a hub. Its key may be kept
// elsewhere once the server certificate is made; then nothing can be issued.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey // nil when ca.key is not there
	made bool              // by this call
}

// openAuthority loads the authority in dir, or makes it.
func openAuthority(dir string, now time.Time) (*authority, error) {
	certPath, keyPath := filepath.Join(dir, CAFile), filepath.Join(dir, CAKeyFile)
	certText, err := os.ReadFile(certPath)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the certificate authority: %w", err)
	}
	keyText, err := readOwnKey(keyPath)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the key of the certificate authority: %w", err)
	}
	a := &authority{}
	if keyText != nil {
		if a.key, err = parseKey(keyPath, keyText); err != nil {
			return nil, err
		}
	}
	if certText == nil {
		// With the key there, the first start was cut short or ca.pem was lost:
		// a certificate made anew from the same key is as good to every client
		// that trusts the old one.
		if err := a.create(certPath, keyPath, now); err != nil {
			return nil, err
		}
		return a, nil
	}
	if a.cert, err = parseCertificate(certPath, certText); err != nil {
		return nil, err
	}
	switch {
	case !a.cert.IsCA:
		return nil, fileError(certPath, nil, "This is not the certificate of a certificate authority.")
	case a.key != nil && !sameKey(a.cert, a.key):
		return nil, fileError(certPath, nil, "This certificate does not belong to the key in %s. Restore the pair, or remove both for a new authority, which clients must then be made to trust.", keyPath)
	case now.After(a.cert.NotAfter):
		return nil, fileError(certPath, nil, "The private certificate authority ended on %s. Remove it and %s for a new one, which clients must then be made to trust.",
			a.cert.NotAfter.UTC().Format(time.DateOnly), keyPath)
	}
	return a, nil
}

// create makes the certificate, and the key unless there is one, and writes
// them, the key first.
func (a *authority) create(certPath, keyPath string, now time.Time) error {
	if a.key == nil {
		key, text, err := newKey()
		if err != nil {
			return err
		}
		if err := durable.WriteFile(keyPath, text, 0o600); err != nil {
			return fmt.Errorf("write the key of the certificate authority: %w", err)
		}
		a.key = key
	}
	public, err := x509.MarshalPKIXPublicKey(&a.key.PublicKey)
	if err != nil {
		return err
	}
	id := sha256.Sum256(public)
	template := &x509.Certificate{
		// The subject follows from the key, so that two authorities never share one.
		Subject:               pkix.Name{CommonName: "Tvilling private CA " + hex.EncodeToString(id[:4])},
		SubjectKeyId:          id[:20],
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.AddDate(caYears, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true, // it signs end entities only
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		return fmt.Errorf("make the certificate authority: %w", err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return fmt.Errorf("make the certificate authority: %w", err)
	}
	if err := durable.WriteFile(certPath, encodeCertificate(der), 0o644); err != nil {
		return fmt.Errorf("write the certificate authority: %w", err)
	}
	a.made = true
	return nil
}

// issue makes a server certificate with a fresh key and returns both as PEM.
func (a *authority) issue(n names, now time.Time) (certText, keyText []byte, err error) {
	key, keyText, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	end := now.Add(serverLifetime)
	if end.After(a.cert.NotAfter) {
		end = a.cert.NotAfter // what outlives its issuer is refused anyway
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Tvilling hub"},
		NotBefore:             now.Add(-backdate),
		NotAfter:              end,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              n.dns,
		IPAddresses:           n.ips,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return nil, nil, fmt.Errorf("make the server certificate: %w", err)
	}
	return encodeCertificate(der), keyText, nil
}

func newKey() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a private key: %w", err)
	}
	text, err := encodeKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("make a private key: %w", err)
	}
	return key, text, nil
}
