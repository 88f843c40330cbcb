package hubapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/api/hubapi"
)

func certificates() hubapi.Certificates {
	one := hubapi.Certificate{
		Names: []string{"hub.example"}, Subject: "CN=hub.example", Issuer: "CN=ours", Serial: "1f", SHA256: "00ff", Key: "ECDSA",
		NotBefore: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	return hubapi.Certificates{Server: one, Own: true, Authority: &one, PEM: "-----BEGIN CERTIFICATE-----\n"}
}

// TestCertificates: the certificates are told as they are.
func TestCertificates(t *testing.T) {
	t.Parallel()
	const one = `{"names":["hub.example"],"subject":"CN=hub.example","issuer":"CN=ours","notBefore":"2000-01-01T00:00:00Z",` +
		`"notAfter":"2001-01-01T00:00:00Z","serial":"1f","sha256":"00ff","key":"ECDSA"}`
	const want = `{"server":` + one + `,"own":true,"authority":` + one + `,"pem":"-----BEGIN CERTIFICATE-----\n"}`
	h := newHub(t)
	w := h.must(t, http.StatusOK, "registryRead", http.MethodGet, "/tvilling/certificates", "")
	if got := strings.TrimSpace(w.Body.String()); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}
