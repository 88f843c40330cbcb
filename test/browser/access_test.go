//go:build browser

package browser_test

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/app/apptest"
	"github.com/tvilling/tvilling/internal/client"
)

// signs fills the form of sign-in and sends it.
func (p *page) signs(name, password string) {
	p.t.Helper()
	p.fill("#name", name)
	p.fill("#password", password)
	p.follow("form[action='/console/sign-in'] button.primary")
}

// TestFirstAdminIsSetUp goes from a hub that has nobody to one whose page it is.
func TestFirstAdminIsSetUp(t *testing.T) {
	hub := apptest.Start(t, nil)
	h := &harness{t: t, Hub: hub, host: hub.HTTPS, tokens: make(map[string]string)}
	code, err := os.ReadFile(filepath.Join(hub.Data, "setup-code"))
	if err != nil {
		t.Fatal(err)
	}
	for name, options := range map[string][]option{"small": {asRole(""), small}, "dark": {asRole(""), dark}} {
		p := h.open(t, "/console/setup", options...)
		p.axe()
		if wide := eval[int](p, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); wide > 0 {
			t.Errorf("%s: the page is %d px too wide", name, wide)
		}
	}
	p := h.open(t, "/console/devices", asRole(""))
	p.waitAt("/console/setup")
	found := func(code, name, password string) {
		t.Helper()
		p.fill("#code", code)
		p.fill("#name", name)
		p.fill("#password", password)
		p.follow("form[action='/console/setup'] button.primary")
	}
	found("00000-00000", "anna", password)
	p.wait("#gate-problem")
	if p.count("#code[aria-invalid=true][aria-describedby=gate-problem]") != 1 {
		t.Error("the field of the code is not marked as wrong")
	}
	p.axe()
	found(strings.TrimSpace(string(code)), "an na", password)
	if p.count("#name[aria-invalid=true]") != 1 {
		t.Error("the field of the name is not marked as wrong")
	}
	found(strings.TrimSpace(string(code)), "anna", password)
	p.waitAt("/console/start")
	p.waitText(".banner, [role=status]", "first admin")
	p.goTo("/console/settings/users")
	p.waitText("tbody th", "anna")
	// There is one first admin.
	h.open(t, "/console/setup", asRole("")).waitAt("/console/sign-in")
	p.clean()
}

// TestSignIn: a wrong password is told and leaves the name, many have to wait,
// a right one leads on, and signing out ends the session everywhere in the
// browser. All of it goes without script, too.
func TestSignIn(t *testing.T) {
	h := start(t, nil)
	h.token("viewer")
	for name, options := range map[string][]option{"script": {asRole("")}, "no script": {asRole(""), noScript}, "small": {asRole(""), small}} {
		t.Run(name, func(t *testing.T) {
			p := h.open(t, "/console/devices?q=tags.site+%3D+%27lund%27", options...)
			p.waitAt("/console/sign-in?to=")
			check := func() {
				t.Helper()
				if name != "no script" {
					p.axe()
				}
			}
			check()
			p.signs("anna", "not the password")
			if got := p.documentStatus(); got != 401 {
				t.Errorf("a wrong password is answered with %d", got)
			}
			p.waitText("#gate-problem", "password")
			if v := eval[string](p, `document.querySelector("#name").value + "/" + document.querySelector("#password").value`); v != "anna/" {
				t.Errorf("the fields have %q, want the name and no password", v)
			}
			if p.count("#password[aria-invalid=true][aria-describedby=gate-problem]") != 1 {
				t.Error("the field of the password is not marked as wrong")
			}
			check()
			p.signs("anna", password)
			p.waitAt("/console/devices?q=tags.site+%3D+%27lund%27")
			p.goTo("/console/account")
			p.waitText(".page-head", "anna")
			p.follow("form[action='/console/sign-out'] button")
			p.waitAt("/console/sign-in")
			p.goTo("/console/account")
			p.waitAt("/console/sign-in?to=")
			p.clean()
		})
	}
	p := h.open(t, "/console/sign-in", asRole(""))
	for range 12 { // the wait grows; a slow machine may have sat out the first ones
		p.signs("viewer", "not the password")
		if p.documentStatus() == 429 {
			break
		}
	}
	p.waitText("#gate-problem", "Too many tries failed. Wait ")
	p.waitText("#gate-problem", "second")
	p.axe()
	p.clean()
}

// TestTypedIsKeptThroughSignIn: who types while the session ends loses nothing,
// and decides whether it is sent.
func TestTypedIsKeptThroughSignIn(t *testing.T) {
	h, owner := twins(t)
	ends := func() {
		t.Helper()
		if err := owner.EndUserSession(t.Context(), "anna", ""); err != nil {
			t.Fatal(err)
		}
	}
	twin := func() *client.Twin {
		t.Helper()
		v, err := owner.Twin(t.Context(), tvilling.Device("pump-1"))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	again := func(p *page, where string) {
		t.Helper()
		p.waitText(".gate", "What you typed is kept")
		p.axe()
		p.signs("anna", "not the password")
		p.waitText(".gate", "What you typed is kept")
		p.signs("anna", password)
		p.waitText("h1", "Your session had ended")
		p.waitText(".note .mono, .note", where)
		p.axe()
		p.follow("form[action='" + where + "'] button.primary")
	}
	// Tags, with a text that could get lost on the way.
	p := h.open(t, "/console/devices/pump-1/tags")
	const odd = "a \"b\" <i>&amp; c\u00e5 +%20"
	p.fill("input[name=value]", odd)
	ends()
	p.follow("main form[method=post][action$='/tags'] button.primary")
	if got := string(twin().Tags); !strings.Contains(got, `"lab"`) {
		t.Errorf("the tags are %s while nobody was signed in", got)
	}
	again(p, "/console/devices/pump-1/tags")
	p.waitAt("/console/devices/pump-1")
	p.waitText("#device-tags", odd)
	// Desired properties, from the editor.
	p.goTo(twinOf + "/edit")
	p.until("the editor", `!!document.querySelector("json-editor").shadowRoot?.querySelector(".cm-content")`)
	eval[bool](p, `(document.querySelector("json-editor").set('{"fps": 77,\n "x": "'+String.fromCharCode(0xe5)+'"}'), true)`)
	ends()
	p.follow(`button[value="preview"]`)
	again(p, twinOf+"/edit")
	p.waitText(".edits", "77")
	p.follow(`.table-foot button[value="save"]`)
	p.waitAt(twinOf)
	if got := string(twin().Properties.Desired); !strings.Contains(got, `"fps":77`) || !strings.Contains(got, `"x":"å"`) {
		t.Errorf("the desired properties are %s", got)
	}
	p.clean()
}

// TestOneTimeLink: an admin makes a user, whose link signs in once and asks for
// a password, with which the user signs in from then on.
func TestOneTimeLink(t *testing.T) {
	h := start(t, nil)
	admin := h.open(t, "/console/settings/users")
	admin.follow("a[data-new]")
	admin.fill("#name", "bert")
	admin.fill("#role", "operator")
	admin.follow("form[action='/console/settings/users/new'] button.primary")
	link := admin.text("#one-time-link")
	admin.axe()
	u, err := url.Parse(link)
	if err != nil || u.Path != "/console/sign-in/link" || u.Query().Get("token") == "" {
		t.Fatalf("the link is %q, %v", link, err)
	}
	for _, o := range []option{small, dark} {
		p := h.open(t, u.RequestURI(), asRole(""), o) // looking does not use it up
		p.waitText("h1", "bert")
		p.axe()
	}
	p := h.open(t, u.RequestURI(), asRole(""))
	p.follow(".gate button.primary")
	p.waitAt("/console/account")
	p.waitText(".banner", "Set a password now")
	p.axe()
	const own = "a password of bert"
	p.fill("#password", own)
	p.follow("form[action='/console/account/password'] button.primary")
	p.waitText(".banner", "assword")
	p.follow("form[action='/console/sign-out'] button")
	p.signs("bert", own)
	p.waitAt("/console/start") // a hub without devices begins there
	p.clean()
	second := h.open(t, u.RequestURI(), asRole(""))
	if got := second.documentStatus(); got < 400 {
		t.Errorf("the link works a second time: %d\n%s", got, second.says())
	}
	if second.count(".gate button.primary") > 0 {
		t.Error("a link that was used can be used")
	}
	second.axe()
	admin.goTo("/console/settings/audit?subject=bert")
	admin.waitText("#acts", "user.created")
	admin.clean()
}

// TestViewerSeesNoButtons: pages offer what their reader may do, and no more. An
// address that is known anyway is refused, and says whom to ask.
func TestViewerSeesNoButtons(t *testing.T) {
	h := start(t, nil)
	h.seed()
	list, _, err := h.Hub.Client().AlertPage(t.Context(), client.AlertFilter{}, client.Paging{})
	if err != nil {
		t.Fatal(err)
	}
	// What acts, and ways to it.
	const acts = `[...document.querySelectorAll("main form[method=post]:not([action^='/console/account/']):not([action='/console/sign-out']) :is(button, select, textarea:not([readonly]), input:not([type=hidden]):not([readonly])), main [data-new], main a[href$='/edit'], main a[href$='/tags'], main a[href$='/delete'], main [data-bulk]")].map((e) => e.outerHTML.slice(0, 160))`
	viewer, admin := h.open(t, "/console/account", asRole("viewer")), h.open(t, "/console/account")
	for _, path := range []string{
		"/devices", "/devices/pump-0413", "/devices/pump-0413/identity", "/devices/pump-0413/twin", "/devices/pump-0413/modules/azureiotsecurity/twin",
		"/alerts", "/alerts/" + list[0].ID, "/recommendations/IoT_OpenPorts/pump-0413",
		"/configurations", "/configurations/pumps-lund", "/settings/detections/brute-force-failed",
	} {
		admin.goTo("/console" + path)
		if len(eval[[]string](admin, acts)) == 0 && !strings.HasPrefix(path, "/recommendations") {
			t.Errorf("%s has nothing that an admin may do: the test looks for the wrong things", path)
		}
		viewer.goTo("/console" + path)
		if got := viewer.documentStatus(); got != 200 {
			t.Errorf("%s is answered with %d", path, got)
		}
		if found := eval[[]string](viewer, acts); len(found) > 0 {
			t.Errorf("%s shows a viewer what is refused: %q", path, found)
		}
		viewer.axe()
	}
	for _, path := range []string{"/devices/new", "/devices/pump-0413/twin/edit", "/configurations/new", "/settings/users", "/settings/users/anna", "/settings/policies", "/settings/policies/iothubowner", "/settings/audit"} {
		viewer.goTo("/console" + path)
		if got := viewer.documentStatus(); got != 403 && got != 401 {
			t.Errorf("%s is answered with %d", path, got)
		}
		viewer.waitText("main", "viewer has the role viewer. Ask an admin")
		if viewer.count("main form[method=post]") > 0 {
			t.Errorf("%s has a form", path)
		}
		viewer.axe()
	}
	viewer.clean()
	admin.clean()
}
