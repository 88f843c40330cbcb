package hubapi_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
)

// accessTable says who may use which route: by policy, then as the device d1
// itself, as its application module d1/app, as its security module
// d1/azureiotsecurity, and as the device d2; y is yes. The columns after the
// bar hold with the guard of security twins on (for the policies service and
// security) and with module keys hidden (for the device d1).
//
// Sources: wire §3.3 and §5 for the routes of IoT Hub; the rest is ours.
const accessTable = `
                                                      owner service device regRead regRW security d1 d1/app d1/sec d2 | guard:service guard:owner guard:security hide:d1
GET    /devices                                       y     -       -      y       y     -        -  -      -      -  | -             y           -              -
GET    /devices/d1                                    y     -       -      y       y     -        -  -      -      -  | -             y           -              -
PUT    /devices/d1                                    y     -       -      -       y     -        -  -      -      -  | -             y           -              -
DELETE /devices/none                                  y     -       -      -       y     -        -  -      -      -  | -             y           -              -
GET    /devices/d1/modules                            y     -       -      y       y     -        y  -      -      -  | -             y           -              -
GET    /devices/d1/modules/app                        y     -       -      y       y     -        y  -      -      -  | -             y           -              -
GET    /devices/d1/modules/azureiotsecurity           y     -       -      y       y     -        y  -      -      -  | -             y           -              -
PUT    /devices/d1/modules/app                        y     -       -      -       y     -        y  -      -      -  | -             y           -              -
PUT    /devices/d1/modules/azureiotsecurity           y     -       -      -       y     -        y  -      -      -  | -             y           -              -
DELETE /devices/d1/modules/none                       y     -       -      -       y     -        y  -      -      -  | -             y           -              -
GET    /twins/d1                                      y     y       -      -       -     -        -  -      -      -  | y             y           -              -
PATCH  /twins/d1                                      y     y       -      -       -     -        -  -      -      -  | y             y           -              -
PUT    /twins/d1                                      y     y       -      -       -     -        -  -      -      -  | y             y           -              -
GET    /twins/d1/modules/app                          y     y       -      -       -     -        -  -      -      -  | y             y           -              -
PATCH  /twins/d1/modules/app                          y     y       -      -       -     -        -  -      -      -  | y             y           -              -
PUT    /twins/d1/modules/app                          y     y       -      -       -     -        -  -      -      -  | y             y           -              -
GET    /twins/d1/modules/azureiotsecurity             y     y       -      -       -     y        -  -      -      -  | y             y           y              -
PATCH  /twins/d1/modules/azureiotsecurity             y     y       -      -       -     y        -  -      -      -  | -             -           y              -
PUT    /twins/d1/modules/azureiotsecurity             y     y       -      -       -     y        -  -      -      -  | -             -           y              -
POST   /devices/query                                 y     y       -      -       -     -        -  -      -      -  | y             y           -              -
GET    /configurations                                y     y       -      y       y     y        -  -      -      -  | y             y           y              -
GET    /configurations/none                           y     y       -      y       y     y        -  -      -      -  | y             y           y              -
PUT    /configurations/none                           y     y       -      -       y     -        -  -      -      -  | y             y           -              -
DELETE /configurations/none                           y     y       -      -       y     y        -  -      -      -  | y             y           y              -
POST   /configurations/testQueries                    y     y       -      y       y     y        -  -      -      -  | y             y           y              -
GET    /statistics/devices                            y     -       -      y       y     -        -  -      -      -  | -             y           -              -
GET    /statistics/service                            y     -       -      y       y     -        -  -      -      -  | -             y           -              -
GET    /tvilling/twins/d1                             y     y       -      -       -     -        -  -      -      -  | y             y           -              -
GET    /tvilling/twins/d1/modules/azureiotsecurity    y     y       -      -       -     y        -  -      -      -  | y             y           y              -
GET    /tvilling/twins/d1/comparison                       y     y       -      -       -     -        -  -      -      -  | y             y           -              -
GET    /tvilling/twins/d1/modules/azureiotsecurity/comparison y  y       -      -       -     y        -  -      -      -  | y             y           y              -
GET    /tvilling/twins/d1/history                          y     y       -      -       -     -        -  -      -      -  | y             y           -              -
GET    /tvilling/twins/d1/at?version=2                     y     y       -      -       -     -        -  -      -      -  | y             y           -              -
GET    /tvilling/twins/d1/diff?from=2                      y     y       -      -       -     -        -  -      -      -  | y             y           -              -
POST   /tvilling/twins/d1/restore                          y     y       -      -       -     -        -  -      -      -  | y             y           -              -
GET    /tvilling/twins/d1/modules/azureiotsecurity/history y     y       -      -       -     y        -  -      -      -  | y             y           y              -
GET    /tvilling/twins/d1/modules/azureiotsecurity/at?version=2 y     y       -      -       -     y        -  -      -      -  | y             y           y              -
GET    /tvilling/twins/d1/modules/azureiotsecurity/diff?from=2 y     y       -      -       -     y        -  -      -      -  | y             y           y              -
POST   /tvilling/twins/d1/modules/azureiotsecurity/restore y     y       -      -       -     y        -  -      -      -  | -             -           y              -
GET    /tvilling/twins/d1/why                         y     y       -      -       -     -        -  -      -      -  | y             y           -              -
GET    /tvilling/twins/d1/modules/azureiotsecurity/why y    y       -      -       -     y        -  -      -      -  | y             y           y              -
POST   /tvilling/configurations/plan                  y     y       -      -       -     y        -  -      -      -  | y             y           y              -
GET    /tvilling/configurations/none/progress         y     y       -      y       y     y        -  -      -      -  | y             y           y              -
POST   /tvilling/configurations/none/pause            y     y       -      -       y     y        -  -      -      -  | y             y           y              -
POST   /tvilling/configurations/none/resume           y     y       -      -       y     y        -  -      -      -  | y             y           y              -
POST   /tvilling/configurations/none/advance          y     y       -      -       y     y        -  -      -      -  | y             y           y              -
POST   /tvilling/configurations/none/rollback         y     y       -      -       y     y        -  -      -      -  | y             y           y              -
GET    /tvilling/query/explain?query=SELECT%20*%20FROM%20devices&run=false   y y - - - - - - - - | y y - -
POST   /tvilling/query/explain                        y     y       -      -       -     -        -  -      -      -  | y             y           -              -
GET    /tvilling/query/live                           y     y       -      -       -     -        -  -      -      -  | y             y           -              -
GET    /tvilling/changes                              y     y       -      -       -     -        -  -      -      -  | y             y           -              -
GET    /tvilling/changes?module=azureiotsecurity      y     y       -      -       -     y        -  -      -      -  | y             y           y              -
GET    /tvilling/changes?module=app                   y     y       -      -       -     -        -  -      -      -  | y             y           -              -
GET    /tvilling/messages                             y     y       -      -       -     -        -  -      -      -  | y             y           -              -
GET    /tvilling/messages?kind=security               y     y       -      -       -     y        -  -      -      -  | -             -           y              -
GET    /tvilling/devices                              y     -       -      y       y     -        -  -      -      -  | -             y           -              -
POST   /tvilling/devices/d1/regenerate?key=swap       y     -       -      -       y     -        -  -      -      -  | -             y           -              -
POST   /tvilling/devices/d1/modules/app/regenerate?key=swap        y - - - y - - - - - | - y - -
POST   /tvilling/devices/d1/modules/azureiotsecurity/restore       y - - - y - - - - - | - y - -
GET    /tvilling/policies                             y     -       -      -       -     -        -  -      -      -  | -             y           -              -
GET    /tvilling/policies/service                     y     -       -      -       -     -        -  -      -      -  | -             y           -              -
PUT    /tvilling/policies/service                     y     -       -      -       -     -        -  -      -      -  | -             y           -              -
DELETE /tvilling/policies/none                        y     -       -      -       -     -        -  -      -      -  | -             y           -              -
POST   /tvilling/policies/service/regenerate?key=swap y     -       -      -       -     -        -  -      -      -  | -             y           -              -
GET    /tvilling/users                                y     -       -      -       -     -        -  -      -      -  | -             y           -              -
POST   /tvilling/users                                y     -       -      -       -     -        -  -      -      -  | -             y           -              -
GET    /tvilling/users/none                           y     -       -      -       -     -        -  -      -      -  | -             y           -              -
PATCH  /tvilling/users/none                           y     -       -      -       -     -        -  -      -      -  | -             y           -              -
DELETE /tvilling/users/none                           y     -       -      -       -     -        -  -      -      -  | -             y           -              -
POST   /tvilling/users/none/password                  y     -       -      -       -     -        -  -      -      -  | -             y           -              -
POST   /tvilling/users/none/link                      y     -       -      -       -     -        -  -      -      -  | -             y           -              -
GET    /tvilling/users/none/sessions                  y     -       -      -       -     -        -  -      -      -  | -             y           -              -
DELETE /tvilling/users/none/sessions                  y     -       -      -       -     -        -  -      -      -  | -             y           -              -
DELETE /tvilling/users/none/sessions/x                y     -       -      -       -     -        -  -      -      -  | -             y           -              -
GET    /tvilling/audit                                y     -       -      -       -     -        -  -      -      -  | -             y           -              -
GET    /tvilling/audit/export                         y     -       -      -       -     -        -  -      -      -  | -             y           -              -
GET    /tvilling/settings                             y     -       -      y       y     -        -  -      -      -  | -             y           -              -
PUT    /tvilling/settings                             y     -       -      -       -     -        -  -      -      -  | -             y           -              -
GET    /tvilling/health                               y     -       -      y       y     -        -  -      -      -  | -             y           -              -
GET    /tvilling/certificates                         y     -       -      y       y     -        -  -      -      -  | -             y           -              -
GET    /tvilling/securitymodule                       y     -       -      y       y     -        -  -      -      -  | -             y           -              -
POST   /twins/d1/methods                              y     y       y      y       y     y        -  -      -      -  | y             y           y              -
POST   /devices/d1/messages/events                    y     y       y      y       y     y        y  -      -      -  | y             y           y              y
`

// accessColumns are who sends the request, and what is switched on then.
var accessColumns = []struct{ who, settings string }{
	{"iothubowner", ""},
	{"service", ""},
	{"device", ""},
	{"registryRead", ""},
	{"registryReadWrite", ""},
	{"security", ""},
	{"d1", ""},
	{"d1/app", ""},
	{"d1/azureiotsecurity", ""},
	{"d2", ""},
	{"service", `{"guardSecurityTwin":true}`},
	{"iothubowner", `{"guardSecurityTwin":true}`},
	{"security", `{"guardSecurityTwin":true}`},
	{"d1", `{"hideModuleKeys":true}`},
}

// body is a request body that the route does something with.
func bodyFor(method, path string) string {
	switch {
	case strings.HasSuffix(path, "/query"):
		return `{"query":"SELECT * FROM devices"}`
	case method == http.MethodPut && strings.Contains(path, "/policies/"):
		return `{"permissions":["ServiceConnect"]}`
	case method == http.MethodGet || method == http.MethodDelete:
		return ""
	default:
		return `{}`
	}
}

func TestAccess(t *testing.T) {
	t.Parallel()
	// A hub for each of the switches, so that rows do not disturb each other.
	hubs := map[string]*hub{}
	for _, c := range accessColumns {
		if hubs[c.settings] != nil {
			continue
		}
		h := newHub(t)
		for _, id := range []tvilling.Identity{{Device: "d1"}, {Device: "d2"}, {Device: "d1", Module: "app"}} {
			h.Register(t, id)
		}
		if c.settings != "" {
			h.must(t, http.StatusOK, "iothubowner", http.MethodPut, "/tvilling/settings", c.settings)
		}
		hubs[c.settings] = h
	}
	seen := map[string]bool{}
	for line := range strings.Lines(accessTable) {
		fields := slices.DeleteFunc(strings.Fields(line), func(s string) bool { return s == "|" })
		if len(fields) == 0 || fields[0] == "owner" {
			continue
		}
		method, path, cells := fields[0], fields[1], fields[2:]
		if len(cells) != len(accessColumns) {
			t.Fatalf("%s %s has %d cells, want %d", method, path, len(cells), len(accessColumns))
		}
		seen[method+" "+path] = true
		for i, c := range accessColumns {
			sep := "?"
			if strings.Contains(path, "?") {
				sep = "&"
			}
			w := hubs[c.settings].do(t, c.who, method, path+sep+"api-version=2021-04-12", bodyFor(method, path))
			if got, want := w.Code != http.StatusUnauthorized, cells[i] == "y"; got != want {
				t.Errorf("%s %s as %s with %q: let in = %v (%d %s), want %v", method, path, c.who, c.settings, got, w.Code, w.Body, want)
			}
			if w.Code == http.StatusUnauthorized && w.Header().Get("Iothub-Errorcode") != "IotHubUnauthorizedAccess" {
				t.Errorf("%s %s as %s: 401 with iothub-errorcode %q", method, path, c.who, w.Header().Get("Iothub-Errorcode"))
			}
		}
	}
	if len(seen) < 40 {
		t.Errorf("the table has %d routes, so it was not read", len(seen))
	}
}

// TestNobody sends every row of the table without a credential, and with those
// of strangers.
func TestNobody(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.Register(t, tvilling.Device("d1"))
	for line := range strings.Lines(accessTable) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] == "owner" {
			continue
		}
		for name, token := range map[string]string{
			"none":    "",
			"garbage": "SharedAccessSignature sr=x",
			"wrong":   "SharedAccessSignature sr=hub.example&sig=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE%3D&se=9999999999&skn=iothubowner",
		} {
			var header []string
			if token != "" {
				header = []string{"Authorization", token}
			}
			w := h.do(t, "", fields[0], fields[1], bodyFor(fields[0], fields[1]), header...)
			if w.Code != http.StatusUnauthorized {
				t.Errorf("%s %s with credential %q: got %d, want 401", fields[0], fields[1], name, w.Code)
			}
		}
	}
}
