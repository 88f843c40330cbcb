package app_test

import (
	"html"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/app"
	"github.com/tvilling/tvilling/internal/app/apptest"
	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/console"
	"github.com/tvilling/tvilling/internal/console/web"
)

// deed is a form as an admin sends it, and the action that the audit log is to
// have of it.
type deed struct {
	// route is as in the console's table, path below the console's root.
	route, path string
	form        url.Values
	// page, if set, is opened before: the hidden fields of its forms are sent
	// along where form has no others.
	page string
	want string
}

// silent are forms that leave nothing in the audit log, with the reason.
var silent = map[string]string{
	"/bulk":                  "shows what an act would do; /bulk/run does it",
	"/settings/rules/new":    "checks and tries a rule, and puts one by “put”, which is a deed below",
	"/settings/rules/{name}": "checks and tries a rule, as above",
	"/account/preferences":   "is kept in the reader's browser alone",
	"/sign-in":               "session.begin, see TestAudit",
	"/sign-in/link":          "session.begin, as by a password",
	"/sign-out":              "session.end, as by /account/sessions/end",
	"/setup":                 "a hub has it once: the first admin's user.created and session.begin",
}

func form(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

const ownRule = "title: T\nlogsource: {category: process_creation, product: linux}\ndetection:\n  selection:\n    CommandLine: x\n  condition: selection\nlevel: low\n"

// deeds are all acts of the console, in an order in which each can be done.
func deeds() []deed {
	const module = "/devices/{device}/modules/{module}/twin"
	security := "/devices/pump-1/modules/azureiotsecurity"
	return []deed{
		{route: "/start", form: form("device", "pump-1"), want: "device.create pump-1"},
		{route: "/start/keys", path: "/start/keys?device=pump-1", want: "device.keys.show pump-1"},
		{route: "/start/attack", form: form("device", "pump-1", "attack", "reverse-shell"), want: "attack.simulate pump-1 reverse-shell"},
		{route: "/devices/new", form: form("id", "pump-2", "auth", "sas", "tags", "site=lab"), want: "device.create pump-2"},
		{route: "/devices/new/many", form: form("list", "pump-3 site=lab"), want: "device.create pump-3"},
		{route: "/bulk/run", form: form("act", "tag", "id", "pump-3", "tag", "line", "value", "7", "back", "/console/devices"), want: "twin.update pump-3"},
		{route: "/devices/{device}/tags", path: "/devices/pump-2/tags", page: "/devices/pump-2/tags", form: form("name", "floor", "value", "3"), want: "twin.update pump-2"},
		{route: "/devices/{device}/identity/keys", path: "/devices/pump-2/identity/keys", want: "device.keys.show pump-2"},
		{route: "/devices/{device}/identity/regenerate", path: "/devices/pump-2/identity/regenerate", form: form("key", "secondary", "sure", "1"), want: "device.update pump-2"},
		{route: "/devices/{device}/identity/status", path: "/devices/pump-2/identity/status", page: "/devices/pump-2/identity", form: form("to", "disabled", "reason", "test"), want: "device.update pump-2"},
		{route: "/devices/{device}/identity/modules", path: "/devices/pump-2/identity/modules", form: form("module", "m"), want: "module.create pump-2/m"},
		{route: "/devices/{device}/modules/{module}/delete", path: "/devices/pump-2/modules/azureiotsecurity/delete", want: "module.delete pump-2/azureiotsecurity"},
		{route: "/devices/{device}/identity/restore", path: "/devices/pump-2/identity/restore", want: "module.create pump-2/azureiotsecurity"},

		{route: "/devices/{device}/twin/set", path: "/devices/pump-1/twin/set", page: "/devices/pump-1/twin/edit", form: form("part", "desired", "path", `["a"]`, "value", "1"), want: "twin.update pump-1"},
		{route: "/devices/{device}/twin/edit", path: "/devices/pump-1/twin/edit", page: "/devices/pump-1/twin/edit", form: form("act", "save", "part", "desired", "text", `{"a":2}`), want: "twin.update pump-1"},
		{route: "/devices/{device}/twin/restore", path: "/devices/pump-1/twin/restore", page: "/devices/pump-1/twin/edit", form: form("at", "3"), want: "twin.replace pump-1"},
		{route: module + "/set", path: security + "/twin/set", page: security + "/twin/edit", form: form("part", "desired", "path", `["a"]`, "value", "1"), want: "twin.update pump-1/azureiotsecurity"},
		{route: module + "/edit", path: security + "/twin/edit", page: security + "/twin/edit", form: form("act", "save", "part", "desired", "text", `{"a":2}`), want: "twin.update pump-1/azureiotsecurity"},
		{route: module + "/restore", path: security + "/twin/restore", page: security + "/twin/edit", form: form("at", "3"), want: "twin.replace pump-1/azureiotsecurity"},
		{route: "/devices/{device}/agent", path: "/devices/pump-1/agent", page: "/devices/pump-1/agent", form: form("act", "save", "set.maxMessageSizeInBytes", "8192"), want: "twin.update pump-1/azureiotsecurity"},
		{route: "/recommendations/{type}/patch", path: "/recommendations/" + unfit + "/patch", page: "/recommendations/" + unfit + "/pump-9", want: "twin.update pump-9/azureiotsecurity"},
		{route: "/devices/{device}/identity/delete", path: "/devices/pump-3/identity/delete", form: form("confirm", "pump-3"), want: "device.delete pump-3"},

		{route: "/alerts/{id}/{act}", path: "/alerts/ALERT/acknowledge", want: "alert.acknowledged ALERT"},
		{route: "/alerts/undo", page: "/alerts/ALERT", want: "alert.reopened ALERT"},
		{route: "/alerts/many", form: form("act", "start", "t", "ALERT"), want: "alert.started ALERT"},

		{route: "/configurations/new", form: form("act", "save", "id", "one", "kind", "device", "target", "tags.site = 'lab'", "priority", "3", "content", `{"properties.desired.interval":60}`), want: "configuration.* one"},
		{route: "/configurations/{id}/edit", path: "/configurations/one/edit", page: "/configurations/one/edit", form: form("act", "save", "target", "tags.site = 'lab'", "priority", "4"), want: "configuration.* one"},
		{route: "/configurations/{id}/{act}", path: "/configurations/one/delete", page: "/configurations/one/delete", want: "configuration.* one"},

		{route: "/settings", form: form("guard", "1", "module", "1"), want: "settings.change hub"},
		{route: "/settings/certificates/reload", want: "hub.reload *"},
		{route: "/settings/detections/{id}", path: "/settings/detections/reverse-shell", form: form("act", "off"), want: "detection.configure reverse-shell"},
		{route: "/settings/rules/new", form: form("act", "put", "name", "own", "text", ownRule), want: "rule.put own"},
		{route: "/settings/rules/{name}/put", path: "/settings/rules/own/put", form: form("text", ownRule), want: "rule.put own"},
		{route: "/settings/rules/{name}/delete", path: "/settings/rules/own/delete", want: "rule.delete own"},
		{route: "/settings/sinks/{name}/test", path: "/settings/sinks/siem/test", want: "sink.test siem"},
		{route: "/settings/sinks/{name}/replay", path: "/settings/sinks/siem/replay", form: form("after", "0"), want: "sink.replay siem"},

		{route: "/settings/policies/new", form: form("name", "mine", "permission", "ServiceConnect"), want: "policy.* mine"},
		{route: "/settings/policies/{policy}/keys", path: "/settings/policies/mine/keys", want: "policy.show-keys mine"},
		{route: "/settings/policies/{policy}/permissions", path: "/settings/policies/mine/permissions", form: form("permission", "RegistryRead"), want: "policy.* mine"},
		{route: "/settings/policies/{policy}/regenerate", path: "/settings/policies/mine/regenerate", form: form("key", "primary"), want: "policy.regenerate-primary mine"},
		{route: "/settings/policies/{policy}/delete", path: "/settings/policies/mine/delete", want: "policy.* mine"},

		{route: "/settings/users/new", form: form("name", "bert", "role", "viewer"), want: "user.created bert"},
		{route: "/settings/users/{user}/role", path: "/settings/users/bert/role", form: form("role", "operator"), want: "user.changed bert"},
		{route: "/settings/users/{user}/link", path: "/settings/users/bert/link", want: "user.link bert"},
		{route: "/settings/users/{user}/sessions", path: "/settings/users/carl/sessions", form: form("id", "all"), want: "session.end carl"},
		{route: "/settings/users/{user}/disabled", path: "/settings/users/bert/disabled", form: form("disabled", "true"), want: "user.changed bert"},
		{route: "/settings/users/{user}/remove", path: "/settings/users/bert/remove", want: "user.removed bert"},
		{route: "/account/sessions/end", form: form("id", "others"), want: "session.end anna"},
		{route: "/account/password", form: form("current", consolePassword, "password", "another long enough one"), want: "user.password anna"},
	}
}

const unfit = "IoT_AgentConfigurationNotOptimal"

// TestEveryActIsAudited walks all forms of the console: each that changes
// something has its entry in the audit log, with who did what to what.
func TestEveryActIsAudited(t *testing.T) {
	t.Parallel()
	h := apptest.Start(t, func(o *app.Options) {
		o.Sinks = []app.Sink{{Kind: app.Syslog, Name: "siem", Target: "127.0.0.1:1"}}
	})
	c := h.Client()
	for _, name := range []string{"anna", "carl"} {
		if _, err := c.AddUser(t.Context(), name, "admin", consolePassword); err != nil {
			t.Fatal(err)
		}
		newBrowser(t, h).signIn(name)
	}
	h.Register(c, "pump-9")
	bad := client.TwinPatch{Desired: []byte(`{"ms_iotn:urn_azureiot_Security_SecurityAgentConfiguration":{"maxMessageSizeInBytes":{"value":5000}}}`)}
	if _, err := c.PatchTwin(t.Context(), tvilling.Identity{Device: "pump-9", Module: tvilling.SecurityModule}, bad, tvilling.Match{}); err != nil {
		t.Fatal(err)
	}
	until(t, "a ready patch", func() bool {
		r, err := c.Recommendation(t.Context(), unfit, "pump-9")
		return err == nil && len(r.Patch) > 0
	})
	b := newBrowser(t, h)
	b.signIn("anna")
	tried := make(map[string]bool)
	alert := ""
	var last uint64
	for _, d := range deeds() {
		if strings.Contains(d.path+d.page+d.form.Encode(), "ALERT") && alert == "" {
			alert = firstAlert(t, c, "pump-1")
		}
		tried[d.route] = true
		last = d.do(t, b, c, alert, last)
	}
	routes := console.New(console.Options{Logger: slog.New(slog.DiscardHandler), Status: func() web.Status { return web.Status{} }}).Routes()
	for path := range silent {
		if !slices.ContainsFunc(routes, func(r web.Route) bool { return r.Path == path && r.Method == http.MethodPost }) {
			t.Errorf("%s has a reason, and is no form", path)
		}
	}
	for _, r := range routes {
		if r.Method != http.MethodGet && !tried[r.Path] && silent[r.Path] == "" {
			t.Errorf("%s %s is no deed here, nor has it a reason not to be audited", r.Method, r.Path)
		}
	}
}

// do sends the form, and waits for its entry.
func (d deed) do(t *testing.T, b *browser, c *client.Client, alert string, last uint64) uint64 {
	t.Helper()
	with := func(s string) string { return strings.ReplaceAll(s, "ALERT", alert) }
	path, send := with(d.path), url.Values{}
	if path == "" {
		path = d.route
	}
	for name, values := range d.form {
		for _, v := range values {
			send.Add(name, with(v))
		}
	}
	if d.page != "" {
		a := b.do(http.MethodGet, "/console"+with(d.page), nil)
		if a.status != http.StatusOK {
			t.Fatalf("%s: %d", d.page, a.status)
		}
		for _, m := range hiddenField.FindAllStringSubmatch(a.body, -1) {
			if name := html.UnescapeString(m[1]); d.form[name] == nil {
				send.Set(name, html.UnescapeString(m[2]))
			}
		}
	}
	a := b.do(http.MethodPost, "/console"+path, send)
	if a.status >= http.StatusBadRequest {
		_, said, _ := strings.Cut(a.body, "<main")
		t.Errorf("%s: %d %.4000s", path, a.status, said)
		return last
	}
	action, subject, _ := strings.Cut(with(d.want), " ")
	var got []string
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) { //nolint:forbidigo // until a condition holds, or the deadline
		p, err := c.Audit(t.Context(), client.AuditFilter{Actor: "user:anna"}, 0, 20)
		if err != nil {
			t.Fatal(err)
		}
		got = got[:0]
		for _, e := range p.Entries {
			if e.Sequence <= last {
				break
			}
			got = append(got, e.Action+" "+e.Subject)
			group, open := strings.CutSuffix(action, "*")
			if (e.Action == action || open && strings.HasPrefix(e.Action, group)) && (subject == "*" || e.Subject == subject) {
				return p.Entries[0].Sequence
			}
		}
		if time.Now().After(deadline) {
			break
		}
	}
	t.Errorf("%s answered %d, and the audit log has no %q by user:anna, but %q", path, a.status, d.want, got)
	return last
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(20 * time.Millisecond) { //nolint:forbidigo // until a condition holds, or the deadline
		if time.Now().After(deadline) {
			t.Fatalf("there is no %s", what)
		}
	}
}

func firstAlert(t *testing.T, c *client.Client, device tvilling.DeviceID) (id string) {
	t.Helper()
	until(t, "alert", func() bool {
		for a, err := range c.Alerts(t.Context(), client.AlertFilter{Device: device}, client.Paging{}) {
			if err != nil {
				t.Fatal(err)
			}
			id = a.ID
			return true
		}
		return false
	})
	return id
}

// TestNoSecretsByAddress: no page that is had by its address alone has a key, a
// token or a hash in it, for whoever looks; keys are had by a form that is
// audited.
func TestNoSecretsByAddress(t *testing.T) {
	t.Parallel()
	h := apptest.Start(t, nil)
	c := h.Client()
	if _, err := c.AddUser(t.Context(), "anna", "admin", consolePassword); err != nil {
		t.Fatal(err)
	}
	secrets := []string{"SharedAccessKey=", "SharedAccessSignature=", "$argon2id$", h.Register(c, "pump-1")}
	m, err := c.Module(t.Context(), tvilling.Identity{Device: "pump-1", Module: tvilling.SecurityModule})
	if err != nil {
		t.Fatal(err)
	}
	secrets = append(secrets, m.Authentication.SymmetricKey.Primary, m.Authentication.SymmetricKey.Secondary)
	owner := h.OwnerConnectionString()
	secrets = append(secrets, owner[strings.LastIndex(owner, "SharedAccessKey=")+len("SharedAccessKey="):])
	b := newBrowser(t, h)
	b.signIn("anna")
	names := strings.NewReplacer("{device}", "pump-1", "{module}", string(tvilling.SecurityModule), "{policy}", "iothubowner", "{user}", "anna", "{version}", "1")
	queries := []string{"", "?device=pump-1", "?q=" + url.QueryEscape("SELECT * FROM devices")}
	routes := console.New(console.Options{Logger: slog.New(slog.DiscardHandler), Status: func() web.Status { return web.Status{} }}).Routes()
	found := 0
	for _, r := range routes {
		if r.Method != http.MethodGet || strings.HasPrefix(r.Path, "/live/") {
			continue
		}
		for _, q := range queries {
			a := b.do(http.MethodGet, "/console"+strings.TrimSuffix(parameter.ReplaceAllString(names.Replace(r.Path), "none"), "/none...")+q, nil)
			if a.status == http.StatusOK {
				found++
			}
			for _, s := range secrets {
				if strings.Contains(html.UnescapeString(a.body), s) {
					t.Errorf("GET %s%s has %.20s", r.Path, q, s)
				}
			}
		}
	}
	if found < 60 {
		t.Errorf("%d pages were looked at", found)
	}
	shown := b.do(http.MethodPost, "/console/start/keys?device=pump-1", nil)
	if !slices.ContainsFunc(secrets, func(s string) bool { return strings.Contains(html.UnescapeString(shown.body), s) }) || shown.header.Get("Cache-Control") != "no-store" {
		t.Errorf("the form that shows the key answers %d, to be kept %q", shown.status, shown.header.Get("Cache-Control"))
	}
}
