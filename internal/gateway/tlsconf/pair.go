package tlsconf

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"slices"
	"time"
)

// loadPair reads a certificate, with its chain, and its key, and refuses what
// no client would take.
func loadPair(certPath, keyPath string, now time.Time) (*tls.Certificate, error) {
	certText, err := os.ReadFile(certPath)
	if err != nil {
		return nil, fileError(certPath, err, "The server certificate cannot be read.")
	}
	keyText, err := os.ReadFile(keyPath)
	if err != nil {
		return nil, fileError(keyPath, err, "The key of the server certificate cannot be read.")
	}
	pair, err := tls.X509KeyPair(certText, keyText)
	if err != nil {
		return nil, fileError(certPath, err, "The certificate and the key in %s are not a pair that can be used.", keyPath)
	}
	if err := checkLeaf(certPath, pair.Leaf, now); err != nil {
		return nil, err
	}
	return &pair, nil
}

func checkLeaf(path string, leaf *x509.Certificate, now time.Time) error {
	usages := leaf.ExtKeyUsage
	switch {
	case now.After(leaf.NotAfter):
		return fileError(path, nil, "The server certificate ended at %s. Put a valid one in its place.", leaf.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(leaf.NotBefore):
		return fileError(path, nil, "The server certificate is valid from %s on only. Check the clock of this machine.", leaf.NotBefore.UTC().Format(time.RFC3339))
	case len(usages)+len(leaf.UnknownExtKeyUsage) > 0 &&
		!slices.Contains(usages, x509.ExtKeyUsageServerAuth) && !slices.Contains(usages, x509.ExtKeyUsageAny):
		return fileError(path, nil, "The certificate is not for servers: its extended key usage lacks serverAuth.")
	}
	return nil
}
