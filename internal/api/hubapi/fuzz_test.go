package hubapi_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
)

// FuzzBody sends bodies to the routes that read one. Whatever comes, the hub
// answers with JSON: a success, or a refusal of the caller's input.
func FuzzBody(f *testing.F) {
	routes := []struct{ method, target string }{
		{http.MethodPut, "/devices/d1"},
		{http.MethodPut, "/devices/d1/modules/m1"},
		{http.MethodPatch, "/twins/d1"},
		{http.MethodPut, "/twins/d1"},
		{http.MethodPost, "/devices/query"},
		{http.MethodPut, "/tvilling/policies/app"},
		{http.MethodPut, "/tvilling/settings"},
		{http.MethodPut, "/configurations/c"},
		{http.MethodPost, "/tvilling/configurations/plan"},
		{http.MethodPost, "/configurations/testQueries"},
	}
	for i := range routes {
		for _, body := range []string{
			``, `{}`, `[]`, `null`, `{"a":1}x`, `{"tags":{"a":{"b":[1,"x",{"c":true}]}},"properties":{"desired":{"d":null}}}`,
			`{"tags":null,"properties":{"desired":null,"reported":7}}`, `{ "t\u0061gs" : { "k\"" : "\ud83d\ude00" } , "x" : [ { } , "]" ] }`,
			`{"deviceId":"d1","authentication":{"type":"sas","symmetricKey":{"primaryKey":"","secondaryKey":null}}}`,
			`{"query":"SELECT * FROM devices WHERE tags.a = 1"}`, `{"permissions":["ServiceConnect"]}`,
			`{"guardSecurityTwin":true,"securityModule":{"enabled":false,"desired":{"a":1}}}`, "{\"a\":\"\xff\"}", `{"a":` + strings.Repeat("[", 100),
			`{"id":"c","content":{"deviceContent":{"properties.desired.a":{"b":null},"properties.desired.c":[1]}},"targetCondition":"tags.a = 1","priority":2,"labels":{"a":"b"},"metrics":{"queries":{"m":"SELECT COUNT() AS n FROM devices"}},"rollout":{"steps":[{"percent":1e300},{"count":5}],"wait":"P1DT1.5S","unhealthy":"tags.a = 2","limit":{"percent":2},"onUnhealthy":"halt"}}`,
			`{"targetCondition":"from devices.modules where moduleId = 'x'","customMetricQueries":{"m":"SELECT"},"rollout":null}`,
		} {
			f.Add(uint8(i), body)
		}
	}
	h := newHub(f)
	h.Register(f, tvilling.Device("d1"))
	h.must(f, http.StatusOK, "iothubowner", http.MethodPut, "/configurations/c"+version, reaches["devices"])
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		r := routes[int(which)%len(routes)]
		w := h.do(t, "iothubowner", r.method, r.target+"?api-version=2021-04-12", body, "If-Match", "*")
		if w.Code != http.StatusOK && (w.Code < 400 || w.Code > 499) {
			t.Errorf("%s %s %q: got %d %s", r.method, r.target, body, w.Code, w.Body)
		}
		if !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %s %q: the answer is not JSON: %s", r.method, r.target, body, w.Body)
		}
	})
}

// FuzzPath asks for paths. Without a credential none is let in, and none makes
// the hub fail.
func FuzzPath(f *testing.F) {
	for _, p := range []string{"/", "/devices/d1", "/devices/%2e%2e", "/devices/a%2Fmodules%2Fb", "//", "/DEVICES/", "/twins/d1/modules/m1/methods", "/devices/%zz", "/devices/d1;x", "/%00"} {
		f.Add(http.MethodGet, p, "api-version=2021-04-12")
	}
	f.Add(http.MethodPut, "/devices/d1", "a=%zz&b=;")
	h := newHub(f)
	f.Fuzz(func(t *testing.T, method, path, query string) {
		u, err := url.Parse("http://hub" + path)
		if err != nil || u.Host != "hub" || strings.ContainsAny(method, " \r\n\t") || method == "" {
			t.Skip()
		}
		u.RawQuery = query
		r, err := http.NewRequestWithContext(t.Context(), method, u.String(), nil)
		if err != nil {
			t.Skip()
		}
		w := httptest.NewRecorder()
		h.handler.ServeHTTP(w, r)
		open := strings.EqualFold(strings.Trim(u.Path, "/"), "healthz") || strings.EqualFold(strings.Trim(u.Path, "/"), "readyz")
		if w.Code >= 500 || w.Code < 300 && !open {
			t.Errorf("%s %s: got %d %s", method, u, w.Code, w.Body)
		}
	})
}
