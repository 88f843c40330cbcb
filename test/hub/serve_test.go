package hub_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/app"
	"github.com/tvilling/tvilling/internal/app/apptest"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
)

// certificate makes a self-signed certificate for a name, as PEM.
func certificate(t *testing.T, name string, serial int64) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name, hostName},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

func TestCertificatesAreReplacedUnderLiveConnections(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	put := func(cert, key []byte) {
		t.Helper()
		for file, b := range map[string][]byte{certFile: cert, keyFile: key} {
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	cert1, key1 := certificate(t, "localhost", 1)
	put(cert1, key1)
	h := apptest.Start(t, func(o *app.Options) { o.CertificateFile, o.KeyFile = certFile, keyFile })
	trust := func(pems ...[]byte) *tls.Config {
		pool := x509.NewCertPool()
		for _, p := range pems {
			pool.AppendCertsFromPEM(p)
		}
		return &tls.Config{RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS12}
	}
	cert2, key2 := certificate(t, "localhost", 2)
	both := trust(cert1, cert2)
	c, err := client.New(client.Options{ConnectionString: h.OwnerConnectionString(), Addr: h.HTTPS(), CAs: both.RootCAs})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	key := h.Register(c, "d")
	w, _ := dial(t, h, connecting{id: device("d"), key: key, tls: both})
	w.subscribe(twinResponses)
	serial := func(w *wire) int64 {
		return w.nc.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}

	put(cert2, key2)
	if err := h.App().Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := serial(open(t, h, both)); n != 2 {
		t.Errorf("a new connection is shown certificate %d, want 2", n)
	}
	w.twin()
	if n := serial(w); n != 1 {
		t.Errorf("the old connection has certificate %d", n)
	}
	// Files that do not belong together change nothing.
	put(cert1, key2)
	if err := h.App().Reload(t.Context()); err == nil {
		t.Error("a certificate with another's key was loaded")
	}
	if n := serial(open(t, h, both)); n != 2 {
		t.Errorf("after a failed reload a new connection is shown certificate %d, want 2", n)
	}
	w.alive()
	if _, err := c.Device(t.Context(), "d"); err != nil {
		t.Error(err)
	}
}

func TestX509Thumbprints(t *testing.T) {
	t.Parallel()
	h := apptest.Start(t, nil)
	c := h.Client()
	clientTLS := func(cert, key []byte) *tls.Config {
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		conf := h.TLS()
		conf.Certificates = []tls.Certificate{pair}
		return conf
	}
	cert, key := certificate(t, "d", 1)
	block, _ := pem.Decode(cert)
	sum := sha256.Sum256(block.Bytes)
	thumbprint := hex.EncodeToString(sum[:])
	other, otherKey := certificate(t, "d", 2)
	_, err := c.CreateDevice(t.Context(), client.Device{DeviceID: "d", Authentication: &client.Authentication{
		Type: "selfSigned", X509Thumbprint: client.X509Thumbprint{Primary: thumbprint},
	}})
	if err != nil {
		t.Fatal(err)
	}
	w, _ := dial(t, h, connecting{id: device("d"), tls: clientTLS(cert, key)})
	w.alive()
	for name, conf := range map[string]*tls.Config{"another certificate": clientTLS(other, otherKey), "none": h.TLS()} {
		bad, ack, ok := try(t, h, connecting{id: device("d"), tls: conf})
		if !ok || ack.Code != packet.NotAuthorized {
			t.Errorf("%s: answered %t, %v", name, ok, ack.Code)
		}
		bad.closed()
	}
	// The certificate is the device's, not its module's.
	bad, ack, ok := try(t, h, connecting{id: securityOf("d"), tls: clientTLS(cert, key)})
	if !ok || ack.Code != packet.NotAuthorized {
		t.Errorf("as its module: answered %t, %v", ok, ack.Code)
	}
	bad.closed()
	w.alive()
	_, err = c.UpdateDevice(t.Context(), client.Device{DeviceID: "d", Authentication: &client.Authentication{
		Type: "selfSigned", X509Thumbprint: client.X509Thumbprint{Primary: strings.Repeat("0", 64)},
	}}, client.Any())
	if err != nil {
		t.Fatal(err)
	}
	w.closed()
}

func TestSecondHubOnOneDataDirectory(t *testing.T) {
	t.Parallel()
	h, c, _ := start(t)
	second, err := app.New(t.Context(), h.Options())
	if err == nil {
		err = second.Close()
		t.Fatalf("a second hub runs on the data directory (closed: %v)", err)
	}
	if tvilling.CodeOf(err) != tvilling.Unavailable || !strings.Contains(err.Error(), h.Data) {
		t.Errorf("the refusal is %v; want Unavailable and the directory", err)
	}
	patchDesired(t, c, device("d"), `{"a":1}`)
}

// Stopping answers what was asked and says goodbye to the rest.
func TestStopWithOpenConnections(t *testing.T) {
	t.Parallel()
	h, c, key := start(t)
	w := connect(t, h, device("d"), key)
	w.subscribe(twinResponses)
	streamed := make(chan int, 1)
	begun := make(chan struct{})
	go func() {
		n := 0
		for _, err := range c.Changes(t.Context(), client.StreamOptions{Follow: true}) {
			if err != nil {
				break
			}
			if n++; n == 1 {
				close(begun)
			}
		}
		streamed <- n
	}()
	<-begun
	var b []byte
	const reports = 50
	for i := range reports {
		p := packet.Publish{QoS: 1, ID: uint16(i + 1), Topic: []byte("$iothub/twin/PATCH/properties/reported/?$rid=" + itoa(i)), Payload: []byte(`{"n":` + itoa(i) + `}`)}
		b = p.Append(b)
	}
	w.send(b)
	w.answered("0") // the others are under way
	h.Stop()
	acked := 1
	for _, f := range w.closed() {
		if a, _, ok := asAnswer(f); ok && a.status == 204 {
			acked++
		}
	}
	if n := <-streamed; n == 0 {
		t.Error("the stream had nothing")
	}
	h.Restart()
	w = connect(t, h, device("d"), key)
	w.subscribe(twinResponses)
	if got := int(w.twin().reportedVersion()) - 1; got < acked {
		t.Errorf("%d reports are there, %d were acknowledged", got, acked)
	}
}
