package tlsconf_test

import (
	"context"
	"crypto/x509"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/gateway/tlsconf"
)

func TestFirstStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := mustNew(t, tlsconf.Options{Dir: dir, Names: []string{"hub.example", "HUB2.example.", "192.0.2.7", "[2001:db8::1]", "*.iot.example"}})

	for name, want := range map[string]fs.FileMode{
		tlsconf.CAFile: 0o644, tlsconf.CAKeyFile: 0o600, tlsconf.ServerFile: 0o644, tlsconf.ServerKeyFile: 0o600,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %04o, want %04o", name, got, want)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 4 {
		t.Errorf("got files %v, want four", entries)
	}

	ca, leaf := readCertificate(t, filepath.Join(dir, tlsconf.CAFile)), leafOf(t, r)
	machine, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"localhost", "hub.localhost", "127.0.0.1", "::1", machine,
		"hub.example", "hub2.example", "192.0.2.7", "2001:db8::1", "x.iot.example",
	} {
		if _, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: poolOf(ca)}); err != nil {
			t.Errorf("as %s: %v", name, err)
		}
	}
	if _, err := leaf.Verify(x509.VerifyOptions{DNSName: "other.example", Roots: poolOf(ca)}); err == nil {
		t.Error("the certificate is good for any name")
	}
	if !ca.IsCA || !ca.MaxPathLenZero || ca.PublicKeyAlgorithm != x509.ECDSA || leaf.IsCA || leaf.PublicKeyAlgorithm != x509.ECDSA {
		t.Error("the certificates are not what they should be")
	}
	if years := time.Until(ca.NotAfter).Hours() / 24 / 365; years < 9.9 || years > 10.1 {
		t.Errorf("the authority lasts %.1f years, want 10", years)
	}
	if days := time.Until(leaf.NotAfter).Hours() / 24; days < 365 || days > 398 {
		t.Errorf("the server certificate lasts %.0f days, want a year and at most 398 days", days)
	}
	if got := r.Stats(); got.Loads != 1 || got.Refusals != 0 || !got.NotAfter.Equal(leaf.NotAfter) {
		t.Errorf("got %+v", got)
	}
}

// TestLaterStarts checks what makes a new server certificate and what does not.
func TestLaterStarts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	remove := func(names ...string) func() {
		return func() {
			for _, name := range names {
				if err := os.Remove(path(name)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	last := leafOf(t, mustNew(t, tlsconf.Options{Dir: dir, Names: []string{"hub.example"}}))
	root := readCertificate(t, path(tlsconf.CAFile)) // what clients trust from now on
	steps := []struct {
		name    string
		prepare func()
		names   []string
		fresh   bool
	}{
		{"nothing changed", nil, []string{"hub.example"}, false},
		{"fewer names", nil, nil, false},
		{"a name more", nil, []string{"other.example"}, true},
		{"an address more", nil, []string{"other.example", "192.0.2.9"}, true},
		{"certificate lost", remove(tlsconf.ServerFile), nil, true},
		{"key lost", remove(tlsconf.ServerKeyFile), nil, true},
		{"crash between key and certificate", func() { put(t, path(tlsconf.ServerKeyFile), newPair(t, nil).key) }, nil, true},
		{"rubbish", func() { put(t, path(tlsconf.ServerFile), []byte("rubbish")) }, nil, true},
		{"not signed by the authority", func() {
			p := newPair(t, nil)
			put(t, path(tlsconf.ServerFile), p.cert)
			put(t, path(tlsconf.ServerKeyFile), p.key)
		}, nil, true},
		{"key was readable by others", func() {
			if err := os.Chmod(path(tlsconf.ServerKeyFile), 0o644); err != nil {
				t.Fatal(err)
			}
		}, nil, true},
		// The root made anew from the same key must be as good as the one that
		// clients have.
		{"root lost or never written", remove(tlsconf.CAFile), []string{"new.example"}, true},
		{"key of the authority kept elsewhere", remove(tlsconf.CAKeyFile), nil, false},
	}
	for _, step := range steps {
		if step.prepare != nil {
			step.prepare()
		}
		leaf := leafOf(t, mustNew(t, tlsconf.Options{Dir: dir, Names: step.names}))
		if fresh := !leaf.Equal(last); fresh != step.fresh {
			t.Errorf("%s: a fresh certificate: %v, want %v", step.name, fresh, step.fresh)
		}
		for _, name := range append([]string{"localhost"}, step.names...) {
			if _, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: poolOf(root)}); err != nil {
				t.Errorf("%s: as %s: %v", step.name, name, err)
			}
		}
		last = leaf
	}
	_, err := tlsconf.New(t.Context(), tlsconf.Options{Dir: dir, Names: []string{"yet.another.example"}})
	wantMessage(t, err, "key of the authority is not there")

	remove(tlsconf.CAFile)()
	leaf := leafOf(t, mustNew(t, tlsconf.Options{Dir: dir}))
	next := readCertificate(t, path(tlsconf.CAFile))
	if next.Equal(root) || next.Subject.String() == root.Subject.String() {
		t.Error("the new authority cannot be told from the old one")
	}
	if _, err := leaf.Verify(x509.VerifyOptions{DNSName: "localhost", Roots: poolOf(root)}); err == nil {
		t.Error("the old root still verifies a certificate of the new one")
	}
}

func wantMessage(t testing.TB, err error, want string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one that says %q", want)
	}
	if got := tvilling.MessageOf(err); tvilling.CodeOf(err) != tvilling.InvalidArgument || !strings.Contains(got, want) {
		t.Errorf("got %v, want a message that says %q", err, want)
	}
}

func TestDamagedAuthorityIsNeverReplaced(t *testing.T) {
	t.Parallel()
	other := newPair(t, func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true })
	for _, test := range []struct {
		name, file, want string
		text             []byte
	}{
		{"root is rubbish", tlsconf.CAFile, "no PEM certificate", []byte("rubbish")},
		{"root is empty", tlsconf.CAFile, "no PEM certificate", nil},
		{"root is no authority", tlsconf.CAFile, "not the certificate of a certificate authority", newPair(t, nil).cert},
		{"root of another key", tlsconf.CAFile, "does not belong to the key", other.cert},
		{"key is rubbish", tlsconf.CAKeyFile, "no PEM private key", []byte("rubbish")},
		{"key of another root", tlsconf.CAKeyFile, "does not belong to the key", other.key},
		{"key is a certificate", tlsconf.CAKeyFile, "cannot be read", other.cert},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			mustNew(t, tlsconf.Options{Dir: dir})
			path := filepath.Join(dir, test.file)
			put(t, path, test.text)
			_, err := tlsconf.New(t.Context(), tlsconf.Options{Dir: dir})
			wantMessage(t, err, test.want)
			if got, err := os.ReadFile(path); err != nil || string(got) != string(test.text) {
				t.Errorf("the file was changed (%v)", err)
			}
		})
	}
	t.Run("key readable by others", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		mustNew(t, tlsconf.Options{Dir: dir})
		if err := os.Chmod(filepath.Join(dir, tlsconf.CAKeyFile), 0o640); err != nil {
			t.Fatal(err)
		}
		_, err := tlsconf.New(t.Context(), tlsconf.Options{Dir: dir})
		wantMessage(t, err, "chmod 600")
	})
}

func TestOptionsRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"", " ", "https://hub.example", "hub.example:8883", "a..b", "-a.example", "a-.example", "ä.example",
		"*", "a.*.example", "1.2.3", "1.2.3.4.5", "fe80::1%eth0", strings.Repeat("a", 64) + ".example",
	} {
		_, err := tlsconf.New(t.Context(), tlsconf.Options{Dir: t.TempDir(), Names: []string{name}})
		if tvilling.CodeOf(err) != tvilling.InvalidArgument {
			t.Errorf("name %q: got %v", name, err)
		}
	}
	_, err := tlsconf.New(t.Context(), tlsconf.Options{Dir: t.TempDir(), CertFile: "a"})
	wantMessage(t, err, "both")
	if _, err := tlsconf.New(t.Context(), tlsconf.Options{}); err == nil {
		t.Error("nothing at all was taken")
	}
	if _, err := tlsconf.New(t.Context(), tlsconf.Options{Dir: filepath.Join(t.TempDir(), "no")}); err == nil {
		t.Error("a directory that is not there was taken")
	}
}

// run runs r until the returned function is called.
func run(t testing.TB, r *tlsconf.Reloader) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { r.Run(ctx) })
	return func() {
		cancel()
		wg.Wait()
	}
}

// TestRenewal lets ten years pass: the server certificate is renewed as long
// as the authority lasts, then the log says what to do.
func TestRenewal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		const day = 24 * time.Hour
		var log logged
		r := mustNew(t, tlsconf.Options{Dir: dir, Poll: day, Logger: log.logger()})
		ca := readCertificate(t, filepath.Join(dir, tlsconf.CAFile))
		defer run(t, r)()
		for time.Now().Before(ca.NotAfter.Add(-60 * day)) {
			<-time.After(10 * day)
			leaf := leafOf(t, r)
			if left := time.Until(leaf.NotAfter); left < 40*day {
				t.Fatalf("at %v the certificate ends in %v", time.Now(), left)
			}
			if _, err := leaf.Verify(x509.VerifyOptions{DNSName: "localhost", Roots: poolOf(ca)}); err != nil {
				t.Fatal(err)
			}
		}
		if loads := r.Stats().Loads; loads < 10 || loads > 20 {
			t.Errorf("in ten years, %d certificates were made", loads)
		}
		if refusals := r.Stats().Refusals; refusals != 0 {
			t.Errorf("%d refusals", refusals)
		}
		if log.count("ends soon") != 0 {
			t.Error("the log warns of an end that is far away")
		}
		<-time.After(time.Until(ca.NotAfter) - day)
		if warnings := log.count("ends soon"); warnings < 10 || warnings > 15 {
			t.Errorf("%d warnings of the end of the authority, want one a day for two weeks", warnings)
		}
		<-time.After(3 * day)
		if r.Stats().Refusals == 0 || log.count("private certificate authority ended") == 0 {
			t.Error("nothing says that the authority has ended")
		}
	})
}

// TestRenewalResumesWithTheKey takes the key of the authority away, so that the due renewal
// cannot succeed, and gives it back.
func TestRenewalResumesWithTheKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		const day = 24 * time.Hour
		var log logged
		r := mustNew(t, tlsconf.Options{Dir: dir, Poll: day, Logger: log.logger()})
		first := leafOf(t, r)
		keyPath := filepath.Join(dir, tlsconf.CAKeyFile)
		key, err := os.ReadFile(keyPath)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(keyPath); err != nil {
			t.Fatal(err)
		}
		defer run(t, r)()
		<-time.After(time.Until(first.NotAfter) - 10*day)
		if !leafOf(t, r).Equal(first) {
			t.Error("a certificate was made without the key of the authority")
		}
		if got := r.Stats(); got.Refusals != 0 || log.count("ends soon") == 0 {
			t.Errorf("got %+v and %d warnings, want the old certificate to go on with warnings", got, log.count("ends soon"))
		}
		put(t, keyPath, key)
		<-time.After(2 * day)
		if leafOf(t, r).Equal(first) {
			t.Error("the certificate was not renewed though the key is back")
		}
	})
}
