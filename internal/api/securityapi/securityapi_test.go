package securityapi_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/securityapi"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/hub/hubtest"
	"github.com/tvilling/tvilling/internal/rulefile"
	"github.com/tvilling/tvilling/internal/security/alert"
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/store/securitymem"
)

// hub is the core of a hub with a ledger, and the handler on top of them and
// of fakes.
type hub struct {
	*hubtest.Core
	handler    *securityapi.Handler
	ledger     *ledger.Ledger
	events     *events
	detections *detections
	devices    *devices
	sinks      *sinks
	guarded    atomic.Bool
	log        *lockedBuffer
}

func newHub(t testing.TB, change ...func(*securityapi.Options)) *hub {
	t.Helper()
	h := &hub{
		Core: hubtest.New(t), ledger: ledger.NewLedger(securitymem.New()),
		events: new(events), detections: newDetections(), devices: new(devices), sinks: new(sinks), log: new(lockedBuffer),
	}
	o := securityapi.Options{
		Auth: h.Auth, Ledger: h.ledger.Store(), Alerts: alert.New(h.ledger, rules{}), Detections: h.detections, Events: h.events, Twins: h.Twins,
		Devices: h.devices, Fleet: h.devices, Timeline: h.devices, Sinks: h.sinks, Changed: h.ledger.Changed, Guarded: h.guarded.Load, Hub: "hub.example",
		Recommendations: []securityapi.RecommendationType{{
			Type: "IoT_OpenPorts", Title: "Open ports", Description: "A port listens.", Severity: ledger.Medium, Fix: []string{"Close it."}, Source: "ListeningPorts",
		}},
		Logger: slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	var err error
	h.detections.engine, err = detect.New(t.Context(), detect.Options{Decode: rulefile.Parse, Builtin: fstest.MapFS{}, Ledger: h.ledger, Logger: o.Logger})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(&o)
	}
	h.handler = securityapi.New(o)
	return h
}

// token returns an Authorization header. who is the name of a policy, an
// identity ("d1", "d1/m1") that is registered, or "" for none.
func (h *hub) token(t testing.TB, who string) string {
	t.Helper()
	if who == "" {
		return ""
	}
	p, err := h.Policies.Get(t.Context(), who)
	if err != nil {
		device, module, _ := strings.Cut(who, "/")
		return h.Token(t, tvilling.Identity{Device: tvilling.DeviceID(device), Module: tvilling.ModuleID(module)})
	}
	token, err := auth.Sign("hub.example", p.Keys.Primary, p.Name, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// do sends a request as somebody. The target is below /tvilling/security/.
func (h *hub) do(t testing.TB, who, method, target, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/tvilling/security/"+target, strings.NewReader(body))
	if token := h.token(t, who); token != "" {
		r.Header.Set("Authorization", token)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	conforms(t, r, w)
	return w
}

// must is do that fails the test unless the answer has a status.
func (h *hub) must(t testing.TB, status int, who, method, target, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	w := h.do(t, who, method, target, body, header...)
	if w.Code != status {
		t.Fatalf("%s %s as %q: got %d %s, want %d", method, target, who, w.Code, w.Body, status)
	}
	return w
}

// change runs a transaction of the ledger.
func (h *hub) change(t testing.TB, f func(tx *ledger.Tx) error) {
	t.Helper()
	if err := h.ledger.Do(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

// raise puts a new alert.
func (h *hub) raise(t testing.TB, a *ledger.Alert) {
	t.Helper()
	h.change(t, func(tx *ledger.Tx) error {
		a.Status, a.Count, a.First, a.Last = ledger.New, max(a.Count, 1), tx.Now(), tx.Now()
		return tx.PutAlert(a, ledger.Step{Action: "raised", Actor: "hub:detection"})
	})
}

// advise puts an active recommendation.
func (h *hub) advise(t testing.TB, r *ledger.Recommendation) {
	t.Helper()
	h.change(t, func(tx *ledger.Tx) error {
		r.State, r.Discovered = ledger.Active, tx.Now()
		return tx.PutRecommendation(r, "active", "hub:recommend")
	})
}

var errBroken = errors.New("secret text of a broken disk")

// lockedBuffer is a buffer that goroutines may share.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// rules knows one detection.
type rules struct{}

func (rules) Rule(id string) (alert.Rule, bool) {
	i := minerInfo()
	return alert.Rule{
		ID: i.ID, Title: i.Title, Description: i.Description, Severity: i.Severity, Version: i.Version, Source: i.Source,
		Remediation: i.Remediation, Techniques: i.Techniques,
	}, id == i.ID
}
