package hubapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/hubapi"
	"github.com/tvilling/tvilling/internal/hub/configuration"
)

// newConfigurations returns the configurations of a hub. They are kept and
// answered for, and not applied: nobody runs the service.
func (h *hub) newConfigurations(t testing.TB, log *slog.Logger) *configuration.Service {
	t.Helper()
	s, err := configuration.New(t.Context(), configuration.Options{
		Committer: h.Committer, Store: h.Store, Sessions: h.Sessions, Twins: h.Twins, Journal: h.Journal, Search: h.search(h.Store), Logger: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const version = "?api-version=2021-04-12"

// The configurations of the test of access: for devices, for the module app,
// for security modules, and for any module.
var reaches = map[string]string{
	"devices":  `{"targetCondition":"*","content":{"deviceContent":{"properties.desired.a":1}}}`,
	"app":      `{"targetCondition":"from devices.modules where moduleId = 'app' and tags.x = 1","content":{"moduleContent":{"properties.desired.a":1}}}`,
	"security": `{"targetCondition":"FROM devices.modules WHERE moduleId = 'azureiotsecurity'","content":{"moduleContent":{"properties.desired.a":1}}}`,
	"modules":  `{"targetCondition":"from devices.modules where moduleId = 'app' or tags.x = 1","content":{"moduleContent":{"properties.desired.a":1}}}`,
	"nothing":  `{"content":{"moduleContent":{"properties.desired.a":1}}}`,
}

// TestConfigurationAccess: a configuration is written by whoever may write the
// twins that it can reach, and so is what is done to it afterwards.
func TestConfigurationAccess(t *testing.T) {
	t.Parallel()
	// Who may write which configuration, with the guard off and on, and who may read it.
	const table = `
		             off:service off:regRW off:security off:both  on:service on:regRW on:security on:both
		devices      y           y         -            y         y          y        -           y
		app          y           y         -            y         y          y        -           y
		security     y           y         y            y         -          -        y           y
		modules      y           y         -            y         -          -        -           y
		nothing      y           y         -            y         -          -        -           y
	`
	for _, guarded := range []bool{false, true} {
		h := newHub(t)
		h.must(t, http.StatusOK, "iothubowner", http.MethodPut, "/tvilling/policies/both", `{"permissions":["RegistryWrite","SecurityWrite"]}`)
		if guarded {
			h.must(t, http.StatusOK, "iothubowner", http.MethodPut, "/tvilling/settings", `{"guardSecurityTwin":true}`)
		}
		for line := range strings.Lines(table) {
			fields := strings.Fields(line)
			if len(fields) == 0 || reaches[fields[0]] == "" {
				continue
			}
			cells := fields[1:5]
			if guarded {
				cells = fields[5:]
			}
			for i, who := range []string{"service", "registryReadWrite", "security", "both"} {
				h.tryConfiguration(t, who, fields[0], cells[i] == "y", guarded)
			}
		}
	}
}

// tryConfiguration tries everything that writes a configuration.
func (h *hub) tryConfiguration(t *testing.T, who, reach string, allowed, guarded bool) {
	t.Helper()
	path, body := "/configurations/"+reach+version, reaches[reach]
	expect := func(what string, code int) {
		t.Helper()
		if got := code != http.StatusUnauthorized; got != allowed {
			t.Errorf("%s, guard %v: %s of a configuration for %s: let in = %v (%d), want %v", who, guarded, what, reach, got, code, allowed)
		}
	}
	made := h.do(t, who, http.MethodPut, path, body)
	expect("create", made.Code)
	if allowed != (made.Code == http.StatusOK) {
		t.Errorf("%s creates for %s: %d %s", who, reach, made.Code, made.Body)
	}
	h.do(t, "both", http.MethodPut, path, body) // for those who were not allowed to
	expect("update", h.do(t, who, http.MethodPut, path, body, "If-Match", "*").Code)
	for _, verb := range []string{"pause", "resume", "advance", "rollback"} {
		expect(verb, h.do(t, who, http.MethodPost, "/tvilling/configurations/"+reach+"/"+verb, "").Code)
	}
	expect("delete", h.do(t, who, http.MethodDelete, path, "").Code)
	h.do(t, "both", http.MethodDelete, path, "")
	if w := h.do(t, "both", http.MethodGet, path, ""); w.Code != http.StatusNotFound {
		t.Errorf("%s is still there: %d %s", reach, w.Code, w.Body)
	}
}

// TestConfigurationUpdateAccess: neither what a configuration reaches nor what
// it would reach may be more than the caller may write.
func TestConfigurationUpdateAccess(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.must(t, http.StatusOK, "iothubowner", http.MethodPut, "/tvilling/policies/both", `{"permissions":["RegistryWrite","SecurityWrite"]}`)
	h.must(t, http.StatusOK, "iothubowner", http.MethodPut, "/tvilling/settings", `{"guardSecurityTwin":true}`)
	for _, name := range []string{"app", "security"} {
		h.must(t, http.StatusOK, "both", http.MethodPut, "/configurations/"+name+version, reaches[name])
	}
	const wider, narrower = `{"targetCondition":"from devices.modules where tags.x = 1"}`, `{"targetCondition":"from devices.modules where moduleId = 'app'"}`
	for _, c := range []struct{ who, name, body string }{
		{"service", "app", wider},
		{"service", "security", narrower},
		{"security", "security", wider},
		{"security", "security", narrower},
	} {
		w := h.must(t, http.StatusUnauthorized, c.who, http.MethodPut, "/configurations/"+c.name+version, c.body, "If-Match", "*")
		if !strings.Contains(w.Body.String(), "Write") {
			t.Errorf("the refusal names no permission: %s", w.Body)
		}
	}
	for _, name := range []string{"app", "security"} {
		if w := h.must(t, http.StatusOK, "registryRead", http.MethodGet, "/configurations/"+name+version, ""); !strings.Contains(w.Body.String(), `"etag":"MQ=="`) {
			t.Errorf("a refused update changed %s: %s", name, w.Body)
		}
	}
}

// TestConfigurationsRead: the policy of security sees its own alone.
func TestConfigurationsRead(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	for name, body := range reaches {
		h.must(t, http.StatusOK, "iothubowner", http.MethodPut, "/configurations/"+name+version, body)
	}
	ids := func(who, query string) []string {
		var list []struct{ ID string }
		if err := json.Unmarshal(h.must(t, http.StatusOK, who, http.MethodGet, "/configurations/"+version+query, "").Body.Bytes(), &list); err != nil {
			t.Fatal(err)
		}
		out := []string{}
		for _, c := range list {
			out = append(out, c.ID)
		}
		return out
	}
	for _, c := range []struct{ who, query, want string }{
		{"registryRead", "", "app devices modules nothing security"},
		{"service", "&top=2", "app devices"},
		{"service", "&top=0", "app devices modules nothing security"},
		{"security", "", "security"},
	} {
		if got := strings.Join(ids(c.who, c.query), " "); got != c.want {
			t.Errorf("%s with %q: got %s, want %s", c.who, c.query, got, c.want)
		}
	}
	for name := range reaches {
		want := http.StatusUnauthorized
		if name == "security" {
			want = http.StatusOK
		}
		h.must(t, want, "security", http.MethodGet, "/configurations/"+name+version, "")
		h.must(t, want, "security", http.MethodGet, "/tvilling/configurations/"+name+"/progress", "")
		h.must(t, want, "security", http.MethodPost, "/tvilling/configurations/plan", `{"id":"x",`+reaches[name][1:])
		h.must(t, http.StatusOK, "service", http.MethodPost, "/tvilling/configurations/plan", `{"id":"x",`+reaches[name][1:])
	}
}

// TestConfigurationLeaks: what reaches security module twins alone does not
// tell of others, neither by its metrics nor by the name of what is there.
func TestConfigurationLeaks(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.must(t, http.StatusOK, "iothubowner", http.MethodPut, "/configurations/app"+version, reaches["app"])
	h.must(t, http.StatusUnauthorized, "security", http.MethodPost, "/tvilling/configurations/plan", `{"id":"app",`+reaches["security"][1:])
	h.must(t, http.StatusOK, "service", http.MethodPost, "/tvilling/configurations/plan", `{"id":"app",`+reaches["security"][1:])
	for i, c := range []struct {
		query string
		may   bool
	}{
		{"SELECT deviceId FROM devices WHERE tags.secret = 'a'", false},
		{"SELECT moduleId FROM devices.modules", false},
		{"SELECT moduleId FROM devices.modules WHERE moduleId = 'azureiotsecurity' OR tags.secret = 'a'", false},
		{"SELECT moduleId FROM devices.modules WHERE moduleId = 'azureiotsecurity' AND tags.secret = 'a'", true},
	} {
		body := fmt.Sprintf(`{"metrics":{"queries":{"m":%q}},%s`, c.query, reaches["security"][1:])
		id := fmt.Sprintf("/configurations/m%d", i)
		want := http.StatusOK
		if !c.may {
			want = http.StatusUnauthorized
		}
		h.must(t, want, "security", http.MethodPut, id+version, body)
		h.must(t, http.StatusOK, "registryReadWrite", http.MethodPut, id+"x"+version, body)
	}
}

// failing are configurations whose figures cannot be had.
type failing struct{ hubapi.Configurations }

func (failing) Metrics(context.Context, string) (configuration.Metrics, error) {
	return configuration.Metrics{}, tvilling.Errorf(tvilling.Throttled, "Too many queries run.")
}

func (failing) Progress(context.Context, string) (configuration.Progress, error) {
	return configuration.Progress{}, errors.New("the disk is gone")
}

// TestConfigurationWithoutFigures: what has been made is answered as made, even
// if nothing can be counted about it, and the answer says so.
func TestConfigurationWithoutFigures(t *testing.T) {
	t.Parallel()
	h := newHub(t, func(o *hubapi.Options) { o.Configurations = failing{o.Configurations} })
	w := h.must(t, http.StatusOK, "iothubowner", http.MethodPut, "/configurations/c"+version, reaches["devices"])
	for _, want := range []string{
		`"systemMetrics":{"results":{},"queries":{"appliedCount":`,
		`"metricErrors":{"appliedCount":"Too many queries run.","targetedCount":"Too many queries run."}`,
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("got %s, want %s in it", w.Body, want)
		}
	}
	if strings.Contains(w.Body.String(), "disk") {
		t.Errorf("the answer tells what only the log should: %s", w.Body)
	}
	if log := h.log.String(); !strings.Contains(log, "the disk is gone") || !strings.Contains(log, "Too many queries run.") {
		t.Errorf("the log does not say why: %s", log)
	}
}

// slow are configurations whose figures take for ever.
type slow struct{ hubapi.Configurations }

func (slow) Metrics(ctx context.Context, _ string) (configuration.Metrics, error) {
	<-ctx.Done()
	return configuration.Metrics{}, context.Cause(ctx)
}

// TestConfigurationsDoNotWait: a list waits once for figures that take long,
// and not for each of its configurations.
func TestConfigurationsDoNotWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t)
		for name, body := range reaches {
			h.must(t, http.StatusOK, "iothubowner", http.MethodPut, "/configurations/"+name+version, body)
		}
		h.handler.Configurations = slow{h.handler.Configurations}
		begin := time.Now()
		w := h.must(t, http.StatusOK, "iothubowner", http.MethodGet, "/configurations"+version, "")
		if took := time.Since(begin); took != 5*time.Second {
			t.Errorf("the list took %s, want 5s", took)
		}
		if got := strings.Count(w.Body.String(), "takes longer than a request waits"); got != 2*len(reaches) {
			t.Errorf("%d metrics say why they have no result, want %d: %s", got, 2*len(reaches), w.Body)
		}
	})
}
