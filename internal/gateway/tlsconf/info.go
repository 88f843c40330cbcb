package tlsconf

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"time"
)

// Info says what a server certificate is.
type Info struct {
	// Names are the names and addresses that it is for.
	Names   []string  `json:"names"`
	Subject string    `json:"subject"`
	Issuer  string    `json:"issuer"`
	From    time.Time `json:"from"`
	Until   time.Time `json:"until"`
	Serial  string    `json:"serial"`
	// SHA256 is its fingerprint.
	SHA256 string `json:"sha256"`
	Key    string `json:"key"`
	// Own says that the hub made it, by an authority of its own; File is where
	// it comes from otherwise.
	Own  bool   `json:"own"`
	File string `json:"file,omitempty"`
}

// Info says what the certificate in force is.
func (r *Reloader) Info() Info {
	leaf := r.current.Load().Leaf
	i := Describe(leaf)
	switch s := r.source.(type) {
	case given:
		i.File = s.certFile
	case own:
		i.Own = true
	}
	return i
}

// Describe says what a certificate is.
func Describe(c *x509.Certificate) Info {
	sum := sha256.Sum256(c.Raw)
	i := Info{
		Names: append([]string(nil), c.DNSNames...), Subject: c.Subject.String(), Issuer: c.Issuer.String(),
		From: c.NotBefore.UTC(), Until: c.NotAfter.UTC(), Serial: c.SerialNumber.Text(16), SHA256: hex.EncodeToString(sum[:]), Key: c.PublicKeyAlgorithm.String(),
	}
	for _, ip := range c.IPAddresses {
		i.Names = append(i.Names, ip.String())
	}
	return i
}
