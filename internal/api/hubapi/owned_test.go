package hubapi_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
)

const securityTwin = "/twins/d1/modules/azureiotsecurity?api-version=2021-04-12"

// ownedHub is a hub with a device whose security module has an owned member.
func ownedHub(t *testing.T) *hub {
	t.Helper()
	h := newHub(t)
	h.Register(t, tvilling.Device("d1"))
	h.own(t, `{"state":"unhealthy","alerts":{"high":1}}`)
	return h
}

func (h *hub) own(t *testing.T, value string) {
	t.Helper()
	done := make(chan error, 1)
	id := tvilling.Identity{Device: "d1", Module: tvilling.SecurityModule}
	h.Twins.Own(id, "security", []byte(value), "hub:posture", func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// TestOwnedMemberIsShown: as a root member, wherever a service reads a twin.
func TestOwnedMemberIsShown(t *testing.T) {
	t.Parallel()
	h := ownedHub(t)
	const want = `,"security":{"state":"unhealthy","alerts":{"high":1}}}`
	for _, tt := range []struct{ method, target, body string }{
		{http.MethodGet, securityTwin, ""},
		{http.MethodGet, "/tvilling" + securityTwin, ""},
		{http.MethodPatch, securityTwin, `{"tags":{"a":1}}`},
		{http.MethodPut, securityTwin, `{"tags":{"a":2}}`},
	} {
		w := h.must(t, http.StatusOK, "service", tt.method, tt.target, tt.body)
		if !strings.HasSuffix(w.Body.String(), want) {
			t.Errorf("%s %s: %s does not end in %s", tt.method, tt.target, w.Body, want)
		}
	}
	query := func(text string) string {
		return h.must(t, http.StatusOK, "service", http.MethodPost, "/devices/query?api-version=2021-04-12", `{"query":"`+text+`"}`).Body.String()
	}
	if got := query("SELECT * FROM devices.modules WHERE security.state = 'unhealthy'"); !strings.HasSuffix(got, want+"]") {
		t.Errorf("a row is %s", got)
	}
	if got := query("SELECT deviceId, security.alerts FROM devices.modules WHERE security.alerts.high > 0"); got != `[{"deviceId":"d1","alerts":{"high":1}}]` {
		t.Errorf("the projection is %s", got)
	}
	if w := h.must(t, http.StatusOK, "service", http.MethodGet, "/twins/d1?api-version=2021-04-12", ""); strings.Contains(w.Body.String(), "security") {
		t.Errorf("the device's twin is %s", w.Body)
	}
	w := h.must(t, http.StatusOK, "service", http.MethodGet, "/tvilling/changes?module=azureiotsecurity", "")
	if !strings.Contains(w.Body.String(), `"op":"updateOwned","deviceId":"d1","moduleId":"azureiotsecurity","actor":"hub:posture","body":{"security":`) {
		t.Errorf("the changes are %s", w.Body)
	}
}

// TestOwnedMemberSentBack: libraries send back whole twins. What they say of
// an owned member is neither refused nor taken, and the etag they read before
// it changed still counts.
func TestOwnedMemberSentBack(t *testing.T) {
	t.Parallel()
	for _, method := range []string{http.MethodPatch, http.MethodPut} {
		h := ownedHub(t)
		w := h.must(t, http.StatusOK, "service", http.MethodGet, securityTwin, "")
		etag := w.Header().Get("Etag")
		var document map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &document); err != nil {
			t.Fatal(err)
		}
		document["tags"] = map[string]any{"site": "a"}
		document["security"] = map[string]any{"state": "healthy", "mine": nil}
		body, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		h.own(t, `{"state":"at risk"}`)
		for _, sent := range []string{string(body), `{"security":null}`, `{"security":"x","Security":{}}`} {
			got := h.must(t, http.StatusOK, "service", method, securityTwin, sent, "If-Match", etag)
			etag = got.Header().Get("Etag")
			if !strings.HasSuffix(got.Body.String(), `,"security":{"state":"at risk"}}`) {
				t.Errorf("after %s %s: %s", method, sent, got.Body)
			}
		}
	}
}
