//go:build browser

// Package browser_test is the console as people use it: whole hubs, in a real
// Chromium.
package browser_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/tvilling/tvilling/internal/app"
	"github.com/tvilling/tvilling/internal/app/apptest"
)

// browser is the one browser of all tests; each test has tabs of its own in it.
var browser context.Context

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.IgnoreCertErrors,
		// Pictures that are compared are drawn alike everywhere.
		chromedp.Flag("font-render-hinting", "none"), chromedp.Flag("disable-lcd-text", true), chromedp.Flag("hide-scrollbars", true))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	defer cancel()
	tab, cancel := chromedp.NewContext(ctx)
	defer cancel()
	if err := chromedp.Do(tab); err != nil {
		fmt.Fprintln(os.Stderr, "start Chromium (scripts/setup installs it):", err)
		return 1
	}
	browser = tab //nolint:fatcontext // one for all tests
	code := m.Run()
	end, cancel := context.WithTimeout(tab, 20*time.Second)
	defer cancel()
	if err := chromedp.Cancel(end); err != nil {
		fmt.Fprintln(os.Stderr, "stop Chromium:", err)
	}
	return code
}

// eventually waits until something is so, and fails when it takes too long.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(30 * time.Second); !is(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not after 30 s: %s", what)
		}
	}
}

// harness is a hub with a browser in front of it.
type harness struct {
	t   *testing.T
	Hub *apptest.Hub
	// host is where the pages are.
	host func() string

	mu sync.Mutex
	// tokens open the sessions of one user of each role.
	tokens map[string]string
}

// password is that of all users of the tests.
const password = "correct horse battery"

// start runs a hub until the test ends, with an admin "anna". change, if not
// nil, changes its options.
func start(t *testing.T, change func(*app.Options)) *harness {
	t.Helper()
	h := &harness{t: t, Hub: apptest.Start(t, change), tokens: make(map[string]string)}
	h.host = h.Hub.HTTPS
	code, err := os.ReadFile(filepath.Join(h.Hub.Data, "setup-code"))
	if err != nil {
		t.Fatal(err)
	}
	h.tokens["admin"] = h.session("setup", url.Values{"code": {strings.TrimSpace(string(code))}, "name": {"anna"}, "password": {password}, "repeat": {password}})
	return h
}

// token opens a session of the user that has a role.
func (h *harness) token(role string) string {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if role == "" || h.tokens[role] != "" {
		return h.tokens[role]
	}
	if _, err := h.Hub.Client().AddUser(h.t.Context(), role, role, password); err != nil {
		h.t.Fatalf("add a user: %v", err)
	}
	h.tokens[role] = h.session("sign-in", url.Values{"name": {role}, "password": {password}})
	return h.tokens[role]
}

// session sends the form of a page that opens a session, as a browser would.
func (h *harness) session(page string, form url.Values) string {
	h.t.Helper()
	client := http.Client{
		Transport:     &http.Transport{TLSClientConfig: h.Hub.TLS(), DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	request, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, "https://"+h.host()+"/console/"+page, strings.NewReader(form.Encode()))
	if err != nil {
		h.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := client.Do(request)
	if err != nil {
		h.t.Fatal(err)
	}
	defer answer.Body.Close()
	for _, c := range answer.Cookies() {
		if c.Name == sessionCookie && c.Value != "" {
			return c.Value
		}
	}
	body, err := io.ReadAll(answer.Body)
	h.t.Fatalf("%s opened no session: %s (%v)\n%s", page, answer.Status, err, body)
	return ""
}

// sessionCookie has the token of a session.
const sessionCookie = "__Host-tvilling"
