package securityapi_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/securityapi"
	"github.com/tvilling/tvilling/internal/hub/auth"
	"github.com/tvilling/tvilling/internal/hub/hubtest"
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
	alerts     *alerts
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
	h.alerts = &alerts{ledger: h.ledger}
	o := securityapi.Options{
		Auth: h.Auth, Ledger: h.ledger.Store(), Alerts: h.alerts, Detections: h.detections, Events: h.events, Twins: h.Twins,
		Devices: h.devices, Sinks: h.sinks, Changed: h.ledger.Changed, Guarded: h.guarded.Load, Hub: "hub.example",
		Recommendations: []securityapi.RecommendationType{{
			Type: "IoT_OpenPorts", Title: "Open ports", Description: "A port listens.", Severity: ledger.Medium, Fix: []string{"Close it."},
		}},
		Logger: slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
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

// alerts changes alerts as an operator's desk would, with as little rules.
type alerts struct{ ledger *ledger.Ledger }

func (s *alerts) Update(ctx context.Context, id string, c securityapi.AlertChange, match tvilling.Match, actor string) (*ledger.Alert, error) {
	var out *ledger.Alert
	err := s.ledger.Do(ctx, func(tx *ledger.Tx) error {
		a, err := tx.Alert(id)
		if err != nil {
			return err
		}
		if a == nil {
			return tvilling.Errorf(tvilling.NotFound, "There is no alert with this id.")
		}
		if !match.Allows(securityapi.AlertETag(a)) {
			return tvilling.Errorf(tvilling.PreconditionFailed, "The alert has changed meanwhile; read it again.")
		}
		step := ledger.Step{Action: "noted", Actor: actor, From: a.Status}
		if c.Status != nil {
			a.Status, step.Action = *c.Status, string(*c.Status)
		}
		for _, m := range []struct {
			from *string
			to   *string
		}{{c.Reason, &a.Reason}, {c.Note, &a.Note}, {c.Owner, &a.Owner}} {
			if m.from != nil {
				*m.to = *m.from
			}
		}
		if c.DismissedUntil != nil {
			a.DismissedUntil = *c.DismissedUntil
		}
		step.To, step.Reason, step.Note, step.Owner = a.Status, a.Reason, a.Note, a.Owner
		out = a
		return tx.PutAlert(a, step)
	})
	return out, err
}

func (s *alerts) UpdateMany(ctx context.Context, ids []string, c securityapi.AlertChange, actor string) ([]securityapi.Outcome, error) {
	var list []securityapi.Outcome
	for _, id := range ids {
		_, err := s.Update(ctx, id, c, tvilling.Match{}, actor)
		list = append(list, securityapi.Outcome{ID: id, Err: err})
	}
	return list, nil
}

func (s *alerts) Explain(ctx context.Context, id string) (*securityapi.Explanation, error) {
	a, err := s.ledger.Store().Alert(ctx, id)
	if err != nil {
		return nil, err
	}
	if a == nil {
		return nil, tvilling.Errorf(tvilling.NotFound, "There is no alert with this id.")
	}
	return &securityapi.Explanation{Alert: a, Sentences: []string{"The detection " + a.Rule + " matched."}, Detection: minerInfo()}, nil
}
