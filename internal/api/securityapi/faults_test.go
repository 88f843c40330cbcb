package securityapi_test

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/api/securityapi"
	"github.com/tvilling/tvilling/internal/hub/twin"
	"github.com/tvilling/tvilling/internal/security/alert"
	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/fleet"
	"github.com/tvilling/tvilling/internal/security/ledger"
	"github.com/tvilling/tvilling/internal/security/timeline"
)

// broken is every service, with the same error.
type broken struct{ err error }

func (b broken) Alert(context.Context, string) (*ledger.Alert, error) { return nil, b.err }

func (b broken) Alerts(context.Context, ledger.AlertFilter, string) iter.Seq2[*ledger.Alert, error] {
	return fails[*ledger.Alert](b.err)
}

func (b broken) AlertGroups(context.Context, ledger.AlertFilter, []string) ([]ledger.Group, error) {
	return nil, b.err
}

func (b broken) History(context.Context, string) ([]ledger.Step, error) { return nil, b.err }

func (b broken) Recommendation(context.Context, tvilling.DeviceID, string) (*ledger.Recommendation, error) {
	return nil, b.err
}

func (b broken) Recommendations(context.Context, ledger.RecommendationFilter, tvilling.DeviceID, string) iter.Seq2[*ledger.Recommendation, error] {
	return fails[*ledger.Recommendation](b.err)
}

func (b broken) RecommendationGroups(context.Context, ledger.RecommendationFilter, []string) ([]ledger.Group, error) {
	return nil, b.err
}

func (b broken) Feed(context.Context, uint64) iter.Seq2[ledger.Entry, error] {
	return fails[ledger.Entry](b.err)
}

func (broken) FeedHead() uint64 { return 9 }

func (b broken) Update(context.Context, string, alert.Change, tvilling.Match, string) (*ledger.Alert, error) {
	return nil, b.err
}

func (b broken) UpdateMany(context.Context, []string, alert.Change, string) ([]alert.Outcome, error) {
	return nil, b.err
}

func (b broken) Explain(context.Context, string) (*alert.Explanation, error) { return nil, b.err }

func (b broken) Events(context.Context, event.Query) iter.Seq2[*event.Record, error] {
	return fails[*event.Record](b.err)
}

func (b broken) DeadLetters(context.Context, tvilling.DeviceID, event.Position) iter.Seq2[*event.DeadLetter, error] {
	return fails[*event.DeadLetter](b.err)
}

func (broken) Changed() <-chan struct{} { return make(chan struct{}) }

func (b broken) Get(string) (detect.View, error) { return detect.View{}, b.err }

func (broken) List() []detect.View { return nil }

func (b broken) Configure(context.Context, string, *bool, map[string]int64, string) (detect.View, error) {
	return detect.View{}, b.err
}

func (b broken) Check(string) (*detect.Info, error) { return nil, b.err }

func (b broken) Trial(string) (*detect.Trial, error) { return nil, b.err }

func (b broken) Rule(string) (string, error) { return "", b.err }

func (b broken) PutRule(context.Context, string, string, string) (detect.View, error) {
	return detect.View{}, b.err
}

func (b broken) DeleteRule(context.Context, string, string) error { return b.err }

func (b broken) Report(context.Context, tvilling.DeviceID) (*securityapi.DeviceReport, error) {
	return nil, b.err
}

func (b broken) Figures(context.Context) (*fleet.Figures, error) { return nil, b.err }

func (b broken) Status(context.Context) ([]securityapi.Sink, error) { return nil, b.err }

func (b broken) Test(context.Context, string, string) (securityapi.TestOutcome, error) {
	return securityapi.TestOutcome{}, b.err
}
func (b broken) Replay(context.Context, string, uint64, string) error { return b.err }

// brokenTwins is apart, as detections have a Get, too.
type brokenTwins struct{ broken }

func (b brokenTwins) Get(context.Context, tvilling.Identity) (twin.View, error) {
	return twin.View{}, b.err
}

func (b brokenTwins) Patch(context.Context, tvilling.Identity, twin.Update, tvilling.Match, string) (twin.View, error) {
	return twin.View{}, b.err
}

func fails[T any](err error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		yield(none, err)
	}
}

func (b broken) Page(context.Context, tvilling.DeviceID, timeline.Query) (*timeline.Page, error) {
	return nil, b.err
}

// TestFaults: a fault of a service is 500 on every route, its text stands in
// the log under the tracking id and nowhere else; one that has its code and
// message is told.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err    error
		status int
		want   string
	}{
		{errBroken, http.StatusInternalServerError, "The hub met an internal fault"},
		{&tvilling.Error{Code: tvilling.Unavailable, Op: "read", Message: "The store is closed.", Err: errBroken}, http.StatusServiceUnavailable, "The store is closed."},
		{context.DeadlineExceeded, http.StatusInternalServerError, "could not finish the request in time"},
	} {
		b := broken{tt.err}
		h := newHub(t, func(o *securityapi.Options) {
			o.Ledger, o.Alerts, o.Events, o.Detections, o.Devices, o.Fleet, o.Sinks, o.Timeline = b, b, b, b, b, b, b, b
			o.Twins = brokenTwins{b}
		})
		for _, r := range h.handler.Routes() {
			target := strings.TrimPrefix(regexp.MustCompile(`\{\w+\}`).ReplaceAllString(r.Pattern, "users"), "/tvilling/security/")
			switch {
			case r.Open, target == "recommendations/types", target == "detections" || r.Stream:
				continue // these ask nobody, or are in TestExportCut and TestFollowDamaged
			case strings.HasSuffix(target, "/summary"):
				target += "?by=device"
			case strings.HasSuffix(target, "/replay"):
				target += "?after=1"
			}
			body := `{"note":"","enabled":true}`
			switch r.Method + " " + target {
			case "PATCH alerts/users":
				body = `{"note":""}`
			case "PATCH detections/users":
				body = `{"enabled":true}`
			case "POST alerts/update":
				body = `{"ids":["a"],"change":{"note":""}}`
			}
			w := h.do(t, "security", r.Method, target, body)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) || strings.Contains(w.Body.String(), errBroken.Error()) {
				t.Errorf("%s: got %d %s, want %d %q", r.Name(), w.Code, w.Body, tt.status, tt.want)
			}
			var said struct{ ExceptionMessage string }
			if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil {
				t.Fatal(err)
			}
			id, _, _ := strings.Cut(strings.TrimPrefix(said.ExceptionMessage, "Tracking ID:"), "-")
			if len(id) != 32 || !strings.Contains(h.log.String(), "tracking_id="+id) {
				t.Errorf("%s: the log has nothing under %q", r.Name(), id)
			}
		}
	}
}

// TestDamagedPayload: a stored payload that is no JSON spoils no page.
func TestDamagedPayload(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.events.add("d1", "Custom", `[`)
	h.events.add("d1", "Custom", `[1]`)
	w := h.must(t, http.StatusOK, "security", http.MethodGet, "events", "")
	if !strings.Contains(w.Body.String(), `"position":"2.0"`) || !strings.Contains(w.Body.String(), `"damaged":1`) {
		t.Errorf("got %s", w.Body)
	}
}

// TestReadyPatch: a ready patch that is none is a fault of the hub, and a
// recommendation that is resolved is not applied.
func TestReadyPatch(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	h.Register(t, tvilling.Device("d1"))
	h.advise(t, &ledger.Recommendation{Device: "d1", Type: "bad", Module: tvilling.SecurityModule, Patch: json.RawMessage(`{"properties":{"desired":7}}`)})
	h.must(t, http.StatusInternalServerError, "security", http.MethodPost, "recommendations/bad/d1/apply", "")
	h.change(t, func(tx *ledger.Tx) error {
		r, err := tx.Recommendation("d1", "bad")
		if err != nil {
			return err
		}
		r.State = ledger.Mended
		return tx.PutRecommendation(r, "resolved", "hub:recommend")
	})
	w := h.must(t, http.StatusPreconditionFailed, "security", http.MethodPost, "recommendations/bad/d1/apply", "")
	if !strings.Contains(w.Body.String(), "nothing to apply") {
		t.Errorf("got %s", w.Body)
	}
	v, err := h.Twins.Get(t.Context(), tvilling.Identity{Device: "d1", Module: tvilling.SecurityModule})
	if err != nil || v.Version != 2 {
		t.Errorf("the twin has version %d, %v; want it unchanged", v.Version, err)
	}
}
