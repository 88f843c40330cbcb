package identity_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/agent/identity"
)

const (
	hubName = "hub.example"
	someKey = "c2VjcmV0IGtleQ=="
)

func TestParse(t *testing.T) {
	want := identity.Default()
	want.HostName, want.HTTPSPort, want.DeviceID, want.ModuleID = hubName, 8443, "d1", identity.MicroAgentModule
	want.DeviceKeyFile, want.CAFile, want.SystemRoots, want.KeepAlive = "/etc/key", "/etc/ca.pem", true, 4*time.Minute
	want.MQTTPort, want.LogLevel, want.AgentID = 1883, "debug", "01234567-89ab-cdef-0123-456789abcdef"
	got, err := identity.Parse([]byte(`
host-name = "hub.example:8443"
device-id = "d1"
module-id = "DefenderIotMicroAgent"
device-key-file = "/etc/key"
ca-file = "/etc/ca.pem"
system-roots = true
mqtt-port = 1883
keep-alive = "4m"
agent-id = "01234567-89ab-cdef-0123-456789abcdef"
log-level = "debug"
`))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("Parse (-want +got):\n%s", d)
	}
	again, err := identity.Parse(identity.AppendTOML(got))
	if err != nil {
		t.Fatalf("what was written is not read: %v", err)
	}
	if d := cmp.Diff(got, again); d != "" {
		t.Errorf("written and read (-want +got):\n%s", d)
	}
}

func TestParseTakesConnectionString(t *testing.T) {
	c, err := identity.Parse([]byte(`connection-string = "HostName=hub.example:444;DeviceId=d1;ModuleId=m1;SharedAccessKey=` + someKey + `;GatewayHostName=gw.example"`))
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{fmt.Sprint(c), fmt.Sprintf("%+v %#v", c, c), c.LogValue().String()} {
		if strings.Contains(shown, someKey) {
			t.Errorf("the key can be seen: %s", shown)
		}
	}
	if c.HostName != hubName || c.DeviceID != "d1" || c.ModuleID != "m1" || c.HTTPSPort != 444 || c.GatewayHostName != "gw.example" {
		t.Errorf("Parse = %+v", c)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"\n\nnonsense = 1", `line 3: unknown key "nonsense"`},
		{"host-name = 7", "line 1: "},
		{"a = [", "line 1: "},
		{"\nhost-name = \"a b\"", "line 2: host-name: "},
		{"host-name = \"a:b\"", "line 1: host-name: "},
		{"device-id = \"a/b\"", "line 1: device-id: "},
		{"module-id = \"\"", "line 1: module-id: "},
		{"mqtt-port = 0", "line 1: mqtt-port: 0 is not a port"},
		{"https-port = 65536", "line 1: https-port: "},
		{"agent-id = \"x\"", "line 1: agent-id: "},
		{"log-level = \"loud\"", "line 1: log-level: "},
		{"state-directory = \"\"", "line 1: state-directory: "},
		{"keep-alive = \"soon\"", "line 1: keep-alive: "},
		{"system-roots = true", "line 1: system-roots: "},
		{"device-certificate-file = \"/a\"", "line 1: device-certificate-file: "},
		{"module-private-key-file = \"/a\"", "module-certificate-file: "},
		{"module-key-file = \"/a\"\ndevice-key-file = \"/b\"", "line 2: device-key-file: "},
		{"connection-string = \"HostName=h;DeviceId=d\"", "line 1: connection-string: "},
		{"connection-string = \"HostName=h;SharedAccessKeyName=iothubowner;SharedAccessKey=secretsecret\"", "that of a policy"},
	} {
		_, err := identity.Parse([]byte(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Parse(%q) = %v, want %q in it", tt.text, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "secretsecret") {
			t.Errorf("Parse(%q) repeats the secret: %v", tt.text, err)
		}
	}
	// All at once.
	_, err := identity.Parse([]byte("x = 1\nmqtt-port = 0\nlog-level = \"y\""))
	if got := strings.Count(err.Error(), "line "); got != 3 {
		t.Errorf("three mistakes make %d lines: %v", got, err)
	}
}

func TestLoadRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret := `connection-string = "HostName=h;DeviceId=d;ModuleId=m;SharedAccessKey=` + someKey + `"`
	open := write("open.toml", secret, 0o644)
	link := filepath.Join(dir, "link.toml")
	if err := os.Symlink(open, link); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path, want string
		code       tvilling.Code
	}{
		{filepath.Join(dir, "none.toml"), "Local Configuration, Missing Configuration", tvilling.NotFound},
		{open, "chmod 600", tvilling.Unauthorized},
		{link, "chmod 600", tvilling.Unauthorized},
		{dir, "not a regular file", tvilling.Unavailable},
		{write("writable.toml", `host-name = "h"`, 0o664), "others than its owner can change it", tvilling.Unauthorized},
		{write("bad.toml", "x = 1", 0o600), `line 1: unknown key "x"`, tvilling.InvalidArgument},
		{write("nofile.toml", `connection-string-file = "/nowhere/at/all"`, 0o600), "File Not Exist", tvilling.NotFound},
		{write("large.toml", strings.Repeat("#", 300<<10), 0o600), "larger than", tvilling.Unavailable},
	} {
		_, err := identity.Load(tt.path)
		if tvilling.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Load(%s) = %v, want %s with %q", filepath.Base(tt.path), err, tt.code, tt.want)
		}
	}
	if _, err := identity.Load(write("good.toml", secret, 0o600)); err != nil {
		t.Errorf("Load of a protected file = %v", err)
	}
	if _, err := identity.Load(write("plain.toml", `host-name = "h"`, 0o644)); err != nil {
		t.Errorf("Load of a file without secrets that all can read = %v", err)
	}
}

func TestKeyFileProtection(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("giving a file to somebody else needs root")
	}
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	if err := os.WriteFile(key, []byte(someKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := identity.Default()
	c.HostName, c.DeviceID, c.ModuleKeyFile = hubName, "d", key
	if _, err := identity.New(c); err != nil {
		t.Fatalf("New with a protected key = %v", err)
	}
	if err := os.Chown(key, 12345, 0); err != nil {
		t.Fatal(err)
	}
	_, err := identity.New(c)
	if tvilling.CodeOf(err) != tvilling.Unauthorized || !strings.Contains(err.Error(), "belongs to user 12345") {
		t.Errorf("New with another user's key = %v, want Unauthorized", err)
	}
	if err != nil && strings.Contains(err.Error(), someKey) {
		t.Errorf("the error has the key: %v", err)
	}
}

func TestLoadAgentID(t *testing.T) {
	c := identity.Default()
	c.StateDirectory = filepath.Join(t.TempDir(), "state")
	first, err := c.LoadAgentID()
	if err != nil {
		t.Fatal(err)
	}
	c.AgentID = first
	if err := c.Check(); err != nil {
		t.Errorf("the id that was made is not one: %v", err)
	}
	c.AgentID = ""
	if again, err := c.LoadAgentID(); err != nil || again != first {
		t.Errorf("the id is %q, then %q (%v)", first, again, err)
	}
	if err := os.WriteFile(filepath.Join(c.StateDirectory, "agent-id"), []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	if id, err := c.LoadAgentID(); err != nil || len(id) != 36 || id == first {
		t.Errorf("after damage the id is %q (%v)", id, err)
	}
	c.StateDirectory = "/proc/nowhere"
	if id, err := c.LoadAgentID(); err == nil || len(id) != 36 {
		t.Errorf("with nowhere to keep it the id is %q (%v), want one and an error", id, err)
	}
	c.AgentID = "01234567-89AB-cdef-0123-456789abcdef"
	if id, err := c.LoadAgentID(); err != nil || id != "01234567-89ab-cdef-0123-456789abcdef" {
		t.Errorf("the id that is set comes as %q (%v)", id, err)
	}
}

func TestImport(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("connection_string.txt", "HostName=hub.example;DeviceId=d1;ModuleId=DefenderIotMicroAgent;x509=true\n")
	c, err := identity.Import(dir)
	if err != nil {
		t.Fatal(err)
	}
	if c.ConnectionStringFile != filepath.Join(dir, "connection_string.txt") || c.ModuleCertificateFile != filepath.Join(dir, "certificate_public.pem") ||
		c.ModulePrivateKeyFile != filepath.Join(dir, "certificate_private.pem") || c.ModuleID != identity.MicroAgentModule || c.HostName != hubName {
		t.Errorf("Import of the micro agent = %+v", c)
	}
	for text, code := range map[string]tvilling.Code{
		`{"IothubModule_TransportProtocol":"AMQP_Protocol"}`:       "",
		`{"IothubModule_ProxyConfig":"10.0.0.1,8080,user,secret"}`: tvilling.Unsupported,
		`{`: tvilling.InvalidArgument,
	} {
		put("conf.json", text)
		if _, err := identity.Import(dir); tvilling.CodeOf(err) != code || err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("Import with %s = %v, want %q", text, err, code)
		}
	}
	if err := os.Remove(filepath.Join(dir, "conf.json")); err != nil {
		t.Fatal(err)
	}
	put("LocalConfiguration.json", `{"Configuration":{"AgentId":"01234567-89ab-cdef-0123-456789abcdef","TriggerdEventsInterval":"PT2M",
		"Authentication":{"Identity":"Device","AuthenticationMethod":"SasToken","FilePath":"/key","DeviceId":"d2","HostName":"hub.example"},
		"Logging":{"SystemLoggerMinimumSeverity":2}}}`)
	want := identity.Default()
	want.Path = filepath.Join(dir, "LocalConfiguration.json")
	want.HostName, want.DeviceID, want.DeviceKeyFile, want.LogLevel, want.AgentID = hubName, "d2", "/key", "warn", "01234567-89ab-cdef-0123-456789abcdef"
	got, err := identity.Import(want.Path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("Import of the C agent (-want +got):\n%s", d)
	}
	if _, err := identity.Import(filepath.Join(dir, "none")); tvilling.CodeOf(err) != tvilling.NotFound {
		t.Errorf("Import of nothing = %v, want NotFound", err)
	}
}

func TestImportLocalConfiguration(t *testing.T) {
	const form = `{"Configuration":{"Authentication":{"Identity":"%","AuthenticationMethod":"%","FilePath":"%","DeviceId":"d","HostName":"hub.example"}}}`
	for _, tt := range []struct {
		identity, method, path string
		code                   tvilling.Code
		want                   func(identity.Config) string
	}{
		{"SecurityModule", "SasToken", "/f", "", func(c identity.Config) string { return c.ModuleKeyFile }},
		{"Device", "SasToken", "/f", "", func(c identity.Config) string { return c.DeviceKeyFile }},
		{"Device", "SelfSignedCertificate", "/f", "", func(c identity.Config) string { return c.DevicePrivateKeyFile }},
		{"Device", "SelfSignedCertificate", "/f.pfx", tvilling.Unsupported, nil},
		{"DPS", "SasToken", "/f", tvilling.Unsupported, nil},
		{"SecurityModule", "SelfSignedCertificate", "/f", tvilling.InvalidArgument, nil},
		{"", "", "/f", tvilling.InvalidArgument, nil},
		{"Device", "SasToken", "", tvilling.InvalidArgument, nil},
	} {
		text := form
		for _, v := range []string{tt.identity, tt.method, tt.path} {
			text = strings.Replace(text, "%", v, 1)
		}
		c, err := identity.ParseImport([]byte("\ufeff"+text), "x")
		if tvilling.CodeOf(err) != tt.code {
			t.Errorf("%s with %s: %v, want %q", tt.identity, tt.method, err, tt.code)
		}
		if tt.want != nil && tt.want(c) != tt.path {
			t.Errorf("%s with %s: %+v", tt.identity, tt.method, c)
		}
	}
}

// FuzzParse: a configuration that is taken is written and read as itself.
func FuzzParse(f *testing.F) {
	f.Add([]byte("host-name = \"hub.example:8443\"\ndevice-id = 'd'\n"))
	f.Add([]byte("log-level = \"debug\"\nkeep-alive = \"90s\"\nstate-directory = \"/x\\u0007\\\"\""))
	f.Add([]byte("connection-string = \"HostName=h;DeviceId=d;SharedAccessKey=YQ==\""))
	f.Add([]byte("[local]\nx = 1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := identity.Parse(b)
		if err != nil || c.ConnectionString != "" {
			return
		}
		if err := c.Check(); err != nil {
			t.Fatalf("taken, but %v", err)
		}
		again, err := identity.Parse(identity.AppendTOML(c))
		if err != nil {
			t.Fatalf("written as\n%s\nand not read: %v", identity.AppendTOML(c), err)
		}
		// The names are in the file of the connection string.
		if c.ConnectionStringFile != "" {
			again.HostName, again.DeviceID, again.ModuleID = c.HostName, c.DeviceID, c.ModuleID
		}
		if d := cmp.Diff(c, again); d != "" {
			t.Fatalf("written and read (-want +got):\n%s", d)
		}
	})
}

// FuzzImport: files of original agents are read or refused, and what is made of
// them is a configuration or is refused.
func FuzzImport(f *testing.F) {
	f.Add([]byte(`{"Configuration":{"Authentication":{"Identity":"Device","AuthenticationMethod":"SasToken","FilePath":"/f","DeviceId":"d","HostName":"h:1"}}}`))
	f.Add([]byte("HostName=h;DeviceId=d;ModuleId=m;x509=true\n"))
	f.Add([]byte("HostName=h;DeviceId=d;SharedAccessSignature=SharedAccessSignature sr=h&sig=a&se=1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := identity.ParseImport(b, "/etc/x/connection_string.txt")
		if err != nil {
			if tvilling.CodeOf(err) == tvilling.Internal {
				t.Fatalf("an error without a code: %v", err)
			}
			return
		}
		if c.Check() == nil && (c.HostName == "" || c.DeviceID == "") {
			t.Fatalf("taken without a host or device: %+v", c)
		}
	})
}
