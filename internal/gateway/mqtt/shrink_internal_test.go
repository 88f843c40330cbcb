package mqtt

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http/httptest"
	"testing"
)

// TestShrink fails when a Go release has moved the buffers: look at crypto/tls
// then, and at what an idle connection costs.
func TestShrink(t *testing.T) {
	certified := httptest.NewUnstartedServer(nil)
	certified.StartTLS()
	defer certified.Close()
	roots := x509.NewCertPool()
	roots.AddCert(certified.Certificate())
	near, far := net.Pipe()
	client := tls.Client(near, &tls.Config{RootCAs: roots, ServerName: "example.com", MinVersion: tls.VersionTLS12})
	server := tls.Server(far, &tls.Config{Certificates: certified.TLS.Certificates, MinVersion: tls.VersionTLS12})
	defer func() { _ = near.Close() }()
	sent := bytes.Repeat([]byte("0123456789"), 3000)
	go func() {
		for range 3 {
			if _, err := client.Write(sent); err != nil {
				return
			}
		}
	}()
	where := findTLSBuffers()
	got := make([]byte, len(sent))
	for range 3 {
		for at := 0; at < len(got); {
			// Shrinking in the middle of a record must lose nothing.
			n, err := io.ReadFull(server, got[at:min(at+7001, len(got))])
			if err != nil {
				t.Fatal(err)
			}
			at += n
			if !where.shrink(server) {
				t.Fatal("crypto/tls keeps its buffers elsewhere")
			}
		}
		if !bytes.Equal(got, sent) {
			t.Fatal("what was read is not what was sent")
		}
	}
}
