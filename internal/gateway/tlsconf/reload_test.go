package tlsconf_test

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/gateway/tlsconf"
)

// TestReloadUnderALiveConnection replaces the certificate while a client is
// connected, twice, once with one that cannot be used.
func TestReloadUnderALiveConnection(t *testing.T) {
	t.Parallel()
	one, two := newPair(t, nil), newPair(t, nil)
	files := newOperator(t, one)
	r := mustNew(t, tlsconf.Options{CertFile: files.cert, KeyFile: files.key})
	addr, _ := serve(t, r.Config())
	client := &tls.Config{RootCAs: poolOf(one.leaf(t), two.leaf(t)), ServerName: "hub.example"}

	old := mustDial(t, addr, client)
	echo(t, old, "before")
	wantLeaf := func(p pair) {
		t.Helper()
		conn := mustDial(t, addr, client)
		echo(t, conn, "new")
		if !conn.ConnectionState().PeerCertificates[0].Equal(p.leaf(t)) {
			t.Error("a new connection gets another certificate than it should")
		}
	}
	wantLeaf(one)

	files.put(two)
	wantLeaf(one) // nobody has looked yet
	if err := r.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantLeaf(two)
	echo(t, old, "after")

	files.put(pair{cert: one.cert, key: two.key})
	wantMessage(t, r.Reload(t.Context()), "not a pair")
	wantLeaf(two)
	echo(t, old, "at last")
	if got := r.Stats(); got.Loads != 2 || got.Refusals != 1 {
		t.Errorf("got %+v, want 2 loads and 1 refusal", got)
	}
}

func TestBadReplacementsAreKeptOut(t *testing.T) {
	t.Parallel()
	good := newPair(t, nil)
	other := newPair(t, nil)
	hour := func(n int) time.Time { return time.Now().Add(time.Duration(n) * time.Hour) }
	for name, test := range map[string]struct {
		bad  pair
		want string
	}{
		"expired":       {newPair(t, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = hour(-2), hour(-1) }), "ended at"},
		"not yet valid": {newPair(t, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = hour(1), hour(2) }), "clock"},
		"client certificate": {newPair(t, func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		}), "serverAuth"},
		"key of another": {pair{good.cert, other.key}, "not a pair"},
		"no certificate": {pair{good.key, good.key}, "not a pair"},
		"no key":         {pair{good.cert, good.cert}, "not a pair"},
		"cut short":      {pair{good.cert[:len(good.cert)/2], good.key}, "not a pair"},
		"empty":          {pair{nil, nil}, "not a pair"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := newOperator(t, test.bad)
			_, err := tlsconf.New(t.Context(), tlsconf.Options{CertFile: files.cert, KeyFile: files.key})
			wantMessage(t, err, test.want)
			if strings.Contains(err.Error(), "PRIVATE") {
				t.Errorf("the error shows a key: %v", err)
			}

			files.put(good)
			r := mustNew(t, tlsconf.Options{CertFile: files.cert, KeyFile: files.key})
			files.put(test.bad)
			wantMessage(t, r.Reload(t.Context()), test.want)
			if !leafOf(t, r).Equal(good.leaf(t)) {
				t.Error("the good certificate is no longer in force")
			}
			files.put(other)
			if err := r.Reload(t.Context()); err != nil {
				t.Error(err)
			}
			if !leafOf(t, r).Equal(other.leaf(t)) {
				t.Error("a good replacement was kept out after a bad one")
			}
		})
	}
}

// TestRunWatches follows the files over ticks of ten seconds.
func TestRunWatches(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		one, two, three := newPair(t, nil), newPair(t, nil), newPair(t, nil)
		files := operator{t: t, cert: dir + "/tls.crt", key: dir + "/tls.key"}
		files.put(one)
		var log logged
		r := mustNew(t, tlsconf.Options{CertFile: files.cert, KeyFile: files.key, Logger: log.logger()})
		defer run(t, r)()
		const tick = 10 * time.Second
		expect := func(when string, p pair, loads, refusals uint64) {
			t.Helper()
			synctest.Wait()
			if !leafOf(t, r).Equal(p.leaf(t)) {
				t.Errorf("%s: another certificate is in force", when)
			}
			if got := r.Stats(); got.Loads != loads || got.Refusals != refusals {
				t.Errorf("%s: got %d loads and %d refusals, want %d and %d", when, got.Loads, got.Refusals, loads, refusals)
			}
			if got := log.count("refused"); uint64(got) != refusals {
				t.Errorf("%s: %d refusals were logged, want %d", when, got, refusals)
			}
		}
		<-time.After(10 * tick)
		expect("nothing changed", one, 1, 0)

		files.put(two)
		<-time.After(tick)
		expect("replaced", two, 2, 0)

		put(t, files.cert, three.cert) // the key follows after the next look
		<-time.After(tick)
		expect("half replaced", two, 2, 0)
		put(t, files.key, three.key)
		<-time.After(tick)
		expect("wholly replaced", three, 3, 0)

		put(t, files.cert, []byte("rubbish"))
		<-time.After(2 * tick)
		expect("rubbish", three, 3, 1)
		<-time.After(30 * time.Minute)
		expect("the same rubbish", three, 3, 1)
		<-time.After(time.Hour)
		expect("the same rubbish, another hour", three, 3, 2)

		if err := os.Remove(files.cert); err != nil {
			t.Fatal(err)
		}
		<-time.After(2 * tick)
		expect("gone", three, 3, 3)
		put(t, files.cert, three.cert)
		<-time.After(tick)
		expect("back", three, 3, 3)
		files.put(one)
		<-time.After(tick)
		expect("replaced at last", one, 4, 3)
	})
}

func TestMissingFilesAreNamed(t *testing.T) {
	t.Parallel()
	_, err := tlsconf.New(t.Context(), tlsconf.Options{CertFile: "/nowhere/tls.crt", KeyFile: "/nowhere/tls.key"})
	if err == nil || !strings.Contains(err.Error(), "/nowhere/tls.crt") {
		t.Errorf("got %v, want the file named", err)
	}
	if got := tvilling.MessageOf(err); strings.Contains(got, "internal fault") {
		t.Errorf("the operator is told %q", got)
	}
}
