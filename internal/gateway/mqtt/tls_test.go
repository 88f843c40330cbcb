package mqtt_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/gateway/mqtt"
	"github.com/tvilling/tvilling/internal/gateway/mqtt/packet"
)

// certificate mints a self-signed certificate, valid in the bubble's time.
func certificate(t testing.TB, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// startTLS runs a server with TLS and returns what a client needs to trust it.
func startTLS(t *testing.T, change ...func(*mqtt.Options)) (*gateway, *tls.Config) {
	t.Helper()
	cert := certificate(t, "hub.test")
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	g := start(t, append(change, func(o *mqtt.Options) {
		o.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}
	})...)
	return g, &tls.Config{RootCAs: roots, ServerName: "hub.test", MinVersion: tls.VersionTLS12}
}

func TestTLS(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				g, config := startTLS(t)
				config.MaxVersion = version
				c := newClient(t, tls.Client(g.ln.dial(t), config))
				p := hello(device)
				c.send(p.Append(nil))
				c.next(packet.CONNACK)
				if got := g.tokens[0]; got.Token == "" || len(got.Certificates) != 0 {
					t.Errorf("credentials: token %q, %d certificates; want a token alone", got.Token, len(got.Certificates))
				}
				c.send(publish(events, 1, 1, "x"))
				c.puback()
				began := time.Now()
				c.closed()
				if got, want := time.Since(began), 90*time.Second; got != want {
					t.Errorf("closed after %v, want %v", got, want)
				}
				g.ended(t, mqtt.EndKeepAlive)
			})
		})
	}
}

func TestClientCertificate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g, config := startTLS(t)
		cert := certificate(t, "dev1")
		config.Certificates = []tls.Certificate{cert}
		c := newClient(t, tls.Client(g.ln.dial(t), config))
		p := hello(device)
		p.Password = nil
		c.send(p.Append(nil))
		c.next(packet.CONNACK)
		got := g.tokens[0]
		if got.Token != "" || len(got.Certificates) != 1 || !got.Certificates[0].Equal(cert.Leaf) {
			t.Errorf("credentials: token %q, %d certificates; want the client's alone", got.Token, len(got.Certificates))
		}
	})
}

func TestNotTLS(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g, _ := startTLS(t)
		c := g.dial(t)
		p := hello(device)
		c.send(p.Append(nil))
		for range c.frames { // a TLS alert is no packet
		}
		synctest.Wait()
		if got := g.srv.Stats().Refused(mqtt.RefusedTLS); got != 1 {
			t.Errorf("refused for tls: %d, want 1", got)
		}
	})
}

// Clients that begin a handshake and leave it hold nobody up, though only one
// handshake may compute at a time.
func TestHandshakesHalfDone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g, config := startTLS(t, func(o *mqtt.Options) { o.Limits.Handshakes = 1 })
		over := make(chan struct{})
		defer close(over)
		for range 5 {
			nc := g.ln.dial(t)
			t.Cleanup(func() { _ = nc.Close() })
			go func() { _ = tls.Client(mute{nc, over}, config).HandshakeContext(context.WithoutCancel(t.Context())) }()
		}
		silent := g.dial(t)
		synctest.Wait()
		c := newClient(t, tls.Client(g.ln.dial(t), config))
		p := hello(device)
		c.send(p.Append(nil))
		c.next(packet.CONNACK)
		c.send(packet.AppendPingreq(nil))
		c.next(packet.PINGRESP)
		if got := g.srv.Stats().Greeting.Load(); got != 6 {
			t.Errorf("greeting: %d, want 6", got)
		}
		silent.closed() // after the time for handshakes
		pass(30 * time.Second)
		synctest.Wait()
		if got := g.srv.Stats().Greeting.Load(); got != 0 {
			t.Errorf("greeting: %d, want 0", got)
		}
	})
}

// mute is a connection that is written to and not read from until over.
type mute struct {
	net.Conn
	over <-chan struct{}
}

func (m mute) Read([]byte) (int, error) { <-m.over; return 0, io.EOF }

// A server may get its connections with TLS already.
func TestListenerWithTLS(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := start(t)
		cert := certificate(t, "hub.test")
		roots := x509.NewCertPool()
		roots.AddCert(cert.Leaf)
		a, b := net.Pipe()
		g.ln.conns <- tls.Server(a, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
		c := newClient(t, tls.Client(b, &tls.Config{RootCAs: roots, ServerName: "hub.test", MinVersion: tls.VersionTLS12}))
		p := hello(tvilling.Device("dev1"))
		c.send(p.Append(nil))
		c.next(packet.CONNACK)
	})
}
