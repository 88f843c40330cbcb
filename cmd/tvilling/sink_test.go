package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tvilling/tvilling/internal/app"
	"github.com/tvilling/tvilling/internal/app/apptest"
)

// TestSinks: a sink is listed with how far it is, and told again from where it
// is asked.
func TestSinks(t *testing.T) {
	told := make(chan struct{}, 100)
	far := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { told <- struct{}{} }))
	defer far.Close()
	dir := t.TempDir()
	ca, secret := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "secret")
	cert, err := x509.ParseCertificate(far.TLS.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string][]byte{
		ca: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), secret: []byte("0123456789abcdef0123456789abcdef"),
	} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	hub := apptest.Start(t, func(o *app.Options) {
		o.Sinks = []app.Sink{{Kind: app.Webhook, Name: "siem", Target: far.URL, SecretFile: secret, CAFile: ca}}
	})
	command := func(args string, status int) string {
		t.Helper()
		var stdout, stderr bytes.Buffer
		if got := run(t.Context(), strings.Fields(args+" --data "+hub.Data), strings.NewReader(""), &stdout, &stderr); got != status {
			t.Fatalf("%s: exit status %d, want %d: %s", args, got, status, stderr.String())
		}
		return stdout.String() + stderr.String()
	}
	rehearse(t, hub.Data, "crypto-miner", "d")
	<-told
	got := command("sink list", exitOK)
	want := regexp.MustCompile(`(?m)^SINK +KIND +AT +BEHIND +SENT +FAILED +MISSED +LAST SENT +LAST ERROR\nsiem +webhook +\d+ +\d+ +\d+ +0 +0 .* -$`)
	if !want.MatchString(got) {
		t.Errorf("got\n%s", got)
	}
	if got := command("sink list --json", exitOK); !strings.HasPrefix(got, `{"name":"siem","kind":"webhook","cursor":`) {
		t.Errorf("got %s", got)
	}
	if got, want := command("sink replay siem --after 0", exitOK), "siem is told again of everything after 0\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	<-told // the same once more
	if got := command("sink replay siem --after 9999", exitFailed); !strings.Contains(got, "its newest sequence is") {
		t.Errorf("got %q", got)
	}
}
