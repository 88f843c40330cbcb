package docs_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/notify/webhook"
)

// verify is the one in docs/siem.md; TestWebhookInGo compares them.
func verify(secret []byte, header string, body []byte) bool {
	t, signature, ok := strings.Cut(strings.TrimPrefix(header, "t="), ",v1=")
	seconds, err := strconv.ParseInt(t, 10, 64)
	if !ok || err != nil || time.Since(time.Unix(seconds, 0)).Abs() > 5*time.Minute {
		return false
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(t + "."))
	mac.Write(body)
	got, err := hex.DecodeString(signature)
	return err == nil && hmac.Equal(got, mac.Sum(nil))
}

// block returns the first block of a language behind some text in a document.
func block(t *testing.T, path, behind, language string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(b), behind)
	_, rest, also := strings.Cut(rest, "\n```"+language+"\n")
	text, _, closed := strings.Cut(rest, "\n```\n")
	if !ok || !also || !closed {
		t.Fatalf("%s has no block of %s behind %q", path, language, behind)
	}
	return text + "\n"
}

const (
	siem   = "../../docs/siem.md"
	secret = "0123456789abcdef0123456789abcdef"
	body   = `{"sequence":4711,"subject":"alert"}`
)

// TestWebhookInGo holds the example for receivers against the sender.
func TestWebhookInGo(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("siem_test.go")
	if err != nil {
		t.Fatal(err)
	}
	if text := block(t, siem, "The signature", "go"); !strings.Contains(string(source), text) {
		t.Errorf("the example in %s is not the function verify of this test", siem)
	}
	header := webhook.Sign([]byte(secret), []byte(body), time.Now())
	if !verify([]byte(secret), header, []byte(body)) {
		t.Errorf("verify refuses %s", header)
	}
	for name, ok := range map[string]bool{
		"other body":   verify([]byte(secret), header, []byte(body+" ")),
		"other secret": verify([]byte(secret+"x"), header, []byte(body)),
		"too old":      verify([]byte(secret), webhook.Sign([]byte(secret), []byte(body), time.Now().Add(-6*time.Minute)), []byte(body)),
		"no signature": verify([]byte(secret), "t=1", []byte(body)),
	} {
		if ok {
			t.Errorf("verify accepts: %s", name)
		}
	}
}

// TestWebhookInShell runs the example.
func TestWebhookInShell(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"body": body, "secret": secret + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	good := webhook.Sign([]byte(secret), []byte(body), time.Now())
	bad := webhook.Sign([]byte(secret), []byte("{}"), time.Now())
	for header, want := range map[string]string{good: "good\n", bad: ""} {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", block(t, siem, "In a shell", "sh"))
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "header="+header)
		got, err := cmd.Output()
		if string(got) != want || (err == nil) != (want != "") {
			t.Errorf("%s: the example says %q (%v), want %q", header, got, err, want)
		}
	}
}
