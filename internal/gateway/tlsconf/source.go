package tlsconf

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/tvilling/tvilling/internal/durable"
)

// source is where a server certificate comes from.
type source interface {
	// files are the certificate and key that are watched.
	files() (cert, key string)
	// load returns what is to be in force at now.
	load(ctx context.Context, now time.Time) (*tls.Certificate, error)
	// due reports whether load would do better than what is in force.
	due(leaf *x509.Certificate, now time.Time) bool
}

// given is a certificate that somebody else makes and replaces.
type given struct {
	certFile, keyFile string
}

func (g given) files() (cert, key string)           { return g.certFile, g.keyFile }
func (given) due(*x509.Certificate, time.Time) bool { return false }

func (g given) load(_ context.Context, now time.Time) (*tls.Certificate, error) {
	return loadPair(g.certFile, g.keyFile, now)
}

// own is a certificate that the hub makes.
type own struct {
	dir    string
	names  names
	logger *slog.Logger
}

func (o own) files() (cert, key string) {
	return filepath.Join(o.dir, ServerFile), filepath.Join(o.dir, ServerKeyFile)
}

// due is true in the last third of the certificate's life.
func (o own) due(leaf *x509.Certificate, now time.Time) bool {
	life := leaf.NotAfter.Sub(leaf.NotBefore)
	return now.After(leaf.NotAfter.Add(-life / 3))
}

// load loads the server certificate, after making it where there is none that
// will do: one of this authority, with every name, not soon to end.
func (o own) load(ctx context.Context, now time.Time) (*tls.Certificate, error) {
	ca, err := openAuthority(o.dir, now)
	if err != nil {
		return nil, err
	}
	if ca.made {
		o.logger.InfoContext(ctx, "private certificate authority made; clients must trust it",
			"file", filepath.Join(o.dir, CAFile),
			"sha256", fmt.Sprintf("%X", sha256.Sum256(ca.cert.Raw)),
			"not_after", ca.cert.NotAfter)
	}
	certPath, keyPath := o.files()
	pair, err := o.loadSigned(ca, now)
	if err == nil {
		err = o.checkNames(pair.Leaf)
	}
	why := ""
	switch {
	case err != nil && ca.key == nil:
		return nil, fileError(filepath.Join(o.dir, CAKeyFile), err, "The server certificate must be made anew, but the key of the authority is not there. Restore it, or remove %s for a new authority, which clients must then be made to trust.", CAFile)
	case err != nil:
		why = err.Error()
	case o.due(pair.Leaf, now) && ca.key != nil && ca.cert.NotAfter.After(pair.Leaf.NotAfter):
		// A new one could not last longer than the authority.
		why = "It ends at " + pair.Leaf.NotAfter.UTC().Format(time.RFC3339) + "."
	default:
		return pair, nil
	}
	certText, keyText, err := ca.issue(o.names, now)
	if err != nil {
		return nil, err
	}
	// After a crash between the two, the pair does not match and is made again.
	if err := durable.WriteFile(keyPath, keyText, 0o600); err != nil {
		return nil, fmt.Errorf("write the key of the server certificate: %w", err)
	}
	if err := durable.WriteFile(certPath, certText, 0o644); err != nil {
		return nil, fmt.Errorf("write the server certificate: %w", err)
	}
	if pair, err = loadPair(certPath, keyPath, now); err != nil {
		return nil, err
	}
	o.logger.InfoContext(ctx, "server certificate made",
		"file", certPath, "why", why, "names", o.names.list(), "not_after", pair.Leaf.NotAfter)
	return pair, nil
}

// loadSigned loads the server certificate if it is one of ca's.
func (o own) loadSigned(ca *authority, now time.Time) (*tls.Certificate, error) {
	certPath, keyPath := o.files()
	if _, err := readOwnKey(keyPath); err != nil {
		return nil, err
	}
	pair, err := loadPair(certPath, keyPath, now)
	if err != nil {
		return nil, err
	}
	if err := pair.Leaf.CheckSignatureFrom(ca.cert); err != nil {
		return nil, fileError(certPath, err, "The server certificate was not signed by the authority in %s.", CAFile)
	}
	return pair, nil
}

// checkNames reports whether the certificate has every name that it should.
func (o own) checkNames(leaf *x509.Certificate) error {
	certPath, _ := o.files()
	if name := o.names.missingFrom(names{dns: leaf.DNSNames, ips: leaf.IPAddresses}); name != "" {
		return fileError(certPath, nil, "The server certificate lacks the name %s.", name)
	}
	return nil
}
