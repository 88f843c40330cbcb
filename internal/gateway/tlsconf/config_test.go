package tlsconf_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"path/filepath"
	"testing"

	"github.com/tvilling/tvilling/internal/gateway/tlsconf"
)

func TestHandshake(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := mustNew(t, tlsconf.Options{Dir: dir})
	roots := poolOf(readCertificate(t, filepath.Join(dir, tlsconf.CAFile)))
	addr, states := serve(t, r.Config())

	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		conn := mustDial(t, addr, &tls.Config{RootCAs: roots, MinVersion: version, MaxVersion: version})
		if got := conn.ConnectionState().Version; got != version {
			t.Errorf("got %s, want %s", tls.VersionName(got), tls.VersionName(version))
		}
		// Dialled by address, the client names no server: no SNI.
		if state := <-states; state.ServerName != "" {
			t.Errorf("the client named a server, %q: this test does not test what it should", state.ServerName)
		}
	}
	if _, err := dial(t, addr, &tls.Config{RootCAs: roots, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil {
		t.Error("TLS 1.1 was taken")
	}
	if _, err := dial(t, addr, &tls.Config{RootCAs: x509.NewCertPool()}); err == nil {
		t.Error("a client that trusts nobody has connected")
	}
	conn := mustDial(t, addr, &tls.Config{RootCAs: roots, ServerName: "hub.localhost"})
	if got, want := conn.ConnectionState().CurveID, tls.X25519MLKEM768; got != want {
		t.Errorf("got key exchange %v, want %v", got, want)
	}
	<-states
}

func TestClassicalCurves(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := mustNew(t, tlsconf.Options{Dir: dir, ClassicalCurves: true})
	roots := poolOf(readCertificate(t, filepath.Join(dir, tlsconf.CAFile)))
	addr, _ := serve(t, r.Config())
	for _, curves := range [][]tls.CurveID{nil, {tls.X25519}, {tls.CurveP256}, {tls.CurveP384}} {
		conn := mustDial(t, addr, &tls.Config{RootCAs: roots, CurvePreferences: curves})
		want := tls.X25519
		if curves != nil {
			want = curves[0]
		}
		if got := conn.ConnectionState().CurveID; got != want {
			t.Errorf("client with %v: got key exchange %v, want %v", curves, got, want)
		}
	}
	if _, err := dial(t, addr, &tls.Config{RootCAs: roots, CurvePreferences: []tls.CurveID{tls.X25519MLKEM768}}); err == nil {
		t.Error("a post-quantum key exchange was taken")
	}
}

// TestClientCertificate checks that a certificate of no known authority gets
// through to package auth, that none is needed, and that no authority is named,
// which would make clients withhold theirs.
func TestClientCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := mustNew(t, tlsconf.Options{Dir: dir})
	roots := poolOf(readCertificate(t, filepath.Join(dir, tlsconf.CAFile)))
	addr, states := serve(t, r.Config())
	device := newPair(t, nil)
	own, err := tls.X509KeyPair(device.cert, device.key)
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		asked := false
		conn := mustDial(t, addr, &tls.Config{
			RootCAs: roots, MaxVersion: version,
			GetClientCertificate: func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
				asked = true
				if len(info.AcceptableCAs) != 0 {
					t.Errorf("the server names %d authorities, want none", len(info.AcceptableCAs))
				}
				return &own, nil
			},
		})
		echo(t, conn, "with a certificate")
		state := <-states
		if !asked || len(state.PeerCertificates) != 1 || !state.PeerCertificates[0].Equal(own.Leaf) {
			t.Errorf("%s: asked: %v, got certificates %v, want the client's", tls.VersionName(version), asked, state.PeerCertificates)
		}
		conn = mustDial(t, addr, &tls.Config{RootCAs: roots, MaxVersion: version})
		echo(t, conn, "without")
		if state := <-states; len(state.PeerCertificates) != 0 {
			t.Errorf("got certificates %v of a client that has none", state.PeerCertificates)
		}
	}
}

// TestResumption reconnects as devices do; session tickets spare the work of a
// full handshake, and the client's certificate comes back with them.
func TestResumption(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := mustNew(t, tlsconf.Options{Dir: dir})
	roots := poolOf(readCertificate(t, filepath.Join(dir, tlsconf.CAFile)))
	addr, states := serve(t, r.Config())
	device := newPair(t, nil)
	own, err := tls.X509KeyPair(device.cert, device.key)
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		client := &tls.Config{
			RootCAs: roots, MaxVersion: version, Certificates: []tls.Certificate{own},
			ClientSessionCache: tls.NewLRUClientSessionCache(1), ServerName: "localhost",
		}
		for _, resumed := range []bool{false, true} {
			conn := mustDial(t, addr, client)
			echo(t, conn, "ticket") // the ticket of TLS 1.3 comes with the first data
			if err := conn.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, conn); err != nil {
				t.Fatal(err)
			}
			state := <-states
			if state.DidResume != resumed {
				t.Errorf("%s: resumed: %v, want %v", tls.VersionName(version), state.DidResume, resumed)
			}
			if len(state.PeerCertificates) != 1 || !state.PeerCertificates[0].Equal(own.Leaf) {
				t.Errorf("%s, resumed %v: the client's certificate is missing", tls.VersionName(version), resumed)
			}
		}
	}
}
