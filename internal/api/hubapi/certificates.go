package hubapi

import (
	"time"

	"github.com/tvilling/tvilling/internal/api/rest"
)

// Certificate says what a certificate is.
type Certificate struct {
	// Names are the names and addresses that it is for.
	Names     []string  `json:"names"`
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	NotBefore time.Time `json:"notBefore"`
	NotAfter  time.Time `json:"notAfter"`
	Serial    string    `json:"serial"`
	// SHA256 is its fingerprint.
	SHA256 string `json:"sha256"`
	Key    string `json:"key"`
}

// Certificates are those that devices meet.
type Certificates struct {
	Server Certificate `json:"server"`
	// Own says that the hub made the server's, by an authority of its own.
	Own bool `json:"own"`
	// Authority is what devices are to trust, PEM that certificate as a file;
	// absent if systems know the authority anyway.
	Authority *Certificate `json:"authority,omitempty"`
	PEM       string       `json:"pem,omitempty"`
}

// certificates is GET /tvilling/certificates: what every connection to the hub
// is shown, and what signs it.
//
//	{"server":{"names":["hub.example"],"subject":"…","issuer":"…","notBefore":"…",
//	 "notAfter":"…","serial":"…","sha256":"…","key":"ECDSA"},"own":true,
//	 "authority":{…},"pem":"-----BEGIN CERTIFICATE-----\n…"}
func (h *Handler) certificates(c *rest.Call) error { return c.Answer(h.Certificates(), "") }
