package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/app"
	"github.com/tvilling/tvilling/internal/app/apptest"
)

// enrollOn has a hub print the line for a device.
func enrollOn(t *testing.T, h *apptest.Hub, flags ...string) (e enrollment, stderr string) {
	t.Helper()
	var out, problems strings.Builder
	args := append([]string{"device", "enroll-command", "d1", "--json", "--data", h.Data}, flags...)
	if code := run(t.Context(), args, strings.NewReader(""), &out, &problems); code != 0 {
		t.Fatalf("%v: exit code %d: %s", args, code, problems.String())
	}
	if err := json.Unmarshal([]byte(out.String()), &e); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	return e, problems.String()
}

// request asks the hub with a token and returns the status and the body.
func request(t *testing.T, h *apptest.Hub, path, token string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+h.HTTPS()+path+"?api-version=2018-06-30", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", token)
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: h.TLS(), DisableKeepAlives: true}, Timeout: time.Minute}
	answer, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(b)
}

// TestEnrollToken: the token of the line fetches the device's security module,
// more than once, and nothing of another device.
func TestEnrollToken(t *testing.T) {
	t.Parallel()
	h := apptest.Start(t, nil)
	key := h.Register(h.Client(), "d1")
	h.Register(h.Client(), "d2")
	before := time.Now()
	e, _ := enrollOn(t, h, "--valid", "30m")
	if left := e.Expires.Sub(before); left < 29*time.Minute || left > 31*time.Minute {
		t.Errorf("expires in %v, want in 30m", left)
	}
	if strings.Contains(e.Command, key) || strings.Contains(e.Command, url.QueryEscape(key)) {
		t.Error("the line has the device's key")
	}
	m := regexp.MustCompile(`SharedAccessSignature=(SharedAccessSignature [^']+)'$`).FindStringSubmatch(e.Command)
	if m == nil {
		t.Fatalf("no token in %s", e.Command)
	}
	for range 2 {
		if status, body := request(t, h, "/devices/d1/modules/azureiotsecurity", m[1]); status != http.StatusOK || !strings.Contains(body, `"primaryKey"`) {
			t.Errorf("the module: %d %s", status, body)
		}
	}
	for _, path := range []string{"/devices/d2/modules/azureiotsecurity", "/devices/d2", "/devices", "/twins/d2", "/tvilling/policies", "/tvilling/security/alerts"} {
		if status, body := request(t, h, path, m[1]); status != http.StatusUnauthorized && status != http.StatusForbidden {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

// TestEnrollPin: the line pins the key that the hub shows: curl takes the hub,
// and none with another key.
func TestEnrollPin(t *testing.T) {
	t.Parallel()
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not there")
	}
	fetch := func(line, port string) (string, error) {
		line, _, _ = strings.Cut(line, " | ")
		// By sh, as on the device: the options have quotes.
		cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", strings.Replace(line, "curl ", curl+" ", 1))
		if port != "" {
			cmd.Args[2] = regexp.MustCompile(`localhost:\d+`).ReplaceAllString(cmd.Args[2], port)
		}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	h, other := apptest.Start(t, nil), apptest.Start(t, nil)
	h.Register(h.Client(), "d1")
	e, _ := enrollOn(t, h)
	if out, err := fetch(e.Command, ""); err != nil || !strings.HasPrefix(out, "#!/bin/sh\n") {
		t.Errorf("the hub: %v %s", err, out)
	}
	if out, err := fetch(e.Command, other.HTTPS()); err == nil || !strings.Contains(out, "pinned") {
		t.Errorf("another hub: %v %s", err, out)
	}
	wrong := strings.Replace(e.Command, "sha256//", "sha256//AAAA", 1)
	if out, err := fetch(wrong, ""); err == nil || strings.Contains(out, "#!/bin/sh") {
		t.Errorf("with another pin: %v %s", err, out)
	}
}

// TestEnrollPrograms: there is a warning as long as no kind of device can be
// given the agent.
func TestEnrollPrograms(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	h := apptest.Start(t, func(o *app.Options) { o.Agents = folder })
	h.Register(h.Client(), "d1")
	if _, problems := enrollOn(t, h); !strings.Contains(problems, "Put the file tvilling-agent-linux-amd64 into "+folder) {
		t.Errorf("with none: %q", problems)
	}
	if err := os.WriteFile(filepath.Join(folder, "tvilling-agent-linux-armv7"), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, problems := enrollOn(t, h); problems != "" {
		t.Errorf("with one: %q", problems)
	}
}

// TestEnrollOwnCertificate: a hub whose certificate is the operator's own, of
// an authority that no device knows, gives out that authority.
func TestEnrollOwnCertificate(t *testing.T) {
	t.Parallel()
	first := apptest.Start(t, nil)
	chain, err := os.ReadFile(filepath.Join(first.Data, "server.pem"))
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(filepath.Join(first.Data, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, pem string
		given     bool
	}{
		{"with its authority", string(chain) + string(ca), true},
		{"without", string(chain), strings.Contains(string(chain), strings.TrimSpace(string(ca)))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			certificate := filepath.Join(t.TempDir(), "server.pem")
			if err := os.WriteFile(certificate, []byte(tt.pem), 0o600); err != nil {
				t.Fatal(err)
			}
			h := apptest.Start(t, func(o *app.Options) {
				o.CertificateFile, o.KeyFile = certificate, filepath.Join(first.Data, "server.key")
			})
			r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, "https://"+h.HTTPS()+"/tvilling/agent/install", nil)
			if err != nil {
				t.Fatal(err)
			}
			c := &http.Client{Transport: &http.Transport{TLSClientConfig: first.TLS(), DisableKeepAlives: true}, Timeout: time.Minute}
			answer, err := c.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			b, err := io.ReadAll(answer.Body)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Contains(string(b), strings.TrimSpace(string(ca))); got != tt.given || strings.Count(string(b), "BEGIN CERTIFICATE") > 1 {
				t.Errorf("the authority is given out: %v, want %v", got, tt.given)
			}
		})
	}
}
