package securityapi_test

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
)

// TestAccess: reading needs SecurityRead and writing SecurityWrite; without the
// guard ServiceConnect does for both. Nobody else gets in, on any route.
func TestAccess(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	for _, id := range []tvilling.Identity{{Device: "d1"}, {Device: "d1", Module: "m"}} {
		h.Register(t, id)
	}
	readers := h.policy(t, "readers", "SecurityRead")
	writers := h.policy(t, "writers", "SecurityWrite")
	guarded := map[bool]map[string]string{
		false: {"iothubowner": "rw", "service": "rw", "security": "rw", readers: "r", writers: "w"},
		true:  {"security": "rw", readers: "r", writers: "w"},
	}
	everybody := []string{"", "iothubowner", "service", "device", "registryRead", "registryReadWrite", "security", readers, writers, "d1", "d1/m", "d1/azureiotsecurity"}
	for _, r := range h.handler.Routes() {
		target := strings.TrimPrefix(regexp.MustCompile(`\{\w+\}`).ReplaceAllString(r.Pattern, "d1"), "/tvilling/security/")
		kind := "w"
		if r.Method == http.MethodGet || target == "detections/check" || target == "detections/try" {
			kind = "r"
		}
		for guard, may := range guarded {
			h.guarded.Store(guard)
			for _, who := range everybody {
				w := h.do(t, who, r.Method, target, "{}")
				got := w.Code != http.StatusUnauthorized
				if want := r.Open || strings.Contains(may[who], kind); got != want {
					t.Errorf("%s as %q, guarded %t: got %d", r.Name(), who, guard, w.Code)
				}
			}
		}
	}
	if len(slices.Collect(maps.Keys(guarded[false]))) != 5 {
		t.Error("the table has lost a line")
	}
}

// policy makes a policy of the permissions and returns its name.
func (h *hub) policy(t *testing.T, name, permissions string) string {
	t.Helper()
	p, err := h.Policies.Get(t.Context(), "security")
	if err != nil {
		t.Fatal(err)
	}
	p.Name = name
	if err := p.Permissions.UnmarshalText([]byte(permissions)); err != nil {
		t.Fatal(err)
	}
	p.Keys.Primary, p.Keys.Secondary = "", ""
	if _, err := h.Policies.Put(t.Context(), p, "test"); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestStrict: no route takes a parameter that it does not have, and each takes
// an api-version.
func TestStrict(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	for _, r := range h.handler.Routes() {
		if r.Open {
			continue
		}
		target := strings.TrimPrefix(regexp.MustCompile(`\{\w+\}`).ReplaceAllString(r.Pattern, "d1"), "/tvilling/security/")
		w := h.do(t, "security", r.Method, target+"?api-version=2021-04-12&colour=red", "{}")
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), ";colour: There is no such parameter here, there are ") {
			t.Errorf("%s: got %d %s", r.Name(), w.Code, w.Body)
		}
		w = h.do(t, "security", r.Method, target+"?api-version=soon", "{}")
		if w.Code != http.StatusBadRequest || w.Header().Get("Iothub-Errorcode") != "InvalidProtocolVersion" {
			t.Errorf("%s: got %d %s", r.Name(), w.Code, w.Body)
		}
		for _, p := range r.Parameters {
			if p.Many {
				continue
			}
			w := h.do(t, "security", r.Method, fmt.Sprintf("%s?%s=1&%s=1", target, p.Name, p.Name), "{}")
			if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), p.Name+": The parameter is given more than once.") {
				t.Errorf("%s: %s twice: got %d %s", r.Name(), p.Name, w.Code, w.Body)
			}
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: no nosniff", r.Name())
		}
	}
	for target, want := range map[string]int{"": http.StatusNotFound, "alert": http.StatusNotFound, "alerts/a/b/c": http.StatusNotFound, "ALERTS/": http.StatusOK, "alerts%2Fsummary": http.StatusNotFound} {
		if w := h.do(t, "security", http.MethodGet, target, ""); w.Code != want {
			t.Errorf("%s: got %d, want %d", target, w.Code, want)
		}
	}
	w := h.do(t, "security", http.MethodDelete, "alerts/a", "")
	if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, PATCH" {
		t.Errorf("DELETE alerts/a: got %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}
