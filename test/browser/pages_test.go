//go:build browser

package browser_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/console"
	"github.com/tvilling/tvilling/internal/console/ui"
	"github.com/tvilling/tvilling/internal/console/web"
)

// elsewhere are routes that answer with no page of their own.
var elsewhere = map[string]string{
	"/go":                             "leads to another page",
	"/go/suggest":                     "options of a field",
	"/setup":                          "closed when there is an admin",
	"/sign-in":                        "leads on who is signed in",
	"/sign-in/link":                   "needs a link, which is good once",
	"/start/ca.pem":                   "a file",
	"/settings/audit/export":          "a file",
	"/settings/certificates/ca.pem":   "a file",
	"/settings/rules/{name}/download": "a file",
	"/settings/deadletters/export":    "a file",
	"/devices/filter":                 "leads to the list",
	"/query/complete":                 "offers of a field",
	"/bulk/{batch}":                   "outcome of an act, for a while",
}

// addresses are where the pages of a seeded hub are, by their route. A route
// with several states has several; "400 " before one is its status.
func addresses(alert string) map[string][]string {
	table := map[string][]string{
		"/overview": {"/overview", "/overview?range=7d"},
		"/start":    {"/start"},
		"/keys":     {"/keys"},
		"/account":  {"/account"},

		"/devices":     {"/devices", "/devices?q=tags.site+%3D+%27lund%27", "/devices?q=tags.site+%3D+%27nowhere%27", "/devices?q=tags.site+%3D"},
		"/devices/new": {"/devices/new"},

		"/alerts":            {"/alerts", "/alerts?status=all&severity=low", "/alerts?device=nobody"},
		"/alerts/{id}":       {"/alerts/" + alert},
		"/alerts/{id}/{act}": {"/alerts/" + alert + "/dismiss"},
		"/alerts/many":       {"/alerts/many?act=dismiss&all=1&status=all"},

		"/investigate":             {"/investigate", "/investigate?device=pump-0413", "/investigate?device=nobody"},
		"/investigate/processes":   {"/investigate/processes?device=pump-0413"},
		"/investigate/connections": {"/investigate/connections?device=pump-0413"},
		"/investigate/logins":      {"/investigate/logins?device=pump-0416"},
		"/investigate/ports":       {"/investigate/ports?device=pump-0413"},
		"/investigate/users":       {"/investigate/users?device=pump-0416"},
		"/investigate/baseline":    {"/investigate/baseline?device=pump-0413"},
		"/query":                   {"/query", "/query?q=SELECT+*+FROM+devices", "400 /query?q=SELEC"},

		"/configurations":              {"/configurations"},
		"/configurations/new":          {"/configurations/new"},
		"/configurations/{id}":         {"/configurations/pumps-lund"},
		"/configurations/{id}/history": {"/configurations/pumps-lund/history"},
		"/configurations/{id}/edit":    {"/configurations/pumps-lund/edit"},
		"/configurations/{id}/copy":    {"/configurations/pumps-lund/copy"},
		"/configurations/{id}/{act}":   {"/configurations/pumps-lund/delete"},

		"/settings":                        {"/settings"},
		"/settings/storage":                {"/settings/storage"},
		"/settings/certificates":           {"/settings/certificates"},
		"/settings/detections":             {"/settings/detections"},
		"/settings/detections/{id}":        {"/settings/detections/brute-force-failed", "/settings/detections/reverse-shell", "404 /settings/detections/none"},
		"/settings/rules/new":              {"/settings/rules/new", "/settings/rules/new?from=reverse-shell"},
		"/settings/rules/{name}":           {"404 /settings/rules/none"},
		"/settings/rules/{name}/delete":    {"404 /settings/rules/none/delete"},
		"/settings/sinks":                  {"/settings/sinks"},
		"/settings/deadletters":            {"/settings/deadletters", "/settings/deadletters?device=nobody"},
		"/recommendations":                 {"/recommendations", "/recommendations?type=IoT_OpenPorts"},
		"/recommendations/{type}":          {"/recommendations/IoT_OpenPorts"},
		"/recommendations/{type}/{device}": {"/recommendations/IoT_OpenPorts/pump-0413"},
		"/recommendations/{type}/patch":    {"/recommendations/IoT_OpenPorts/patch?d=pump-0413"},

		"/settings/users":             {"/settings/users"},
		"/settings/users/new":         {"/settings/users/new"},
		"/settings/users/{user}":      {"/settings/users/anna"},
		"/settings/policies":          {"/settings/policies"},
		"/settings/policies/new":      {"/settings/policies/new"},
		"/settings/policies/{policy}": {"/settings/policies/iothubowner"},
		"/settings/audit":             {"/settings/audit"},
	}
	for route, rest := range map[string]string{
		"": "", "/timeline": "/timeline", "/alerts": "/alerts", "/recommendations": "/recommendations", "/tags": "/tags", "/identity": "/identity", "/agent": "/agent",
		"/twin": "/twin", "/twin/edit": "/twin/edit", "/twin/history": "/twin/history", "/twin/history/{version}": "/twin/history/2",
		"/modules/{module}/twin": "/modules/azureiotsecurity/twin", "/modules/{module}/twin/edit": "/modules/azureiotsecurity/twin/edit",
		"/modules/{module}/twin/history": "/modules/azureiotsecurity/twin/history", "/modules/{module}/twin/history/{version}": "/modules/azureiotsecurity/twin/history/2",
	} {
		for _, device := range []string{"pump-0413", hostileDevice} {
			table["/devices/{device}"+route] = append(table["/devices/{device}"+route], strings.TrimPrefix(ui.URL("devices", device), ui.Root)+rest)
		}
	}
	table["/devices/{device}"] = append(table["/devices/{device}"], strings.TrimPrefix(ui.URL("devices", ".."), ui.Root), strings.TrimPrefix(ui.URL("devices", "#+"), ui.Root))
	return table
}

// TestPages opens every page of a seeded hub as people have it: light, dark, on
// the narrowest screen, and without JavaScript.
func TestPages(t *testing.T) {
	h := start(t, nil)
	h.seed()
	list, _, err := h.Hub.Client().AlertPage(t.Context(), client.AlertFilter{}, client.Paging{})
	if err != nil {
		t.Fatal(err)
	}
	table := addresses(list[0].ID)
	var all []string
	for _, r := range console.New(console.Options{Logger: slog.New(slog.DiscardHandler), Status: func() web.Status { return web.Status{} }}).Routes() {
		if r.Method != http.MethodGet || r.Stream || elsewhere[r.Path] != "" {
			continue
		}
		if len(table[r.Path]) == 0 {
			t.Errorf("route %s is missing in the table of addresses", r.Path)
		}
		all = append(all, table[r.Path]...)
		delete(table, r.Path)
	}
	for path := range table {
		t.Errorf("there is no route %s: remove it from the table", path)
	}
	slices.Sort(all)
	for name, options := range map[string][]option{"light": nil, "dark": {dark}, "small": {small}, "no script": {noScript}} {
		t.Run(name, func(t *testing.T) {
			p := h.open(t, "/console/keys", options...)
			for _, address := range all {
				status, path, ok := strings.Cut(address, " ")
				if !ok {
					status, path = "200", address
				}
				p.inspect("/console"+path, status, name)
			}
		})
	}
}

// inspect opens a page and holds it against what all pages keep to.
func (p *page) inspect(address, want, variant string) {
	p.t.Helper()
	p.goTo(address)
	if status := p.documentStatus(); fmt.Sprint(status) != want {
		p.t.Errorf("%s is answered with %d:\n%s", address, status, p.says())
		p.clean()
		return
	}
	if n := p.count("h1"); n != 1 {
		p.t.Errorf("%s has %d h1", address, n)
	}
	if bad := eval[[]string](p, `[...document.querySelectorAll("[style], [onclick], script:not([src]), style")].filter((e) => !e.closest("svg") && !e.shadowRoot).map((e) => e.outerHTML.slice(0, 200))`); len(bad) > 0 {
		p.t.Errorf("%s has styles or scripts in it: %q", address, bad)
	}
	if wide := eval[int](p, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); wide > 0 {
		p.t.Errorf("%s is %d px too wide for the screen: %s", address, wide, strings.Join(p.tooWide(), "; "))
	}
	if variant == "no script" {
		p.clean()
		return
	}
	p.axe()
	p.clean()
}

// tooWide are the elements that stand out of the screen, but for those in what
// can be scrolled by itself.
func (p *page) tooWide() []string {
	return eval[[]string](p, `(() => {
		const contained = (e) => { for (e = e.parentElement; e; e = e.parentElement) if (e !== document.body && e !== document.documentElement && getComputedStyle(e).overflowX !== "visible") return true; return false; };
		return [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1 && !contained(e)).slice(0, 4).map((e) => e.outerHTML.slice(0, 160));
	})()`)
}
