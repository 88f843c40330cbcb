package config_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling/internal/app"
	"github.com/tvilling/tvilling/internal/config"
)

func TestParse(t *testing.T) {
	got, err := config.Parse([]byte(`
data = "/var/lib/tvilling"
hosts = ["hub.example.com"]
mqtt = ":8883"
https = [":443", ":8443"]
admin = "127.0.0.1:9000"
hub_key_file = "/etc/tvilling/hub.key"
cache = "256MiB"

[tls]
certificate_file = "/etc/tvilling/server.pem"
key_file = "/etc/tvilling/server.key"
classical_curves = true

[telemetry]
max_age = "36h"
max_size = "1GiB"

[events]
max_size = "16GiB"

[alerts]
max_age = "90d"

[detection]
rules = "/etc/tvilling/rules"
indicators = "/etc/tvilling/indicators"

[[webhook]]
name = "tickets"
url = "https://tickets.example.com/hook"
secret_file = "/etc/tvilling/hook.key"
min_severity = "medium"

[[syslog]]
name = "siem"
address = "siem.example.com:6514"
ca_file = "/etc/tvilling/siem.pem"

[history]
max_age = "30d"

[query]
index = false
index_memory = "600MiB"

[console]
enabled = false
`))
	if err != nil {
		t.Fatal(err)
	}
	want := app.Options{
		Data: "/var/lib/tvilling", Hosts: []string{"hub.example.com"}, MQTT: ":8883", HTTPS: []string{":443", ":8443"},
		Admin: "127.0.0.1:9000", HubKeyFile: "/etc/tvilling/hub.key", CacheBytes: 256 << 20, IndexBytes: 600 << 20, NoIndex: true, NoConsole: true,
		CertificateFile: "/etc/tvilling/server.pem", KeyFile: "/etc/tvilling/server.key", ClassicalCurves: true,
		Telemetry: app.Retention{MaxAge: 36 * time.Hour, MaxBytes: 1 << 30}, History: app.Retention{MaxAge: 30 * 24 * time.Hour},
		Events: app.Retention{MaxBytes: 16 << 30}, AlertAge: 90 * 24 * time.Hour,
		Rules: "/etc/tvilling/rules", Indicators: "/etc/tvilling/indicators",
		Sinks: []app.Sink{
			{Kind: app.Webhook, Name: "tickets", Target: "https://tickets.example.com/hook", SecretFile: "/etc/tvilling/hook.key", Severity: "medium"},
			{Kind: app.Syslog, Name: "siem", Target: "siem.example.com:6514", CAFile: "/etc/tvilling/siem.pem"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string // each in the error
	}{
		{"every unknown key", "data = \"d\"\nfoo = 1\n[tls]\nbar = 2\n", []string{`line 2: unknown key "foo"`, `line 4: unknown key "tls.bar"`}},
		{"several at once", "foo = 1\ncache = \"12\"\n\n[telemetry]\nmax_age = \"soon\"\n[security]\nmax_size = \"1MiB\"\n", []string{
			`line 1: unknown key "foo"`, `line 2: cache: "12" is not a size`, `line 5: telemetry.max_age: "soon" is not a duration`, "security: the largest size must be at least 64 MiB",
		}},
		{"a wrong type", "hosts = 3\n", []string{"line 1"}},
		{"no TOML", "data = \n", []string{"line 1"}},
		{"a size without unit", "cache = \"12\"\n", []string{`"12" is not a size`}},
		{"a size out of range", "cache = \"99999999999TiB\"\n", []string{"is not a size"}},
		{"an age of nothing", "[telemetry]\nmax_age = \"0s\"\n", []string{`"0s" is not a duration`}},
		{"an age in words", "[telemetry]\nmax_age = \"a week\"\n", []string{"is not a duration"}},
		{"half a certificate", "[tls]\nkey_file = \"k\"\n", []string{"certificate file and its key file together"}},
		{"sinks", "[[webhook]]\nurl = \"http://h\"\n[[syslog]]\nname = \"s\"\naddress = \"h\"\nmin_severity = \"big\"\n[[syslog]]\nname = \"s\"\naddress = \"h:1\"\n", []string{
			"webhook number 1: give it a name", "must be an https URL", "secret_file", `syslog "s": address must be host:port`, `min_severity is "big"`, "another sink has the same name",
		}},
		{"a log too small", "[security]\nmax_size = \"1MiB\"\n", []string{"security: the largest size must be at least 64 MiB"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := config.Parse([]byte(tt.text))
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error = %q, want it to say %q", err, want)
				}
			}
		})
	}
}

func TestLoadMissing(t *testing.T) {
	if _, err := config.Load("absent.toml"); err == nil {
		t.Error("an absent file was loaded")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("data = \"d\"\n[telemetry]\nmax_age = \"1d\"\nmax_size = \"1GiB\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		o, err := config.Parse([]byte(text))
		if err == nil && o.Validate() != nil {
			t.Error("accepted what does not validate")
		}
	})
}

// TestDocumentedFile holds the manual to what is read.
func TestDocumentedFile(t *testing.T) {
	manual, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(manual), "```toml\n")
	if !ok {
		t.Fatal("the manual shows no configuration file")
	}
	text, _, _ := strings.Cut(rest, "```")
	if _, err := config.Parse([]byte(text)); err != nil {
		t.Errorf("the manual's file is refused: %v", err)
	}
}
