package identity_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/agent/identity"
	"github.com/tvilling/tvilling/internal/app/apptest"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/device"
)

// start runs a hub with a device that has a security module, and returns what
// its agent has to know, but for a proof, and the keys.
func start(t *testing.T) (h *apptest.Hub, c identity.Config, deviceKey, moduleKey string) {
	t.Helper()
	h = apptest.Start(t, nil)
	admin := h.Client()
	deviceKey = h.Register(admin, "d1")
	m, err := admin.RestoreModule(t.Context(), "d1")
	if err != nil {
		t.Fatal(err)
	}
	return h, config(t, h, "d1"), deviceKey, m.Authentication.SymmetricKey.Primary
}

func config(t *testing.T, h *apptest.Hub, id string) identity.Config {
	t.Helper()
	c := identity.Default()
	c.HostName, c.DeviceID = "localhost", id
	c.CAFile = filepath.Join(h.Data, "ca.pem")
	c.MQTTPort, c.HTTPSPort = port(t, h.MQTT()), port(t, h.HTTPS())
	c.StateDirectory = filepath.Join(t.TempDir(), "state")
	return c
}

func port(t *testing.T, addr string) int {
	t.Helper()
	_, p, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(p)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// secret puts a secret into a file.
func secret(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// credential is what c leads to.
func credential(t *testing.T, c identity.Config) (identity.Credential, error) {
	t.Helper()
	s, err := identity.New(c)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return s.Credential(t.Context())
}

func TestDeviceKey(t *testing.T) {
	h, c, deviceKey, moduleKey := start(t)
	c.DeviceKeyFile = secret(t, deviceKey+"\n")
	s, err := identity.New(c)
	if err != nil {
		t.Fatal(err)
	}
	cred, err := s.Credential(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if cred.Key != moduleKey || cred.ID.String() != "d1/azureiotsecurity" || cred.Addr != "localhost:"+strconv.Itoa(c.MQTTPort) || cred.HostName != "localhost" {
		t.Errorf("the credential is %+v with the right key: %t", cred, cred.Key == moduleKey)
	}
	for _, shown := range []string{fmt.Sprint(cred), fmt.Sprintf("%+v", cred), fmt.Sprintf("%#v", cred), cred.LogValue().String()} {
		if strings.Contains(shown, moduleKey) {
			t.Errorf("the key can be seen: %s", shown)
		}
	}
	// The key is replaced: what is had stays until it is asked for anew.
	if _, err := h.Client().RegenerateKey(t.Context(), cred.ID, "primary"); err != nil {
		t.Fatal(err)
	}
	if again, err := s.Credential(t.Context()); err != nil || again.Key != moduleKey {
		t.Errorf("Credential fetches again (%v)", err)
	}
	if fresh, err := s.Refresh(t.Context()); err != nil || fresh.Key == moduleKey {
		t.Errorf("Refresh returns the former key (%v)", err)
	}
	// A failure leaves what there was.
	if err := os.WriteFile(c.DeviceKeyFile, []byte(someKey), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Refresh(t.Context()); tvilling.CodeOf(err) != tvilling.Unauthorized {
		t.Errorf("Refresh with a wrong key = %v, want Unauthorized", err)
	}
	if _, err := s.Credential(t.Context()); err != nil {
		t.Errorf("after that, Credential = %v", err)
	}
}

func TestRefusals(t *testing.T) {
	h, c, deviceKey, _ := start(t)
	wrong := c
	wrong.DeviceKeyFile = secret(t, someKey)
	_, err := credential(t, wrong)
	if tvilling.CodeOf(err) != tvilling.Unauthorized || strings.Contains(err.Error(), someKey) || !strings.Contains(err.Error(), "Authentication, Unauthorized: The hub refuses the device's key") {
		t.Errorf("a wrong key: %v", err)
	}
	missing := c
	missing.ModuleID, missing.DeviceKeyFile = "none", secret(t, deviceKey)
	_, err = credential(t, missing)
	if tvilling.CodeOf(err) != tvilling.ModuleNotFound || !strings.Contains(err.Error(), "tvilling module create d1/none") {
		t.Errorf("a module that is not there: %v", err)
	}
	untrusted := c
	untrusted.CAFile, untrusted.DeviceKeyFile = "", secret(t, deviceKey)
	_, err = credential(t, untrusted)
	if tvilling.CodeOf(err) != tvilling.Unauthorized || !strings.Contains(err.Error(), "ca-file") {
		t.Errorf("an authority that is not trusted: %v", err)
	}
	// A gateway is connected to, by a name that is in its certificate; the hub's is
	// that of the token.
	gateway := c
	gateway.GatewayHostName, gateway.DeviceKeyFile = "127.0.0.1", secret(t, deviceKey)
	cred, err := credential(t, gateway)
	if err != nil || cred.Addr != "127.0.0.1:"+strconv.Itoa(c.MQTTPort) || cred.HostName != "localhost" || cred.TLS.ServerName != "127.0.0.1" {
		t.Errorf("over a gateway: %v, %v", cred, err)
	}
	gone := c
	gone.DeviceKeyFile = secret(t, deviceKey)
	h.Stop()
	_, err = credential(t, gone)
	if tvilling.CodeOf(err) != tvilling.Unavailable {
		t.Errorf("a hub that is down: %v", err)
	}
}

// writeCertificate makes a self-signed certificate, and returns its files and
// its thumbprint.
func writeCertificate(t *testing.T, name string) (certFile, keyFile, thumbprint string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(der)
	return secret(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))),
		secret(t, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))), hex.EncodeToString(sum[:])
}

func TestDeviceCertificate(t *testing.T) {
	h := apptest.Start(t, nil)
	admin := h.Client()
	cert, key, thumbprint := writeCertificate(t, "d2")
	if _, err := admin.CreateDevice(t.Context(), client.Device{DeviceID: "d2", Authentication: &client.Authentication{
		Type: "selfSigned", X509Thumbprint: client.X509Thumbprint{Primary: thumbprint},
	}}); err != nil {
		t.Fatal(err)
	}
	m, err := admin.RestoreModule(t.Context(), "d2")
	if err != nil {
		t.Fatal(err)
	}
	c := config(t, h, "d2")
	c.DeviceCertificateFile, c.DevicePrivateKeyFile = cert, key
	cred, err := credential(t, c)
	if err != nil {
		t.Fatal(err)
	}
	if m.Authentication.SymmetricKey.Primary == "" || cred.Key != m.Authentication.SymmetricKey.Primary {
		t.Error("the key is not the module's")
	}
	if len(cred.TLS.Certificates) != 0 {
		t.Error("the module would connect with the device's certificate")
	}
	c.DevicePrivateKeyFile = secret(t, "nonsense")
	if _, err := identity.New(c); tvilling.CodeOf(err) != tvilling.InvalidArgument || strings.Contains(err.Error(), "nonsense") {
		t.Errorf("a key that is none: %v", err)
	}
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	c.DevicePrivateKeyFile = key
	if _, err := identity.New(c); tvilling.CodeOf(err) != tvilling.Unauthorized {
		t.Errorf("a private key that all can read: %v", err)
	}
}

func TestModuleWithoutKey(t *testing.T) {
	h, c, deviceKey, _ := start(t)
	cert, key, thumbprint := writeCertificate(t, "d1/mine")
	if _, err := h.Client().CreateModule(t.Context(), client.Module{DeviceID: "d1", ModuleID: "mine", Authentication: &client.Authentication{
		Type: "selfSigned", X509Thumbprint: client.X509Thumbprint{Primary: thumbprint},
	}}); err != nil {
		t.Fatal(err)
	}
	c.ModuleID = "mine"
	byKey := c
	byKey.DeviceKeyFile = secret(t, deviceKey)
	if _, err := credential(t, byKey); tvilling.CodeOf(err) != tvilling.InvalidArgument || !strings.Contains(err.Error(), "module-certificate-file") {
		t.Errorf("the key of a module that has none: %v", err)
	}
	c.ConnectionStringFile = secret(t, "HostName=localhost;DeviceId=d1;ModuleId=mine;x509=true")
	if _, err := identity.New(c); tvilling.CodeOf(err) != tvilling.InvalidArgument || !strings.Contains(err.Error(), "module-certificate-file") {
		t.Errorf("x509=true without a certificate: %v", err)
	}
	c.ModuleCertificateFile, c.ModulePrivateKeyFile = cert, key
	cred, err := credential(t, c)
	if err != nil || len(cred.TLS.Certificates) != 1 || cred.Key != "" || cred.Token != "" {
		t.Errorf("the module's certificate: %v, %v", cred, err)
	}
}

func TestTokenFile(t *testing.T) {
	h, c, deviceKey, moduleKey := start(t)
	token, err := device.SASToken("localhost/devices/d1", deviceKey, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	c.SASTokenFile = secret(t, token)
	s, err := identity.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if cred, err := s.Credential(t.Context()); err != nil || cred.Key != moduleKey || cred.Token != "" {
		t.Errorf("with a token: %v, %v", cred, err)
	}
	kept := filepath.Join(c.StateDirectory, "module-key")
	if info, err := os.Stat(kept); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the module's key is kept as %v (%v)", info, err)
	}
	// The token is used once: another start needs neither it nor the hub.
	h.Stop()
	if cred, err := credential(t, c); err != nil || cred.Key != moduleKey {
		t.Errorf("at the next start: %v, %v", cred, err)
	}
}

func TestEnroll(t *testing.T) {
	_, c, deviceKey, moduleKey := start(t)
	token := func(life time.Duration) string {
		s, err := device.SASToken("localhost/devices/d1", deviceKey, time.Now().Add(life))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	folder := filepath.Join(t.TempDir(), "etc")
	for name, proof := range map[string]string{
		"a token":          ";SharedAccessSignature=" + token(time.Hour),
		"the device's key": ";SharedAccessKey=" + deviceKey,
		"the module's key": ";ModuleId=azureiotsecurity;SharedAccessKey=" + moduleKey,
	} {
		e := c
		e.Path = filepath.Join(folder, "agent.toml")
		e.DeviceKeyFile = "/former" // of another way, before
		e.ConnectionString = "HostName=localhost;DeviceId=d1" + proof
		done, err := identity.Enroll(t.Context(), e)
		if err != nil {
			t.Fatalf("with %s: %v", name, err)
		}
		loaded, err := identity.Load(done.Path)
		if err != nil {
			t.Fatalf("with %s, Load: %v", name, err)
		}
		if cred, err := credential(t, loaded); err != nil || cred.Key != moduleKey || cred.ID.String() != "d1/azureiotsecurity" {
			t.Errorf("with %s: %v, %v", name, cred, err)
		}
		info, err := os.Stat(loaded.ConnectionStringFile)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("with %s the connection string is kept as %v (%v)", name, info, err)
		}
		for _, path := range []string{done.Path, loaded.ConnectionStringFile} {
			b, err := os.ReadFile(path)
			if err != nil || strings.Contains(string(b), deviceKey) || strings.Contains(string(b), "SharedAccessSignature") {
				t.Errorf("with %s, %s has the device's secret (%v)", name, path, err)
			}
		}
		left, err := os.ReadDir(folder)
		if err != nil || len(left) != 2 {
			t.Errorf("with %s the folder has %v (%v), want two files", name, left, err)
		}
	}
	before, err := os.ReadFile(filepath.Join(folder, "agent.toml"))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		text string
		code tvilling.Code
	}{
		"an old token":       {"HostName=localhost;DeviceId=d1;SharedAccessSignature=" + token(-time.Hour), tvilling.Unauthorized},
		"a module's token":   {"HostName=localhost;DeviceId=d1;ModuleId=m;SharedAccessSignature=" + token(time.Hour), tvilling.InvalidArgument},
		"a certificate":      {"HostName=localhost;DeviceId=d1;x509=true", tvilling.InvalidArgument},
		"a policy":           {"HostName=localhost;SharedAccessKeyName=a;SharedAccessKey=" + someKey, tvilling.InvalidArgument},
		"a device not there": {"HostName=localhost;DeviceId=dx;SharedAccessKey=" + deviceKey, tvilling.Unauthorized},
	} {
		e := c
		e.Path, e.ConnectionString = filepath.Join(folder, "agent.toml"), tt.text
		if _, err := identity.Enroll(t.Context(), e); tvilling.CodeOf(err) != tt.code {
			t.Errorf("with %s: %v, want %s", name, err, tt.code)
		}
	}
	after, err := os.ReadFile(filepath.Join(folder, "agent.toml"))
	if err != nil || string(after) != string(before) {
		t.Errorf("refused enrolments changed the configuration (%v)", err)
	}
}

func TestExplain(t *testing.T) {
	early := time.Date(1970, 1, 1, 0, 1, 0, 0, time.UTC)
	expired := x509.CertificateInvalidError{Cert: &x509.Certificate{NotBefore: early.AddDate(50, 0, 0), NotAfter: early.AddDate(60, 0, 0)}, Reason: x509.Expired}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{expired, "check the clock"},
		{x509.UnknownAuthorityError{}, "ca-file"},
		{x509.HostnameError{Certificate: &x509.Certificate{}, Host: "h"}, "another name"},
		{x509.SystemRootsError{}, "ca-certificates"},
		{errors.New("no route"), "cannot be reached"},
	} {
		if got := identity.Explain(fmt.Errorf("dial: %w", tt.err), "h:1", early); !strings.Contains(got.Error(), tt.want) || tvilling.CodeOf(got) == tvilling.Internal {
			t.Errorf("Explain(%v) = %v, want %q in it", tt.err, got, tt.want)
		}
	}
	if identity.Explain(nil, "h", early) != nil {
		t.Error("Explain(nil) is an error")
	}
	if identity.ClockHint(early) == "" || identity.ClockHint(time.Now()) != "" {
		t.Error("the clock of 1970 may be right, or that of now may not")
	}
}
