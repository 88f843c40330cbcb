package hubapi_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/tvilling/tvilling"
)

func TestComparison(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	for _, id := range []tvilling.Identity{tvilling.Device("d1"), {Device: "d1", Module: tvilling.SecurityModule}} {
		h.Register(t, id)
	}
	report := func(id tvilling.Identity, body string) {
		done := make(chan error, 1)
		h.Twins.Report(id, "device:d1", []byte(body), -1, func(_ int64, err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	type stamp struct{ Actor string }
	get := func(target string) (rows map[string]string, set map[string]*stamp) {
		w := h.must(t, http.StatusOK, "service", http.MethodGet, target, "")
		var out struct {
			Device     string `json:"deviceId"`
			Properties []struct {
				Path, Agreement   string
				Desired, Reported json.RawMessage
				Set, Told         *stamp
			}
		}
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || out.Device != "d1" || w.Header().Get("ETag") == "" {
			t.Fatalf("%s: %v", w.Body, err)
		}
		rows, set = map[string]string{}, map[string]*stamp{}
		for _, p := range out.Properties {
			rows[p.Path], set[p.Path] = string(p.Desired)+" "+string(p.Reported)+" "+p.Agreement, p.Set
		}
		return rows, set
	}
	h.must(t, http.StatusOK, "service", http.MethodPatch, "/twins/d1?api-version=2021-04-12", `{"properties":{"desired":{"a":1,"o":{"b-c":2}}}}`)
	report(tvilling.Device("d1"), `{"a":3,"m":"x"}`)
	rows, set := get("/tvilling/twins/d1/comparison?api-version=2021-04-12")
	for path, want := range map[string]string{"a": "1 3 differs", "m": ` "x" onlyReported`, "o.[[b-c]]": "2  notReported"} {
		if rows[path] != want {
			t.Errorf("%s is %q, want %q", path, rows[path], want)
		}
	}
	if set["a"] == nil || set["a"].Actor != "policy:service" || set["m"] != nil {
		t.Errorf("set by %+v and %+v", set["a"], set["m"])
	}
	report(tvilling.Identity{Device: "d1", Module: tvilling.SecurityModule}, `{"ms_iotn:urn_azureiot_Security_SecurityAgentConfiguration":{"snapshotFrequency":{"value":"PT13H"}}}`)
	rows, _ = get("/tvilling/twins/d1/modules/azureiotsecurity/comparison?api-version=2021-04-12")
	if got := rows["[[ms_iotn:urn_azureiot_Security_SecurityAgentConfiguration]].snapshotFrequency.value"]; got != ` "PT13H" default` {
		t.Errorf("the agent's default: %q in %v", got, rows)
	}
}
