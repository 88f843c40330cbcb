package hubapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/hubapi"
	"github.com/tvilling/tvilling/internal/hub/registry"
	"github.com/tvilling/tvilling/internal/hub/search"
	"github.com/tvilling/tvilling/internal/hub/state"
)

// broken is a registry whose statistics fail as it is told.
type broken struct {
	hubapi.Registry
	statistics func(ctx context.Context) (registry.Statistics, error)
}

func (b broken) Statistics(ctx context.Context) (registry.Statistics, error) {
	return b.statistics(ctx)
}

// withBroken makes GET /statistics/devices answer what f does.
func withBroken(f func(ctx context.Context) (registry.Statistics, error)) func(*hubapi.Options) {
	return func(o *hubapi.Options) { o.Registry = broken{o.Registry, f} }
}

const statistics = "/statistics/devices?api-version=2021-04-12"

// TestErrors holds the table from codes to the wire (wire §4.4).
func TestErrors(t *testing.T) {
	t.Parallel()
	plain := func(code tvilling.Code) error {
		return &tvilling.Error{Code: code, Op: "secret op", Subject: "secret subject", Path: "a.b", Message: "Told.", Err: errors.New("secret cause")}
	}
	for _, tt := range []struct {
		name   string
		err    error
		status int
		code   string
		text   string
	}{
		{"invalid", plain(tvilling.InvalidArgument), 400, "ArgumentInvalid", "a.b: Told."},
		{"unsupported", plain(tvilling.Unsupported), 400, "InvalidOperation", "a.b: Told."},
		{"unauthorized", tvilling.Errorf(tvilling.Unauthorized, "No."), 401, "IotHubUnauthorizedAccess", "Unauthorized: No."},
		{"unauthorized, mute", &tvilling.Error{Code: tvilling.Unauthorized}, 401, "IotHubUnauthorizedAccess", "Unauthorized"},
		{"device", plain(tvilling.DeviceNotFound), 404, "DeviceNotFound", "a.b: Told."},
		{"module", plain(tvilling.ModuleNotFound), 404, "ModuleNotFound", "a.b: Told."},
		{"thing", plain(tvilling.NotFound), 404, "GenericNotFound", "a.b: Told."},
		{"device there", plain(tvilling.DeviceAlreadyExists), 409, "DeviceAlreadyExists", "a.b: Told."},
		{"module there", plain(tvilling.ModuleAlreadyExists), 409, "ModuleAlreadyExistsOnDevice", "a.b: Told."},
		{"precondition", plain(tvilling.PreconditionFailed), 412, "PreconditionFailed", "a.b: Told."},
		{"too large", plain(tvilling.TooLarge), 413, "MessageTooLarge", "a.b: Told."},
		{"modules", plain(tvilling.TooManyModules), 413, "TooManyModulesOnDevice", "a.b: Told."},
		{"throttled", plain(tvilling.Throttled), 429, "ThrottlingException", "a.b: Told."},
		{"unavailable", plain(tvilling.Unavailable), 503, "ServiceUnavailable", "a.b: Told."},
		{"corrupt", plain(tvilling.Corrupt), 500, "ServerError", "a.b: Told."},
		{"internal", plain(tvilling.Internal), 500, "ServerError", tvilling.MessageOf(errors.New("x"))},
		{"unknown code", plain("Odd"), 500, "ServerError", tvilling.MessageOf(errors.New("x"))},
		{"not ours", errors.New("secret"), 500, "ServerError", tvilling.MessageOf(errors.New("x"))},
		{"wrapped", fmt.Errorf("secret: %w", plain(tvilling.DeviceNotFound)), 404, "DeviceNotFound", "a.b: Told."},
		{"deadline", fmt.Errorf("secret: %w", context.DeadlineExceeded), 500, "GenericTimeout", "The hub could not finish the request in time, try again."},
		{"canceled", context.Canceled, 499, "ClientClosedRequest", "The request was given up before it was answered."},
		{"mute", &tvilling.Error{Code: tvilling.InvalidArgument}, 400, "ArgumentInvalid", "The request was refused."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHub(t, withBroken(func(context.Context) (registry.Statistics, error) { return registry.Statistics{}, tt.err }))
			w := h.do(t, "iothubowner", http.MethodGet, statistics, "")
			if w.Code != tt.status || w.Header().Get("Iothub-Errorcode") != tt.code {
				t.Errorf("got %d %s, want %d %s", w.Code, w.Header().Get("Iothub-Errorcode"), tt.status, tt.code)
			}
			var body struct{ Message, ExceptionMessage string }
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
				t.Fatal(err)
			}
			if want := "ErrorCode:" + tt.code + ";" + strings.ReplaceAll(tt.text, "; ", ", "); body.Message != want {
				t.Errorf("got message %q, want %q", body.Message, want)
			}
			if strings.Contains(w.Body.String(), "secret") {
				t.Errorf("the answer leaks what is inside: %s", w.Body)
			}
			id := regexp.MustCompile(`^Tracking ID:([0-9a-f]{32})-G:0-TimeStamp:\d\d/\d\d/\d{4} \d\d:\d\d:\d\d$`).FindStringSubmatch(body.ExceptionMessage)
			if id == nil {
				t.Fatalf("got exception message %q", body.ExceptionMessage)
			}
			if log := h.log.String(); !strings.Contains(log, "tracking_id="+id[1]) || !strings.Contains(log, "actor=policy:iothubowner") {
				t.Errorf("the log has no line of the answer's tracking id %s: %s", id[1], log)
			}
			if retry := w.Header().Get("Retry-After"); (retry != "") != (tt.status == 429 || tt.status == 503) {
				t.Errorf("got Retry-After %q with status %d", retry, tt.status)
			}
		})
	}
}

func TestPanic(t *testing.T) {
	t.Parallel()
	h := newHub(t, withBroken(func(context.Context) (registry.Statistics, error) { panic("secret thing") }))
	w := h.must(t, http.StatusInternalServerError, "iothubowner", http.MethodGet, statistics, "")
	if strings.Contains(w.Body.String(), "secret") {
		t.Errorf("the answer tells of the panic: %s", w.Body)
	}
	if log := h.log.String(); !strings.Contains(log, "secret thing") || !strings.Contains(log, "faults_test.go") {
		t.Errorf("the log does not have the panic with its stack: %s", log)
	}
	h.must(t, http.StatusOK, "", http.MethodGet, "/healthz", "")
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, withBroken(func(ctx context.Context) (registry.Statistics, error) {
			<-ctx.Done()
			return registry.Statistics{}, ctx.Err()
		}))
		begin := time.Now()
		w := h.must(t, http.StatusInternalServerError, "iothubowner", http.MethodGet, statistics, "")
		if got := w.Header().Get("Iothub-Errorcode"); got != "GenericTimeout" {
			t.Errorf("got %s, want GenericTimeout", got)
		}
		if took := time.Since(begin); took != time.Minute {
			t.Errorf("given up after %s, want 1m0s", took)
		}
	})
}

// TestInterrupted: a store that is cut short by the end of a request is no
// fault of the hub, whatever words it has for it.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	h := newHub(t, withBroken(func(context.Context) (registry.Statistics, error) {
		cancel()
		return registry.Statistics{}, errors.New("interrupted")
	}))
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, statistics, nil)
	r.Header.Set("Authorization", h.token(t, "iothubowner"))
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	if got := w.Header().Get("Iothub-Errorcode"); got != "ClientClosedRequest" {
		t.Errorf("got %s, want ClientClosedRequest", got)
	}
	if strings.Contains(h.log.String(), "level=ERROR") {
		t.Errorf("logged as an error: %s", h.log)
	}
}

func TestNotReady(t *testing.T) {
	t.Parallel()
	h := newHub(t, func(o *hubapi.Options) {
		o.Ready = func(context.Context) error { return errors.New("secret: still replaying") }
	})
	w := h.must(t, http.StatusServiceUnavailable, "", http.MethodGet, "/readyz", "")
	if strings.Contains(w.Body.String(), "secret") {
		t.Errorf("the answer tells the cause: %s", w.Body)
	}
	h.must(t, http.StatusOK, "", http.MethodGet, "/healthz", "")
}

func TestObserve(t *testing.T) {
	t.Parallel()
	var got []string
	h := newHub(t, func(o *hubapi.Options) {
		o.Observe = func(route string, status int, _ time.Duration) { got = append(got, route+" "+strconv.Itoa(status)) }
	})
	h.do(t, "", http.MethodGet, "/healthz", "")
	h.do(t, "iothubowner", http.MethodGet, "/devices/none?api-version=2021-04-12", "")
	h.do(t, "iothubowner", http.MethodGet, "/no/such", "")
	want := []string{"GET /healthz 200", "GET /devices/{device} 404", "none 404"}
	if strings.Join(got, ",") != strings.Join(want, ",") {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestKeysStayOut looks for keys and tokens in what was logged at the finest level.
func TestKeysStayOut(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	const key, other = "MDEyMzQ1Njc4OWFiY2RlZg==", "ZmVkY2JhOTg3NjU0MzIxMA=="
	body := `{"authentication":{"symmetricKey":{"primaryKey":"` + key + `","secondaryKey":"` + other + `"}}}`
	h.must(t, http.StatusOK, "iothubowner", http.MethodPut, "/devices/d1?api-version=2021-04-12", body)
	h.must(t, http.StatusConflict, "iothubowner", http.MethodPut, "/devices/d1?api-version=2021-04-12", body)
	h.must(t, http.StatusOK, "iothubowner", http.MethodGet, "/tvilling/policies", "")
	changes := h.must(t, http.StatusOK, "iothubowner", http.MethodGet, "/tvilling/changes", "").Body.String()
	for _, secret := range []string{key, other, "sig=", "SharedAccessSignature"} {
		if strings.Contains(h.log.String(), secret) {
			t.Errorf("the log has %q", secret)
		}
		if strings.Contains(changes, secret) {
			t.Errorf("the journal has %q", secret)
		}
	}
}

// damagedStore fails to read one twin.
type damagedStore struct {
	search.Store
	device tvilling.DeviceID
	fault  error
}

func (d *damagedStore) Twin(ctx context.Context, id tvilling.Identity) (*state.Twin, error) {
	if id.Device == d.device {
		return nil, d.fault
	}
	return d.Store.Twin(ctx, id)
}

// TestQueryDamage: a damaged twin is named in the log and counted in the
// answer, the others are found; any other fault ends the query.
func TestQueryDamage(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	store := &damagedStore{Store: h.Store, device: "b"}
	h.ask(h.search(store))
	for _, d := range []tvilling.DeviceID{"a", "b", "c"} {
		h.Register(t, tvilling.Device(d))
	}
	const target, body = "/devices/query?api-version=2021-04-12", `{"query":"SELECT deviceId FROM devices"}`
	store.fault = &tvilling.Error{Code: tvilling.Corrupt, Subject: "twin bad1", Message: "The twin of bad1 is damaged."}
	w := h.must(t, http.StatusOK, "service", http.MethodPost, target, body)
	if got, want := w.Body.String(), `[{"deviceId":"a"},{"deviceId":"c"}]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := w.Header().Get(hubapi.DamagedHeader); got != "1" {
		t.Errorf("got %s %q, want 1", hubapi.DamagedHeader, got)
	}
	if !strings.Contains(h.log.String(), "bad1") {
		t.Errorf("the log does not name the damaged twin: %s", h.log)
	}
	store.fault = tvilling.Errorf(tvilling.Unavailable, "The store is closed.")
	h.must(t, http.StatusServiceUnavailable, "service", http.MethodPost, target, body)
}

// TestPointRead: a query for one device examines that device alone.
func TestPointRead(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	for i := range 50 {
		h.Register(t, tvilling.Device(tvilling.DeviceID("d"+strconv.Itoa(i))))
	}
	h.Register(t, tvilling.Identity{Device: "d7", Module: "app"})
	for query, want := range map[string]string{
		`SELECT * FROM devices WHERE deviceId = 'd7'`:                                    "rows_examined=1\n",
		`SELECT * FROM devices.modules WHERE deviceId = 'd7'`:                            "rows_examined=2\n",
		`SELECT * FROM devices.modules WHERE deviceId = 'd7' AND moduleId = 'app'`:       "rows_examined=1\n",
		`SELECT * FROM devices.modules WHERE deviceId = 'd7' AND moduleId = 'none'`:      "status=200",
		`SELECT * FROM devices.modules WHERE deviceId = 'none'`:                          "status=200",
		`SELECT * FROM devices.modules WHERE moduleId = 'azureiotsecurity' AND 1 = 1`:    "rows_examined=50\n",
		`SELECT * FROM devices WHERE deviceId = 'd7' OR deviceId = 'd8'`:                 "rows_examined=2\n",
		`SELECT * FROM devices.modules WHERE deviceId = 'd7' AND moduleId = 'not an id'`: "status=200",
	} {
		before := len(h.log.String())
		h.must(t, http.StatusOK, "service", http.MethodPost, "/devices/query?api-version=2021-04-12", fmt.Sprintf(`{"query":%q}`, query))
		if got := h.log.String()[before:]; !strings.Contains(got, want) {
			t.Errorf("%s: the log has no %q: %s", query, want, got)
		}
	}
}

// TestPages walks through more devices than one page may hold.
func TestPages(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.Registry.SetCompanion(nil)
	const n = registry.MaxList + 3
	for i := range n {
		if _, err := h.Registry.Put(t.Context(), registry.Spec{ID: tvilling.Device(tvilling.DeviceID(fmt.Sprintf("d%05d", i))), Auth: &registry.AuthSpec{Type: state.None}}, tvilling.Match{}, "test"); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		query      string
		want, size int
	}{
		{"?", n, registry.MaxList},
		{"?top=1000", n, 1000},
		{"?top=7", n, 7},
		{"?top=0", n, registry.MaxList},
		{"?prefix=d0000", 10, 10},
		{"?prefix=d00001", 1, 1},
		{"?prefix=d0000&top=3", 10, 3},
		{"?prefix=d00001&top=1", 1, 1},
		{"?prefix=e", 0, 0},
		{"?prefix=a", 0, 0},
	} {
		var total, largest, pages int
		last, after := "", ""
		for {
			w := h.must(t, http.StatusOK, "registryRead", http.MethodGet, "/tvilling/devices"+tt.query+"&after="+after, "")
			var page struct {
				Devices []struct{ DeviceID string }
				Next    string
			}
			if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
				t.Fatal(err)
			}
			for _, d := range page.Devices {
				if d.DeviceID <= last {
					t.Fatalf("%s: %s after %s", tt.query, d.DeviceID, last)
				}
				last = d.DeviceID
			}
			total += len(page.Devices)
			largest = max(largest, len(page.Devices))
			if pages++; page.Next == "" || pages > n {
				break
			}
			after = page.Next
		}
		if total != tt.want || largest != tt.size {
			t.Errorf("%s: got %d devices in pages of up to %d, want %d in up to %d", tt.query, total, largest, tt.want, tt.size)
		}
	}
}
