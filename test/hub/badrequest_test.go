package hub_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling/internal/client"
	"github.com/tvilling/tvilling/internal/hub/auth"
)

// Requests that are refused, each with the status and name that clients of an
// IoT Hub expect.
func TestRequestsThatAreRefused(t *testing.T) {
	t.Parallel()
	h, c, key := start(t)
	w := watch(t, c, connect(t, h, device("d"), key))
	api := owner(t, h)
	const v = "?api-version=2021-04-12"
	const security = "/devices/d/modules/azureiotsecurity"
	short, good := `"QUJD"`, `"`+auth.NewKey()+`"`
	tests := []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		code                     string
	}{
		{"no api-version", "GET", "/devices/d", "", nil, 400, "InvalidProtocolVersion"},
		{"api-version empty", "GET", "/devices/d?api-version=", "", nil, 400, "InvalidProtocolVersion"},
		{"api-version no date", "GET", "/devices/d?api-version=latest", "", nil, 400, "InvalidProtocolVersion"},
		{"query string malformed", "GET", "/devices/d?api-version=2021-04-12&a=%zz", "", nil, 400, "ArgumentInvalid"},
		{"unknown path", "GET", "/nothing" + v, "", nil, 404, "GenericNotFound"},
		{"the root", "GET", "/" + v, "", nil, 404, "GenericNotFound"},
		{"a path too long", "GET", "/devices/d/modules/m/more" + v, "", nil, 404, "GenericNotFound"},
		{"empty id", "GET", "/devices//modules" + v, "", nil, 404, "GenericNotFound"},
		{"unknown method", "PATCH", "/devices/d" + v, "{}", nil, 405, "GenericMethodNotAllowed"},
		{"POST to a twin", "POST", "/twins/d" + v, "{}", nil, 405, "GenericMethodNotAllowed"},
		{"absent device", "GET", "/devices/nobody" + v, "", nil, 404, "DeviceNotFound"},
		{"absent module", "GET", "/devices/d/modules/nobody" + v, "", nil, 404, "ModuleNotFound"},
		{"module of an absent device", "GET", "/devices/nobody/modules/m" + v, "", nil, 404, "DeviceNotFound"},
		{"absent twin", "GET", "/twins/nobody" + v, "", nil, 404, "DeviceNotFound"},
		{"absent module twin", "GET", "/twins/d/modules/nobody" + v, "", nil, 404, "ModuleNotFound"},
		{"patch of an absent twin", "PATCH", "/twins/nobody" + v, "{}", nil, 404, "DeviceNotFound"},
		{"update of an absent device", "PUT", "/devices/nobody" + v, `{"deviceId":"nobody"}`, []string{"If-Match", "*"}, 404, "DeviceNotFound"},
		{"delete of an absent device", "DELETE", "/devices/nobody" + v, "", []string{"If-Match", "*"}, 404, "DeviceNotFound"},
		{"delete of an absent module", "DELETE", "/devices/d/modules/nobody" + v, "", []string{"If-Match", "*"}, 404, "ModuleNotFound"},
		{"create of an existing device", "PUT", "/devices/d" + v, `{"deviceId":"d"}`, nil, 409, "DeviceAlreadyExists"},
		{"id with illegal characters", "PUT", "/devices/!@%23$%25%5E&" + v, `{}`, nil, 400, "ArgumentInvalid"},
		{"id with a blank", "PUT", "/devices/a%20b" + v, `{}`, nil, 400, "ArgumentInvalid"},
		{"id with an encoded slash", "PUT", "/devices/a%2Fb" + v, `{}`, nil, 400, "ArgumentInvalid"},
		{"id with NUL", "GET", "/devices/a%00b" + v, "", nil, 400, "ArgumentInvalid"},
		{"id not ASCII", "PUT", "/devices/%C3%A9" + v, `{}`, nil, 400, "ArgumentInvalid"},
		{"id of 129 characters", "PUT", "/devices/" + strings.Repeat("x", 129) + v, `{}`, nil, 400, "ArgumentInvalid"},
		{"another id in the body", "PUT", "/devices/new" + v, `{"deviceId":"other"}`, nil, 400, "ArgumentInvalid"},
		{"another module id in the body", "PUT", "/devices/d/modules/new" + v, `{"deviceId":"d","moduleId":"other"}`, nil, 400, "ArgumentInvalid"},
		{"another device id in a module", "PUT", "/devices/d/modules/new" + v, `{"deviceId":"other","moduleId":"new"}`, nil, 400, "ArgumentInvalid"},
		{"no body", "PUT", "/devices/new" + v, "", nil, 400, "ArgumentInvalid"},
		{"body no JSON", "PUT", "/devices/new" + v, "deviceId=new", nil, 400, "ArgumentInvalid"},
		{"body cut", "PUT", "/devices/new" + v, `{"deviceId":"new"`, nil, 400, "ArgumentInvalid"},
		{"body an array", "PUT", "/devices/new" + v, `[{"deviceId":"new"}]`, nil, 400, "ArgumentInvalid"},
		{"id a number", "PUT", "/devices/new" + v, `{"deviceId":1}`, nil, 400, "ArgumentInvalid"},
		{"status unknown", "PUT", "/devices/new" + v, `{"status":"asleep"}`, nil, 400, "ArgumentInvalid"},
		{"statusReason too long", "PUT", "/devices/new" + v, `{"statusReason":"` + strings.Repeat("x", 129) + `"}`, nil, 400, "ArgumentInvalid"},
		{"authentication type unknown", "PUT", "/devices/new" + v, `{"authentication":{"type":"password"}}`, nil, 400, "ArgumentInvalid"},
		{"one key of two", "PUT", "/devices/new" + v, `{"authentication":{"symmetricKey":{"primaryKey":` + good + `}}}`, nil, 400, "ArgumentInvalid"},
		{"key too short", "PUT", "/devices/new" + v, `{"authentication":{"symmetricKey":{"primaryKey":` + short + `,"secondaryKey":` + good + `}}}`, nil, 400, "ArgumentInvalid"},
		{"key not base64", "PUT", "/devices/new" + v, `{"authentication":{"symmetricKey":{"primaryKey":"***","secondaryKey":` + good + `}}}`, nil, 400, "ArgumentInvalid"},
		{"selfSigned without thumbprint", "PUT", "/devices/new" + v, `{"authentication":{"type":"selfSigned"}}`, nil, 400, "ArgumentInvalid"},
		{"thumbprint no hash", "PUT", "/devices/new" + v, `{"authentication":{"type":"selfSigned","x509Thumbprint":{"primaryThumbprint":"12:34"}}}`, nil, 400, "ArgumentInvalid"},
		{"query missing", "POST", "/devices/query" + v, `{}`, nil, 400, "ArgumentInvalid"},
		{"query a number", "POST", "/devices/query" + v, `{"query":1}`, nil, 400, "ArgumentInvalid"},
		{"query empty", "POST", "/devices/query" + v, `{"query":""}`, nil, 400, "ArgumentInvalid"},
		{"query nonsense", "POST", "/devices/query" + v, `{"query":"DROP TABLE devices"}`, nil, 400, "ArgumentInvalid"},
		{"query of a string without end", "POST", "/devices/query" + v, `{"query":"SELECT * FROM devices WHERE deviceId = 'd"}`, nil, 400, "ArgumentInvalid"},
		{"page size no number", "POST", "/devices/query" + v, `{"query":"SELECT * FROM devices"}`, []string{"x-ms-max-item-count", "many"}, 400, "ArgumentInvalid"},
		{"continuation made up", "POST", "/devices/query" + v, `{"query":"SELECT * FROM devices"}`, []string{"x-ms-continuation", "AAAA"}, 400, "ArgumentInvalid"},
		{"top no number", "GET", "/devices?top=many&api-version=2021-04-12", "", nil, 400, "ArgumentInvalid"},
		{"compressed body", "PUT", "/devices/new" + v, `{}`, []string{"Content-Encoding", "gzip"}, 400, "ArgumentInvalid"},
		{"changes after what is no number", "GET", "/tvilling/changes?after=x", "", nil, 400, "ArgumentInvalid"},
		{"messages of no kind", "GET", "/tvilling/messages?kind=x", "", nil, 400, "ArgumentInvalid"},
		{"settings with an unknown member", "PUT", "/tvilling/settings", `{"guard":true}`, nil, 400, "ArgumentInvalid"},
		{"settings of a bad section", "PUT", "/tvilling/settings", `{"securityModule":{"desired":{"a.b":1}}}`, nil, 400, "ArgumentInvalid"},
		{"settings beyond a twin", "PUT", "/tvilling/settings", `{"securityModule":{"desired":` + filled(32769) + `}}`, nil, 400, "ArgumentInvalid"},
		{"policy of an unknown permission", "PUT", "/tvilling/policies/p", `{"permissions":["Everything"]}`, nil, 400, "ArgumentInvalid"},
		{"policy without permissions", "PUT", "/tvilling/policies/p", `{"permissions":[]}`, nil, 400, "ArgumentInvalid"},
		{"policy that is not there", "GET", "/tvilling/policies/nobody", "", nil, 404, "GenericNotFound"},
		{"key of no kind", "POST", "/tvilling/devices/d/regenerate?key=third", "", nil, 400, "ArgumentInvalid"},
		{"restore on an absent device", "POST", "/tvilling/devices/nobody/modules/azureiotsecurity/restore", "", nil, 404, "DeviceNotFound"},
		{"a module cannot be disabled", "PUT", security + v, `{"status":"disabled"}`, []string{"If-Match", `"x"`}, 412, "PreconditionFailed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			api.t = t
			r := api.do(test.method, test.path, test.body, test.headers...)
			name, _ := r.fault(t)
			if r.status != test.status || name != test.code || r.name() != test.code {
				t.Errorf("status %d, %s, header %q: %s; want %d %s", r.status, name, r.name(), r.body, test.status, test.code)
			}
			if got := r.header.Get("Content-Type"); got != "application/json; charset=utf-8" {
				t.Errorf("Content-Type is %q", got)
			}
			if r.status == 405 && r.header.Get("Allow") == "" {
				t.Error("405 without Allow")
			}
		})
	}
	w.check(t)
}

// Every route asks who it is, and answers alike whether or not a thing is there.
func TestRequestsWithoutAGoodToken(t *testing.T) {
	t.Parallel()
	h, c, key := start(t)
	w := watch(t, c, connect(t, h, device("d"), key))
	conn, err := client.ParseConnection(h.OwnerConnectionString())
	if err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Hour)
	good := token(t, hostName, conn.Key, conn.Policy, later)
	tokens := map[string]string{
		"none":                     "",
		"a bearer token":           "Bearer eyJhbGciOiJub25lIn0.e30.",
		"basic":                    "Basic YWRtaW46YWRtaW4=",
		"scheme alone":             auth.Scheme,
		"wrong signature":          strings.Replace(good, "sig=", "sig=AAAA", 1),
		"expired":                  token(t, hostName, conn.Key, conn.Policy, time.Now().Add(-time.Hour)),
		"unknown policy":           token(t, hostName, conn.Key, "nobody", later),
		"another policy's name":    token(t, hostName, conn.Key, "service", later),
		"narrowed to other things": token(t, hostName+"/devices/other", conn.Key, conn.Policy, later),
	}
	routes := []struct{ method, path, body string }{
		{"GET", "/devices/d", ""},
		{"GET", "/devices/nobody", ""},
		{"PUT", "/devices/new", `{}`},
		{"DELETE", "/devices/d", ""},
		{"GET", "/devices", ""},
		{"GET", "/devices/d/modules", ""},
		{"GET", "/devices/d/modules/azureiotsecurity", ""},
		{"PUT", "/devices/d/modules/m", `{}`},
		{"DELETE", "/devices/d/modules/azureiotsecurity", ""},
		{"GET", "/twins/d", ""},
		{"PATCH", "/twins/d", `{"tags":{"a":1}}`},
		{"PUT", "/twins/d", `{}`},
		{"GET", "/twins/d/modules/azureiotsecurity", ""},
		{"PATCH", "/twins/d/modules/azureiotsecurity", `{"tags":{"a":1}}`},
		{"POST", "/devices/query", `{"query":"SELECT * FROM devices"}`},
		{"GET", "/statistics/devices", ""},
		{"GET", "/statistics/service", ""},
		{"GET", "/tvilling/twins/d", ""},
		{"GET", "/tvilling/changes", ""},
		{"GET", "/tvilling/messages?kind=telemetry", ""},
		{"GET", "/tvilling/policies", ""},
		{"PUT", "/tvilling/policies/p", `{"permissions":["RegistryRead"]}`},
		{"DELETE", "/tvilling/policies/service", ""},
		{"POST", "/tvilling/policies/service/regenerate?key=primary", ""},
		{"GET", "/tvilling/settings", ""},
		{"PUT", "/tvilling/settings", `{"guardSecurityTwin":true}`},
		{"GET", "/tvilling/securitymodule", ""},
		{"GET", "/tvilling/devices", ""},
		{"POST", "/tvilling/devices/d/regenerate?key=primary", ""},
		{"POST", "/tvilling/devices/d/modules/azureiotsecurity/restore", ""},
	}
	for name, token := range tokens {
		t.Run(name, func(t *testing.T) {
			api := newREST(t, h, token)
			for _, route := range routes {
				path := route.path + "?api-version=2021-04-12"
				if strings.Contains(route.path, "?") {
					path = route.path + "&api-version=2021-04-12"
				}
				r := api.do(route.method, path, route.body)
				if name, _ := r.fault(t); r.status != 401 || name != "IotHubUnauthorizedAccess" {
					t.Errorf("%s %s: status %d: %s", route.method, route.path, r.status, r.body)
				}
			}
		})
	}
	w.check(t)
}

// What each default policy may and may not do.
func TestPermissions(t *testing.T) {
	t.Parallel()
	h, c, _ := start(t)
	type request struct{ method, path, body string }
	const v = "?api-version=2021-04-12"
	requests := map[string]request{
		"read device":         {"GET", "/devices/d" + v, ""},
		"write device":        {"PUT", "/devices/d" + v, `{"deviceId":"d"}`},
		"read twin":           {"GET", "/twins/d" + v, ""},
		"write twin":          {"PATCH", "/twins/d" + v, `{}`},
		"read security twin":  {"GET", "/twins/d/modules/azureiotsecurity" + v, ""},
		"write security twin": {"PATCH", "/twins/d/modules/azureiotsecurity" + v, `{}`},
		"query":               {"POST", "/devices/query" + v, `{"query":"SELECT * FROM devices"}`},
		"telemetry":           {"GET", "/tvilling/messages?kind=telemetry", ""},
		"security messages":   {"GET", "/tvilling/messages?kind=security", ""},
		"policies":            {"GET", "/tvilling/policies", ""},
		"settings":            {"PUT", "/tvilling/settings", `{}`},
	}
	allowed := map[string]string{
		"iothubowner":       "read device,write device,read twin,write twin,read security twin,write security twin,query,telemetry,security messages,policies,settings",
		"service":           "read twin,write twin,read security twin,write security twin,query,telemetry,security messages",
		"device":            "",
		"registryRead":      "read device",
		"registryReadWrite": "read device,write device",
		"security":          "read security twin,write security twin,security messages",
	}
	for name, list := range allowed {
		t.Run(name, func(t *testing.T) {
			p, err := c.Policy(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			api := newREST(t, h, token(t, hostName, p.Primary, p.Name, time.Now().Add(time.Hour)))
			for what, q := range requests {
				want := 401
				for may := range strings.SplitSeq(list, ",") {
					if may == what {
						want = 200
					}
				}
				r := api.do(q.method, q.path, q.body, "If-Match", "*")
				if r.status != want {
					t.Errorf("%s: status %d, want %d: %s", what, r.status, want, r.body)
				}
			}
		})
	}
}
