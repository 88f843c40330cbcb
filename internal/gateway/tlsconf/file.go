package tlsconf

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"time"

	"github.com/tvilling/tvilling"
)

// readOwnKey reads a private key that the hub wrote, and refuses one that
// others than its owner may use.
func readOwnKey(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fileError(path, nil, "Others than its owner may use this private key (mode %04o). Run chmod 600 on it.", mode)
	}
	return os.ReadFile(path)
}

func parseCertificate(path string, text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fileError(path, nil, "The file has no PEM certificate.")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fileError(path, err, "The certificate cannot be read.")
	}
	return cert, nil
}

func parseKey(path string, text []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fileError(path, nil, "The file has no PEM private key.")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		// The cause is left out: it could describe the bytes of a key.
		return nil, fileError(path, nil, "The private key cannot be read; it must be an unencrypted PKCS #8 key.")
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fileError(path, nil, "The private key must be an ECDSA key.")
	}
	return ec, nil
}

func encodeCertificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func fileError(path string, cause error, format string, args ...any) error {
	return &tvilling.Error{
		Code: tvilling.InvalidArgument, Op: "load certificate", Subject: path,
		Message: fmt.Sprintf(format, args...), Err: cause,
	}
}

// stamp tells one state of a pair of files from another.
type stamp struct {
	cert, key fileStamp
}

type fileStamp struct {
	modified time.Time
	size     int64
}

// stampOf looks at both files; an absent one has a zero stamp.
func stampOf(certFile, keyFile string) stamp {
	one := func(path string) fileStamp {
		info, err := os.Stat(path)
		if err != nil {
			return fileStamp{}
		}
		return fileStamp{modified: info.ModTime(), size: info.Size()}
	}
	return stamp{cert: one(certFile), key: one(keyFile)}
}

// sameKey reports whether a certificate is for a private key.
func sameKey(cert *x509.Certificate, key *ecdsa.PrivateKey) bool {
	public, ok := cert.PublicKey.(*ecdsa.PublicKey)
	return ok && public.Equal(&key.PublicKey)
}
