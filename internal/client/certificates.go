package client

import (
	"context"
	"net/http"
	"time"
)

// Certificate says what a certificate is.
type Certificate struct {
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
	// nil and "" if systems know the authority anyway.
	Authority *Certificate `json:"authority,omitempty"`
	PEM       string       `json:"pem,omitempty"`
}

// Certificates returns the certificates of the hub that are in force.
func (c *Client) Certificates(ctx context.Context) (*Certificates, error) {
	v := &Certificates{}
	_, err := c.do(ctx, request{op: "get certificates", subject: c.host, method: http.MethodGet, path: "/tvilling/certificates"}, v)
	return some(v, err)
}
