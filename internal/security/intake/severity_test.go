package intake_test

import (
	"testing"
	"testing/synctest"

	"github.com/tvilling/tvilling/internal/security/detect"
	"github.com/tvilling/tvilling/internal/security/event"
	"github.com/tvilling/tvilling/internal/security/ledger"
)

// grave is a detection of severity low that takes programs in /grave for
// medium, and says of those in /slight that they are informational at least.
type grave struct{}

func (grave) Info() *detect.Info {
	return &detect.Info{ID: "grave", Type: "IoT_Grave", Title: "Grave", Severity: ledger.Low, Source: detect.Builtin, Version: "1"}
}

func (grave) Kinds() []event.Kind { return []event.Kind{event.ProcessCreateKind} }

func (grave) Observe(s detect.Scope, e *event.Event, _ detect.Values) {
	f := detect.Finding{Hits: 1, Time: e.Time, Event: e}
	switch p := e.Items[0].(*event.ProcessCreate); p.Executable { //nolint:forcetypeassert // it asks for no other kind
	case "/grave":
		f.Least = ledger.Medium
	case "/slight":
		f.Least = ledger.Informational
	case "/low":
	default:
		return
	}
	s.Report(f)
}

// TestFindingRaisesSeverity holds that an alert has the severity of its
// gravest finding, and at least that of its detection.
func TestFindingRaisesSeverity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		_, stop := w.run()
		defer stop()
		for _, c := range []struct {
			executable string
			want       ledger.Severity
		}{{"/slight", ledger.Low}, {"/grave", ledger.Medium}, {"/low", ledger.Medium}} {
			w.send(body(started("e"+c.executable, c.executable, c.executable)))
			synctest.Wait()
			var got []ledger.Severity
			for a, err := range w.ledger.Store().Alerts(t.Context(), ledger.AlertFilter{}, "") {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, a.Severity)
			}
			if len(got) != 1 || got[0] != c.want {
				t.Fatalf("after %s alerts of severity %v, want one of %v", c.executable, got, c.want)
			}
		}
	})
}
