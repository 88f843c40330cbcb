package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/tvilling/tvilling/bench/load"
	"github.com/tvilling/tvilling/internal/notify/webhook"
)

// receiver takes what a webhook is told, over TLS, and checks signatures.
type receiver struct {
	server *http.Server
	run    int
	config string // file for the hub
	secret []byte
	served chan error

	mu    sync.Mutex
	due   map[int]time.Time // of attacks that no alert told of yet
	sent  int
	times load.Histogram
	again int // alerts told of more than once
	other int // entries of other things
	bad   error
}

var attackText = regexp.MustCompile(`/tmp/bench-(\d+)-(\d+)/xmrig`)

// newReceiver listens and writes the configuration of a hub that tells it.
func (b *bench) newReceiver(run int) (*receiver, error) {
	const secret = "bench-bench-bench-bench-bench"
	dir := filepath.Join(b.dir, fmt.Sprintf("sink-%d", run))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	cert, authority, err := selfSigned()
	if err != nil {
		return nil, err
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"}})
	if err != nil {
		return nil, err
	}
	r := &receiver{run: run, config: filepath.Join(dir, "hub.toml"), secret: []byte(secret), served: make(chan error, 1), due: make(map[int]time.Time)}
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second}
	go func() { r.served <- r.server.Serve(l) }()
	text := fmt.Sprintf("[[webhook]]\nname = \"bench-%d\"\nurl = \"https://%s/\"\nsecret_file = %q\nca_file = %q\n",
		run, l.Addr(), filepath.Join(dir, "secret"), filepath.Join(dir, "ca.pem"))
	for name, body := range map[string][]byte{"secret": r.secret, "ca.pem": authority, "hub.toml": []byte(text)} {
		if err := os.WriteFile(filepath.Join(dir, name), body, 0o600); err != nil {
			return nil, errors.Join(err, r.close())
		}
	}
	return r, nil
}

func (r *receiver) close() error {
	err := r.server.Close()
	if served := <-r.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// expect notes that an attack is due to be sent.
func (r *receiver) expect(n int, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.due[n] = at
	r.sent++
}

// ServeHTTP takes one entry of the feed.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	now := time.Now()
	if err == nil {
		err = webhook.Verify(r.secret, req.Header.Get(webhook.SignatureHeader), body, now)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.bad = err
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
	m := attackText.FindSubmatch(body)
	if m == nil || string(m[1]) != strconv.Itoa(r.run) {
		r.other++
		return
	}
	n, _ := strconv.Atoi(string(m[2])) //nolint:errcheck // digits
	at, ok := r.due[n]
	if !ok {
		r.again++
		return
	}
	delete(r.due, n)
	r.times.Add(now.Sub(at))
}

// wait waits until every attack was told of.
func (r *receiver) wait(ctx context.Context, patience time.Duration) error {
	end := time.Now().Add(patience)
	for {
		r.mu.Lock()
		missing, bad := len(r.due), r.bad
		r.mu.Unlock()
		switch {
		case bad != nil:
			return bad
		case missing == 0:
			return nil
		case time.Now().After(end):
			return fmt.Errorf("%d of %d alerts have not come to the webhook after %s", missing, r.sent, patience)
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// selfSigned makes a certificate for 127.0.0.1.
func selfSigned() (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}
