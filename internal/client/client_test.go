package client_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/client"
)

const (
	key        = "MDEyMzQ1Njc4OWFiY2RlZg=="
	connection = "HostName=hub.example;SharedAccessKeyName=iothubowner;SharedAccessKey=" + key
)

// far is a hub that notes what it is asked and answers what it is told.
type far struct {
	asked  []string
	answer func(w http.ResponseWriter, r *http.Request)
}

// RoundTrip serves r without a network.
func (f *far) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	line := r.Method + " " + r.URL.String()
	if m := r.Header.Get("If-Match"); m != "" {
		line += " If-Match: " + m
	}
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		line += " " + string(b)
	}
	f.asked = append(f.asked, line)
	w := httptest.NewRecorder()
	if f.answer != nil {
		f.answer(w, r)
	}
	return w.Result(), nil
}

func newClient(t *testing.T, f *far) *client.Client {
	t.Helper()
	c, err := client.New(client.Options{ConnectionString: connection, HTTPClient: &http.Client{Transport: f}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestParseConnection(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in   string
		want client.Connection
		err  string
	}{
		{connection, client.Connection{HostName: "hub.example", Policy: "iothubowner", Key: key}, ""},
		{" hostname=h:8443;sharedaccesskeyname=p;SHAREDACCESSKEY=a=;Other=1; \n", client.Connection{HostName: "h:8443", Policy: "p", Key: "a="}, ""},
		{"HostName=h;DeviceId=d;ModuleId=m;SharedAccessKey=a", client.Connection{HostName: "h", Key: "a", ID: tvilling.Identity{Device: "d", Module: "m"}}, ""},
		{"HostName=h;SharedAccessSignature=SharedAccessSignature sr=h&sig=x%3D&se=1", client.Connection{HostName: "h", Signature: "SharedAccessSignature sr=h&sig=x%3D&se=1"}, ""},
		{"", client.Connection{}, "The connection string has no HostName."},
		{"nonsense", client.Connection{}, "A connection string is a list of Name=value, separated by semicolons."},
		{"HostName=h;SharedAccessKeyName=p", client.Connection{}, "The connection string has no SharedAccessKey."},
		{"HostName=h;SharedAccessKey=secret", client.Connection{}, "The connection string has neither SharedAccessKeyName nor DeviceId."},
		{"HostName=h;SharedAccessKey=secret;DeviceId=d;SharedAccessKeyName=p", client.Connection{}, "The connection string has both SharedAccessKeyName and DeviceId; which of them the key belongs to would be a guess."},
		{"HostName=h;SharedAccessKey=secret;ModuleId=m;SharedAccessKeyName=p", client.Connection{}, "The connection string has a ModuleId without a DeviceId."},
	} {
		got, err := client.ParseConnection(tt.in)
		if message := tvilling.MessageOf(err); err != nil && message != tt.err || err == nil && tt.err != "" {
			t.Errorf("%q: got error %v, want %q", tt.in, err, tt.err)
			continue
		}
		if err != nil {
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error repeats the key: %v", err)
			}
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.in, diff)
		}
	}
}

func FuzzParseConnection(f *testing.F) {
	f.Add(connection)
	f.Add("HostName=h;DeviceId=d;SharedAccessKey==;;=;a=b")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := client.ParseConnection(s)
		if err == nil && (c.HostName == "" || c.Key == "" && c.Signature == "") {
			t.Errorf("%q: got %+v without an error", s, c)
		}
	})
}

// TestToken: tokens are kept until shortly before their end.
func TestToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var tokens []string
		f := &far{answer: func(w http.ResponseWriter, r *http.Request) {
			tokens = append(tokens, r.Header.Get("Authorization"))
			_, _ = io.WriteString(w, "{}")
		}}
		c := newClient(t, f)
		for _, wait := range []time.Duration{0, 54 * time.Minute, 2 * time.Minute} {
			<-time.After(wait)
			if err := c.Ready(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		// printf 'hub.example\n946688400' | openssl dgst -sha256 -hmac 0123456789abcdef -binary | base64
		const want = "SharedAccessSignature sr=hub.example&sig=anBCCqzxjRo2mysl3e1YrH%2BDFVbbWnBU8pvOHC2HCZ0%3D&se=946688400&skn=iothubowner"
		if tokens[0] != want {
			t.Errorf("got %s, want %s", tokens[0], want)
		}
		if tokens[1] != tokens[0] || tokens[2] == tokens[0] {
			t.Errorf("after 54 and 56 minutes got\n%s\n%s", tokens[1], tokens[2])
		}
	})
}

// TestRequests holds what each method asks for.
func TestRequests(t *testing.T) {
	t.Parallel()
	id := tvilling.Identity{Device: "d/1", Module: "m#"}
	stream := client.StreamOptions{After: 7, Device: "d", Module: "m", Follow: true}
	for _, tt := range []struct {
		name string
		call func(ctx context.Context, c *client.Client) error
		want string
	}{
		{"device", func(ctx context.Context, c *client.Client) error { return second(c.Device(ctx, "d?1")) }, "GET /devices/d%3F1?V"},
		{"create", func(ctx context.Context, c *client.Client) error {
			return second(c.CreateDevice(ctx, client.Device{DeviceID: "d", Capabilities: client.Capabilities{IotEdge: true}}))
		}, `PUT /devices/d?V {"deviceId":"d","capabilities":{"iotEdge":true}}`},
		{"update", func(ctx context.Context, c *client.Client) error {
			return second(c.UpdateDevice(ctx, client.Device{DeviceID: "d", Status: "disabled"}, tvilling.Match{}))
		}, `PUT /devices/d?V If-Match: "*" {"deviceId":"d","status":"disabled"}`},
		{"update if", func(ctx context.Context, c *client.Client) error {
			return second(c.UpdateModule(ctx, client.Module{DeviceID: "d", ModuleID: "m", Authentication: &client.Authentication{SymmetricKey: client.SymmetricKey{Primary: "a", Secondary: "b"}}}, client.IfTag("MQ==")))
		}, `PUT /devices/d/modules/m?V If-Match: "MQ==" {"moduleId":"m","deviceId":"d","authentication":{"symmetricKey":{"primaryKey":"a","secondaryKey":"b"}}}`},
		{"delete", func(ctx context.Context, c *client.Client) error { return c.Delete(ctx, id, tvilling.Match{}) }, `DELETE /devices/d%2F1/modules/m%23?V If-Match: "*"`},
		{"module", func(ctx context.Context, c *client.Client) error { return second(c.Module(ctx, id)) }, "GET /devices/d%2F1/modules/m%23?V"},
		{"restore", func(ctx context.Context, c *client.Client) error { return second(c.RestoreModule(ctx, "d")) }, "POST /tvilling/devices/d/modules/azureiotsecurity/restore?V"},
		{"regenerate", func(ctx context.Context, c *client.Client) error {
			return second(c.RegenerateKey(ctx, tvilling.Device("d"), "swap"))
		}, "POST /tvilling/devices/d/regenerate?V&key=swap"},
		{"twin", func(ctx context.Context, c *client.Client) error { return second(c.Twin(ctx, tvilling.Device("d"))) }, "GET /twins/d?V"},
		{"actors", func(ctx context.Context, c *client.Client) error { return second(c.TwinWithActors(ctx, id)) }, "GET /tvilling/twins/d%2F1/modules/m%23?V"},
		{"patch", func(ctx context.Context, c *client.Client) error {
			return second(c.PatchTwin(ctx, tvilling.Device("d"), client.TwinPatch{Tags: json.RawMessage(`{"a":1}`), Desired: json.RawMessage(`null`)}, client.Any()))
		}, `PATCH /twins/d?V If-Match: "*" {"tags":{"a":1},"properties":{"desired":null}}`},
		{"replace", func(ctx context.Context, c *client.Client) error {
			return second(c.ReplaceTwin(ctx, tvilling.Device("d"), client.TwinPatch{}, tvilling.Match{}))
		}, `PUT /twins/d?V {}`},
		{"policies", func(ctx context.Context, c *client.Client) error { return second(c.Policy(ctx, "p q")) }, "GET /tvilling/policies/p%20q?V"},
		{"put policy", func(ctx context.Context, c *client.Client) error {
			return second(c.PutPolicy(ctx, client.Policy{Name: "p", Permissions: []string{"RegistryRead"}}))
		}, `PUT /tvilling/policies/p?V {"name":"p","permissions":["RegistryRead"]}`},
		{"delete policy", func(ctx context.Context, c *client.Client) error { return c.DeletePolicy(ctx, "p") }, "DELETE /tvilling/policies/p?V"},
		{"regenerate policy", func(ctx context.Context, c *client.Client) error {
			return second(c.RegeneratePolicyKey(ctx, "p", "primary"))
		}, "POST /tvilling/policies/p/regenerate?V&key=primary"},
		{"settings", func(ctx context.Context, c *client.Client) error { return second(c.Settings(ctx)) }, "GET /tvilling/settings?V"},
		{"put settings", func(ctx context.Context, c *client.Client) error {
			return second(c.PutSettings(ctx, client.Settings{HideModuleKeys: true}))
		}, `PUT /tvilling/settings?V {"guardSecurityTwin":false,"hideModuleKeys":true,"securityModule":{"enabled":false,"desired":null,"tags":null}}`},
		{"adoption", func(ctx context.Context, c *client.Client) error { return second(c.Adoption(ctx)) }, "GET /tvilling/securitymodule?V"},
		{"changes", func(ctx context.Context, c *client.Client) error {
			for _, err := range c.Changes(ctx, stream) {
				return err
			}
			return nil
		}, "GET /tvilling/changes?after=7&V&device=d&follow=true&module=m"},
		{"messages", func(ctx context.Context, c *client.Client) error {
			for _, err := range c.Messages(ctx, client.Security, client.StreamOptions{Latest: true, After: 7}) {
				return err
			}
			return nil
		}, "GET /tvilling/messages?after=latest&V&kind=security"},
	} {
		f := &far{answer: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }}
		if err := tt.call(t.Context(), newClient(t, f)); err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		want := strings.Replace(strings.Replace(tt.want, "V", "api-version=2021-04-12", 1), " /", " https://hub.example/", 1)
		if diff := cmp.Diff([]string{want}, f.asked); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// TestRefusals: whatever a hub or something before it answers becomes an error
// with the hub's code and text.
func TestRefusals(t *testing.T) {
	t.Parallel()
	const id = "0123456789abcdef0123456789abcdef-G:0-TimeStamp:01/01/2000 00:00:00"
	flat := func(name, text string) string {
		return `{"Message":"ErrorCode:` + name + `;` + text + `","ExceptionMessage":"Tracking ID:` + id + `"}`
	}
	for _, tt := range []struct {
		name   string
		status int
		header http.Header
		body   string
		code   tvilling.Code
		text   string
		answer client.Answer
	}{
		{
			"ours", 404,
			http.Header{"Iothub-Errorcode": {"DeviceNotFound"}, "Tvilling-Error-Code": {"DeviceNotFound"}},
			flat("DeviceNotFound", "Device d not registered"),
			tvilling.DeviceNotFound, "Device d not registered",
			client.Answer{404, "DeviceNotFound", id},
		},
		{
			"ours, corrupt", 500,
			http.Header{"Iothub-Errorcode": {"ServerError"}, "Tvilling-Error-Code": {"Corrupt"}},
			flat("ServerError", "The twin of d is damaged."),
			tvilling.Corrupt, "The twin of d is damaged.",
			client.Answer{500, "ServerError", id},
		},
		{"another hub", 409, nil, flat("ModuleAlreadyExistsOnDevice", "There."), tvilling.ModuleAlreadyExists, "There.", client.Answer{409, "ModuleAlreadyExistsOnDevice", id}},
		{"semicolons", 400, nil, flat("ArgumentInvalid", "a;b;c"), tvilling.InvalidArgument, "a;b;c", client.Answer{400, "ArgumentInvalid", id}},
		{
			"nested", 404,
			http.Header{"Iothub-Errorcode": {"DeviceNotOnline"}},
			`{"Message":"{\"errorCode\":404103,\"trackingId\":\"t\",\"message\":\"Timed out.\"}","ExceptionMessage":""}`,
			tvilling.NotFound, "Timed out.",
			client.Answer{404, "DeviceNotOnline", "t"},
		},
		{"a proxy", 502, nil, "<html>", tvilling.Unavailable, "The hub answered with status 502 and no reason.", client.Answer{Status: 502}},
		{"strange", 418, nil, "", tvilling.Internal, "The hub answered with status 418 and no reason.", client.Answer{Status: 418}},
		{"plain", 401, nil, `{"Message":"No."}`, tvilling.Unauthorized, "No.", client.Answer{Status: 401}},
	} {
		f := &far{answer: func(w http.ResponseWriter, _ *http.Request) {
			maps.Copy(w.Header(), tt.header)
			w.WriteHeader(tt.status)
			_, _ = io.WriteString(w, tt.body)
		}}
		d, err := newClient(t, f).Device(t.Context(), "d")
		e, ok := err.(*tvilling.Error) //nolint:errorlint // the promise is the error itself
		if d != nil || !ok {
			t.Errorf("%s: got %v, %T", tt.name, d, err)
			continue
		}
		if e.Code != tt.code || e.Message != tt.text || e.Op != "get device" || e.Subject != "d" {
			t.Errorf("%s: got %v, want %s: %s", tt.name, e, tt.code, tt.text)
		}
		if got, ok := errors.AsType[*client.Answer](err); !ok || *got != tt.answer {
			t.Errorf("%s: got answer %+v, want %+v", tt.name, got, tt.answer)
		}
	}
}

// TestPaging follows continuations, and stops asking when the caller stops.
func TestPaging(t *testing.T) {
	t.Parallel()
	f := &far{answer: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Ms-Item-Type", "Raw")
		switch from := r.Header.Get("X-Ms-Continuation"); from {
		case "":
			w.Header().Set("X-Ms-Continuation", "2")
			_, _ = io.WriteString(w, `[1,2]`)
		case "2": // an empty page is not the end
			w.Header().Set("X-Ms-Continuation", "3")
			_, _ = io.WriteString(w, `[]`)
		default:
			w.Header().Set("Tvilling-Damaged", "2")
			_, _ = io.WriteString(w, `[3]`)
		}
	}}
	c := newClient(t, f)
	var got []string
	for row, err := range c.Query(t.Context(), "SELECT * FROM devices", 2) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(row))
	}
	if s := strings.Join(got, ","); s != "1,2,3" {
		t.Errorf("got rows %s, want 1,2,3", s)
	}
	f.asked = nil
	for range c.Query(t.Context(), "SELECT * FROM devices", 2) {
		break
	}
	if len(f.asked) != 1 {
		t.Errorf("asked for %d pages, want 1", len(f.asked))
	}
	p, err := c.QueryPage(t.Context(), "q", 0, "3")
	if err != nil || p.Type != "Raw" || p.Damaged != 2 || p.Continuation != "" {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestDevices(t *testing.T) {
	t.Parallel()
	f := &far{answer: func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("after") == "" {
			_, _ = io.WriteString(w, `{"devices":[{"deviceId":"d1","statusReason":null,"lastActivityTime":"0001-01-01T00:00:00Z"},{"deviceId":"d2"}],"next":"d2"}`)
			return
		}
		_, _ = io.WriteString(w, `{"devices":[{"deviceId":"d3","connectionStateUpdatedTime":"2000-01-01T00:00:00.1234567Z"}]}`)
	}}
	var got []tvilling.DeviceID
	for d, err := range newClient(t, f).Devices(t.Context(), client.DeviceRange{Prefix: "d", PageSize: 2}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, d.DeviceID)
	}
	if diff := cmp.Diff([]tvilling.DeviceID{"d1", "d2", "d3"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want := []string{
		"GET https://hub.example/tvilling/devices?api-version=2021-04-12&prefix=d&top=2",
		"GET https://hub.example/tvilling/devices?after=d2&api-version=2021-04-12&prefix=d&top=2",
	}
	if diff := cmp.Diff(want, f.asked); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestStream: lines, damaged entries, and how a stream ends.
func TestStream(t *testing.T) {
	t.Parallel()
	body := `{"sequence":1,"enqueuedTime":"2000-01-01T00:00:00.0000000Z","kind":"telemetry","deviceId":"d","systemProperties":{"message-id":"1"},"properties":{"a":null,"b":["1","2"]},"body":{"t":1}}
{"error":{"code":"Corrupt","message":"Message 2 is damaged."}}
{"sequence":3,"deviceId":"d","moduleId":"m","bodyBase64":"/w=="}
{"error":{"code":"Unavailable","message":"The store is closed.","trackingId":"t"}}
`
	f := &far{answer: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }}
	var got []string
	for m, err := range newClient(t, f).Messages(t.Context(), client.Telemetry, client.StreamOptions{}) {
		if err != nil {
			got = append(got, string(tvilling.CodeOf(err))+" "+tvilling.MessageOf(err))
			continue
		}
		got = append(got, fmt.Sprintf("%d %s %s %q %v %v", m.Sequence, m.DeviceID, m.Body, m.Data, m.System, m.Properties))
		if !json.Valid(m.Raw) {
			t.Errorf("raw line: %s", m.Raw)
		}
	}
	want := []string{
		`1 d {"t":1} "" map[message-id:1] map[a:<nil> b:[1 2]]`, "Corrupt Message 2 is damaged.",
		`3 d  "\xff" map[] map[]`, "Unavailable The store is closed.",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	body = "not json\n"
	for _, err := range newClient(t, f).Changes(t.Context(), client.StreamOptions{}) {
		if tvilling.CodeOf(err) != tvilling.Internal {
			t.Errorf("got %v for a line that is not JSON", err)
		}
	}
}

// TestCutStream: a connection that ends within a line is told as what it is.
func TestCutStream(t *testing.T) {
	t.Parallel()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "{\"sequence\":1}\n{\"sequ")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(s.Close)
	c, err := client.New(client.Options{ConnectionString: connection, HTTPClient: &http.Client{Transport: redirect{s}}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for ch, err := range c.Changes(t.Context(), client.StreamOptions{}) {
		if err != nil {
			got = append(got, string(tvilling.CodeOf(err)))
			continue
		}
		got = append(got, fmt.Sprint(ch.Sequence))
	}
	if want := []string{"1", string(tvilling.Unavailable)}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// redirect sends requests to a test server, whatever host they are for.
type redirect struct{ *httptest.Server }

func (s redirect) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Host = s.Listener.Addr().String()
	return s.Client().Transport.RoundTrip(r)
}

// TestTrust reaches a real TLS server, by its own authority and address only.
func TestTrust(t *testing.T) {
	t.Parallel()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{}`) }))
	defer s.Close()
	s.Config.ErrorLog = nil
	addr := strings.TrimPrefix(s.URL, "https://")
	file := filepath.Join(t.TempDir(), "ca.pem")
	var ca bytes.Buffer
	if err := pem.Encode(&ca, &pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, ca.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	for _, tt := range []struct {
		name string
		host string
		o    client.Options
		want string // of the message, "" for success
	}{
		{"file", "example.com", client.Options{CAFile: file, Addr: addr}, ""},
		{"pool", "example.com:1", client.Options{CAs: pool, Addr: addr}, ""},
		{"port", addr, client.Options{CAs: pool}, ""},
		{"unknown authority", "example.com", client.Options{CAs: x509.NewCertPool(), Addr: addr}, "is not signed by a trusted authority; give the hub's CA file"},
		{"other name", "hub.example", client.Options{CAs: pool, Addr: addr}, "is not for the name hub.example; start the hub with --host hub.example"},
		{"nobody there", "example.com", client.Options{CAs: pool, Addr: "127.0.0.1:1"}, "The hub at example.com cannot be reached: connection refused."},
	} {
		tt.o.ConnectionString = strings.Replace(connection, "hub.example", tt.host, 1)
		c, err := client.New(tt.o)
		if err != nil {
			t.Fatal(err)
		}
		err = c.Ready(t.Context())
		c.Close()
		if tt.want == "" && err != nil || tt.want != "" && !strings.Contains(tvilling.MessageOf(err), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
		if tt.want != "" && tvilling.CodeOf(err) != tvilling.Unavailable {
			t.Errorf("%s: got code %s", tt.name, tvilling.CodeOf(err))
		}
	}
	for _, o := range []client.Options{
		{ConnectionString: connection, CAFile: filepath.Join(t.TempDir(), "none.pem")},
		{ConnectionString: connection, CAFile: os.DevNull},
		{ConnectionString: strings.Replace(connection, key, "%%%", 1)},
		{HostName: "h", PolicyName: "p"},
		{},
	} {
		if c, err := client.New(o); tvilling.CodeOf(err) != tvilling.InvalidArgument {
			t.Errorf("%+v: got %v, %v", o, c, err)
		}
	}
	if _, err := client.New(client.Options{HostName: "h", Certificate: &tls.Certificate{}}); err != nil {
		t.Errorf("a certificate instead of a key: %v", err)
	}
}

// TestCanceled: a caller that gives up gets its own reason back.
func TestCanceled(t *testing.T) {
	t.Parallel()
	why := errors.New("no longer wanted")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if _, err := newClient(t, &far{}).Device(ctx, "d"); !errors.Is(err, why) {
		t.Errorf("got %v, want %v", err, why)
	}
}
