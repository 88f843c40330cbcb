package app_test

import (
	"context"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/app/apptest"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/console"
	"github.com/tvilling/tvilling/internal/console/web"
	"github.com/tvilling/tvilling/internal/hub/account"
)

const consolePassword = "a long enough one"

// browser is a browser without JavaScript that shows every answer as it is.
type browser struct {
	t    *testing.T
	base string
	http *http.Client
}

func newBrowser(t *testing.T, h *apptest.Hub) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: h.TLS(), ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &browser{t: t, base: "https://" + h.HTTPS(), http: &http.Client{
		Transport: transport, Jar: jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// answer is what a page answered.
type answer struct {
	status int
	body   string
	header http.Header
}

func (b *browser) do(method, path string, form url.Values, header ...string) answer {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, b.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Del(header[i])
		if header[i+1] != "" {
			r.Header.Set(header[i], header[i+1])
		}
	}
	res, err := b.http.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		return answer{res.StatusCode, "", res.Header} // it goes on for ever
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, 4<<20))
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{res.StatusCode, string(body), res.Header}
}

func (b *browser) signIn(name string) answer {
	b.t.Helper()
	a := b.do(http.MethodPost, "/console/sign-in", url.Values{"name": {name}, "password": {consolePassword}})
	if a.status != http.StatusSeeOther {
		b.t.Fatalf("sign-in of %s: %d %s", name, a.status, a.body)
	}
	return a
}

var parameter = regexp.MustCompile(`\{[^}]*\}`)

// TestRoles walks all routes of the console as nobody, viewer, operator and
// admin: each answers those that its role lets in, and no other. What may be
// asked for without a session is listed here, so that nothing becomes open by a
// slip.
func TestRoles(t *testing.T) {
	t.Parallel()
	open := map[string]bool{
		"GET /sign-in": true, "POST /sign-in": true, "GET /sign-in/link": true, "POST /sign-in/link": true, "POST /sign-out": true,
		"GET /setup": true, "POST /setup": true,
	}
	h := apptest.Start(t, nil)
	c := h.Client()
	roles := []account.Role{account.Nobody, account.Viewer, account.Operator, account.Admin}
	browsers := make([]*browser, len(roles))
	for i, role := range roles {
		browsers[i] = newBrowser(t, h)
		if role == account.Nobody {
			continue
		}
		if _, err := c.AddUser(t.Context(), role.String(), role.String(), consolePassword); err != nil {
			t.Fatal(err)
		}
		browsers[i].signIn(role.String())
	}
	routes := console.New(console.Options{Logger: slog.New(slog.DiscardHandler), Status: func() web.Status { return web.Status{} }}).Routes()
	if len(routes) < 50 {
		t.Fatalf("the console has %d routes", len(routes))
	}
	for _, r := range routes {
		name := r.Method + " " + r.Path
		if r.Role == account.Nobody && !open[name] {
			t.Errorf("%s is open to everybody", name)
		}
		if r.Method == http.MethodPost && r.Role == account.Viewer && !strings.HasPrefix(r.Path, "/account/") && r.Path != "/theme" && !readsByPost[r.Path] {
			t.Errorf("%s lets a viewer act", name)
		}
		if name == "POST /account/sessions/end" || name == "POST /sign-out" {
			continue // ends the session that asks; tried elsewhere
		}
		path := "/console" + strings.TrimSuffix(parameter.ReplaceAllString(r.Path, "none"), "/none...")
		for i, role := range roles {
			if role == account.Nobody && r.Role == account.Nobody {
				continue
			}
			a := browsers[i].do(r.Method, path, url.Values{})
			forbidden := a.status == http.StatusForbidden && strings.Contains(a.body, "This needs the role")
			asked := r.Method == http.MethodPost && a.status == http.StatusUnauthorized || r.Stream && a.status == http.StatusUnauthorized ||
				a.status == http.StatusSeeOther && strings.HasPrefix(a.header.Get("Location"), "/console/sign-in")
			switch {
			case role == account.Nobody:
				if !asked {
					t.Errorf("%s answers nobody: %d", name, a.status)
				}
			case (role >= r.Role) == forbidden:
				t.Errorf("%s answers a %s: %d, want it %s", name, role, a.status, map[bool]string{true: "answered", false: "refused"}[role >= r.Role])
			case role >= r.Role && a.status >= http.StatusInternalServerError:
				t.Errorf("%s fails for a %s: %d %s", name, role, a.status, a.body)
			}
		}
	}
}

// readsByPost are forms that are sent by POST and change nothing.
var readsByPost = map[string]bool{}

// TestCrossSite: what another site has a browser post is refused, whatever the
// session; what comes from the hub's own pages is not.
func TestCrossSite(t *testing.T) {
	t.Parallel()
	h := apptest.Start(t, nil)
	if _, err := h.Client().AddUser(t.Context(), "anna", "admin", consolePassword); err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t, h)
	b.signIn("anna")
	for _, test := range []struct {
		name, site, origin string
		refused            bool
	}{
		{"another site", "cross-site", "https://evil.example", true},
		{"another host of the site", "same-site", "https://evil.localhost", true},
		{"a sandboxed frame", "cross-site", "null", true},
		{"an old browser, another site", "", "https://evil.example", true},
		{"an old browser, a sandboxed frame", "", "null", true},
		{"the hub's page", "same-origin", b.base, false},
		{"an old browser, the hub's page", "", b.base, false},
		{"typed by the user", "none", "", false},
		{"a program", "", "", false},
	} {
		a := b.do(http.MethodPost, "/console/account/preferences", url.Values{"theme": {"dark"}}, "Sec-Fetch-Site", test.site, "Origin", test.origin)
		if refused := a.status == http.StatusForbidden; refused != test.refused || !refused && a.status != http.StatusSeeOther {
			t.Errorf("%s: got %d, want it refused: %t", test.name, a.status, test.refused)
		}
	}
	a := b.do(http.MethodGet, "/console/account", nil)
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin", "Cache-Control": "private, no-cache",
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	policy := a.header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("the content security policy has no %s: %s", part, policy)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(a.body, " style=") || strings.Contains(a.body, " onclick=") {
		t.Errorf("a page needs what the policy must not allow: %s", policy)
	}
}

// TestSessionCookie: the cookie is for this host and HTTPS alone, another
// sign-in makes another token, and the one before opens nothing any more.
func TestSessionCookie(t *testing.T) {
	t.Parallel()
	h := apptest.Start(t, nil)
	if _, err := h.Client().AddUser(t.Context(), "anna", "admin", consolePassword); err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t, h)
	cookie := func(a answer) *http.Cookie {
		for _, c := range (&http.Response{Header: a.header}).Cookies() {
			if c.Name == web.Cookie && c.Value != "" {
				return c
			}
		}
		t.Fatal("no cookie")
		return nil
	}
	// A token that somebody put there is not taken over.
	planted := b.do(http.MethodPost, "/console/sign-in", url.Values{"name": {"anna"}, "password": {consolePassword}}, "Cookie", web.Cookie+"=planted")
	first := cookie(planted)
	if first.Value == "planted" || !first.Secure || !first.HttpOnly || first.Path != "/" || first.Domain != "" || first.SameSite != http.SameSiteLaxMode {
		t.Errorf("got %+v", first)
	}
	second := cookie(b.signIn("anna"))
	if second.Value == first.Value {
		t.Error("the token is the same")
	}
	opens := func(token string) bool {
		return newBrowser(t, h).do(http.MethodGet, "/console/account", nil, "Cookie", web.Cookie+"="+token).status == http.StatusOK
	}
	if opens(first.Value) || !opens(second.Value) {
		t.Errorf("the token before opens a page: %t; the one now: %t", opens(first.Value), opens(second.Value))
	}
	h.Restart()
	b.base = "https://" + h.HTTPS()
	if !opens(second.Value) {
		t.Error("the session did not survive a restart")
	}
	if a := newBrowser(t, h).do(http.MethodPost, "/console/sign-out", nil, "Cookie", web.Cookie+"="+second.Value); a.status != http.StatusSeeOther || opens(second.Value) {
		t.Errorf("sign-out: %d, the session is open: %t", a.status, opens(second.Value))
	}
}

var hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

// TestTypedInputIsKept: a form that is sent after the session has ended is kept
// through the sign-in, and sent as it was.
func TestTypedInputIsKept(t *testing.T) {
	t.Parallel()
	h := apptest.Start(t, nil)
	if _, err := h.Client().AddUser(t.Context(), "anna", "admin", consolePassword); err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t, h)
	typed := url.Values{"name": {"bert"}, "role": {"viewer"}, "more": {"<b>\u202e&\"'", "two\nlines"}, "password": {"hunter2hunter2"}}
	a := b.do(http.MethodPost, "/console/settings/users/new", typed)
	if a.status != http.StatusUnauthorized || strings.Contains(a.body, "hunter2") {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	fields := func(page string) url.Values {
		v := url.Values{}
		for _, m := range hiddenField.FindAllStringSubmatch(page, -1) {
			v.Add(m[1], html.UnescapeString(m[2]))
		}
		return v
	}
	form := fields(a.body)
	form.Set("name", "anna")
	form.Set("password", "wrong wrong wrong")
	if a = b.do(http.MethodPost, "/console/sign-in", form); a.status != http.StatusUnauthorized {
		t.Fatalf("a wrong password: %d", a.status)
	}
	form = fields(a.body)
	form.Set("name", "anna")
	form.Set("password", consolePassword)
	if a = b.do(http.MethodPost, "/console/sign-in", form); a.status != http.StatusOK || !strings.Contains(a.body, `action="/console/settings/users/new"`) {
		t.Fatalf("after sign-in: %d %s", a.status, a.body)
	}
	again := fields(a.body)
	typed.Del("password")
	if again.Encode() != typed.Encode() {
		t.Errorf("what is sent again is %v, want %v", again, typed)
	}
	if a = b.do(http.MethodPost, "/console/settings/users/new", again); a.status != http.StatusOK || !strings.Contains(a.body, "/console/sign-in/link?token=") {
		t.Errorf("sent again: %d %s", a.status, a.body)
	}
	if u, err := h.Client().Users(t.Context()); err != nil || len(u) != 2 {
		t.Errorf("%d users, %v", len(u), err)
	}
	// Where it goes on is a page of this console, whatever the address says.
	for _, to := range []string{"https://evil.example/", "//evil.example", `/\evil.example`, "/console/../x", "javascript:alert(1)"} {
		a := b.do(http.MethodGet, "/console/sign-in?to="+url.QueryEscape(to), nil)
		if l := a.header.Get("Location"); !strings.HasPrefix(l, "/console/") || strings.Contains(l, "evil") {
			t.Errorf("%s leads to %q", to, l)
		}
	}
}

// TestSetupCode: a new hub leaves a code that only its owner can read, which
// makes the first admin, and takes it away then.
func TestSetupCode(t *testing.T) {
	t.Parallel()
	h := apptest.Start(t, nil)
	file := filepath.Join(h.Data, "setup-code")
	b := newBrowser(t, h)
	if a := b.do(http.MethodGet, "/console/devices", nil); a.header.Get("Location") != "/console/setup" {
		t.Errorf("a hub without users leads to %q", a.header.Get("Location"))
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	code, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"code": {strings.TrimSpace(string(code))}, "name": {"anna"}, "password": {consolePassword}}
	if a := b.do(http.MethodPost, "/console/setup", form); a.status != http.StatusSeeOther {
		t.Fatalf("set-up: %d %s", a.status, a.body)
	}
	if a := b.do(http.MethodGet, "/console/settings/users", nil); a.status != http.StatusOK {
		t.Errorf("the first admin: %d", a.status)
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the code is still there: %v", err)
	}
	h.Restart()
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the code is there again: %v", err)
	}
}

// TestAudit: what a user does, in the core and beside it, is in the audit log,
// once, also after a restart.
func TestAudit(t *testing.T) {
	t.Parallel()
	h := apptest.Start(t, nil)
	if _, err := h.Client().AddUser(t.Context(), "anna", "admin", consolePassword); err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t, h)
	b.signIn("anna")
	if a := b.do(http.MethodPost, "/console/settings/policies/service/keys", nil); a.status != http.StatusOK || !strings.Contains(a.body, "SharedAccessKeyName=service;SharedAccessKey=") {
		t.Errorf("keys: %d", a.status)
	}
	if a := b.do(http.MethodPost, "/console/settings/policies/none/keys", nil); a.status != http.StatusNotFound {
		t.Errorf("keys of no policy: %d", a.status)
	}
	if a := b.do(http.MethodPost, "/console/settings/policies/service/regenerate", url.Values{"key": {"secondary"}}); a.status != http.StatusSeeOther {
		t.Errorf("regenerate: %d %s", a.status, a.body)
	}
	want := []string{"policy.regenerate-secondary service", "policy.show-keys service", "session.begin anna"}
	look := func() {
		t.Helper()
		deadline := time.Now().Add(20 * time.Second)
		for {
			got := auditOf(t, h)
			if strings.Join(got, "\n") == strings.Join(want, "\n") {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("the audit log has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			time.Sleep(50 * time.Millisecond) //nolint:forbidigo // until a condition holds, or the deadline
		}
	}
	look()
	h.Restart()
	look()
}

func auditOf(t *testing.T, h *apptest.Hub) []string {
	t.Helper()
	c := h.Client()
	p, err := c.Audit(t.Context(), client.AuditFilter{Actor: "user"}, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range p.Entries {
		list = append(list, e.Action+" "+e.Subject)
	}
	return list
}
