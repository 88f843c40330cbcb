package tlsconf_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/gateway/tlsconf"
)

// logged collects a log.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), text)
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func mustNew(t testing.TB, o tlsconf.Options) *tlsconf.Reloader {
	t.Helper()
	r, err := tlsconf.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func readCertificate(t testing.TB, path string) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, rest := pem.Decode(text)
	if block == nil || len(rest) != 0 {
		t.Fatalf("%s is not one PEM block", path)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// leafOf returns the certificate that a connection would get now.
func leafOf(t testing.TB, r *tlsconf.Reloader) *x509.Certificate {
	t.Helper()
	cert, err := r.Config().GetCertificate(&tls.ClientHelloInfo{})
	if err != nil {
		t.Fatal(err)
	}
	return cert.Leaf
}

func poolOf(certs ...*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range certs {
		pool.AddCert(c)
	}
	return pool
}

// pair is a self-signed certificate with its key, as PEM.
type pair struct{ cert, key []byte }

func newPair(t testing.TB, change func(*x509.Certificate)) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "operator"},
		DNSNames:    []string{"hub.example"},
		NotBefore:   time.Now().Add(-time.Minute),
		NotAfter:    time.Now().Add(90 * 24 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pair{
		cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}
}

func (p pair) leaf(t testing.TB) *x509.Certificate {
	t.Helper()
	c, err := tls.X509KeyPair(p.cert, p.key)
	if err != nil {
		t.Fatal(err)
	}
	return c.Leaf
}

// operator holds the files of an operator's certificate.
type operator struct {
	t         testing.TB
	cert, key string
}

func newOperator(t testing.TB, p pair) operator {
	t.Helper()
	dir := t.TempDir()
	o := operator{t: t, cert: filepath.Join(dir, "tls.crt"), key: filepath.Join(dir, "tls.key")}
	o.put(p)
	return o
}

func (o operator) put(p pair) {
	o.t.Helper()
	put(o.t, o.cert, p.cert)
	put(o.t, o.key, p.key)
}

// put replaces a file as tools do, by renaming another over it. The time stamps
// ascend, whatever the resolution of the file system's clock.
func put(t testing.TB, path string, text []byte) {
	t.Helper()
	next := time.Now()
	if info, err := os.Stat(path); err == nil {
		next = info.ModTime().Add(time.Second)
	}
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path+".new", next, next); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// serve echoes on a TLS listener until the test ends, and reports the state of
// each connection after its handshake.
func serve(t testing.TB, config *tls.Config) (addr string, states <-chan tls.ConnectionState) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ch := make(chan tls.ConnectionState, 16)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			raw, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				conn := tls.Server(raw, config)
				defer conn.Close()
				if conn.HandshakeContext(context.Background()) != nil {
					return
				}
				ch <- conn.ConnectionState()
				buf := make([]byte, 64)
				for {
					n, err := conn.Read(buf)
					if err != nil {
						return
					}
					if _, err := conn.Write(buf[:n]); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		wg.Wait()
	})
	return listener.Addr().String(), ch
}

// dial connects and closes at the end of the test, before the server ends.
func dial(t testing.TB, addr string, config *tls.Config) (*tls.Conn, error) {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, config)
	if err == nil {
		t.Cleanup(func() { _ = conn.Close() })
	}
	return conn, err
}

func mustDial(t testing.TB, addr string, config *tls.Config) *tls.Conn {
	t.Helper()
	conn, err := dial(t, addr, config)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// echo sends a word and waits for it.
func echo(t testing.TB, conn net.Conn, word string) {
	t.Helper()
	if _, err := conn.Write([]byte(word)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, len(word))
	for n := 0; n < len(buf); {
		m, err := conn.Read(buf[n:])
		if err != nil {
			t.Fatal(err)
		}
		n += m
	}
	if got := string(buf); got != word {
		t.Fatalf("got echo %q, want %q", got, word)
	}
}
