package agentapi_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/agentapi"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/packaging"
)

// ca is a certificate (that of nobody) with what else may stand in such a file.
const ca = `a comment
PEM
-----BEGIN CERTIFICATE-----
MIIBdGVzdA==
-----END CERTIFICATE-----
-----BEGIN EC PRIVATE KEY-----
c2VjcmV0
-----END EC PRIVATE KEY-----`

// nobody lets nobody in: the routes are open.
type nobody struct{}

func (nobody) Request(context.Context, string, auth.Credentials) (auth.Principal, error) {
	return auth.Principal{}, errors.New("a credential was asked for")
}

func (nobody) StillServes(auth.Principal) bool { return false }

// api is the interface over a folder, behind a real server.
type api struct {
	t      testing.TB
	url    string
	folder string
	log    *bytes.Buffer
}

func newAPI(t testing.TB, authority string) *api {
	t.Helper()
	a := &api{t: t, folder: t.TempDir(), log: new(bytes.Buffer)}
	s := httptest.NewServer(agentapi.New(agentapi.Options{
		Auth: nobody{}, Folder: a.folder, CA: func() []byte { return []byte(authority) }, MQTTPort: func() int { return 8884 },
		Logger: slog.New(slog.NewTextHandler(a.log, nil)),
	}))
	t.Cleanup(s.Close)
	a.url = s.URL
	return a
}

func (a *api) put(name string, content []byte) {
	a.t.Helper()
	if err := os.WriteFile(filepath.Join(a.folder, name), content, 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// ask sends a request to the hub that goes by a name, and returns the answer
// with its whole body.
func (a *api) ask(method, path, host string) (*http.Response, string) {
	a.t.Helper()
	r, err := http.NewRequestWithContext(a.t.Context(), method, a.url+path, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	r.Host = host
	answer, err := (&http.Client{Timeout: time.Minute}).Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return answer, string(b)
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// TestInstall: the script for a hub with its own authority and two of three
// programs is the one in testdata, where unit and init script are left out.
func TestInstall(t *testing.T) {
	t.Parallel()
	a := newAPI(t, ca)
	a.put("tvilling-agent-linux-amd64", []byte("for amd64"))
	a.put("tvilling-agent-linux-armv7", []byte("for armv7"))
	if runtime.GOARCH == "arm64" {
		t.Skip("this machine's own kind is arm64, which the script is to lack")
	}
	answer, got := a.ask(http.MethodGet, "/tvilling/agent/install", "hub.example.com:8443")
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "text/x-shellscript; charset=utf-8" || answer.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Fatalf("%d %v", answer.StatusCode, answer.Header)
	}
	for name, text := range map[string]string{"unit": packaging.AgentUnit, "init script": packaging.AgentInit} {
		if strings.Count(got, text) != 1 {
			t.Errorf("the script does not have the %s once", name)
		}
		got = strings.Replace(got, text, "("+name+")\n", 1)
	}
	path := filepath.Join("testdata", "install.sh")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("the script (-want +got, UPDATE=1 writes it):\n%s", d)
	}
	for _, program := range []string{"for amd64", "for armv7"} {
		if !strings.Contains(got, hash([]byte(program))) {
			t.Errorf("the script lacks the sum of the program %s", program)
		}
	}
	if left := regexp.MustCompile(`%[A-Z0-9_]+%`).FindString(got); left != "" || strings.Contains(got, "c2VjcmV0") {
		t.Errorf("the script has %q left over, or a key", left)
	}
	head, body := a.ask(http.MethodHead, "/tvilling/agent/install", "hub.example.com:8443")
	if head.StatusCode != http.StatusOK || head.ContentLength != answer.ContentLength || body != "" {
		t.Errorf("HEAD: %d, %d bytes announced, body %q", head.StatusCode, head.ContentLength, body)
	}
}

// TestInstallParses: shells take the script, with an authority and without.
func TestInstallParses(t *testing.T) {
	t.Parallel()
	for _, authority := range []string{ca, ""} {
		a := newAPI(t, authority)
		_, script := a.ask(http.MethodGet, "/tvilling/agent/install", "[::1]:8443")
		for _, shell := range [][]string{{"dash", "-n"}, {"busybox", "sh", "-n"}, {"bash", "--posix", "-n"}, {"shellcheck", "-s", "sh", "-"}} {
			path, err := exec.LookPath(shell[0])
			if err != nil {
				t.Logf("%s is not there", shell[0])
				continue
			}
			c := exec.CommandContext(t.Context(), path, shell[1:]...)
			c.Stdin = strings.NewReader(script)
			if out, err := c.CombinedOutput(); err != nil {
				t.Errorf("%v: %v\n%s", shell, err, out)
			}
		}
		if !strings.Contains(script, `url="https://[::1]:8443/tvilling/agent/$platform"`) || strings.Contains(script, "BEGIN CERTIFICATE") != (authority != "") {
			t.Errorf("with the authority %q the script is\n%s", authority, script)
		}
	}
}

// TestInstallCut: a script that came in part does nothing, wherever it is cut.
func TestInstallCut(t *testing.T) {
	t.Parallel()
	sh, err := exec.LookPath("dash")
	if err != nil {
		t.Skip("dash is not there")
	}
	a := newAPI(t, ca)
	_, script := a.ask(http.MethodGet, "/tvilling/agent/install", "hub.example.com")
	whole := strings.TrimSuffix(strings.TrimSuffix(script, "\n"), "main \"$@\"")
	if len(whole) == len(script) {
		t.Fatal("the script does not end with the call of main")
	}
	// Of whole lines: what runs is nothing but definitions. PATH is empty, so
	// that nothing could be done if it were not so.
	var part strings.Builder
	for cut := range strings.Lines(whole) {
		part.WriteString(cut)
		c := exec.CommandContext(t.Context(), sh, "-x", "-s", "--", "connection")
		c.Stdin, c.Env = strings.NewReader(part.String()), []string{"PATH="}
		out, err := c.CombinedOutput()
		if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
			t.Fatal(err)
		}
		for l := range strings.Lines(string(out)) {
			if strings.HasPrefix(l, "+ ") && !regexp.MustCompile(`^\+ (set -eu|[a-z]+=\S*)$`).MatchString(strings.TrimSpace(l)) {
				t.Fatalf("cut after %q the script does: %s", cut, l)
			}
		}
	}
}

// TestDownload: programs are given out as they are, those of other kinds and
// names are not.
func TestDownload(t *testing.T) {
	t.Parallel()
	a := newAPI(t, "")
	big := bytes.Repeat([]byte("tvilling"), 2<<20)
	a.put("tvilling-agent-linux-armv7", big)
	answer, got := a.ask(http.MethodGet, "/tvilling/agent/linux-armv7", "hub")
	if answer.StatusCode != http.StatusOK || hash([]byte(got)) != hash(big) || answer.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("%d, %d bytes, %v", answer.StatusCode, len(got), answer.Header)
	}
	answer, got = a.ask(http.MethodHead, "/tvilling/agent/linux-armv7", "hub")
	if answer.StatusCode != http.StatusOK || answer.ContentLength != int64(len(big)) || got != "" {
		t.Errorf("HEAD: %d, %d bytes announced, %d there", answer.StatusCode, answer.ContentLength, len(got))
	}
	a.put("secret", []byte("secret"))
	for _, tt := range []struct {
		path   string
		status int
		says   string
	}{
		{"linux-arm64", http.StatusNotFound, "Put the file tvilling-agent-linux-arm64 into " + a.folder},
		{"linux-riscv64", http.StatusNotFound, "there can be one for linux-amd64, linux-arm64, linux-armv7"},
		{"secret", http.StatusNotFound, "There is no agent for"},
		{"..%2fsecret", http.StatusBadRequest, "invalid character '/'"},
		{"../secret", http.StatusNotFound, ""},
		{"", http.StatusNotFound, ""},
	} {
		answer, got := a.ask(http.MethodGet, "/tvilling/agent/"+tt.path, "hub")
		if answer.StatusCode != tt.status || !strings.Contains(got, tt.says) {
			t.Errorf("%q: %d %s, want %d with %q", tt.path, answer.StatusCode, got, tt.status, tt.says)
		}
	}
	if answer, got := a.ask(http.MethodPost, "/tvilling/agent/linux-armv7", "hub"); answer.StatusCode != http.StatusMethodNotAllowed || answer.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d %s", answer.StatusCode, got)
	}
}

// TestOwnKind: the program without a kind in its name is for the hub's own
// kind of machine, unless there is one that has it.
func TestOwnKind(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("there is no agent for this kind of machine")
	}
	a := newAPI(t, "")
	a.put("tvilling-agent", []byte("own"))
	path := "/tvilling/agent/linux-" + runtime.GOARCH
	if _, got := a.ask(http.MethodGet, path, "hub"); got != "own" {
		t.Errorf("got %q", got)
	}
	a.put("tvilling-agent-linux-"+runtime.GOARCH, []byte("named"))
	if _, got := a.ask(http.MethodGet, path, "hub"); got != "named" {
		t.Errorf("with both got %q", got)
	}
}

// TestSums: the sum is that of the file as it is now.
func TestSums(t *testing.T) {
	t.Parallel()
	a := newAPI(t, "")
	for i := range 3 {
		program := []byte("version " + strconv.Itoa(i))
		a.put("tvilling-agent-linux-armv7", program)
		when := time.Now().Add(time.Duration(i) * time.Hour)
		if err := os.Chtimes(filepath.Join(a.folder, "tvilling-agent-linux-armv7"), when, when); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, got := a.ask(http.MethodGet, "/tvilling/agent/install", "hub"); !strings.Contains(got, "sum="+hash(program)) {
				t.Errorf("the script lacks the sum of %s", program)
			}
		}
	}
}

// TestUnsafeFolder: what is not a program in the folder is not given out, and
// nothing outside of it is.
func TestUnsafeFolder(t *testing.T) {
	t.Parallel()
	a := newAPI(t, "")
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("outside"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(a.folder, "tvilling-agent-linux-armv7")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(a.folder, "tvilling-agent-linux-arm64"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"linux-armv7", "linux-arm64", "install"} {
		answer, got := a.ask(http.MethodGet, "/tvilling/agent/"+path, "hub")
		if answer.StatusCode != http.StatusInternalServerError || strings.Contains(got, "outside") {
			t.Errorf("%s: %d %s", path, answer.StatusCode, got)
		}
	}
	if log := a.log.String(); !strings.Contains(log, "path escapes from parent") || !strings.Contains(log, "it is not a regular file") {
		t.Errorf("the log does not say why:\n%s", log)
	}
}

// TestNoFolder: a hub without the folder has a script, which says what is missing.
func TestNoFolder(t *testing.T) {
	t.Parallel()
	a := newAPI(t, "")
	if err := os.Remove(a.folder); err != nil {
		t.Fatal(err)
	}
	if answer, got := a.ask(http.MethodGet, "/tvilling/agent/install", "hub"); answer.StatusCode != http.StatusOK || strings.Count(got, "sum=none") != 3 {
		t.Errorf("%d %s", answer.StatusCode, got)
	}
	if answer, got := a.ask(http.MethodGet, "/tvilling/agent/linux-amd64", "hub"); answer.StatusCode != http.StatusNotFound {
		t.Errorf("%d %s", answer.StatusCode, got)
	}
}

var hubTests = []struct {
	header string
	host   string // "" for a refusal
	port   int
}{
	{"hub.example.com", "hub.example.com", 443},
	{"hub.example.com:8443", "hub.example.com", 8443},
	{"my_hub", "my_hub", 443},
	{"192.0.2.1:1", "192.0.2.1", 1},
	{"[2001:DB8::1]:65535", "[2001:db8::1]", 65535},
	{"[::1]", "[::1]", 443},
	{"", "", 0},
	{":8443", "", 0},
	{"hub:0", "", 0},
	{"hub:65536", "", 0},
	{"hub:https", "", 0},
	{"hub:", "", 0},
	{"::1", "", 0},
	{"[::1", "", 0},
	{"[::1%25eth0]:443", "", 0},
	{"[192.0.2.1]", "", 0},
	{"-o.example.com", "", 0},
	{"hub example", "", 0},
	{"hub;reboot", "", 0},
	{"$(reboot)", "", 0},
	{"hub`id`", "", 0},
	{"hub\nreboot", "", 0},
	{"hub/../..", "", 0},
	{"hüb", "", 0},
	{"user@hub", "", 0},
	{strings.Repeat("a", 254), "", 0},
}

func TestHub(t *testing.T) {
	t.Parallel()
	for _, tt := range hubTests {
		host, port, err := agentapi.Hub(tt.header)
		if host != tt.host || port != tt.port || (err != nil) != (tt.host == "") || err != nil && tvilling.CodeOf(err) != tvilling.InvalidArgument {
			t.Errorf("%q: %q, %d, %v; want %q, %d", tt.header, host, port, err, tt.host, tt.port)
		}
	}
	a := newAPI(t, "")
	if answer, got := a.ask(http.MethodGet, "/tvilling/agent/install", "$(reboot)"); answer.StatusCode != http.StatusBadRequest || strings.Contains(got, "reboot") {
		t.Errorf("%d %s", answer.StatusCode, got)
	}
}

// FuzzHub: what a Host header puts into the script is a word of a shell that
// means itself, and is read as itself again.
func FuzzHub(f *testing.F) {
	for _, tt := range hubTests {
		f.Add(tt.header)
	}
	word := regexp.MustCompile(`^([A-Za-z0-9._][A-Za-z0-9._-]*|\[[0-9a-f:.]+\])$`)
	f.Fuzz(func(t *testing.T, header string) {
		host, port, err := agentapi.Hub(header)
		if err != nil {
			if host != "" || port != 0 {
				t.Fatalf("%q is refused with %q, %d", header, host, port)
			}
			return
		}
		if !word.MatchString(host) || len(host) > 253 || port < 1 || port > 65535 {
			t.Fatalf("%q becomes %q, %d", header, host, port)
		}
		again, same, err := agentapi.Hub(host + ":" + strconv.Itoa(port))
		if again != host || same != port || err != nil {
			t.Fatalf("%q becomes %q, %d and that %q, %d, %v", header, host, port, again, same, err)
		}
	})
}
